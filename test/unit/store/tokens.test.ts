import { describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { createClient } from "@libsql/client/sqlite3";
import { SecretBytes } from "../../../src/model/secret-bytes";
import { createMemoryStore } from "../../../src/store/memory";
import type { StoreControl } from "../../../src/store/store";
import { loadedTexts, tokenPut, tokenRemoval, tokenStoreContract } from "../../contract/token-store";
import { acme, memoryKeyring, movableClock, now, putAccount, removeFoldersAfterwards, type StoreOnDisk, storeOnDisk } from "./fixture";

removeFoldersAfterwards();
tokenStoreContract("libSQL", async () => (await storeOnDisk()).open());
tokenStoreContract("memory", async () => createMemoryStore({ keyring: await memoryKeyring(), clock: movableClock() }));

/** A store with three tokens, closed; and what opens it again. */
async function closed(): Promise<StoreOnDisk> {
  const disk = await storeOnDisk();
  const store = await opened(disk);
  await store.commit([putAccount()], { account: acme, expected: 0, now });
  await store.tokens.write([tokenPut("one", "a"), tokenPut("two", "b"), tokenPut("two", "belongs", { name: "cubbyhole" })]);
  await store.tokens.write([tokenPut("three", "c")]);
  await store.close();
  return disk;
}

const opened = (disk: StoreOnDisk, options: { readonly acceptRollback?: boolean } = {}): Promise<StoreControl> => disk.open(options);

async function behindItsBack(disk: StoreOnDisk, ...statements: readonly string[]): Promise<void> {
  const client = createClient({ url: pathToFileURL(disk.path).href });
  for (const sql of statements) await client.execute(sql);
  client.close();
}

async function textsAfter(disk: StoreOnDisk): Promise<readonly string[]> {
  const store = await opened(disk);
  const texts = await loadedTexts(store);
  await store.close();
  return texts;
}

const reasonIn = (disk: StoreOnDisk): unknown => disk.logger.entries.find(({ event }) => event === "tokens_dropped")?.fields.reason;
const copyOf = (table: string): string => `CREATE TABLE old_${table} AS SELECT * FROM ${table}`;

describe("tokens on disk", () => {
  test("survive a restart, with what belongs to them", async () => {
    const disk = await closed();
    const store = await opened(disk);
    expect(await loadedTexts(store)).toEqual(["a", "b", "c"]);
    expect(disk.logger.entries).toEqual([]);
    await store.close();
  });

  test("are known by the same digest after a restart, and after a rotation of the root key", async () => {
    const disk = await closed();
    const first = await opened(disk);
    const before = first.tokens.digest(SecretBytes.ofText("hvs.x"));
    await disk.keyring.rotateRoot();
    await first.tokens.write([tokenPut("four", "d")]);
    await first.close();
    const second = await opened(disk);
    expect(second.tokens.digest(SecretBytes.ofText("hvs.x"))).toBe(before);
    expect(await loadedTexts(second)).toEqual(["a", "b", "c", "d"]);
    await second.close();
  });

  test("whose sealed row was changed are dropped alone, and told of", async () => {
    const disk = await closed();
    await behindItsBack(disk, "UPDATE tokens SET body = zeroblob(length(body)) WHERE hex(digest) LIKE '6F6E65%'");
    expect(await textsAfter(disk)).toEqual(["b", "c"]);
    expect(disk.logger.entries).toContainEqual({ level: "error", event: "token_rows_damaged", fields: { rows: 1 } });
    expect(await textsAfter(disk)).toEqual(["b", "c"]);
  });

  test.each([
    ["a row was taken away", ["DELETE FROM tokens WHERE hex(digest) LIKE '6F6E65%'"], "token_set_tag"],
    [
      "a row was doubled",
      [
        "INSERT INTO tokens SELECT randomblob(32), name, serial, expires_at, account, scope_key, generation, wrap, body FROM tokens LIMIT 1",
      ],
      "token_set_tag",
    ],
    ["the tag was changed", ["UPDATE token_set SET tag = randomblob(32)"], "token_set_mac"],
    ["the tag was taken away", ["DELETE FROM token_set"], "token_set_missing"],
  ])("are all dropped when %s", async (_, statements, reason) => {
    const disk = await closed();
    await behindItsBack(disk, ...statements);
    expect(await textsAfter(disk)).toEqual([]);
    expect(reasonIn(disk)).toBe(reason);
    const store = await opened(disk);
    await store.tokens.write([tokenPut("new", "n")]);
    await store.close();
    expect(await textsAfter(disk)).toEqual(["n"]);
  });

  test("that ended do not come back by putting their row back", async () => {
    const disk = await closed();
    await behindItsBack(disk, copyOf("tokens"));
    const store = await opened(disk);
    await loadedTexts(store);
    await store.tokens.write([tokenRemoval("one")]);
    await store.close();
    await behindItsBack(disk, "INSERT OR REPLACE INTO tokens SELECT * FROM old_tokens");
    expect(await textsAfter(disk)).toEqual([]);
    expect(reasonIn(disk)).toBe("token_set_tag");
  });

  test("that ended do not come back by putting all of the two tables back", async () => {
    const disk = await closed();
    await behindItsBack(disk, copyOf("tokens"), copyOf("token_set"));
    const store = await opened(disk);
    await loadedTexts(store);
    await store.tokens.write([tokenRemoval("one")]);
    await store.close();
    await behindItsBack(
      disk,
      "INSERT OR REPLACE INTO tokens SELECT * FROM old_tokens",
      "INSERT OR REPLACE INTO token_set SELECT * FROM old_token_set",
    );
    expect(await textsAfter(disk)).toEqual([]);
    expect(reasonIn(disk)).toBe("tokens_rolled_back");
  });

  test("all end when an older store is accepted", async () => {
    const disk = await closed();
    const older = await Bun.file(disk.path).bytes();
    const store = await opened(disk);
    await store.commit([putAccount()], { account: acme, expected: 1, now });
    await store.close();
    await Bun.write(disk.path, older);
    const again = await opened(disk, { acceptRollback: true });
    expect(await loadedTexts(again)).toEqual([]);
    await again.close();
    expect(reasonIn(disk)).toBe("rollback_accepted");
  });

  test("are not in the file as they are, nor is what belongs to them", async () => {
    const disk = await storeOnDisk();
    const store = await opened(disk);
    await store.commit([putAccount()], { account: acme, expected: 0, now });
    await store.tokens.write([tokenPut("one", "canary-record"), tokenPut("one", "canary-belonging", { name: "cubbyhole" })]);
    await store.close();
    const file = Buffer.from(await Bun.file(disk.path).bytes());
    for (const canary of ["canary-record", "canary-belonging"]) expect(file.includes(canary)).toBe(false);
  });

  test("give their space back when they have ended", async () => {
    const disk = await storeOnDisk();
    const store = await opened(disk);
    await store.commit([putAccount()], { account: acme, expected: 0, now });
    await store.checkpoint();
    const before = statSync(disk.path).size;
    const names = Array.from({ length: 5000 }, (_, index) => `t${index}`);
    const text = "x".repeat(600);
    await Promise.all(names.map((name) => store.tokens.write([tokenPut(name, text)])));
    await store.checkpoint();
    expect(statSync(disk.path).size - before).toBeGreaterThan(3_000_000);
    await Promise.all(names.map((name) => store.tokens.write([tokenRemoval(name)])));
    await store.tokens.tidy();
    // Nobody asks for a checkpoint; what comes next in the store's own turn comes after it.
    await store.load();
    expect(statSync(disk.path).size - before).toBeLessThan(1 << 20);
    await store.close();
  });

  test("follow their keys to the next generation, so that the old one may go", async () => {
    const disk = await closed();
    const store = await opened(disk);
    await disk.keyring.rotateScope(acme);
    await store.rewrapAll();
    const inUse = await store.generationsInUse();
    expect([...inUse.values()].map((generations) => [...generations])).toEqual([[2]]);
    expect(await loadedTexts(store)).toEqual(["a", "b", "c"]);
    await store.close();
    expect(await textsAfter(disk)).toEqual(["a", "b", "c"]);
  });
});
