/**
 * Puts a snapshot in the place of the log: what survives of each account's commits, under a MAC of its own, in the transaction that drops them.
 */

import type { Keyring } from "../model/ports";
import type { Change, Instant } from "../model/types";
import { encodeChanges } from "./changes";
import type { Engine, Statement } from "./engine";
import { surviving } from "./fold";
import { insertSnapshot, type ReadLog } from "./log";
import { macOfSnapshot } from "./sealing";

/** Below this many changes a log reads faster than anyone notices. */
const leastChanges = 20_000;

/** Whether there is more in the log than in snapshots, or something in it whose traces must not stay: digests and password hashes that were removed. */
export function wantsCompaction(log: ReadLog): boolean {
  return (log.logChanges >= leastChanges && log.logChanges >= log.snapshotChanges) || log.erases;
}

/** Compacts a log that was just read and verified. Damaged accounts stay as they are: they are evidence. */
export async function compact(engine: Engine, keyring: Keyring, log: ReadLog, now: Instant): Promise<void> {
  const statements: Statement[] = [];
  const changes = new Map<string, Change[]>();
  for (const commit of log.commits) {
    const before = changes.get(commit.account);
    if (before === undefined) changes.set(commit.account, [...commit.changes]);
    else for (const change of commit.changes) before.push(change);
  }
  for (const [account, { tip, factsRevision, isDamaged }] of log.accounts) {
    if (isDamaged) continue;
    const body = encodeChanges(surviving(changes.get(account) ?? []));
    const parts = { account, revision: tip.revision, factsRevision, at: now, tip: Buffer.from(tip.mac), body };
    const { epoch, tag } = macOfSnapshot(keyring, parts);
    statements.push(...insertSnapshot({ ...parts, epoch, mac: Buffer.from(tag) }));
  }
  await engine.write(statements);
  await engine.checkpoint();
}
