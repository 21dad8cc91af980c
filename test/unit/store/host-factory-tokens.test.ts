/** Tokens of host factories are facts: kept, folded and protected as the others are. */

import { describe, expect, test } from "bun:test";
import type { Store } from "../../../src/model/ports";
import type { Change } from "../../../src/model/types";
import { openEngine } from "../../../src/store/engine";
import { failureFrom } from "../../contract/authenticator";
import { acme, globex, now, putAccount, removeFoldersAfterwards, role, storeOnDisk, variable } from "./fixture";

removeFoldersAfterwards();

const factory = role("host_factory:apps");
const digest = (letter: string): string => letter.repeat(64);
const putFactory: Change = { type: "put_resource", resource: { id: factory, owner: role("user:admin"), createdAt: now } };
const putToken = (letter: string, of = factory): Change => ({
  type: "put_host_factory_token",
  token: { factory: of, digest: digest(letter), createdAt: now, expiresAt: now + 60_000, networks: ["10.0.0.0/8"] },
});
const putExpiry: Change = { type: "put_secret_expiry", expiry: { resource: variable("db"), version: 1, expiresAt: now } };

const commit = (store: Store, changes: readonly Change[]) =>
  store.commit(changes, { account: acme, expected: store.position().revision, now });

async function changesIn(store: Store): Promise<readonly Change[]> {
  return (await store.load()).commits.flatMap(({ changes }) => changes);
}

describe("a host factory's tokens in the store", () => {
  test("come back as they were put, after a restart and after a compaction", async () => {
    const disk = await storeOnDisk();
    const first = await disk.open();
    await commit(first, [putAccount(), putFactory, putToken("a"), putToken("b"), putExpiry]);
    await first.close();
    const second = await disk.open();
    expect(await changesIn(second)).toEqual([putAccount(), putFactory, putToken("a"), putToken("b"), putExpiry]);
    await second.compact();
    await second.close();
    const third = await disk.open();
    expect(await changesIn(third)).toEqual([putAccount(), putFactory, putToken("a"), putToken("b"), putExpiry]);
    await third.close();
  });

  test("are gone from a compacted log when they were revoked, or their factory was removed", async () => {
    const disk = await storeOnDisk();
    const store = await disk.open();
    await commit(store, [putAccount(), putFactory, putToken("a"), putToken("b")]);
    await commit(store, [{ type: "remove_host_factory_token", factory, digest: digest("a") }]);
    await store.compact();
    await store.close();
    const again = await disk.open();
    expect(await changesIn(again)).toEqual([putAccount(), putFactory, putToken("b")]);
    await commit(again, [{ type: "remove_resource", id: factory }]);
    await again.compact();
    await again.close();
    const last = await disk.open();
    expect(await changesIn(last)).toEqual([putAccount()]);
    await last.close();
  });

  test("are held by the MAC: one put in by who has the file spoils the account and lets nobody in", async () => {
    const disk = await storeOnDisk();
    const store = await disk.open();
    await commit(store, [putAccount(), putFactory, putToken("a")]);
    await store.close();
    const engine = await openEngine(disk.path);
    const [from, to] = [digest("a"), digest("f")].map((each) => Buffer.from(each).toString("hex").toUpperCase());
    await engine.write([{ sql: `UPDATE commits SET body = unhex(replace(hex(body), '${from}', '${to}'))`, args: [] }]);
    await engine.close();
    const tampered = await disk.open();
    expect(await tampered.load()).toMatchObject({ damaged: [acme], commits: [] });
    await tampered.close();
  });

  test("belong to their own account's chain alone", async () => {
    const disk = await storeOnDisk();
    const store = await disk.open();
    const strays: readonly Change[] = [
      putToken("a", role("host_factory:apps", globex)),
      { type: "remove_host_factory_token", factory: role("host_factory:apps", globex), digest: digest("a") },
      { type: "put_secret_expiry", expiry: { resource: variable("db", globex), version: 1, expiresAt: now } },
    ];
    for (const stray of strays) expect(await failureFrom(() => commit(store, [putAccount(), stray]))).toMatchObject({ code: "internal" });
    await store.close();
  });
});
