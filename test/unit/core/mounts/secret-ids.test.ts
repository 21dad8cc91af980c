import { describe, expect, test } from "bun:test";
import { createSecretIds, type SecretIds } from "../../../../src/core/mounts/secret-ids";
import { parseRoleId } from "../../../../src/model/ids";
import type { TokenStore } from "../../../../src/model/ports";
import { createMemoryTokens } from "../../../../src/store/memory-tokens";
import { createTestClock, secret, startOfTime } from "../../../support/house";

const role = parseRoleId("acme:host:vault/role/approle/ci");
const year = 365 * 86_400_000;

const fresh = (accessor: string, more: Partial<Parameters<SecretIds["put"]>[0]> = {}): Parameters<SecretIds["put"]>[0] => ({
  mountAccessor: "auth_approle_1",
  role,
  accessor,
  createdAt: startOfTime,
  updatedAt: startOfTime,
  expiresAt: startOfTime + 60_000,
  ttlSeconds: 60,
  usesLeft: 0,
  networks: [],
  tokenNetworks: [],
  metadata: {},
  ...more,
});

/** What a store still has, read anew. */
async function kept(store: TokenStore, clock = createTestClock()): Promise<SecretIds> {
  const secretIds = createSecretIds(store, clock);
  for await (const page of store.load(clock.now())) for (const record of page) secretIds.takes(record);
  return secretIds;
}

describe("secret-ids", () => {
  test("of two that are given the same text at the same time, one is made", async () => {
    const secretIds = createSecretIds(createMemoryTokens(), createTestClock());
    const outcomes = await Promise.allSettled(["a", "b"].map((accessor) => secretIds.put(fresh(accessor), secret("same"))));
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(secretIds.accessors(role, 0, startOfTime)).toEqual(["a"]);
  });

  test("live no longer for a clock that is set back, also over a use", async () => {
    const clock = createTestClock();
    const secretIds = createSecretIds(createMemoryTokens(), clock);
    await secretIds.put(fresh("a", { usesLeft: 5 }), secret("one"));
    clock.setWall(startOfTime - year);
    const find = () => secretIds.find(role, secret("one"), clock.now());
    clock.advance(30_000);
    const found = find();
    if (found !== undefined) await secretIds.use(found, clock.now());
    expect(find()?.usesLeft).toBe(4);
    clock.advance(30_000);
    expect([find(), secretIds.byAccessor(role, "a", clock.now())]).toEqual([undefined, undefined]);
    await secretIds.tidy(clock.now());
    expect(secretIds.count()).toBe(0);
  });

  test("that were read anew live no longer than they were made for", async () => {
    const store = createMemoryTokens();
    await createSecretIds(store, createTestClock()).put(fresh("a"), secret("one"));
    const clock = createTestClock();
    clock.setWall(startOfTime - year);
    const secretIds = await kept(store, clock);
    expect(secretIds.find(role, secret("one"), clock.now())).toBeDefined();
    clock.advance(60_000);
    expect(secretIds.find(role, secret("one"), clock.now())).toBeUndefined();
  });

  test("of a role that was made again are not listed, and what is lost is let go of in the store too", async () => {
    const store = createMemoryTokens();
    const secretIds = createSecretIds(store, createTestClock());
    for (let at = 0; at < 3000; at += 1) await secretIds.put(fresh(`a${at}`, { expiresAt: 0 }), secret(`one ${at}`));
    await secretIds.put(fresh("later", { expiresAt: 0, createdAt: startOfTime + 1 }), secret("later"));
    expect(secretIds.accessors(role, startOfTime + 1, startOfTime + 1)).toEqual(["later"]);
    await secretIds.tidy(startOfTime, ({ createdAt }) => createdAt === startOfTime);
    expect([secretIds.count(), (await kept(store)).count()]).toEqual([1, 1]);
  });
});
