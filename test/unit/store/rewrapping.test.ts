import { describe, expect, test } from "bun:test";
import { PosternError } from "../../../src/model/failures";
import { type Engine, openEngine } from "../../../src/store/engine";
import { createLedger } from "../../../src/store/ledger";
import { readLog } from "../../../src/store/log";
import { createRewrapping } from "../../../src/store/rewrapping";
import { readSealedRows } from "../../../src/store/sealed-rows";
import { openEntry } from "../../../src/store/sealing";
import { failureFrom } from "../../contract/authenticator";
import { acme, now, putAccount, putValue, removeFoldersAfterwards, storeOnDisk, textOf } from "./fixture";

removeFoldersAfterwards();

const values = 1300;

async function furnished() {
  const disk = await storeOnDisk();
  const store = await disk.open();
  const changes = Array.from({ length: values }, (_, index) => putValue(`v${index}`, 1, `value ${index}`));
  await store.commit([putAccount(), ...changes], { account: acme, expected: 0, now });
  await store.close();
  return disk;
}

/** Writes that fail from the given one on, until mended. */
function failingFrom(engine: Engine, first: number): Engine & { mend(): void } {
  let writes = 0;
  let isMended = false;
  return {
    ...engine,
    async write(statements) {
      writes += 1;
      if (writes >= first && !isMended) throw new PosternError({ code: "storage_full" });
      await engine.write(statements);
    },
    mend() {
      isMended = true;
    },
  };
}

describe("a re-wrap that fails on its way", () => {
  test.each([1, 2, 3])("at page %d leaves every value readable and both generations in use, and goes on where it stopped", async (page) => {
    const disk = await furnished();
    const { scopeKey } = await disk.keyring.rotateScope(acme);
    const sound = await openEngine(disk.path);
    const engine = failingFrom(sound, page);
    const ledger = createLedger();
    for (const commit of (await readLog(engine, disk.keyring, 0)).commits) for (const change of commit.changes) ledger.apply(change);
    const deps = {
      engine,
      keyring: disk.keyring,
      ledger,
      inTurn: async <Result>(work: () => Promise<Result>) => work(),
      isClosing: () => false,
    };
    const rewrapping = createRewrapping(deps);

    async function readable(): Promise<number> {
      let count = 0;
      for await (const rows of readSealedRows(engine)) {
        for (const row of rows) {
          const entry = ledger.entryNamed(row.purpose, row.id, row.version);
          if (entry !== undefined && textOf(openEntry(entry, row.sealed, disk.keyring)) === row.id.replace(/^.*:v/, "value ")) count += 1;
        }
      }
      return count;
    }

    expect(await failureFrom(() => rewrapping.rewrapAll())).toMatchObject({ code: "storage_full" });
    expect(rewrapping.rewrapProgress()).toMatchObject({ done: (page - 1) * 512, total: values, isRunning: false });
    expect(await readable()).toBe(values);
    expect((await rewrapping.generationsInUse()).get(scopeKey)).toEqual(new Set(page === 1 ? [1] : [1, 2]));

    // What the store says is in use is kept; the rest may go at any time.
    await disk.keyring.retireGenerations(scopeKey, (await rewrapping.generationsInUse()).get(scopeKey) ?? new Set());
    expect(await readable()).toBe(values);

    engine.mend();
    expect(await rewrapping.rewrapAll()).toEqual({ done: values, failed: 0, total: values, isRunning: false });
    expect((await rewrapping.generationsInUse()).get(scopeKey)).toEqual(new Set([2]));
    await disk.keyring.retireGenerations(scopeKey, new Set([2]));
    expect(await readable()).toBe(values);
    await sound.close();

    const store = await disk.open();
    expect(await store.verify()).toEqual({ accounts: [], rows: [], unexpected: 0, checked: values });
    await store.close();
  });
});
