/** A folder for keys, and a keyring in it that can be opened again as after a restart. */

import { afterAll } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type KeyringControl, type KeyringOptions, openKeyring } from "../../../src/keyring/keyring";
import { parseAccount } from "../../../src/model/ids";
import type { SealContext } from "../../../src/model/ports";
import { createPrivateFiles } from "../../../src/runtime/files";
import { createTestClock, seededRandom } from "../../support/house";

export const acme = parseAccount("acme");
export const globex = parseAccount("globex");

export const context: SealContext = { purpose: "secret", account: acme, kind: "variable", id: "db/password", version: 3, revision: 9 };

export const bytes = (text: string): Uint8Array => Buffer.from(text, "utf8");
export const text = (plain: Uint8Array): string => Buffer.from(plain).toString("utf8");

const folders: string[] = [];

export function removeFoldersAfterwards(): void {
  afterAll(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });
}

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "postern-keys-"));
  folders.push(folder);
  return folder;
}

export interface KeysOnDisk {
  readonly folder: string;
  /** `keyring.json`. */
  readonly path: string;
  readonly seal: string;
  readonly sealPath: string;
  open(options?: Partial<KeyringOptions>): Promise<KeyringControl>;
}

/** Another seed, other keys. */
export function keysOnDisk(seed = 3): KeysOnDisk {
  const folder = newFolder();
  const path = join(folder, "keyring.json");
  const sealPath = join(folder, "outside", "seal.key");
  const seal = `file:${sealPath}`;
  const random = seededRandom(seed);
  return {
    folder,
    path,
    seal,
    sealPath,
    open: (options = {}) =>
      openKeyring({
        files: createPrivateFiles(),
        clock: createTestClock(),
        random,
        path,
        nodePath: join(folder, "node.json"),
        providers: [seal],
        dataExists: false,
        ...options,
      }),
  };
}

/** Initialised, with the keys of one account. */
export async function initialised(keys: KeysOnDisk, recipients: readonly string[] = [keys.seal]): Promise<KeyringControl> {
  const keyring = await keys.open();
  await keyring.init(recipients);
  await keyring.ensureAccount(acme);
  return keyring;
}
