/** The next content of the keyring's file: new accounts, new generations, a new root key. Pure but for the random bytes; nothing is written here. */

import type { SymmetricKey } from "../crypto/aead";
import { PosternError } from "../model/failures";
import type { Random } from "../model/ports";
import type { Instant } from "../model/types";
import {
  accountContext,
  defaultScope,
  keyCheck,
  newKey,
  type OpenKeys,
  rootWrappingKey,
  scopeContext,
  wrapContext,
  wrapForRecipient,
  wrapKey,
} from "./hierarchy";
import type { GenerationRecord, KeyFile, ScopeRecord } from "./key-file";

export interface Rotating {
  readonly file: KeyFile;
  readonly keys: OpenKeys;
  readonly random: Random;
  readonly now: Instant;
}

/** A key for the account and one for its default scope. */
export function withAccount(account: string, { file, keys, random, now }: Rotating): KeyFile {
  const accountKey = newKey(random);
  const record = {
    account,
    generation: 1,
    check: keyCheck(accountKey),
    wrap: wrapKey(rootWrappingKey(keys.root), accountKey, accountContext(file.deployment, account, 1), random),
  };
  const names = { account, scope: defaultScope, key: `k-${Buffer.from(random.bytes(10)).toString("hex")}` };
  const first = newGeneration(names, 1, accountKey, { file, random, now });
  return { ...file, accounts: [...file.accounts, record], scopes: [...file.scopes, { ...names, generations: [first] }] };
}

/** A new generation of a scope key, beside the old ones, which open what is not re-wrapped yet. */
export function withGeneration(scopeKey: string, { file, keys, random, now }: Rotating): KeyFile {
  return changeScope(file, scopeKey, (scope) => {
    const accountKey = keys.accounts.get(scope.account);
    if (accountKey === undefined) throw new PosternError({ code: "internal", what: "a scope without its account's key" });
    const next = Math.max(...scope.generations.map((each) => each.generation)) + 1;
    return [...scope.generations, newGeneration(scope, next, accountKey, { file, random, now })];
  });
}

/** Without the generations that nothing is wrapped under any more. The newest stays whatever `inUse` says. */
export function withoutGenerations(scopeKey: string, inUse: ReadonlySet<number>, file: KeyFile): KeyFile {
  return changeScope(file, scopeKey, (scope) => {
    const newest = Math.max(...scope.generations.map((each) => each.generation));
    return scope.generations.filter((each) => each.generation === newest || inUse.has(each.generation));
  });
}

/** Sets aside further seals for the newest generation. */
export function withReservation(scopeKey: string, seals: number, file: KeyFile): KeyFile {
  return changeScope(file, scopeKey, (scope) => {
    const newest = Math.max(...scope.generations.map((each) => each.generation));
    return scope.generations.map((each) => (each.generation === newest ? { ...each, seals: each.seals + seals } : each));
  });
}

/** A new root key for all recipients; every former one stays, wrapped by it, so that what it signed still verifies. */
export function withNewRoot(
  recipients: readonly { readonly provider: string; readonly sealKey: Uint8Array }[],
  { file, keys, random }: Rotating,
): { readonly file: KeyFile; readonly root: SymmetricKey } {
  const root = newKey(random);
  const wrapping = rootWrappingKey(root);
  const { deployment } = file;
  const next = { ...file, root: { epoch: file.root.epoch + 1, check: keyCheck(root) } };
  const earlier = [...keys.roots].map(([epoch, key]) => {
    const context = wrapContext({ purpose: "earlier_root_key", deployment, version: epoch });
    return { epoch, check: keyCheck(key), wrap: wrapKey(wrapping, key, context, random) };
  });
  const accounts = file.accounts.map((record) => {
    const key = keys.accounts.get(record.account);
    if (key === undefined) throw new PosternError({ code: "internal", what: "an account without its key" });
    return { ...record, wrap: wrapKey(wrapping, key, accountContext(deployment, record.account, record.generation), random) };
  });
  const wraps = recipients.map(({ provider, sealKey }) => wrapForRecipient(sealKey, provider, next, root, random));
  return { root, file: { ...next, recipients: wraps, earlier, accounts } };
}

function changeScope(file: KeyFile, scopeKey: string, change: (scope: ScopeRecord) => GenerationRecord[]): KeyFile {
  return {
    ...file,
    scopes: file.scopes.map((scope) => (scope.key === scopeKey ? { ...scope, generations: change(scope) } : scope)),
  };
}

function newGeneration(
  names: { readonly account: string; readonly scope: string; readonly key: string },
  generation: number,
  accountKey: SymmetricKey,
  { file, random, now }: Pick<Rotating, "file" | "random" | "now">,
): GenerationRecord {
  const key = newKey(random);
  const wrap = wrapKey(accountKey, key, scopeContext(file.deployment, names, generation), random);
  return { generation, createdAt: now, seals: 0, check: keyCheck(key), wrap };
}
