/**
 * The book that commits are entered in: order, conflicts, seals and MACs, whatever it is kept on. `store.ts` keeps it in a database, `memory.ts` nowhere.
 */

import { PosternError } from "../model/failures";
import { type AccountName, accountOf, parseId } from "../model/ids";
import type { Keyring, Sealed, Store } from "../model/ports";
import type { Commit, Revision } from "../model/types";
import { changesFacts, encodeInSlices } from "./changes";
import type { Tip } from "./high-water";
import type { Ledger, SealedKey } from "./ledger";
import type { CommitRow } from "./log";
import { macOfCommit, missingRow, openEntry, prepareCommit, type SealedStep } from "./sealing";

/** Where a commit is made durable. */
export interface BookShelf {
  /** All of it durably, or an error and nothing. */
  write(row: CommitRow, steps: readonly SealedStep[]): Promise<void>;
  /** A row that is not in memory; undefined when there is none. */
  read(key: SealedKey): Promise<{ readonly revision: Revision; readonly sealed: Sealed } | undefined>;
  /** Told when a commit is durable and counts. What it does must not fail: the commit stands. */
  entered?(commit: Commit, tip: Tip): void;
}

/** An account's place in the log. */
export interface Standing {
  readonly tip: Tip;
  readonly factsRevision: Revision;
  readonly isDamaged: boolean;
}

export interface BookDeps {
  readonly keyring: Keyring;
  readonly shelf: BookShelf;
  readonly ledger: Ledger;
  readonly revision: Revision;
  readonly standings: ReadonlyMap<AccountName, Standing>;
}

export interface Book extends Pick<Store, "commit" | "secretValue" | "record"> {
  revision(): Revision;
  /** Runs work between two commits. */
  inTurn<Result>(work: () => Promise<Result>): Promise<Result>;
}

const noMac = Buffer.alloc(0);
/** Far below what the engine takes in one row, far above a policy of a million lines. */
const maxBodyBytes = 512 * 2 ** 20;

export function createBook({ keyring, shelf, ledger, revision: start, standings: known }: BookDeps): Book {
  const standings = new Map(known);
  let revision = start;
  let last: Promise<unknown> = Promise.resolve();

  function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = last.then(work, work);
    last = turn.catch(() => undefined);
    return turn;
  }

  function requireSound(account: AccountName): void {
    // Never "absent": the account's facts are left out because they do not verify.
    if (standings.get(account)?.isDamaged === true)
      throw new PosternError({ code: "integrity", what: `account ${account}`, because: "facts_mac" });
  }

  async function enter(
    changes: Parameters<Store["commit"]>[0],
    { account, expected, now, foretold }: Parameters<Store["commit"]>[1],
  ): Promise<Commit> {
    requireSound(account);
    const standing = standings.get(account) ?? { tip: { revision: 0, mac: noMac }, factsRevision: 0 };
    if (standing.factsRevision > expected)
      throw new PosternError({ code: "conflict", what: `facts of account ${account} changed`, because: "facts_changed" });
    const next = revision + 1;
    const prepared = await prepareCommit(changes, { account, revision: next, ledger, keyring });
    const body = await encodeInSlices(prepared.changes);
    if (body.byteLength > maxBodyBytes) throw new PosternError({ code: "too_large", what: "a commit", limitBytes: maxBodyBytes });
    const { epoch, tag } = macOfCommit(keyring, { previous: standing.tip.mac, account, revision: next, at: now, body });
    const mac = Buffer.from(tag);
    const commit: Commit = { revision: next, account, at: now, changes: prepared.changes };
    await foretold?.(commit);
    await shelf.write({ revision: next, at: now, epoch, account, mac, body }, prepared.steps);
    // Only now is it true.
    revision = next;
    for (const change of commit.changes) ledger.apply(change);
    for (const step of prepared.steps) {
      // Secrets are read without waiting; API keys and policy texts are fetched when asked for.
      const kept = step.step === "put" && step.entry.purpose === "secret" ? ledger.entry(step.entry) : undefined;
      if (kept !== undefined && step.step === "put") kept.sealed = step.entry.sealed;
    }
    const tip = { revision: next, mac };
    standings.set(account, { tip, factsRevision: changesFacts(commit) ? next : standing.factsRevision, isDamaged: false });
    shelf.entered?.(commit, tip);
    return commit;
  }

  return {
    revision: () => revision,
    inTurn,
    commit: (changes, options) => inTurn(() => enter(changes, options)),

    secretValue(id, version) {
      requireSound(accountOf(id));
      const entry = ledger.entry({ purpose: "secret", id, version });
      return entry === undefined ? undefined : openEntry(entry, entry.sealed, keyring);
    },

    record: (kind, key) =>
      // Between two commits: while one is written, the row on the shelf may already be the next one.
      inTurn(async () => {
        const named = recordKey(kind, key);
        requireSound(accountOf(named.id));
        const entry = ledger.entry(named);
        if (entry === undefined) return undefined;
        const row = await shelf.read(entry);
        if (row === undefined || row.revision !== entry.revision) throw missingRow(entry);
        return openEntry(entry, row.sealed, keyring);
      }),
  };
}

function recordKey(kind: "api_key" | "policy_text", key: string): SealedKey {
  if (kind === "api_key") return { purpose: kind, id: parseId(key), version: 0 };
  const at = key.lastIndexOf("@");
  return { purpose: kind, id: parseId(key.slice(0, at)), version: Number(key.slice(at + 1)) };
}
