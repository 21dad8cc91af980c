/** What somebody does who has the files and not the keys. */

import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Failure, failureOf, PosternError } from "../../../src/model/failures";
import { openEngine, type SqlValue } from "../../../src/store/engine";
import type { StoreControl } from "../../../src/store/store";
import { failureFrom } from "../../contract/authenticator";
import {
  acme,
  globex,
  now,
  putAccount,
  putCredential,
  putPolicy,
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

/** Two accounts with a few values each; the last commit is acme's, and is one of facts. */
async function furnished(): Promise<StoreOnDisk> {
  const disk = await storeOnDisk();
  const store = await disk.open();
  await store.commit([putAccount(), putVariable("a"), putValue("a", 1, "a one")], { account: acme, expected: 0, now });
  await store.commit([putAccount(globex), putValue("a", 1, "globex's", globex)], { account: globex, expected: 0, now });
  await store.commit([putValue("a", 2, "a two"), putValue("b", 1, "b one"), putCredential("host:app", "key"), putPolicy(1, "text")], {
    account: acme,
    expected: 2,
    now,
  });
  await store.commit([putVariable("b")], { account: acme, expected: 3, now });
  await store.close();
  return disk;
}

async function sql(disk: StoreOnDisk, statement: string, ...args: readonly SqlValue[]): Promise<void> {
  const engine = await openEngine(disk.path);
  try {
    await engine.write([{ sql: statement, args }]);
  } finally {
    await engine.close();
  }
}

const blob = (text: string): Uint8Array => Buffer.from(text, "utf8");

function outcomeOf(store: StoreControl, name: string, version = 1, account = acme): string | Failure | undefined {
  try {
    return textOf(store.secretValue(variable(name, account), version));
  } catch (error) {
    return failureOf(error);
  }
}

const integrity = expect.objectContaining({ code: "integrity" });

describe("a sealed row", () => {
  const flips = (column: string): string =>
    `UPDATE sealed SET ${column} = CAST(substr(${column}, 1, 20) || x'ff' || substr(${column}, 22) AS BLOB) WHERE purpose = ? AND id = ? AND version = 1`;
  const swap = (
    other: string,
  ): string => `UPDATE sealed SET wrap = (SELECT wrap FROM sealed ${other}), body = (SELECT body FROM sealed ${other})
    WHERE purpose = ? AND id = ? AND version = 1`;
  const target = [blob("secret"), blob("acme:variable:a")] as const;

  test.each([
    ["with a changed body", flips("body")],
    ["with a changed wrap", flips("wrap")],
    [
      "with another version's content",
      swap("WHERE purpose = CAST('secret' AS BLOB) AND id = CAST('acme:variable:a' AS BLOB) AND version = 2"),
    ],
    ["with another secret's content", swap("WHERE id = CAST('acme:variable:b' AS BLOB)")],
    ["with another account's content", swap("WHERE id = CAST('globex:variable:a' AS BLOB)")],
    ["with a content of another purpose", swap("WHERE purpose = CAST('api_key' AS BLOB)")],
    ["of another revision", "UPDATE sealed SET revision = 3 WHERE purpose = ? AND id = ? AND version = 1"],
    ["that is gone", "DELETE FROM sealed WHERE purpose = ? AND id = ? AND version = 1"],
    ["cut short", "UPDATE sealed SET body = zeroblob(3) WHERE purpose = ? AND id = ? AND version = 1"],
    ["without a wrap", "UPDATE sealed SET wrap = zeroblob(0) WHERE purpose = ? AND id = ? AND version = 1"],
  ])("%s is an integrity failure of that value alone, and never absent", async (_what, statement) => {
    const disk = await furnished();
    await sql(disk, statement, ...target);
    const store = await disk.open();
    expect(outcomeOf(store, "a", 1)).toEqual(integrity);
    expect([outcomeOf(store, "a", 2), outcomeOf(store, "b"), outcomeOf(store, "a", 1, globex)]).toEqual(["a two", "b one", "globex's"]);
    expect((await store.verify()).rows).toEqual(["secret acme:variable:a version 1"]);
    await store.close();
  });

  test.each([
    ["an unknown scope key", "UPDATE sealed SET scope_key = CAST('k-0' AS BLOB) WHERE id = ?"],
    ["an unknown generation", "UPDATE sealed SET generation = 9 WHERE id = ?"],
    ["a generation that is no number of ours", "UPDATE sealed SET generation = -5 WHERE id = ?"],
  ])("under %s is unavailable, and not absent", async (_what, statement) => {
    const disk = await furnished();
    await sql(disk, statement, blob("acme:variable:b"));
    const store = await disk.open();
    expect(outcomeOf(store, "b")).toMatchObject({ code: "sealed", reason: "scope_key_missing" });
    expect(outcomeOf(store, "a")).toBe("a one");
    await store.close();
  });

  test("under another account's scope key is an integrity failure", async () => {
    const disk = await furnished();
    await sql(
      disk,
      "UPDATE sealed SET scope_key = (SELECT scope_key FROM sealed WHERE id = ?) WHERE id = ?",
      blob("globex:variable:a"),
      blob("acme:variable:b"),
    );
    const store = await disk.open();
    expect(outcomeOf(store, "b")).toEqual(integrity);
    await store.close();
  });

  test("put back from before it was replaced does not open", async () => {
    const disk = await furnished();
    const columns = "purpose, id, version, revision, account, scope, scope_key, generation, wrap, body";
    await sql(disk, `CREATE TABLE old AS SELECT ${columns} FROM sealed WHERE id = ?`, blob("acme:variable:b"));
    const store = await disk.open();
    await store.commit([putValue("b", 1, "b replaced")], { account: acme, expected: 4, now });
    expect(outcomeOf(store, "b")).toBe("b replaced");
    await store.close();
    await sql(disk, `INSERT OR REPLACE INTO sealed (${columns}) SELECT ${columns} FROM old`);
    const restored = await disk.open();
    expect(outcomeOf(restored, "b")).toEqual(integrity);
    await restored.close();
    await sql(disk, "UPDATE sealed SET revision = 5 WHERE id = ?", blob("acme:variable:b"));
    const relabelled = await disk.open();
    expect(outcomeOf(relabelled, "b")).toEqual(integrity);
    await relabelled.close();
  });

  test("that no commit wrote is not read, and is counted", async () => {
    const disk = await furnished();
    await sql(
      disk,
      `INSERT INTO sealed SELECT purpose, CAST('acme:variable:c' AS BLOB), version, revision, account, scope, scope_key, generation, wrap, body
       FROM sealed WHERE id = ?`,
      blob("acme:variable:b"),
    );
    const store = await disk.open();
    expect(outcomeOf(store, "c")).toBeUndefined();
    expect((await store.verify()).unexpected).toBe(1);
    expect(disk.logger.entries).toContainEqual({ level: "error", event: "sealed_rows_damaged", fields: { missing: 0, unexpected: 1 } });
    await store.close();
  });

  test("of an API key or a policy text fails the same way", async () => {
    const disk = await furnished();
    await sql(disk, "UPDATE sealed SET body = zeroblob(80) WHERE purpose = ?", blob("api_key"));
    await sql(disk, "DELETE FROM sealed WHERE purpose = ?", blob("policy_text"));
    const store = await disk.open();
    expect(await failureFrom(() => store.record("api_key", role("host:app")))).toEqual(integrity);
    expect(await failureFrom(() => store.record("policy_text", `${role("policy:root")}@1`))).toEqual(integrity);
    expect((await store.verify()).rows).toEqual([`api_key ${role("host:app")} version 0`, `policy_text ${role("policy:root")} version 1`]);
    await store.close();
  });
});

describe("the log", () => {
  const refusesAcme = async (disk: StoreOnDisk): Promise<void> => {
    const store = await disk.open();
    const { damaged, commits } = await store.load();
    expect(damaged).toEqual([acme]);
    expect(commits.map(({ account }) => account)).toEqual([globex]);
    expect(outcomeOf(store, "a")).toEqual(integrity);
    expect(outcomeOf(store, "a", 1, globex)).toBe("globex's");
    expect(await failureFrom(() => store.record("api_key", role("host:app")))).toEqual(integrity);
    const commit = () => store.commit([putAccount()], { account: acme, expected: 4, now });
    expect(await failureFrom(commit)).toMatchObject({ code: "integrity", because: "facts_mac" });
    expect((await store.commit([putAccount(globex)], { account: globex, expected: 2, now })).revision).toBeGreaterThan(4);
    expect((await store.verify()).accounts).toEqual([acme]);
    expect(disk.logger.entries).toContainEqual({ level: "error", event: "account_facts_damaged", fields: { account: acme } });
    await store.close();
    const again = await disk.open();
    expect((await again.load()).damaged).toEqual([acme]);
    await again.close();
  };

  test.each([
    [
      "a body is changed",
      "UPDATE commits SET body = CAST(replace(CAST(body AS TEXT), 'user:admin', 'user:eve11') AS BLOB) WHERE revision = 1",
    ],
    [
      "the last body is changed",
      "UPDATE commits SET body = CAST(replace(CAST(body AS TEXT), 'user:admin', 'user:eve11') AS BLOB) WHERE revision = 4",
    ],
    ["a time is changed", "UPDATE commits SET at = at + 1 WHERE revision = 3"],
    ["a time is no number of ours", "UPDATE commits SET at = -1 WHERE revision = 3"],
    ["a MAC is changed", "UPDATE commits SET mac = zeroblob(32) WHERE revision = 1"],
    ["a MAC is cut short", "UPDATE commits SET mac = zeroblob(0) WHERE revision = 3"],
    ["a MAC is of an unknown root key", "UPDATE commits SET epoch = 7 WHERE revision = 3"],
    ["a commit is removed", "DELETE FROM commits WHERE revision = 3"],
    ["the first commit is removed", "DELETE FROM commits WHERE revision = 1"],
    ["a revision is changed", "UPDATE commits SET revision = 7 WHERE revision = 4"],
    ["a head is changed", "UPDATE heads SET mac = zeroblob(32) WHERE account = CAST('acme' AS BLOB)"],
    ["a body is not text any more", "UPDATE commits SET body = x'ff00fe' WHERE revision = 1"],
  ])("when %s, that account is refused as a whole and the others are served", async (_what, statement) => {
    const disk = await furnished();
    await sql(disk, statement);
    await refusesAcme(disk);
  });

  test.each([
    ["two commits change places", "UPDATE commits SET revision = CASE revision WHEN 3 THEN 4000 ELSE 3 END WHERE revision IN (3, 4)"],
    ["a commit is given to another account", "UPDATE commits SET account = CAST('globex' AS BLOB) WHERE revision = 3"],
  ])("when %s, no commit of an account concerned is believed", async (_what, statement) => {
    const disk = await furnished();
    await sql(disk, statement);
    const opened = await disk.open().catch(failureOf);
    if ("code" in opened) {
      expect(opened).toEqual(integrity);
      return;
    }
    expect((await opened.load()).damaged).toContain(acme);
    await opened.close();
  });

  test.each([
    ["the last commit is taken away", ["DELETE FROM commits WHERE revision = 4"]],
    [
      "the last commit is taken away and the head set back to fit",
      [
        "DELETE FROM commits WHERE revision = 4",
        "UPDATE heads SET revision = 3, mac = (SELECT mac FROM commits WHERE revision = 3) WHERE account = CAST('acme' AS BLOB)",
      ],
    ],
    [
      "an account is taken away without a trace",
      ["DELETE FROM commits WHERE revision = 2", "DELETE FROM heads WHERE account = CAST('globex' AS BLOB)"],
    ],
    [
      "one account is set back, under the newest commit of another",
      [
        "DELETE FROM commits WHERE revision = 3",
        "DELETE FROM commits WHERE revision = 4",
        "UPDATE heads SET revision = 1, mac = (SELECT mac FROM commits WHERE revision = 1) WHERE account = CAST('acme' AS BLOB)",
      ],
    ],
    ["everything is taken away but the tables", ["DELETE FROM commits", "DELETE FROM heads", "DELETE FROM sealed"]],
    ["a head is taken away", ["DELETE FROM heads WHERE account = CAST('acme' AS BLOB)"]],
  ])("when %s, the store does not open", async (_what, statements) => {
    const disk = await furnished();
    const newest = await disk.open();
    await newest.commit([putValue("a", 2, "newest", globex)], { account: globex, expected: 2, now });
    await newest.close();
    for (const statement of statements) await sql(disk, statement);
    expect(await failureFrom(() => disk.open())).toMatchObject({ code: "integrity", because: "store_rolled_back" });
  });

  test.each([
    ["is changed", "UPDATE snapshots SET body = CAST(replace(CAST(body AS TEXT), 'user:admin', 'user:eve11') AS BLOB) WHERE account = ?"],
    ["says another tip", "UPDATE snapshots SET tip = zeroblob(32) WHERE account = ?"],
    ["says another last change of facts", "UPDATE snapshots SET facts_revision = 0 WHERE account = ?"],
    [
      "passes for another account's",
      "UPDATE snapshots SET body = (SELECT body FROM snapshots WHERE account <> ?) WHERE account = CAST('acme' AS BLOB)",
    ],
  ])("refuses an account whose snapshot %s", async (_what, statement) => {
    const disk = await furnished();
    const compacted = await disk.open();
    await compacted.compact();
    await compacted.close();
    await sql(disk, statement, blob("acme"));
    await refusesAcme(disk);
  });

  test("does not take a commit for a snapshot, nor a snapshot for a commit", async () => {
    const disk = await furnished();
    await sql(disk, "INSERT INTO snapshots SELECT account, revision, 0, at, epoch, zeroblob(0), mac, body FROM commits WHERE revision = 1");
    const store = await disk.open();
    expect((await store.load()).damaged).toEqual([acme]);
    await store.close();
  });
});

describe("a store with one changed byte", () => {
  const values = [
    ["a", 1, acme, "a one"],
    ["a", 2, acme, "a two"],
    ["b", 1, acme, "b one"],
    ["a", 1, globex, "globex's"],
  ] as const;

  test("gives the right value or none, wherever the byte is", async () => {
    const disk = await furnished();
    const sound = readFileSync(disk.path);
    const mark = readFileSync(join(disk.folder, "high-water.json"));
    let state = 12_345;
    const outcomes = { opened: 0, refused: 0, failed: 0 };
    for (let round = 0; round < 400; round += 1) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      // Most of a small database is empty: aim at the bytes that mean something.
      let at = state % sound.byteLength;
      while (sound[at] === 0) at = (at + 1) % sound.byteLength;
      const changed = Buffer.from(sound);
      changed.writeUInt8((changed.readUInt8(at) ^ (1 << (state >>> 29))) & 0xff, at);
      writeFileSync(disk.path, changed);
      writeFileSync(join(disk.folder, "high-water.json"), mark);
      const store = await disk.open().catch((error: unknown) => {
        expect(error).toBeInstanceOf(PosternError);
        return undefined;
      });
      if (store === undefined) {
        outcomes.refused += 1;
        continue;
      }
      outcomes.opened += 1;
      for (const [name, version, account, value] of values) {
        const outcome = outcomeOf(store, name, version, account);
        if (outcome === value) continue;
        expect(["integrity", "sealed"]).toContain(typeof outcome === "object" ? outcome.code : String(outcome));
        outcomes.failed += 1;
      }
      await store.close();
    }
    // The rounds reach every part: some bytes spoil one value, some an account, some the file.
    expect(Math.min(outcomes.opened, outcomes.refused, outcomes.failed)).toBeGreaterThan(5);
  }, 60_000);
});
