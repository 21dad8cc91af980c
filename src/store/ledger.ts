/**
 * Which sealed rows must exist, and from which commit: the fold of the log's `put_secret_version`, `put_credential` and `put_policy_version`.
 *
 * The log is signed and the rows are not, so a row that was removed, added, or put back from an older time is found by holding it against this.
 */

import type { AccountName, ResourceId } from "../model/ids";
import type { Sealed } from "../model/ports";
import type { Change, Revision } from "../model/types";

export type Purpose = "secret" | "api_key" | "policy_text";

/** Names a sealed row. `version` is 0 for an API key, of which there is one. */
export interface SealedKey {
  readonly purpose: Purpose;
  readonly id: ResourceId;
  readonly version: number;
}

export interface LedgerEntry extends SealedKey {
  /** The commit that wrote it; part of what its seal is bound to. */
  readonly revision: Revision;
  /** Kept in memory for secrets, whose reads do not wait. Absent when the row is missing or another than the log says. */
  sealed?: Sealed;
}

export interface Ledger {
  entry(key: SealedKey): LedgerEntry | undefined;
  /** The same for names as a row has them, which need not be any of ours. */
  entryNamed(purpose: string, id: string, version: number): LedgerEntry | undefined;
  entriesOf(id: ResourceId): readonly LedgerEntry[];
  entries(): Iterable<LedgerEntry>;
  size(): number;
  /** Follows one stored change. */
  apply(change: Change): void;
}

export function createLedger(): Ledger {
  const byId = new Map<string, Map<string, LedgerEntry>>();
  let count = 0;

  function put(entry: LedgerEntry): void {
    let slots = byId.get(entry.id);
    if (slots === undefined) {
      slots = new Map();
      byId.set(entry.id, slots);
    }
    if (!slots.has(slotOf(entry))) count += 1;
    slots.set(slotOf(entry), entry);
  }

  function remove(key: SealedKey): void {
    const slots = byId.get(key.id);
    if (slots?.delete(slotOf(key)) !== true) return;
    count -= 1;
    if (slots.size === 0) byId.delete(key.id);
  }

  function removeAll(id: string): void {
    count -= byId.get(id)?.size ?? 0;
    byId.delete(id);
  }

  /** A fact that may have a sealed row and has none takes the place of one that had. */
  function replaceWithNone(change: Change): void {
    if (change.type === "put_credential") remove({ purpose: "api_key", id: change.credential.role, version: 0 });
    if (change.type === "put_policy_version") {
      remove({ purpose: "policy_text", id: change.policyVersion.policy, version: change.policyVersion.version });
    }
  }

  function removeAccount(account: AccountName): void {
    for (const id of [...byId.keys()].filter((each) => each.startsWith(`${account}:`))) removeAll(id);
  }

  return {
    entry: (key) => byId.get(key.id)?.get(slotOf(key)),
    entryNamed: (purpose, id, version) => byId.get(id)?.get(slotOf({ purpose, version })),
    entriesOf: (id) => [...(byId.get(id)?.values() ?? [])],
    *entries() {
      for (const slots of byId.values()) yield* slots.values();
    },
    size: () => count,
    apply(change) {
      const written = writtenBy(change);
      if (written !== undefined) put(written);
      if (written === undefined) replaceWithNone(change);
      if (removesSecret(change)) remove({ purpose: "secret", id: change.resource, version: change.version });
      if (change.type === "remove_credential") remove({ purpose: "api_key", id: change.role, version: 0 });
      if (change.type === "remove_policy_version") remove({ purpose: "policy_text", id: change.policy, version: change.version });
      if (change.type === "remove_resource") removeAll(change.id);
      if (change.type === "remove_account") removeAccount(change.account);
    },
  };
}

/** Whether the change takes the value of one version away. */
export function removesSecret(change: Change): change is Extract<Change, { readonly type: "remove_secret_version" | "put_version_state" }> {
  return change.type === "remove_secret_version" || (change.type === "put_version_state" && change.destroyed === true);
}

/** The sealed row that a stored change stands for, if it does. */
export function writtenBy(change: Change): LedgerEntry | undefined {
  if (change.type === "put_secret_version" && change.revision !== undefined) {
    return { purpose: "secret", id: change.resource, version: change.version, revision: change.revision };
  }
  if (change.type === "put_credential" && change.apiKeyRevision !== undefined) {
    return { purpose: "api_key", id: change.credential.role, version: 0, revision: change.apiKeyRevision };
  }
  if (change.type === "put_policy_version" && change.textRevision !== undefined) {
    const { policy, version } = change.policyVersion;
    return { purpose: "policy_text", id: policy, version, revision: change.textRevision };
  }
  return undefined;
}

function slotOf({ purpose, version }: { readonly purpose: string; readonly version: number }): string {
  return `${purpose} ${version}`;
}
