/**
 * Values to sealed rows and back, and the MACs over all that decides access. What is bound to what:
 *
 *   a sealed row   its purpose, account, kind, id, version, and the commit that wrote it (the keyring adds deployment and keys)
 *   a commit       the commit before it in its account, its account, revision, time and changes
 *   a snapshot     its account, revision, time, last change of facts, the commit that the log goes on from, and the surviving changes
 *
 * A commit names the sealed rows it wrote, so the MACs say which rows must exist (`ledger.ts`).
 */

import { unsigned64 } from "../crypto/aead";
import { PosternError } from "../model/failures";
import { type AccountName, accountOf, identifierOf, kindOf } from "../model/ids";
import type { Keyring, MacTag, SealContext, Sealed } from "../model/ports";
import { SecretBytes } from "../model/secret-bytes";
import type { Change, Instant, Revision } from "../model/types";
import { changesPerSlice, requireAccount } from "./changes";
import { createLedger, type Ledger, type LedgerEntry, removesSecret, type SealedKey, writtenBy } from "./ledger";
import { pause } from "./pause";

/** A step on the sealed rows, in the order of the changes. */
export type SealedStep =
  | { readonly step: "put"; readonly entry: LedgerEntry & { readonly sealed: Sealed } }
  | { readonly step: "remove"; readonly key: SealedKey }
  | { readonly step: "remove_account"; readonly account: AccountName };

export interface Prepared {
  /** As the log keeps them: revisions filled in, values left out. */
  readonly changes: readonly Change[];
  readonly steps: readonly SealedStep[];
}

/**
 * Seals the values of a commit to be. Throws `malformed` for a secret version without a value, `sealed` without keys, `internal` for a change of another
 * account. A large commit is prepared in slices; the ledger must not change meanwhile.
 */
export async function prepareCommit(
  changes: readonly Change[],
  at: { readonly account: AccountName; readonly revision: Revision; readonly ledger: Ledger; readonly keyring: Keyring },
): Promise<Prepared> {
  const { account, revision, ledger, keyring } = at;
  // What this very commit has written and removed so far, beside what the ledger knows.
  const draft = createLedger();
  const removed = new Set<string>();
  let isAccountRemoved = false;
  const steps: SealedStep[] = [];

  function present(key: SealedKey): LedgerEntry | undefined {
    return draft.entry(key) ?? (isAccountRemoved || removed.has(nameOf(key)) ? undefined : ledger.entry(key));
  }

  function seal(change: Change, value: Uint8Array): void {
    const key = writtenBy(change);
    if (key === undefined) throw new PosternError({ code: "internal", what: "a value of a change that has none" });
    steps.push({ step: "put", entry: { ...key, sealed: keyring.seal(value, contextOf(key)) } });
  }

  function stored(change: Change): Change {
    if (change.type === "put_secret_version") {
      const { value, ...rest } = change;
      if (value === undefined)
        throw new PosternError({ code: "malformed", where: "value", expected: "the value of the version", kind: "missing" });
      const result = { ...rest, revision };
      seal(result, value.reveal());
      return result;
    }
    if (change.type === "put_credential") {
      const { apiKey, apiKeyRevision: _, ...rest } = change;
      const id = change.credential.role;
      if (apiKey === undefined) {
        const kept = present({ purpose: "api_key", id, version: 0 });
        return kept === undefined ? rest : { ...rest, apiKeyRevision: kept.revision };
      }
      const result = { ...rest, apiKeyRevision: revision };
      seal(result, apiKey.reveal());
      return result;
    }
    if (change.type === "put_policy_version") {
      const { text, textRevision: _, ...rest } = change;
      if (text === undefined) return rest;
      const result = { ...rest, textRevision: revision };
      seal(result, Buffer.from(text, "utf8"));
      return result;
    }
    return change;
  }

  function remove(change: Change): void {
    if (change.type === "remove_account") {
      isAccountRemoved = true;
      steps.push({ step: "remove_account", account: change.account });
    }
    for (const key of removedBy(change, [draft, ledger])) {
      removed.add(nameOf(key));
      steps.push({ step: "remove", key });
    }
  }

  const storedChanges: Change[] = [];
  for (const change of changes) {
    requireAccount(change, account);
    remove(change);
    const result = stored(change);
    draft.apply(result);
    storedChanges.push(result);
    if (storedChanges.length % changesPerSlice === 0) await pause();
  }
  return { changes: storedChanges, steps };
}

/** Opens a sealed row. Throws `integrity` when it is missing or is not the one its commit wrote. */
export function openEntry(entry: LedgerEntry, sealed: Sealed | undefined, keyring: Keyring): SecretBytes {
  if (sealed === undefined) throw missingRow(entry);
  return new SecretBytes(keyring.open(sealed, contextOf(entry)));
}

export function missingRow(entry: SealedKey): PosternError {
  return new PosternError({
    code: "integrity",
    what: `${entry.purpose} ${entry.id} version ${entry.version}`,
    because: "sealed_row_missing",
  });
}

export function contextOf(entry: LedgerEntry): SealContext {
  const { purpose, id, version, revision } = entry;
  return { purpose, account: accountOf(id), kind: kindOf(id), id: identifierOf(id), version, revision };
}

/** A commit as its MAC sees it. `previous` is the MAC before it in its account; empty for the first. */
export interface CommitParts {
  readonly previous: Uint8Array;
  readonly account: string;
  readonly revision: Revision;
  readonly at: Instant;
  readonly body: Uint8Array;
}

export function macOfCommit(keyring: Keyring, parts: CommitParts): MacTag {
  return keyring.mac("facts", commitParts(parts));
}

export function commitHolds(keyring: Keyring, parts: CommitParts, tag: MacTag): boolean {
  return keyring.verifyMac("facts", commitParts(parts), tag);
}

export interface SnapshotParts {
  readonly account: string;
  readonly revision: Revision;
  readonly factsRevision: Revision;
  readonly at: Instant;
  readonly tip: Uint8Array;
  readonly body: Uint8Array;
}

export function macOfSnapshot(keyring: Keyring, parts: SnapshotParts): MacTag {
  return keyring.mac("facts", snapshotParts(parts));
}

export function snapshotHolds(keyring: Keyring, parts: SnapshotParts, tag: MacTag): boolean {
  return keyring.verifyMac("facts", snapshotParts(parts), tag);
}

function commitParts({ previous, account, revision, at, body }: CommitParts): readonly Uint8Array[] {
  return [previous, Buffer.from(account, "utf8"), unsigned64(revision), unsigned64(at), body];
}

/** Begins with a word where a commit has a MAC of 32 bytes or nothing: neither passes for the other. */
function snapshotParts({ account, revision, factsRevision, at, tip, body }: SnapshotParts): readonly Uint8Array[] {
  return [
    Buffer.from("snapshot"),
    Buffer.from(account, "utf8"),
    unsigned64(revision),
    unsigned64(factsRevision),
    unsigned64(at),
    tip,
    body,
  ];
}

function removedBy(change: Change, ledgers: readonly Ledger[]): readonly SealedKey[] {
  if (removesSecret(change)) return [{ purpose: "secret", id: change.resource, version: change.version }];
  if (change.type === "remove_credential") return [{ purpose: "api_key", id: change.role, version: 0 }];
  if (change.type === "remove_policy_version") return [{ purpose: "policy_text", id: change.policy, version: change.version }];
  return change.type === "remove_resource" ? ledgers.flatMap((each) => each.entriesOf(change.id)) : [];
}

function nameOf({ purpose, id, version }: SealedKey): string {
  return JSON.stringify([purpose, id, version]);
}
