import { describe, expect, test } from "bun:test";
import { createTokenLedger, type StoredToken } from "../../../../src/core/mounts/token-ledger";
import { PosternError } from "../../../../src/model/failures";
import { parseRoleId } from "../../../../src/model/ids";
import type { TokenStore } from "../../../../src/model/ports";
import { createMemoryTokens } from "../../../../src/store/memory-tokens";

const now = 1_764_000_000_000;

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
function slowStore(): TokenStore & { letGo(): void } {
  const store = createMemoryTokens();
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
    const first = await createTokenLedger(store, now);
    await first.put(token("a"));
    const slow = slowStore();
    const ledger = await createTokenLedger({ ...slow, load: store.load }, now);
    const renewing = ledger.change(token("a", { expiresAt: now + 120_000 }));
    const ending = ledger.end(token("a").digest);
    slow.letGo();
    await Promise.all([renewing, ending]);
    expect(ledger.live(token("a").digest, now)).toBeUndefined();
    await expect(ledger.change(token("a"))).rejects.toThrow(PosternError);
  });

  test("lets no renewal give uses back", async () => {
    const ledger = await createTokenLedger(createMemoryTokens(), now);
    const limited = token("a", { uses: 3, usesLeft: 3 });
    await ledger.put(limited);
    await ledger.use(limited);
    await ledger.change({ ...limited, renewedAt: now });
    expect(ledger.live(limited.digest, now)?.usesLeft).toBe(2);
  });

  test("makes one of two tokens that choose the same text", async () => {
    const ledger = await createTokenLedger(createMemoryTokens(), now);
    const outcomes = await Promise.allSettled([ledger.put(token("a")), ledger.put(token("a", { policies: ["root"] }))]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(ledger.live(token("a").digest, now)?.policies).toEqual(["default"]);
  });

  test("follows a chain of children of any length, and ends all of it", async () => {
    const ledger = await createTokenLedger(createMemoryTokens(), now);
    const length = 20_000;
    await ledger.put(token("0"));
    for (let at = 1; at < length; at += 1) await ledger.put(token(String(at), { parent: token(String(at - 1)).digest }));
    const last = token(String(length - 1)).digest;
    expect(ledger.live(last, now)?.digest).toBe(last);
    await ledger.end(token("0").digest);
    expect([ledger.live(last, now), ledger.count()]).toEqual([undefined, 0]);
  });

  test("knows a child no longer than its parent, without anybody having swept", async () => {
    const ledger = await createTokenLedger(createMemoryTokens(), now);
    await ledger.put(token("parent", { expiresAt: now + 1000 }));
    await ledger.put(token("child", { parent: token("parent").digest }));
    expect(ledger.live(token("child").digest, now + 999)).toBeDefined();
    expect(ledger.live(token("child").digest, now + 1000)).toBeUndefined();
  });
});
