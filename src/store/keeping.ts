/** An opened store at work: commits in, reads out, and the upkeep between them. */

import { PosternError } from "../model/failures";
import type { AccountName } from "../model/ids";
import type { Clock, Keyring, LoadedStore, Logger } from "../model/ports";
import type { Change, Revision } from "../model/types";
import { createBook } from "./book";
import { erases, removesValue } from "./changes";
import { compact, wantsCompaction } from "./compaction";
import type { Engine } from "./engine";
import { createTipsDigest, type HighWater, type Tip } from "./high-water";
import { createLedger, type Ledger } from "./ledger";
import { insertCommit, type ReadLog, readLog, readVerified } from "./log";
import { pause } from "./pause";
import { createRewrapping, type Rewrapping } from "./rewrapping";
import type { StoreIdentity } from "./schema";
import { readSealedRow, readSealedRows, statementsOf } from "./sealed-rows";
import type { StoreControl } from "./store";
import { openTokens } from "./tokens";
import { verifyStore } from "./verification";

export interface KeepingOptions {
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long the write-ahead log is. */
  readonly walBytes: () => number;
}

export interface OpenedStore {
  readonly engine: Engine;
  readonly highWater: HighWater;
  /** Just read, and judged against the mark. */
  readonly log: ReadLog;
  readonly identity: StoreIdentity;
  readonly acceptedRollback: boolean;
}

/** Checkpoints are ours alone to make, at the length SQLite itself would. */
const longestWalBytes = 4 << 20;
/** How long a removed version may stay readable in the write-ahead log, to those who have the keys. */
const removalRestsMs = 60_000;

export async function keepStore(options: KeepingOptions, opened: OpenedStore): Promise<StoreControl> {
  const { keyring, clock, logger } = options;
  const { engine, highWater, identity } = opened;
  const damaged = [...opened.log.accounts].flatMap(([name, { isDamaged }]) => (isDamaged ? [name] : []));
  for (const account of damaged) logger.error("account_facts_damaged", { account });
  const ledger = createLedger();
  for (const commit of opened.log.commits) for (const change of commit.changes) ledger.apply(change);
  await loadSecrets(engine, ledger, logger);

  const mark = createMark(opened, logger);
  let loaded: LoadedStore | undefined = { revision: opened.log.revision, commits: opened.log.commits, damaged };
  let { snapshotRevision } = opened.log;
  let hasErased = opened.log.erases;
  let isClosing = false;
  let syncedAt = clock.now();
  let checkpointedMs = clock.monotonicMs();
  let isCheckpointAhead = false;

  const book = createBook({
    keyring,
    ledger,
    revision: Math.max(opened.log.revision, identity.floor),
    standings: opened.log.accounts,
    shelf: {
      write: (row, steps) => engine.write([...insertCommit(row), ...statementsOf(steps)]),
      read: (key) => readSealedRow(engine, key),
      entered(commit, tip) {
        loaded = undefined;
        syncedAt = commit.at;
        hasErased ||= commit.changes.some(erases);
        mark.move(commit.account, tip);
        for (const change of commit.changes) if (change.type === "remove_account") forgetTokens(change.account);
        upkeepAfter(commit.changes);
      },
    },
  });

  /** At once, before a new account of that name has any; without its keys none of them would open. */
  function forgetTokens(account: AccountName): void {
    tokens.forget(account).catch((error: unknown) => logger.error("store_upkeep_failed", { what: "tokens", reason: reasonOf(error) }));
  }

  function upkeepAfter(changes: readonly Change[]): void {
    if (changes.some(({ type }) => type === "remove_account")) inBackground("compaction", compactNow);
    else if (isCheckpointDue(changes)) inBackground("checkpoint", checkpointNow);
  }

  function isCheckpointDue(changes: readonly Change[]): boolean {
    if (options.walBytes() >= longestWalBytes || changes.some(erases)) return true;
    // Trimming old versions goes with every write of a busy secret; a checkpoint each time would double its cost.
    return changes.some(removesValue) && clock.monotonicMs() - checkpointedMs >= removalRestsMs;
  }

  /** The commit stands whether this works or not; what does not work now is tried again later. */
  function inBackground(what: string, work: () => Promise<void>): void {
    book.inTurn(work).catch((error: unknown) => logger.error("store_upkeep_failed", { what, reason: reasonOf(error) }));
  }

  async function checkpointNow(): Promise<void> {
    isCheckpointAhead = false;
    if (isClosing) return;
    // After a large commit both take their time: not in the same turn.
    await pause();
    checkpointedMs = clock.monotonicMs();
    await engine.checkpoint();
  }

  async function compactNow(): Promise<void> {
    // A mark that lags behind names commits that are about to go, and nothing could be held against it any more.
    mark.settle();
    const log = await readLog(engine, keyring, 0);
    await compact(engine, keyring, log, clock.now());
    snapshotRevision = Math.max(snapshotRevision, log.revision);
    hasErased = false;
  }

  async function tryCompaction(): Promise<void> {
    await compactNow().catch((error: unknown) => logger.error("store_upkeep_failed", { what: "compaction", reason: reasonOf(error) }));
  }

  const tokens = await openTokens({
    engine,
    keyring,
    logger,
    storeEpoch: identity.epoch,
    markedSerial: highWater.written.state === "present" ? (highWater.written.mark.tokens ?? 0) : 0,
    written(serial) {
      mark.moveTokens(serial);
      if (isCheckpointAhead || options.walBytes() < longestWalBytes) return;
      isCheckpointAhead = true;
      inBackground("checkpoint", checkpointNow);
    },
    shrunk() {
      // The file itself becomes shorter only when the write-ahead log is taken into it.
      if (!isCheckpointAhead) inBackground("checkpoint", checkpointNow);
      isCheckpointAhead = true;
    },
  });
  mark.moveTokens(tokens.serial());
  const rewrapping: Rewrapping = createRewrapping({ engine, keyring, ledger, inTurn: book.inTurn, isClosing: () => isClosing });
  mark.write();
  if (wantsCompaction(opened.log)) await tryCompaction();

  return {
    ...rewrapping,
    deployment: identity.deployment,
    epoch: identity.epoch,
    acceptedRollback: opened.acceptedRollback,
    load: () =>
      book.inTurn(async () => {
        if (loaded !== undefined) return { ...loaded, revision: book.revision() };
        const { commits } = await readLog(engine, keyring, 0);
        return { revision: book.revision(), commits, damaged };
      }),
    commit: book.commit,
    async *changesAfter(revision: Revision) {
      if (revision < snapshotRevision) throw new PosternError({ code: "stale", because: "before_snapshot" });
      yield* readVerified(engine, keyring, { after: revision, damaged: new Set(damaged) });
    },
    secretValue: book.secretValue,
    record: book.record,
    tokens,
    position: () => ({ revision: book.revision(), syncedAt }),
    checkpoint: () => book.inTurn(checkpointNow),
    compact: () => book.inTurn(compactNow),
    verify: () => verifyStore({ engine, keyring, ledger, book }),
    sealedCount: () => ledger.size(),
    close: () =>
      book.inTurn(async () => {
        if (isClosing) return;
        isClosing = true;
        await tokens.close();
        if (hasErased && !engine.isBroken()) await tryCompaction();
        try {
          if (!engine.isBroken()) await engine.checkpoint();
        } catch (error) {
          // What is committed is durable in the write-ahead log as well.
          logger.error("store_upkeep_failed", { what: "checkpoint", reason: reasonOf(error) });
        }
        highWater.close();
        await engine.close();
      }),
  };
}

/** Fills the ledger's secrets. A row of another commit than the log's is not the one that belongs there: reading it will say so. */
async function loadSecrets(engine: Engine, ledger: Ledger, logger: Logger): Promise<void> {
  let unexpected = 0;
  for await (const page of readSealedRows(engine, "secret")) {
    for (const { purpose, id, version, revision, sealed } of page) {
      const entry = ledger.entryNamed(purpose, id, version);
      if (entry?.revision === revision) entry.sealed = sealed;
      else unexpected += 1;
    }
  }
  let missing = 0;
  for (const entry of ledger.entries()) if (entry.purpose === "secret" && entry.sealed === undefined) missing += 1;
  if (missing > 0 || unexpected > 0) logger.error("sealed_rows_damaged", { missing, unexpected });
}

/** The mark as it follows the commits. */
function createMark({ highWater, identity, log }: OpenedStore, logger: Logger) {
  const tips = createTipsDigest();
  for (const [account, { tip, hasHead }] of log.accounts) if (hasHead) tips.set(account, tip);
  let { revision } = log;
  let tokensSerial = 0;

  function writeNow(): void {
    const tokens = tokensSerial === 0 ? {} : { tokens: tokensSerial };
    highWater.raise({ format: "postern-high-water/1", ...identity, revision, tips: tips.digest(), ...tokens });
  }

  function write(): void {
    try {
      writeNow();
    } catch (error) {
      // It may lag behind; a commit that is durable must not fail for it.
      logger.error("high_water_not_raised", { reason: reasonOf(error) });
    }
  }

  return {
    write,
    /** Durably, or with a failure. */
    settle(): void {
      writeNow();
      highWater.sync();
    },
    /** A write of tokens, which has no place in the log. */
    moveTokens(serial: number): void {
      if (serial === tokensSerial) return;
      tokensSerial = serial;
      write();
    },
    move(account: string, tip: Tip): void {
      tips.set(account, tip);
      revision = tip.revision;
      write();
    },
  };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : "unknown";
}
