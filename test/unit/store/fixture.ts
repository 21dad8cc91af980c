/** A store on disk with a keyring of its own, in a folder that is removed after the tests. */

import { afterAll } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type KeyringControl, openKeyring } from "../../../src/keyring/keyring";
import { type AccountName, parseAccount, parseId, parseRoleId } from "../../../src/model/ids";
import type { Clock, LogFields, Logger, PrivateFiles, Random } from "../../../src/model/ports";
import { SecretBytes } from "../../../src/model/secret-bytes";
import type { Change } from "../../../src/model/types";
import { createMemoryFiles, createPrivateFiles } from "../../../src/runtime/files";
import { openStore, type StoreControl } from "../../../src/store/store";
import { seededRandom } from "../../support/house";

export const acme = parseAccount("acme");
export const globex = parseAccount("globex");
export const now = Date.parse("2026-03-01T12:00:00Z");

/** Stands still until it is moved. */
export interface MovableClock extends Clock {
  advance(ms: number): void;
}

export function movableClock(): MovableClock {
  let at = now;
  return {
    now: () => at,
    monotonicMs: () => at,
    advance: (ms) => {
      at += ms;
    },
  };
}

export interface LogEntries extends Logger {
  readonly entries: { readonly level: string; readonly event: string; readonly fields: LogFields }[];
}

export function collectingLogger(): LogEntries {
  const entries: { level: string; event: string; fields: LogFields }[] = [];
  const at =
    (level: string) =>
    (event: string, fields: LogFields = {}): void =>
      void entries.push({ level, event, fields });
  return { entries, debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** An initialised keyring in memory, with keys for the accounts. */
export async function memoryKeyring(
  accounts: readonly AccountName[] = [acme, globex],
  random: Random = seededRandom(7),
): Promise<KeyringControl> {
  const keyring = await openKeyring({
    files: createMemoryFiles(),
    clock: movableClock(),
    random,
    path: "/keys/keyring.json",
    nodePath: "/keys/node.json",
    providers: ["file:/seal/seal.key"],
    dataExists: false,
  });
  await keyring.init(["file:/seal/seal.key"]);
  for (const account of accounts) await keyring.ensureAccount(account);
  return keyring;
}

export interface StoreOnDisk {
  readonly folder: string;
  readonly path: string;
  readonly keyring: KeyringControl;
  readonly clock: MovableClock;
  readonly logger: LogEntries;
  readonly files: PrivateFiles;
  open(options?: {
    readonly acceptRollback?: boolean;
    readonly keyring?: KeyringControl;
    readonly files?: PrivateFiles;
  }): Promise<StoreControl>;
}

const folders: string[] = [];

export function removeFoldersAfterwards(): void {
  afterAll(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });
}

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "postern-store-"));
  folders.push(folder);
  return folder;
}

export async function storeOnDisk(): Promise<StoreOnDisk> {
  const folder = join(newFolder(), "data");
  const path = join(folder, "postern.db");
  const keyring = await memoryKeyring();
  const clock = movableClock();
  const logger = collectingLogger();
  const files = createPrivateFiles();
  return {
    folder,
    path,
    keyring,
    clock,
    logger,
    files,
    open: (options = {}) => openStore({ path, keyring, clock, logger, files, ...options }),
  };
}

export const variable = (name: string, account: AccountName = acme) => parseId(`${account}:variable:${name}`);
export const role = (kindAndName: string, account: AccountName = acme) => parseRoleId(`${account}:${kindAndName}`);

export function putAccount(account: AccountName = acme): Change {
  return { type: "put_account", account: { name: account, createdAt: now } };
}

export function putVariable(name: string, account: AccountName = acme): Change {
  return { type: "put_resource", resource: { id: variable(name, account), owner: role("user:admin", account), createdAt: now } };
}

export function putValue(name: string, version: number, value: string, account: AccountName = acme): Change {
  return {
    type: "put_secret_version",
    resource: variable(name, account),
    version,
    createdAt: now,
    value: SecretBytes.ofText(value),
  };
}

export function putCredential(name: string, apiKey?: string, account: AccountName = acme): Change {
  return {
    type: "put_credential",
    credential: { role: role(name, account), apiKeyDigest: "0".repeat(64), rotatedAt: now },
    ...(apiKey === undefined ? {} : { apiKey: SecretBytes.ofText(apiKey) }),
  };
}

export function putPolicy(version: number, text?: string): Change {
  return {
    type: "put_policy_version",
    policyVersion: {
      policy: role("policy:root"),
      version,
      createdAt: now,
      role: role("user:admin"),
      clientAddress: "127.0.0.1",
      sha256: "0".repeat(64),
    },
    ...(text === undefined ? {} : { text }),
  };
}

export function textOf(value: SecretBytes | undefined): string | undefined {
  return value === undefined ? undefined : Buffer.from(value.reveal()).toString("utf8");
}
