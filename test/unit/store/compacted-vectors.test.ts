/** What was written once must open for ever. */

import { describe, expect, test } from "bun:test";
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type KeyringControl, openKeyring } from "../../../src/keyring/keyring";
import { SecretBytes } from "../../../src/model/secret-bytes";
import { createPrivateFiles } from "../../../src/runtime/files";
import { openStore } from "../../../src/store/store";
import { seededRandom } from "../../support/house";
import {
  acme,
  collectingLogger,
  globex,
  movableClock,
  newFolder,
  now,
  putValue,
  removeFoldersAfterwards,
  role,
  textOf,
  variable,
} from "./fixture";

removeFoldersAfterwards();

const vector = join(import.meta.dir, "../../vectors/store-1-compacted");

/** A copy, private as the originals were before they were checked in. */
function copyOfVector(): string {
  const folder = join(newFolder(), "data");
  mkdirSync(folder, { mode: 0o700 });
  for (const name of readdirSync(vector)) {
    copyFileSync(join(vector, name), join(folder, name));
    chmodSync(join(folder, name), 0o600);
  }
  return folder;
}

function keyringOf(folder: string, providers: readonly string[]): Promise<KeyringControl> {
  return openKeyring({
    files: createPrivateFiles(),
    clock: movableClock(),
    random: seededRandom(1),
    path: join(folder, "keyring.json"),
    nodePath: join(folder, "node.json"),
    providers,
    dataExists: true,
  });
}

async function opened() {
  const folder = copyOfVector();
  const keyring = await keyringOf(folder, [`file:${join(folder, "seal.key")}`]);
  const logger = collectingLogger();
  const store = await openStore({ path: join(folder, "postern.db"), keyring, clock: movableClock(), files: createPrivateFiles(), logger });
  return { folder, keyring, store, logger };
}

describe("a compacted data folder of the first format", () => {
  const expected: unknown = JSON.parse(readFileSync(join(vector, "expected.json"), "utf8"));

  test("loads the same commits", async () => {
    const { store, keyring, logger } = await opened();
    expect<unknown>({ deployment: keyring.deployment(), loaded: await store.load() }).toEqual(expected);
    expect(logger.entries).toEqual([]);
    expect(await store.verify()).toEqual({ accounts: [], rows: [], unexpected: 0, checked: 6 });
    await store.close();
  });

  test("gives every value, API key, policy text and node secret", async () => {
    const { store, keyring } = await opened();
    expect(textOf(store.secretValue(variable("db/password"), 1))).toBe("frozen one");
    expect(textOf(store.secretValue(variable("db/password"), 2))).toBe("frozen two ü");
    expect(store.secretValue(variable("binary"), 1)?.reveal()).toEqual(Buffer.from([0, 255, 128, 10]));
    expect(textOf(store.secretValue(variable("db/password", globex), 1))).toBe("frozen, globex");
    expect(textOf(await store.record("api_key", role("host:app")))).toBe("1frozenkey");
    expect(textOf(await store.record("policy_text", `${role("policy:root")}@1`))).toBe("- !host app\n");
    expect(Buffer.from(keyring.nodeSecret(acme, "signer") ?? []).toString()).toBe("a signer's key");
    await store.close();
  });

  test("takes new commits after the old ones", async () => {
    const { store } = await opened();
    expect((await store.commit([putValue("db/password", 3, "new")], { account: acme, expected: 3, now })).revision).toBe(4);
    expect((await store.rewrapAll()).failed).toBe(0);
    await store.close();
  });

  test("opens by the recovery key as it was printed", async () => {
    const folder = copyOfVector();
    const keyring = await keyringOf(folder, []);
    expect(keyring.state()).toMatchObject({ state: "sealed", reason: "seal_key_missing" });
    const printed = SecretBytes.ofText(readFileSync(join(folder, "recovery-key.txt"), "utf8"));
    expect((await keyring.unseal(printed)).state).toBe("unsealed");
  });
});
