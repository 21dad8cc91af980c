/**
 * Puts a snapshot in the place of a long log: what survives of each account's commits, under a MAC of its own, in the transaction that drops them.
 */

import type { Keyring } from "../model/ports";
import type { Instant, Revision } from "../model/types";
import { encodeChanges } from "./changes";
import type { Engine, Statement } from "./engine";
import { surviving } from "./fold";
import { insertSnapshot, type ReadLog } from "./log";
import { macOfSnapshot } from "./sealing";

/** Below this many changes a log reads faster than anyone notices. */
const leastChanges = 20_000;

/**
 * Compacts a log that was just read, when there are more changes in it than in snapshots. Gives the revision up to which commits are no longer in the log
 * by themselves.
 */
export async function compact(engine: Engine, keyring: Keyring, log: ReadLog, now: Instant): Promise<Revision> {
  if (log.logChanges < leastChanges || log.logChanges < log.snapshotChanges) return log.snapshotRevision;
  const statements: Statement[] = [];
  let upTo = log.snapshotRevision;
  for (const [account, { tip, factsRevision, isDamaged }] of log.accounts) {
    if (isDamaged) continue;
    const changes = log.commits.flatMap((commit) => (commit.account === account ? commit.changes : []));
    const body = encodeChanges(surviving(changes));
    const { epoch, tag } = macOfSnapshot(keyring, { account, revision: tip.revision, factsRevision, at: now, tip: tip.mac, body });
    statements.push(
      ...insertSnapshot({ account, revision: tip.revision, factsRevision, at: now, tip: tip.mac, body, epoch, mac: Buffer.from(tag) }),
    );
    upTo = Math.max(upTo, tip.revision);
  }
  await engine.write(statements);
  await engine.checkpoint();
  return upTo;
}
