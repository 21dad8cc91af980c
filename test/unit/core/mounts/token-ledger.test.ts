import { describe, expect, test } from "bun:test";
import type { StoredToken } from "../../../../src/core/mounts/token-document";
import { createTokenLedger } from "../../../../src/core/mounts/token-ledger";
import { PosternError } from "../../../../src/model/failures";
import { parseRoleId } from "../../../../src/model/ids";
import type { TokenStore } from "../../../../src/model/ports";
import { createMemoryTokens } from "../../../../src/store/memory-tokens";
import { countTurns } from "../../../support/count-turns";
import { createTestClock, startOfTime } from "../../../support/house";

const now = startOfTime;
const ledgerOver = (store: TokenStore, clock = createTestClock()) => createTokenLedger(store, clock);

function token(name: string, more: Partial<StoredToken> = {}): StoredToken {
  return {
    digest: Buffer.from(name).toString("hex"),
    accessor: `accessor-${name}`,
    role: parseRoleId("acme:host:vault/token"),
    policies: ["default"],
    path: "auth/token/create",
    meta: null,
    displayName: "token",
    uses: 0,
    usesLeft: 0,
    isOrphan: more.parent === undefined,
    createdAt: now,
    creationTtlSeconds: 60,
    expiresAt: now + 60_000,
    explicitMaxSeconds: 0,
    periodSeconds: 0,
    isRenewable: true,
    boundCidrs: [],
    ...more,
  };
}

/** A store whose writes wait until they are let through, in order. */
function slowStore(store: TokenStore = createMemoryTokens()): TokenStore & { letGo(): void } {
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  return {
    ...store,
    letGo: () => release(),
    async write(steps) {
      await gate;
      await store.write(steps);
    },
  };
}

describe("the ledger of tokens", () => {
  test("lets no renewal bring a token back that was ended while the disk was busy", async () => {
    const store = createMemoryTokens();
    const first = await ledgerOver(store);
    await first.put(token("a"));
    const slow = slowStore();
    const ledger = await ledgerOver({ ...slow, load: store.load });
    const renewing = ledger.change(token("a", { expiresAt: now + 120_000 }));
    const ending = ledger.end(token("a").digest);
    slow.letGo();
    await Promise.all([renewing, ending]);
    expect(ledger.live(token("a").digest, now)).toBeUndefined();
    await expect(ledger.change(token("a"))).rejects.toThrow(PosternError);
  });

  test("lets no renewal give uses back", async () => {
    const ledger = await ledgerOver(createMemoryTokens());
    const limited = token("a", { uses: 3, usesLeft: 3 });
    await ledger.put(limited);
    await ledger.use(limited);
    await ledger.change({ ...limited, renewedAt: now });
    expect(ledger.live(limited.digest, now)?.usesLeft).toBe(2);
  });

  test("makes one of two tokens that choose the same text", async () => {
    const ledger = await ledgerOver(createMemoryTokens());
    const outcomes = await Promise.allSettled([ledger.put(token("a")), ledger.put(token("a", { policies: ["root"] }))]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(ledger.live(token("a").digest, now)?.policies).toEqual(["default"]);
  });

  test("follows a chain of children of any length, and ends all of it", async () => {
    const ledger = await ledgerOver(createMemoryTokens());
    const length = 20_000;
    await ledger.put(token("0"));
    for (let at = 1; at < length; at += 1) await ledger.put(token(String(at), { parent: token(String(at - 1)).digest }));
    const last = token(String(length - 1)).digest;
    expect(ledger.live(last, now)?.digest).toBe(last);
    await ledger.end(token("0").digest);
    expect([ledger.live(last, now), ledger.count()]).toEqual([undefined, 0]);
  });

  test("knows a child no longer than its parent, without anybody having swept", async () => {
    const ledger = await ledgerOver(createMemoryTokens());
    await ledger.put(token("parent", { expiresAt: now + 1000 }));
    await ledger.put(token("child", { parent: token("parent").digest }));
    expect(ledger.live(token("child").digest, now + 999)).toBeDefined();
    expect(ledger.live(token("child").digest, now + 1000)).toBeUndefined();
  });

  test("makes no child of a token that ended while the disk was busy, and leaves no row of it", async () => {
    const store = createMemoryTokens();
    const first = await ledgerOver(store);
    await first.put(token("parent"));
    const slow = slowStore(store);
    const ledger = await ledgerOver(slow);
    const making = ledger.put(token("child", { parent: token("parent").digest, expiresAt: 0 }));
    const ending = ledger.end(token("parent").digest);
    slow.letGo();
    const [made] = await Promise.allSettled([making, ending]);
    expect(made).toMatchObject({ status: "rejected", reason: { failure: { code: "not_found", because: "token_ended" } } });
    expect([ledger.count(), (await ledgerOver(store)).count()]).toEqual([0, 0]);
  });

  test("gives an orphan no use back that it was used while its parent went", async () => {
    const store = createMemoryTokens();
    const first = await ledgerOver(store);
    const child = token("child", { parent: token("parent").digest, uses: 3, usesLeft: 3 });
    await first.put(token("parent"));
    await first.put(child);
    const slow = slowStore(store);
    const ledger = await ledgerOver(slow);
    const orphaning = ledger.end(token("parent").digest, true);
    const present = ledger.live(child.digest, now);
    const using = present === undefined ? undefined : ledger.use(present);
    slow.letGo();
    await Promise.all([orphaning, using]);
    for (const each of [ledger, await ledgerOver(store)])
      expect(each.live(child.digest, now)).toMatchObject({ usesLeft: 2, isOrphan: true });
  });

  test("ends a tree that is as wide as it likes, and lets others be served meanwhile", async () => {
    const store = createMemoryTokens();
    const ledger = await ledgerOver(store);
    await ledger.put(token("parent"));
    for (let at = 0; at < 70_000; at += 1) await ledger.put(token(String(at), { parent: token("parent").digest }));
    const others = countTurns();
    await ledger.end(token("parent").digest);
    expect(ledger.count()).toBe(0);
    expect(others.stop()).toBeGreaterThan(20);
    expect((await ledgerOver(store)).count()).toBe(0);
  }, 60_000);

  test("lets go of children whose parents are gone, whatever became of them", async () => {
    const store = createMemoryTokens();
    await (await ledgerOver(store)).put(token("parent"));
    const first = await ledgerOver(store);
    await first.put(token("child", { parent: token("parent").digest, expiresAt: 0 }));
    await store.write([{ step: "remove", digest: token("parent").digest }]);
    const ledger = await ledgerOver(store);
    expect(ledger.live(token("child").digest, now)).toBeUndefined();
    await ledger.sweep(now);
    expect([ledger.count(), (await ledgerOver(store)).count()]).toEqual([0, 0]);
  });
});

describe("the last use of a token", () => {
  const once = token("once", { uses: 1, usesLeft: 1 });

  test("is one of many, and the token is there for that one until it is done", async () => {
    const store = createMemoryTokens();
    const ledger = await ledgerOver(store);
    await ledger.put(once);
    expect(await ledger.use(once)).toBe(true);
    expect([ledger.live(once.digest, now), ledger.shown(once.digest, now)?.usesLeft]).toEqual([undefined, -1]);
    await expect(ledger.put(once)).rejects.toThrow(PosternError);
    await ledger.finish(once.digest);
    expect(ledger.shown(once.digest, now)).toBeUndefined();
  });

  test("is not to be had again after a crash in the middle of it", async () => {
    const store = createMemoryTokens();
    const ledger = await ledgerOver(store);
    await ledger.put(once);
    await ledger.use(once);
    const after = await ledgerOver(store);
    expect([after.live(once.digest, now), after.shown(once.digest, now), after.count()]).toEqual([undefined, undefined, 0]);
    expect(await store.belonging(once.digest, "")).toBeUndefined();
  });
});

test("a token that was just made is told to live as long as it was asked to, however long its making took; and ends on time", async () => {
  const clock = createTestClock();
  const ledger = await ledgerOver(createMemoryTokens(), clock);
  const arrived = clock.now();
  clock.advance(40);
  const made = token("a");
  await ledger.put(made);
  clock.advance(5);
  expect(ledger.leftMs(made, arrived)).toBe(60_000);
  clock.advance(59_954);
  expect(ledger.live(made.digest, clock.now())).toBeDefined();
  clock.advance(1);
  expect(ledger.live(made.digest, clock.now())).toBeUndefined();
});

const year = 365 * 86_400_000;

describe("a wall clock that is set wrong", () => {
  test.each([-year, -86_400_000, -61_000])("by %d ms gives no token a longer life", async (step) => {
    const clock = createTestClock();
    const ledger = await ledgerOver(createMemoryTokens(), clock);
    const limited = token("a", { uses: 9, usesLeft: 9 });
    await ledger.put(limited);
    await ledger.put(token("child", { parent: limited.digest, expiresAt: now + 10 * year }));
    clock.advance(30_000);
    clock.setWall(clock.now() + step);
    expect(ledger.leftMs(limited, clock.now())).toBe(30_000);
    // Using it is no renewal.
    await ledger.use(limited);
    clock.advance(29_999);
    expect(ledger.live(limited.digest, clock.now())).toBeDefined();
    clock.advance(1);
    for (const name of ["a", "child"]) expect(ledger.live(token(name).digest, clock.now())).toBeUndefined();
    await ledger.sweep(clock.now());
    expect(ledger.count()).toBe(0);
  });

  test("forwards ends tokens by it at once", async () => {
    const clock = createTestClock();
    const ledger = await ledgerOver(createMemoryTokens(), clock);
    await ledger.put(token("a"));
    clock.setWall(now + year);
    expect(ledger.live(token("a").digest, clock.now())).toBeUndefined();
  });

  test("makes no token younger than it is", async () => {
    const clock = createTestClock();
    const ledger = await ledgerOver(createMemoryTokens(), clock);
    await ledger.put(token("a", { expiresAt: now + year }));
    clock.advance(5000);
    clock.setWall(now - year);
    expect(ledger.ageMs(token("a"), clock.now())).toBe(5000);
    await ledger.change(token("a", { renewedAt: clock.now(), expiresAt: clock.now() + 60_000 }));
    expect(ledger.ageMs(token("a"), clock.now())).toBe(5000);
    clock.advance(60_000);
    expect(ledger.live(token("a").digest, clock.now())).toBeUndefined();
  });

  test("while nobody looked gives a token the time that it was made for and not more", async () => {
    const clock = createTestClock();
    const store = createMemoryTokens();
    await (await ledgerOver(store, clock)).put(token("a"));
    clock.setWall(now - year);
    const after = await ledgerOver(store, clock);
    clock.advance(60_000);
    expect(after.live(token("a").digest, clock.now())).toBeUndefined();
  });
});
