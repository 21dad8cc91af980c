/**
 * The keys and what each wraps: a seal key outside Postern wraps the root key; the root key wraps one key per account and gives the MAC keys; an account's
 * key wraps its scope keys and this node's secrets; a scope key wraps one content key per sealed thing.
 *
 * So every rotation is a re-wrap of the level below, and none touches a value.
 */

import {
  type AeadContext,
  keyBytes,
  nonceBytes,
  openAead,
  type SymmetricKey,
  sealAead,
  symmetricKey,
  symmetricKeyBytes,
} from "../crypto/aead";
import { constantTimeEqual, deriveKey, hmacOfParts } from "../crypto/digest";
import type { Random } from "../model/ports";
import { canonicalKeyFile, damagedKeyFile, type KeyFile, type RecipientRecord } from "./key-file";

/** A scope key in all its generations; the newest seals. */
export interface OpenScope {
  readonly account: string;
  readonly key: string;
  readonly newest: number;
  readonly generations: ReadonlyMap<number, SymmetricKey>;
}

/** The whole hierarchy, opened. */
export interface OpenKeys {
  readonly root: SymmetricKey;
  /** By epoch, the present one included. */
  readonly roots: ReadonlyMap<number, SymmetricKey>;
  readonly accounts: ReadonlyMap<string, SymmetricKey>;
  /** By scope key. */
  readonly scopes: ReadonlyMap<string, OpenScope>;
  /** The scope that an account's new values go to. */
  readonly defaultScopes: ReadonlyMap<string, OpenScope>;
}

/** The scope of a value that no other one claims. */
export const defaultScope = "default";

export function newKey(random: Random): SymmetricKey {
  const bytes = random.bytes(symmetricKeyBytes);
  const key = symmetricKey(bytes);
  bytes.fill(0);
  return key;
}

/** Tells two keys apart without telling anything about either: eight bytes of a MAC, as hex. */
export function keyCheck(key: SymmetricKey): string {
  return hmacOfParts(deriveKey(key, "postern/v1 key check"), []).toString("hex", 0, 8);
}

/** A key sealed under another, in base64. */
export function wrapKey(by: SymmetricKey, key: SymmetricKey, context: AeadContext, random: Random): string {
  const bytes = keyBytes(key);
  const wrap = sealAead(by, random.bytes(nonceBytes), bytes, context).toString("base64");
  bytes.fill(0);
  return wrap;
}

/** Undefined when the wrap does not hold. */
export function unwrapKey(by: SymmetricKey, wrap: string, context: AeadContext): SymmetricKey | undefined {
  const bytes = openAead(by, Buffer.from(wrap, "base64"), context);
  if (bytes === undefined) return undefined;
  const key = symmetricKey(bytes);
  bytes.fill(0);
  return key;
}

/** What the wraps of the keyring's own file are bound to; everything that does not apply is empty or 0. */
export function wrapContext(context: Partial<AeadContext> & { readonly purpose: string; readonly deployment: string }): AeadContext {
  return { account: "", kind: "", id: "", version: 0, scopeKey: "", generation: 0, revision: 0, ...context };
}

export function wrapForRecipient(
  sealKey: Uint8Array,
  provider: string,
  file: KeyFile,
  root: SymmetricKey,
  random: Random,
): RecipientRecord {
  const by = deriveKey(symmetricKey(sealKey), "postern/v1 seal");
  const context = wrapContext({ purpose: "root_key", deployment: file.deployment, version: file.root.epoch });
  return { provider, check: keyCheck(by), wrap: wrapKey(by, root, context, random) };
}

/** The recipient that a seal key belongs to, by its key-check value. */
export function recipientOf(sealKey: Uint8Array, file: KeyFile): RecipientRecord | undefined {
  const check = keyCheck(deriveKey(symmetricKey(sealKey), "postern/v1 seal"));
  return file.recipients.find((recipient) => recipient.check === check);
}

/** The root key as a recipient opens it; undefined when that record is damaged. */
export function rootOfRecipient(sealKey: Uint8Array, recipient: RecipientRecord, file: KeyFile): SymmetricKey | undefined {
  const by = deriveKey(symmetricKey(sealKey), "postern/v1 seal");
  const context = wrapContext({ purpose: "root_key", deployment: file.deployment, version: file.root.epoch });
  const root = unwrapKey(by, recipient.wrap, context);
  return root !== undefined && keyCheck(root) === file.root.check ? root : undefined;
}

export function keyFileMac(root: SymmetricKey, file: KeyFile): Buffer {
  return hmacOfParts(deriveKey(root, "postern/v1 keyring file"), [canonicalKeyFile(file)]);
}

/** Opens everything below the root key. Throws `integrity` that names the first record that does not hold. */
export function openKeys(root: SymmetricKey, file: KeyFile, mac: Uint8Array): OpenKeys {
  const { deployment } = file;
  const opened = (by: SymmetricKey, record: { check: string; wrap: string }, context: AeadContext, name: string): SymmetricKey => {
    const key = unwrapKey(by, record.wrap, context);
    if (key === undefined || keyCheck(key) !== record.check) throw damagedKeyFile(name);
    return key;
  };
  const wrapping = rootWrappingKey(root);
  const roots = new Map([[file.root.epoch, root]]);
  for (const earlier of file.earlier) {
    const context = wrapContext({ purpose: "earlier_root_key", deployment, version: earlier.epoch });
    roots.set(earlier.epoch, opened(wrapping, earlier, context, `root epoch ${earlier.epoch}`));
  }
  const accounts = new Map<string, SymmetricKey>();
  for (const record of file.accounts) {
    const context = accountContext(deployment, record.account, record.generation);
    accounts.set(record.account, opened(wrapping, record, context, `account ${record.account}`));
  }
  const scopes = new Map<string, OpenScope>();
  const defaultScopes = new Map<string, OpenScope>();
  for (const record of file.scopes) {
    const accountKey = accounts.get(record.account);
    if (accountKey === undefined) throw damagedKeyFile(`account ${record.account}`);
    const generations = new Map<number, SymmetricKey>();
    for (const generation of record.generations) {
      const context = scopeContext(deployment, record, generation.generation);
      const name = `scope ${record.account}/${record.scope} generation ${generation.generation}`;
      generations.set(generation.generation, opened(accountKey, generation, context, name));
    }
    if (generations.size === 0) throw damagedKeyFile(`scope ${record.account}/${record.scope}`);
    const scope = { account: record.account, key: record.key, newest: Math.max(...generations.keys()), generations };
    scopes.set(record.key, scope);
    if (record.scope === defaultScope) defaultScopes.set(record.account, scope);
  }
  // Last, so that a damaged record has been named by then: what remains is a record that was removed, or one changed outside its wrap.
  if (!constantTimeEqual(keyFileMac(root, file), mac)) throw damagedKeyFile("the whole file");
  return { root, roots, accounts, scopes, defaultScopes };
}

/** The key that the root key wraps others with; the root key itself only derives. */
export function rootWrappingKey(root: SymmetricKey): SymmetricKey {
  return deriveKey(root, "postern/v1 wrap");
}

export function accountContext(deployment: string, account: string, generation: number): AeadContext {
  return wrapContext({ purpose: "account_key", deployment, account, generation });
}

export function scopeContext(deployment: string, record: { account: string; scope: string; key: string }, generation: number): AeadContext {
  return wrapContext({
    purpose: "scope_key",
    deployment,
    account: record.account,
    kind: "scope",
    id: record.scope,
    scopeKey: record.key,
    generation,
  });
}
