import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { StoreControl } from "../../../src/store/store";
import { storeExists } from "../../../src/store/store";
import { failureFrom } from "../../contract/authenticator";
import {
  acme,
  globex,
  memoryKeyring,
  newFolder,
  now,
  putAccount,
  putCredential,
  putValue,
  putVariable,
  removeFoldersAfterwards,
  role,
  type StoreOnDisk,
  storeOnDisk,
  textOf,
  variable,
} from "./fixture";

removeFoldersAfterwards();

async function withValue(): Promise<StoreOnDisk> {
  const disk = await storeOnDisk();
  const store = await disk.open();
  await store.commit([putAccount(), putVariable("db"), putValue("db", 1, "one")], { account: acme, expected: 0, now });
  await store.close();
  return disk;
}

async function addValue(store: StoreControl, version: number): Promise<void> {
  await store.commit([putValue("db", version, `value ${version}`)], { account: acme, expected: store.position().revision, now });
}

const mode = (path: string): number => statSync(path).mode & 0o777;

describe("a store that is opened again", () => {
  test("tells the same commits and opens the same values", async () => {
    const disk = await storeOnDisk();
    const first = await disk.open();
    await first.commit([putAccount(), putVariable("db"), putValue("db", 1, "one")], { account: acme, expected: 0, now });
    await first.commit([putAccount(globex), putValue("db", 1, "globex's", globex)], { account: globex, expected: 0, now: now + 5 });
    await first.commit([putCredential("host:app", "key")], { account: acme, expected: 1, now });
    const before = await first.load();
    await first.close();
    const second = await disk.open();
    expect(await second.load()).toEqual(before);
    expect(textOf(second.secretValue(variable("db"), 1))).toBe("one");
    expect(textOf(second.secretValue(variable("db", globex), 1))).toBe("globex's");
    expect(textOf(await second.record("api_key", role("host:app")))).toBe("key");
    expect(second.position().revision).toBe(3);
    await second.close();
    expect(disk.logger.entries).toEqual([]);
  });

  test("still refuses what was planned before facts changed", async () => {
    const disk = await withValue();
    const store = await disk.open();
    const late = () => store.commit([putVariable("late")], { account: acme, expected: 0, now });
    expect(await failureFrom(late)).toMatchObject({ code: "conflict" });
    await store.close();
  });

  test("verifies what a former root key signed, after any number of rotations", async () => {
    const disk = await withValue();
    for (let round = 2; round < 5; round += 1) {
      await disk.keyring.rotateRoot();
      const store = await disk.open();
      await addValue(store, round);
      await store.close();
    }
    const store = await disk.open();
    expect((await store.load()).damaged).toEqual([]);
    expect([1, 2, 3, 4].map((version) => textOf(store.secretValue(variable("db"), version)))).toEqual([
      "one",
      "value 2",
      "value 3",
      "value 4",
    ]);
    await store.close();
  });

  test("takes nothing any more once it is closed", async () => {
    const disk = await withValue();
    const store = await disk.open();
    await store.close();
    await store.close();
    expect(await failureFrom(() => addValue(store, 2))).toMatchObject({ code: "internal" });
  });
});

describe("who may have the store", () => {
  test("folder and files are closed to others, whatever the umask", async () => {
    const former = process.umask(0);
    try {
      const disk = await storeOnDisk();
      const store = await disk.open();
      await store.commit([putAccount()], { account: acme, expected: 0, now });
      expect(mode(disk.folder)).toBe(0o700);
      for (const name of ["postern.db", "postern.db-wal", "high-water.json"])
        expect([name, mode(join(disk.folder, name))]).toEqual([name, 0o600]);
      await store.close();
    } finally {
      process.umask(former);
    }
  });

  test("loosened modes are put right, and said", async () => {
    const disk = await withValue();
    chmodSync(disk.folder, 0o755);
    chmodSync(disk.path, 0o644);
    const store = await disk.open();
    expect([mode(disk.folder), mode(disk.path)]).toEqual([0o700, 0o600]);
    expect(disk.logger.entries.map(({ event }) => event)).toEqual(["store_folder_closed_to_others", "store_file_closed_to_others"]);
    await store.close();
  });

  test("a link in the place of the database is refused", async () => {
    const disk = await storeOnDisk();
    const elsewhere = join(newFolder(), "other.db");
    writeFileSync(elsewhere, "", { mode: 0o600 });
    mkdirSync(disk.folder, { mode: 0o700 });
    symlinkSync(elsewhere, disk.path);
    expect(await failureFrom(() => disk.open())).toMatchObject({ code: "malformed" });
    expect(readFileSync(elsewhere)).toHaveLength(0);
  });

  test("a second opener is told that the store is in use, and the first goes on", async () => {
    const disk = await withValue();
    const first = await disk.open();
    expect(await failureFrom(() => disk.open())).toMatchObject({ code: "conflict", because: "store_in_use" });
    await addValue(first, 2);
    await first.close();
    const second = await disk.open();
    expect(textOf(second.secretValue(variable("db"), 2))).toBe("value 2");
    await second.close();
  });

  test("a sealed keyring opens nothing and leaves nothing behind", async () => {
    const disk = await storeOnDisk();
    disk.keyring.lock();
    expect(await failureFrom(() => disk.open())).toMatchObject({ code: "sealed", reason: "locked" });
    expect(existsSync(disk.folder)).toBe(false);
  });

  test("the keyring of another installation is refused", async () => {
    const disk = await withValue();
    const keyring = await memoryKeyring([acme], { bytes: (count) => crypto.getRandomValues(new Uint8Array(count)) });
    expect(await failureFrom(() => disk.open({ keyring }))).toMatchObject({ code: "integrity", because: "store_of_another_deployment" });
  });
});

describe("a store that lost data", () => {
  const losses: readonly (readonly [string, (disk: StoreOnDisk) => void])[] = [
    ["the file is gone", ({ path }) => rmSync(path)],
    ["the file is empty", ({ path }) => truncateSync(path, 0)],
    ["the file is cut to one page", ({ path }) => truncateSync(path, 4096)],
    ["the file is cut inside a page", ({ path }) => truncateSync(path, 5000)],
    ["the file is something else", ({ path }) => writeFileSync(path, "not a database at all, but long enough to look at ".repeat(200))],
  ];
  test.each(losses)("refuses to open, and to begin anew, when %s", async (_what, lose) => {
    const disk = await withValue();
    lose(disk);
    for (const acceptRollback of [false, true]) {
      expect(await failureFrom(() => disk.open({ acceptRollback }))).toMatchObject({ code: "integrity", because: "store_damaged" });
    }
    expect(storeExists(disk.files, disk.path)).toBe(true);
  });

  test("refuses to go on from an older copy of the database", async () => {
    const disk = await withValue();
    copyFileSync(disk.path, `${disk.path}.backup`);
    const store = await disk.open();
    await addValue(store, 2);
    await store.close();
    copyFileSync(`${disk.path}.backup`, disk.path);
    expect(await failureFrom(() => disk.open())).toMatchObject({ code: "integrity", because: "store_rolled_back" });
  });

  test("goes on from it when told to: in a new epoch, above every revision ever given out, and says so", async () => {
    const disk = await withValue();
    copyFileSync(disk.path, `${disk.path}.backup`);
    const store = await disk.open();
    for (const version of [2, 3, 4]) await addValue(store, version);
    await store.close();
    copyFileSync(`${disk.path}.backup`, disk.path);
    const restored = await disk.open({ acceptRollback: true });
    expect([restored.epoch, restored.acceptedRollback]).toEqual([2, true]);
    expect(disk.logger.entries).toContainEqual({
      level: "warn",
      event: "rollback_accepted",
      fields: { because: "store_rolled_back", epoch: 2, revision: 1 },
    });
    const commit = await restored.commit([putValue("db", 2, "again")], { account: acme, expected: 4, now });
    expect(commit.revision).toBe(5);
    await restored.close();
    const later = await disk.open();
    expect([later.epoch, later.acceptedRollback, textOf(later.secretValue(variable("db"), 2))]).toEqual([2, false, "again"]);
    await later.close();
  });

  test("opens again without a word after a rollback was accepted and nothing written since", async () => {
    const disk = await withValue();
    copyFileSync(disk.path, `${disk.path}.backup`);
    const store = await disk.open();
    await addValue(store, 2);
    await store.close();
    copyFileSync(`${disk.path}.backup`, disk.path);
    await (await disk.open({ acceptRollback: true })).close();
    const later = await disk.open();
    expect([later.epoch, later.acceptedRollback]).toEqual([2, false]);
    await later.close();
  });

  test("refuses a database whose mark was taken away, or does not hold", async () => {
    const disk = await withValue();
    const path = join(disk.folder, "high-water.json");
    const mark = readFileSync(path, "utf8");
    writeFileSync(path, mark.replace('"revision":1', '"revision":0'));
    expect(await failureFrom(() => disk.open())).toMatchObject({ code: "integrity", because: "store_rolled_back" });
    rmSync(path);
    expect(await failureFrom(() => disk.open())).toMatchObject({ code: "integrity", because: "high_water_missing" });
    const accepted = await disk.open({ acceptRollback: true });
    expect(textOf(accepted.secretValue(variable("db"), 1))).toBe("one");
    // Nothing tells how far it had come, so the next revision is far beyond anything it can have been.
    expect((await accepted.commit([putAccount()], { account: acme, expected: 2 ** 30, now })).revision).toBeGreaterThan(2 ** 20);
    await accepted.close();
  });

  test("begins where its making was interrupted before there was any data", async () => {
    const disk = await storeOnDisk();
    await (await disk.open()).close();
    rmSync(disk.path);
    const store = await disk.open();
    await store.commit([putAccount()], { account: acme, expected: 0, now });
    await store.close();
  });

  test("refuses the tables of a newer Postern, and leaves them alone", async () => {
    const disk = await withValue();
    const { openEngine } = await import("../../../src/store/engine");
    const engine = await openEngine(disk.path);
    await engine.write([{ sql: "PRAGMA user_version=99", args: [] }]);
    await engine.close();
    const before = readFileSync(disk.path);
    expect(await failureFrom(() => disk.open())).toMatchObject({ code: "unsupported", because: "store_newer" });
    expect(readFileSync(disk.path).includes(before.subarray(4096))).toBe(true);
  });
});
