import { describe, expect, test } from "bun:test";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Change, Commit } from "../../../src/model/types";
import { openEngine } from "../../../src/store/engine";
import { surviving } from "../../../src/store/fold";
import type { StoreControl } from "../../../src/store/store";
import { failureFrom } from "../../contract/authenticator";
import {
  acme,
  globex,
  now,
  putAccount,
  putCredential,
  putValue,
  putVariable,
  removeFoldersAfterwards,
  role,
  storeOnDisk,
  textOf,
  variable,
} from "./fixture";

removeFoldersAfterwards();

async function commitTo(store: StoreControl, ...changes: readonly Change[]): Promise<Commit> {
  return store.commit(changes, { account: acme, expected: store.position().revision, now });
}

describe("compaction", () => {
  test("keeps what survives, with its revisions, and drops the rest", async () => {
    const disk = await storeOnDisk();
    const store = await disk.open();
    await commitTo(store, putAccount(), putVariable("db"), putValue("db", 1, "one"), putVariable("gone"), putValue("gone", 1, "x"));
    await commitTo(store, putValue("db", 2, "two"), { type: "remove_resource", id: variable("gone") });
    await store.commit([putAccount(globex), putValue("db", 1, "globex's", globex)], { account: globex, expected: 0, now });
    const before = await store.load();
    await store.compact();
    const after = await store.load();
    expect(after.revision).toBe(3);
    for (const account of [acme, globex]) {
      const of = (commits: readonly Commit[]) => commits.filter((commit) => commit.account === account).flatMap(({ changes }) => changes);
      expect(of(after.commits)).toEqual([...surviving(of(before.commits))]);
    }
    expect(JSON.stringify(after)).not.toContain("gone");
    await store.close();
  });

  test("leaves a log that goes on: values open, commits chain, conflicts are seen, also after the next start", async () => {
    const disk = await storeOnDisk();
    const store = await disk.open();
    await commitTo(store, putAccount(), putVariable("db"), putValue("db", 1, "one"));
    await store.compact();
    await commitTo(store, putValue("db", 2, "two"));
    await store.compact();
    await commitTo(store, putValue("db", 3, "three"));
    await store.close();
    const again = await disk.open();
    expect((await again.load()).damaged).toEqual([]);
    expect([1, 2, 3].map((version) => textOf(again.secretValue(variable("db"), version)))).toEqual(["one", "two", "three"]);
    const late = () => again.commit([putVariable("late")], { account: acme, expected: 0, now });
    expect(await failureFrom(late)).toMatchObject({ code: "conflict" });
    expect((await commitTo(again, putVariable("next"))).revision).toBe(4);
    expect(await again.verify()).toEqual({ accounts: [], rows: [], unexpected: 0, checked: 3 });
    await again.close();
    expect(disk.logger.entries).toEqual([]);
  });

  test("tells a follower that is behind it to begin anew, and others what came since", async () => {
    const disk = await storeOnDisk();
    const store = await disk.open();
    await commitTo(store, putAccount());
    await commitTo(store, putVariable("db"));
    await store.compact();
    const third = await commitTo(store, putVariable("next"));
    const follow = async (revision: number): Promise<readonly Commit[]> => {
      const told: Commit[] = [];
      for await (const commit of store.changesAfter(revision)) told.push(commit);
      return told;
    };
    expect(await failureFrom(() => follow(1))).toMatchObject({ code: "stale" });
    expect(await follow(2)).toEqual([third]);
    await store.close();
  });

  test("of a removed account leaves neither name nor digest nor sealed row in the files", async () => {
    const disk = await storeOnDisk();
    const store = await disk.open();
    const digest = "ab".repeat(32);
    await store.commit(
      [
        putAccount(globex),
        putValue("traceless", 1, "v", globex),
        { type: "put_credential", credential: { role: role("host:app", globex), apiKeyDigest: digest, rotatedAt: now } },
      ],
      { account: globex, expected: 0, now },
    );
    await commitTo(store, putAccount(), putVariable("db"));
    await store.commit([{ type: "remove_account", account: globex }], { account: globex, expected: 2, now });
    await store.close();
    const bytes = readFileSync(disk.path);
    for (const trace of [digest, "traceless", "host:app"]) expect([trace, bytes.includes(trace)]).toEqual([trace, false]);
    expect(bytes.includes("acme:variable:db")).toBe(true);
  });

  test("of a removed host leaves no digest once the store was closed", async () => {
    const disk = await storeOnDisk();
    const store = await disk.open();
    await commitTo(store, putAccount(), putCredential("host:app", "key"));
    await commitTo(store, { type: "remove_resource", id: role("host:app") });
    await store.close();
    expect(readFileSync(disk.path).includes("0".repeat(64))).toBe(false);
  });
});

describe("the write-ahead log", () => {
  test("is brought into the file when it grows, without being asked", async () => {
    const disk = await storeOnDisk();
    const store = await disk.open();
    const wal = join(disk.folder, "postern.db-wal");
    for (let version = 1; version <= 12; version += 1) await commitTo(store, putValue("big", version, "x".repeat(1 << 20)));
    await store.checkpoint();
    expect(statSync(wal).size).toBe(0);
    for (let version = 13; version <= 24; version += 1) {
      await commitTo(store, putValue("big", version, "x".repeat(1 << 20)));
      expect(statSync(wal).size).toBeLessThan(8 << 20);
    }
    await store.close();
  });

  test("loses the wrap of a removed version within a minute of writing", async () => {
    const disk = await storeOnDisk();
    const store = await disk.open();
    await commitTo(store, putAccount(), putValue("db", 1, "one"));
    const removal: Change = { type: "remove_secret_version", resource: variable("db"), version: 1 };
    await commitTo(store, removal, putValue("db", 2, "two"));
    const wal = join(disk.folder, "postern.db-wal");
    expect(statSync(wal).size).toBeGreaterThan(0);
    disk.clock.advance(60_000);
    await commitTo(store, { ...removal, version: 2 });
    await store.verify();
    expect(statSync(wal).size).toBe(0);
    await store.close();
  });
});

describe("re-wrapping after a rotation", () => {
  const names = Array.from({ length: 1300 }, (_, index) => `v${index}`);
  const readsAll = (store: StoreControl): boolean =>
    names.every((name) => textOf(store.secretValue(variable(name), 1)) === `value of ${name}`);

  test("moves every row to the new generation, while every value opens, and frees the old one", async () => {
    const disk = await storeOnDisk();
    const store = await disk.open();
    await commitTo(store, putAccount(), ...names.map((name) => putValue(name, 1, `value of ${name}`)), putCredential("host:app", "key"));
    const { scopeKey, generation } = await disk.keyring.rotateScope(acme);
    expect(await store.generationsInUse()).toEqual(new Map([[scopeKey, new Set([1])]]));
    const run = store.rewrapAll();
    expect(store.rewrapProgress().isRunning).toBe(true);
    await commitTo(store, putValue("meanwhile", 1, "written meanwhile"));
    expect(readsAll(store)).toBe(true);
    expect(await run).toEqual({ done: 1302, failed: 0, total: 1301, isRunning: false });
    expect(await store.generationsInUse()).toEqual(new Map([[scopeKey, new Set([generation])]]));
    await disk.keyring.retireGenerations(scopeKey, new Set([generation]));
    expect(readsAll(store)).toBe(true);
    expect(textOf(await store.record("api_key", role("host:app")))).toBe("key");
    await store.close();
    const again = await disk.open();
    expect(readsAll(again)).toBe(true);
    await again.close();
  });

  test("interrupted by a stop goes on after the next start, and nothing is unreadable in between", async () => {
    const disk = await storeOnDisk();
    const store = await disk.open();
    await commitTo(store, putAccount(), ...names.map((name) => putValue(name, 1, `value of ${name}`)));
    const { scopeKey } = await disk.keyring.rotateScope(acme);
    const run = store.rewrapAll();
    await new Promise((resolve) => setImmediate(resolve));
    await store.close();
    expect((await run).done).toBe(512);
    const again = await disk.open();
    expect(await again.generationsInUse()).toEqual(new Map([[scopeKey, new Set([1, 2])]]));
    expect(readsAll(again)).toBe(true);
    expect((await again.rewrapAll()).failed).toBe(0);
    expect(await again.generationsInUse()).toEqual(new Map([[scopeKey, new Set([2])]]));
    expect(readsAll(again)).toBe(true);
    await again.close();
  });

  test("passes over a damaged row and counts it", async () => {
    const disk = await storeOnDisk();
    const store = await disk.open();
    await commitTo(store, putAccount(), putValue("db", 1, "one"), putValue("spoilt", 1, "two"));
    await store.close();
    const engine = await openEngine(disk.path);
    await engine.write([{ sql: "UPDATE sealed SET wrap = zeroblob(60) WHERE id = ?", args: [Buffer.from("acme:variable:spoilt")] }]);
    await engine.close();
    const again = await disk.open();
    await disk.keyring.rotateScope(acme);
    expect(await again.rewrapAll()).toMatchObject({ done: 2, failed: 1 });
    expect(textOf(again.secretValue(variable("db"), 1))).toBe("one");
    await again.close();
  });
});
