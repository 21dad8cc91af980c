/** Rows made up by somebody who has the files and not the keys, to pass an old state for the present one. */

import { describe, expect, test } from "bun:test";
import { copyFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openEngine } from "../../../src/store/engine";
import { failureFrom } from "../../contract/authenticator";
import {
  acme,
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

async function sql(disk: StoreOnDisk, statement: string): Promise<void> {
  const engine = await openEngine(disk.path);
  try {
    await engine.write([{ sql: statement, args: [] }]);
  } finally {
    await engine.close();
  }
}

/** A store whose second commit revokes what the first allowed, and a copy of the database from before. */
async function revoked(isCompacted: boolean): Promise<StoreOnDisk & { putBack(): void }> {
  const disk = await storeOnDisk();
  const before = await disk.open();
  await before.commit([putAccount(), putVariable("db"), putCredential("host:app", "key"), putValue("db", 1, "one")], {
    account: acme,
    expected: 0,
    now,
  });
  if (isCompacted) await before.compact();
  await before.close();
  copyFileSync(disk.path, `${disk.path}.before`);
  const store = await disk.open();
  await store.commit([{ type: "remove_credential", role: role("host:app") }], { account: acme, expected: 1, now });
  await store.close();
  return { ...disk, putBack: () => copyFileSync(`${disk.path}.before`, disk.path) };
}

const forgedSnapshot = (account: string): string =>
  `INSERT OR REPLACE INTO snapshots VALUES (CAST('${account}' AS BLOB), 999, 999, 0, 1, zeroblob(32), zeroblob(32), CAST('[]' AS BLOB))`;

describe("an older copy of the database", () => {
  test.each([
    ["a head of an account that nobody knows", "INSERT INTO heads VALUES (CAST('zzz' AS BLOB), 999, zeroblob(32))"],
    [
      "a commit of an account that nobody knows",
      "INSERT INTO commits VALUES (999, 0, 1, CAST('zzz' AS BLOB), zeroblob(32), CAST('[]' AS BLOB))",
    ],
    ["a snapshot of an account that nobody knows", forgedSnapshot("zzz")],
    ["a snapshot of an account without a name", forgedSnapshot("")],
    ["a higher epoch and floor", "UPDATE meta SET value = CAST('999' AS BLOB) WHERE key IN (CAST('epoch' AS BLOB), CAST('floor' AS BLOB))"],
  ])("does not pass for the present one with %s in it", async (_what, forged) => {
    for (const isCompacted of [false, true]) {
      const disk = await revoked(isCompacted);
      disk.putBack();
      await sql(disk, forged);
      expect(await failureFrom(() => disk.open())).toMatchObject({ code: "integrity", because: "store_rolled_back" });
    }
  });
});

describe("the present database", () => {
  test.each([
    ["a head", "INSERT INTO heads VALUES (CAST('zzz' AS BLOB), 999, zeroblob(32))"],
    ["a commit", "INSERT INTO commits VALUES (999, 0, 1, CAST('zzz' AS BLOB), zeroblob(32), CAST('[]' AS BLOB))"],
    ["a snapshot", forgedSnapshot("zzz")],
  ])("serves its accounts beside %s that somebody made up for another", async (_what, forged) => {
    const disk = await revoked(false);
    await sql(disk, forged);
    const store = await disk.open();
    expect(await store.load()).toMatchObject({ damaged: ["zzz"] });
    expect(textOf(store.secretValue(variable("db"), 1))).toBe("one");
    expect(await store.record("api_key", role("host:app"))).toBeUndefined();
    await store.commit([putValue("db", 2, "two")], { account: acme, expected: store.position().revision, now });
    await store.close();
    const again = await disk.open();
    expect(textOf(again.secretValue(variable("db"), 2))).toBe("two");
    await again.close();
  });
});

describe("an accepted rollback", () => {
  test("never gives a revision out again, so that no row of the lost branch fits in its place", async () => {
    const disk = await revoked(false);
    const lost = await disk.open();
    await lost.commit([putValue("db", 2, "lost")], { account: acme, expected: 2, now });
    await lost.close();
    const lostRow = await readRow(disk, 2);
    disk.putBack();
    const accepted = await disk.open({ acceptRollback: true });
    await accepted.close();
    // Whoever can write the database tries to make the store forget what was given out.
    await sql(disk, "UPDATE meta SET value = CAST('0' AS BLOB) WHERE key = CAST('floor' AS BLOB)");
    const store = await disk.open();
    await store.commit([putVariable("other")], { account: acme, expected: store.position().revision, now });
    const { revision } = await store.commit([putValue("db", 2, "present")], { account: acme, expected: store.position().revision, now });
    await store.close();
    expect(revision).toBeGreaterThan(lostRow.revision);
  });
});

async function readRow(disk: StoreOnDisk, version: number): Promise<{ readonly revision: number }> {
  const engine = await openEngine(disk.path);
  try {
    const [row] = await engine.select({ integers: ["revision"], blobs: ["body"], from: "sealed WHERE version = ?", args: [version] });
    if (row === undefined) throw new Error("there is no such row");
    return { revision: row.integers[0] ?? 0 };
  } finally {
    await engine.close();
  }
}

describe("an API key that is asked for", () => {
  test("is the old or the new one while it is replaced, and never a failure", async () => {
    const disk = await storeOnDisk();
    const store = await disk.open();
    await store.commit([putAccount(), putCredential("host:app", "key 0")], { account: acme, expected: 0, now });
    for (let round = 1; round <= 40; round += 1) {
      const replacing = store.commit([putCredential("host:app", `key ${round}`)], { account: acme, expected: round, now });
      const asked: Promise<string | undefined>[] = [];
      for (let ask = 0; ask < 12; ask += 1) {
        asked.push(store.record("api_key", role("host:app")).then(textOf));
        await Promise.resolve();
      }
      for (const answer of await Promise.all(asked)) expect([`key ${round - 1}`, `key ${round}`]).toContain(answer ?? "");
      await replacing;
    }
    await store.close();
  });
});

describe("a write-ahead log whose database is empty", () => {
  test("is damage, also without a mark beside it, and is left as it is", async () => {
    const disk = await revoked(false);
    rmSync(join(disk.folder, "high-water.json"));
    truncateSync(disk.path);
    writeFileSync(`${disk.path}-wal`, "the last commits", { mode: 0o600 });
    expect(await failureFrom(() => disk.open())).toMatchObject({ code: "integrity", because: "store_damaged" });
    expect(readFileSync(`${disk.path}-wal`, "utf8")).toBe("the last commits");
  });
});
