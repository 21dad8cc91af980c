/**
 * The log of changes on disk: snapshots, the commits after them, and each account's head. Reading verifies everything; an account that does not verify is
 * reported and left out as a whole, for a graph with holes decides wrongly.
 */

import { constantTimeEqual } from "../crypto/digest";
import { PosternError } from "../model/failures";
import { type AccountName, parseAccount } from "../model/ids";
import type { Keyring } from "../model/ports";
import type { Commit, Instant, Revision } from "../model/types";
import { changesFacts, decodeChanges, erases } from "./changes";
import { damagedStore, type Engine, type Row, type Statement, unreadable } from "./engine";
import type { Tip } from "./high-water";
import { nextPage } from "./paging";
import { commitHolds, snapshotHolds } from "./sealing";

export interface AccountLog {
  /** Where the chain stands; of a damaged account, the best witness of that. */
  readonly tip: Tip;
  /** The last commit that changed more than secret versions. */
  readonly factsRevision: Revision;
  readonly isDamaged: boolean;
  readonly hasHead: boolean;
  /** The tip as it was at the revision asked for; undefined when the account had no commit then, or no head now. */
  readonly tipThen: Tip | undefined;
}

export interface ReadLog {
  readonly revision: Revision;
  /** Surviving commits of undamaged accounts, in order of revision. */
  readonly commits: readonly Commit[];
  readonly accounts: ReadonlyMap<AccountName, AccountLog>;
  /** No commit up to here is in the log by itself any more. */
  readonly snapshotRevision: Revision;
  /** How many changes stand in snapshots, and how many in commits. */
  readonly snapshotChanges: number;
  readonly logChanges: number;
  /** Whether a commit erases what others before it say. */
  readonly erases: boolean;
}

interface Reading {
  tip: Tip;
  factsRevision: Revision;
  isDamaged: boolean;
  hasHead: boolean;
  tipThen: Tip | undefined;
  readonly commits: Commit[];
}

const noMac = Buffer.alloc(0);

/** Reads and verifies the whole log. `then` is the revision to remember the tips of. */
export async function readLog(engine: Engine, keyring: Keyring, then: Revision): Promise<ReadLog> {
  const accounts = new Map<string, Reading>();
  let revision = 0;
  let snapshotRevision = 0;
  let snapshotChanges = 0;
  let logChanges = 0;
  let hasErasing = false;

  function reading(account: string): Reading {
    const known = accounts.get(account);
    if (known !== undefined) return known;
    const fresh = { tip: { revision: 0, mac: noMac }, factsRevision: 0, isDamaged: false, hasHead: false, tipThen: undefined, commits: [] };
    accounts.set(account, fresh);
    return fresh;
  }

  for await (const snapshot of readSnapshots(engine)) {
    const into = reading(snapshot.account);
    into.tip = { revision: snapshot.revision, mac: snapshot.tip };
    into.factsRevision = snapshot.factsRevision;
    into.tipThen = snapshot.revision <= then ? into.tip : undefined;
    const isReadable = isWhole(snapshot) && snapshot.factsRevision !== unreadable;
    into.isDamaged = !isReadable || !snapshotHolds(keyring, snapshot, { epoch: snapshot.epoch, tag: snapshot.mac });
    revision = Math.max(revision, snapshot.revision);
    snapshotRevision = Math.max(snapshotRevision, snapshot.revision);
    if (into.isDamaged) continue;
    const commit = toCommit(snapshot);
    snapshotChanges += commit.changes.length;
    into.commits.push(commit);
  }
  for await (const row of readCommits(engine, 0)) {
    const into = reading(row.account);
    const holds = row.revision > into.tip.revision && rowHolds(keyring, row, into.tip.mac);
    into.isDamaged ||= !holds;
    into.tip = { revision: row.revision, mac: row.mac };
    if (row.revision <= then) into.tipThen = into.tip;
    revision = Math.max(revision, row.revision);
    if (into.isDamaged) continue;
    const commit = toCommit(row);
    logChanges += commit.changes.length;
    hasErasing ||= commit.changes.some(erases);
    if (changesFacts(commit)) into.factsRevision = commit.revision;
    into.commits.push(commit);
  }
  const heads = await readHeads(engine);
  for (const [account, tip] of heads) {
    const into = reading(account);
    into.hasHead = true;
    const isTip = tip.revision === into.tip.revision && constantTimeEqual(tip.mac, into.tip.mac);
    // Of a chain that does not hold the head is the better witness, of one that does the chain is: one flipped bit spoils one of them.
    if (into.isDamaged || into.tip.revision === 0) {
      into.tip = tip;
      if (tip.revision <= then) into.tipThen = tip;
    }
    into.isDamaged ||= !isTip;
    revision = Math.max(revision, tip.revision);
  }
  for (const each of accounts.values()) {
    if (each.hasHead) continue;
    each.isDamaged = true;
    each.tipThen = undefined;
  }

  const commits = [...accounts.values()].flatMap((each) => (each.isDamaged ? [] : each.commits)).sort((a, b) => a.revision - b.revision);
  const named = [...accounts].flatMap(([account, each]) => {
    const name = accountOrUndefined(account);
    return name === undefined ? [] : [[name, each] as const];
  });
  return { revision, commits, accounts: new Map(named), snapshotRevision, snapshotChanges, logChanges, erases: hasErasing };
}

/** Commits after a revision, oldest first, each verified again. Throws `integrity` at the first that does not hold; damaged accounts are left out. */
export async function* readVerified(
  engine: Engine,
  keyring: Keyring,
  { after, damaged }: { readonly after: Revision; readonly damaged: ReadonlySet<string> },
): AsyncGenerator<Commit> {
  const previous = new Map<string, Uint8Array>();
  for await (const row of readCommits(engine, after)) {
    if (damaged.has(row.account)) continue;
    const before = previous.get(row.account) ?? (await macBefore(engine, row));
    if (!rowHolds(keyring, row, before)) {
      throw new PosternError({ code: "integrity", what: `commit ${row.revision}`, because: "facts_mac" });
    }
    previous.set(row.account, row.mac);
    yield toCommit(row);
  }
}

function rowHolds(keyring: Keyring, row: CommitRow, previous: Uint8Array): boolean {
  return isWhole(row) && commitHolds(keyring, { ...row, previous }, { epoch: row.epoch, tag: row.mac });
}

function isWhole({ revision, at, epoch }: CommitRow): boolean {
  return revision !== unreadable && at !== unreadable && epoch !== unreadable;
}

/** The MAC that the chain of the row's account had before it: of the commit before, of the snapshot, or none. */
async function macBefore(engine: Engine, { account, revision }: CommitRow): Promise<Uint8Array> {
  const name = Buffer.from(account, "utf8");
  const fromCommits = await engine.select({
    integers: [],
    blobs: ["mac"],
    from: "commits WHERE account = ? AND revision < ? ORDER BY revision DESC LIMIT 1",
    args: [name, revision],
  });
  const fromSnapshot = await engine.select({ integers: [], blobs: ["tip"], from: "snapshots WHERE account = ?", args: [name] });
  return fromCommits[0]?.blobs[0] ?? fromSnapshot[0]?.blobs[0] ?? noMac;
}

/** Commits after a revision, oldest first, as they stand. */
async function* readCommits(engine: Engine, after: Revision): AsyncGenerator<CommitRow> {
  for (let last = after; ; ) {
    const from = "commits WHERE revision > ? ORDER BY revision";
    const { count, isLast } = await nextPage(engine, { bytes: "length(body)", from, args: [last] });
    const rows = await engine.select({
      integers: ["revision", "at", "epoch"],
      blobs: ["account", "mac", "body"],
      from: `${from} LIMIT ?`,
      args: [last, count],
    });
    for (const row of rows) {
      const commit = commitRow(row);
      if (commit.revision <= last) throw damagedStore("the log is out of order");
      last = commit.revision;
      yield commit;
    }
    if (isLast) return;
  }
}

export interface CommitRow {
  readonly revision: Revision;
  readonly at: Instant;
  readonly epoch: number;
  readonly account: string;
  readonly mac: Buffer;
  readonly body: Buffer;
}

/** Of a row whose MAC holds. */
export function toCommit(row: Pick<CommitRow, "revision" | "at" | "account" | "body">): Commit {
  return { revision: row.revision, account: parseAccount(row.account), at: row.at, changes: decodeChanges(row.body) };
}

export function insertCommit(row: CommitRow): readonly Statement[] {
  const account = Buffer.from(row.account, "utf8");
  return [
    {
      sql: "INSERT INTO commits (revision, at, epoch, account, mac, body) VALUES (?, ?, ?, ?, ?, ?)",
      args: [row.revision, row.at, row.epoch, account, row.mac, row.body],
    },
    { sql: "INSERT OR REPLACE INTO heads (account, revision, mac) VALUES (?, ?, ?)", args: [account, row.revision, row.mac] },
  ];
}

export interface SnapshotRow extends CommitRow {
  readonly factsRevision: Revision;
  readonly tip: Buffer;
}

/** Puts the snapshot in place of the account's commits up to its revision. */
export function insertSnapshot(row: SnapshotRow): readonly Statement[] {
  const account = Buffer.from(row.account, "utf8");
  return [
    {
      sql: "INSERT OR REPLACE INTO snapshots (account, revision, facts_revision, at, epoch, tip, mac, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      args: [account, row.revision, row.factsRevision, row.at, row.epoch, row.tip, row.mac, row.body],
    },
    { sql: "DELETE FROM commits WHERE account = ? AND revision <= ?", args: [account, row.revision] },
  ];
}

async function* readSnapshots(engine: Engine): AsyncGenerator<SnapshotRow> {
  for (let last: Uint8Array | undefined; ; ) {
    // The empty name is below all others, and can stand in a damaged row.
    const from = last === undefined ? "snapshots ORDER BY account" : "snapshots WHERE account > ? ORDER BY account";
    const args = last === undefined ? [] : [last];
    const { count, isLast } = await nextPage(engine, { bytes: "length(body)", from, args });
    const rows = await engine.select({
      integers: ["revision", "facts_revision", "at", "epoch"],
      blobs: ["account", "tip", "mac", "body"],
      from: `${from} LIMIT ?`,
      args: [...args, count],
    });
    yield* rows.map(snapshotRow);
    if (isLast) return;
    last = rows.at(-1)?.blobs[0];
  }
}

function snapshotRow({ integers: [revision, factsRevision, at, epoch], blobs: [account, tip, mac, body] }: Row): SnapshotRow {
  return {
    revision: present(revision),
    factsRevision: present(factsRevision),
    at: present(at),
    epoch: present(epoch),
    account: present(account).toString("utf8"),
    tip: present(tip),
    mac: present(mac),
    body: present(body),
  };
}

async function readHeads(engine: Engine): Promise<ReadonlyMap<string, Tip>> {
  const rows = await engine.select({ integers: ["revision"], blobs: ["account", "mac"], from: "heads", args: [] });
  return new Map(
    rows.map(({ integers: [revision], blobs: [account, mac] }) => [
      present(account).toString("utf8"),
      { revision: present(revision), mac: present(mac) },
    ]),
  );
}

function commitRow({ integers: [revision, at, epoch], blobs: [account, mac, body] }: Row): CommitRow {
  return {
    revision: present(revision),
    at: present(at),
    epoch: present(epoch),
    account: present(account).toString("utf8"),
    mac: present(mac),
    body: present(body),
  };
}

function present<T>(cell: T | undefined): T {
  if (cell === undefined) throw damagedStore("a row with too few cells");
  return cell;
}

function accountOrUndefined(text: string): AccountName | undefined {
  try {
    return parseAccount(text);
  } catch {
    // Bytes that cannot be a name: the account they once named is found damaged by its chain or its head.
    return undefined;
  }
}
