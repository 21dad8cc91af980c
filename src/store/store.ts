/**
 * The log of changes and the sealed values in one database file, held by this process alone.
 *
 * What is acknowledged is durable: a commit returns after SQLite's synchronous write. What is read at start is verified before it counts. The last known
 * revision is also kept beside the database (`high-water.ts`), so that an older copy put in its place is noticed.
 */

import { dirname, join } from "node:path";
import { PosternError } from "../model/failures";
import type { Clock, Keyring, Logger, PrivateFiles, Store } from "../model/ports";
import type { Revision } from "../model/types";
import { createBook } from "./book";
import { compact } from "./compaction";
import { damagedStore, type Engine, openEngine } from "./engine";
import { type HighWater, openHighWater } from "./high-water";
import { createLedger } from "./ledger";
import { insertCommit, readCommits, readLog, toCommit } from "./log";
import { createRewrapping, type Rewrapping } from "./rewrapping";
import { migrate, putMeta, readIdentity, type StoreIdentity } from "./schema";
import { readSealedRow, readSealedRows, statementsOf } from "./sealed-rows";

export interface StoreOptions {
  /** `/var/lib/postern/postern.db`; the folder exists and is private. */
  readonly path: string;
  readonly keyring: Keyring & { deployment(): string | undefined };
  readonly clock: Clock;
  readonly files: PrivateFiles;
  readonly logger: Logger;
  /** Start although the store is older than the mark beside it; begins a new epoch. */
  readonly acceptRollback?: boolean;
}

export interface StoreControl extends Store, Rewrapping {
  /** How often a rollback was accepted, plus one. */
  readonly epoch: number;
  readonly deployment: string;
  /** Brings the write-ahead log into the database file. */
  checkpoint(): Promise<void>;
  /** How many secrets, keys and texts are kept. */
  sealedCount(): number;
}

/**
 * Opens the store of an unsealed keyring, or makes it where none has been. Throws `conflict` (because `store_in_use`); `integrity` because `store_damaged`,
 * `store_of_another_deployment`, or `store_rolled_back`; `unsupported` because `store_newer`.
 */
export async function openStore(options: StoreOptions): Promise<StoreControl> {
  const { path, keyring, files } = options;
  const deployment = keyring.deployment();
  if (deployment === undefined) throw new PosternError({ code: "sealed", reason: "uninitialised" });
  const highWater = openHighWater(files, join(dirname(path), "high-water.json"), keyring);
  const isPresent = (files.size(path) ?? 0) > 0;
  if (highWater.exists && !isPresent) throw damagedStore("the database file is missing or empty where data was");
  files.ensureFile(path);
  const engine = await openEngine(path);
  try {
    await migrate(engine, { deployment, mayBeEmpty: !highWater.exists });
    const identity = await readIdentity(engine);
    if (identity.deployment !== deployment) {
      throw new PosternError({
        code: "integrity",
        what: "the store belongs to another installation",
        because: "store_of_another_deployment",
      });
    }
    return await openLog(options, engine, highWater, identity);
  } catch (error) {
    await engine.close();
    throw error;
  }
}

async function openLog(options: StoreOptions, engine: Engine, highWater: HighWater, identity: StoreIdentity): Promise<StoreControl> {
  const { keyring, clock, logger } = options;
  const log = await readLog(engine, keyring, highWater.mark?.revision ?? 0);
  const epoch = await judgeRollback(options, engine, highWater, identity, log.revision);
  const ledger = createLedger();
  for (const commit of log.commits) for (const change of commit.changes) ledger.apply(change);
  for await (const page of readSealedRows(engine, "secret")) {
    for (const { purpose, id, version, revision, sealed } of page) {
      const entry = ledger.entryNamed(purpose, id, version);
      // A row of another commit than the log's is not the one that belongs here; reading it then says that it is missing.
      if (entry?.revision === revision) entry.sealed = sealed;
    }
  }
  const damaged = [...log.accounts].filter(([, account]) => account.isDamaged).map(([name]) => name);
  for (const account of damaged) logger.error("account_facts_damaged", { account });
  let syncedAt = clock.now();
  const raise = (revision: Revision): void => highWater.raise({ deployment: identity.deployment, epoch, revision });

  const book = createBook({
    keyring,
    ledger,
    revision: Math.max(log.revision, identity.floor),
    standings: log.accounts,
    shelf: {
      async write(row, steps) {
        await engine.write([...insertCommit(row), ...statementsOf(steps)]);
        syncedAt = row.at;
        raise(row.revision);
      },
      read: (key) => readSealedRow(engine, key),
    },
  });
  raise(book.revision());
  highWater.sync();
  const snapshotRevision = await compact(engine, keyring, log, clock.now());

  return {
    ...createRewrapping({ engine, keyring, ledger, inTurn: book.inTurn }),
    epoch,
    deployment: identity.deployment,
    load: async () => ({ revision: book.revision(), commits: log.commits, damaged }),
    commit: book.commit,
    async *changesAfter(revision) {
      if (revision < snapshotRevision) throw new PosternError({ code: "stale", because: "before_snapshot" });
      for await (const row of readCommits(engine, revision)) yield toCommit(row);
    },
    secretValue: book.secretValue,
    record: book.record,
    position: () => ({ revision: book.revision(), syncedAt }),
    checkpoint: () => book.inTurn(() => engine.checkpoint()),
    sealedCount: () => ledger.size(),
    close: () =>
      book.inTurn(async () => {
        if (!engine.isBroken()) await engine.checkpoint();
        highWater.close();
        await engine.close();
      }),
  };
}

/** The epoch to go on in. Refuses a store that is behind its mark, or whose mark was tampered with, unless that is accepted. */
async function judgeRollback(
  options: StoreOptions,
  engine: Engine,
  highWater: HighWater,
  identity: StoreIdentity,
  revision: Revision,
): Promise<number> {
  const { mark } = highWater;
  const isBehind = mark !== undefined && (revision < mark.revision || identity.epoch < mark.epoch);
  if (!isBehind && !highWater.isDamaged) return identity.epoch;
  if (options.acceptRollback !== true) {
    const what = highWater.isDamaged
      ? "the mark beside the store does not hold"
      : `the store stands at revision ${revision}, and was known at ${mark?.revision}`;
    throw new PosternError({ code: "integrity", what, because: "store_rolled_back" });
  }
  const epoch = Math.max(identity.epoch, mark?.epoch ?? 0) + 1;
  // Revisions that were once given out are not given out again for something else.
  const floor = Math.max(identity.floor, mark?.revision ?? 0, revision);
  await engine.write([putMeta("epoch", String(epoch)), putMeta("floor", String(floor))]);
  options.logger.warn("rollback_accepted", { epoch, revision });
  return epoch;
}
