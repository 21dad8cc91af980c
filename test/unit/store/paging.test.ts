import { describe, expect, test } from "bun:test";
import { type Engine, openEngine } from "../../../src/store/engine";
import { readLog } from "../../../src/store/log";
import { nextPage } from "../../../src/store/paging";
import { readSealedRows } from "../../../src/store/sealed-rows";
import { acme, now, putAccount, putPolicy, putValue, removeFoldersAfterwards, role, storeOnDisk } from "./fixture";

removeFoldersAfterwards();

const mebibyte = 2 ** 20;

/** Notes how many bytes came back at once. */
function measured(engine: Engine): Engine & { readonly most: () => number } {
  let most = 0;
  return {
    ...engine,
    async select(selection) {
      const rows = await engine.select(selection);
      most = Math.max(
        most,
        rows.reduce((sum, { blobs }) => sum + blobs.reduce((bytes, blob) => bytes + blob.byteLength, 0), 0),
      );
      return rows;
    },
    most: () => most,
  };
}

describe("a store of large commits and values", () => {
  test("is read in pages that fit into memory, however many rows that is, and completely", async () => {
    const disk = await storeOnDisk();
    const store = await disk.open();
    await store.commit([putAccount()], { account: acme, expected: 0, now });
    for (let version = 1; version <= 14; version += 1) {
      const note = { resource: role("policy:root"), name: `note ${version}`, value: "n".repeat(3 * mebibyte) };
      const changes = [putPolicy(version, "x".repeat(3 * mebibyte)), { type: "put_annotation", annotation: note } as const];
      await store.commit(changes, { account: acme, expected: version, now });
    }
    await store.close();

    const engine = measured(await openEngine(disk.path));
    const log = await readLog(engine, disk.keyring, 0);
    expect(log.commits.map(({ revision }) => revision)).toEqual(Array.from({ length: 15 }, (_, index) => index + 1));
    expect([...log.accounts.values()].map(({ isDamaged }) => isDamaged)).toEqual([false]);
    const versions: number[] = [];
    for await (const page of readSealedRows(engine)) versions.push(...page.map(({ version }) => version));
    expect(versions).toEqual(Array.from({ length: 14 }, (_, index) => index + 1));
    expect(engine.most()).toBeGreaterThan(4 * mebibyte);
    expect(engine.most()).toBeLessThan(17 * mebibyte);
    await engine.close();
  });

  test("is read a row at a time when one row is larger than a page", async () => {
    const sizes = [40 * mebibyte, 1, 40 * mebibyte];
    const engine = { select: async () => sizes.map((size) => ({ integers: [size], blobs: [] })) };
    expect(await nextPage(engine, { bytes: "length(body)", from: "commits", args: [] })).toEqual({ count: 1, isLast: false });
  });
});

describe("a store of many small rows", () => {
  test.each([511, 512, 513, 1025])("has every one of %d values", async (count) => {
    const disk = await storeOnDisk();
    const store = await disk.open();
    const changes = Array.from({ length: count }, (_, index) => putValue(`v${index}`, 1, `value ${index}`));
    await store.commit([putAccount(), ...changes], { account: acme, expected: 0, now });
    await store.close();
    const again = await disk.open();
    expect(await again.verify()).toEqual({ accounts: [], rows: [], unexpected: 0, checked: count });
    await again.close();
  });
});
