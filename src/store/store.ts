/**
 * The log of changes and the sealed values in one database file, held by this process alone.
 *
 * What is acknowledged is durable: a commit returns after SQLite's synchronous write. What is read at start is verified before it counts. The last commits
 * are also named beside the database (`high-water.ts`), so that an older copy put in its place is noticed, and an empty one never passes for a new store.
 */

import { dirname, join } from "node:path";
import { PosternError } from "../model/failures";
import type { Clock, Keyring, Logger, PrivateFiles, Store } from "../model/ports";
import { damagedStore, openEngine } from "./engine";
import { digestOfTips, type HighWater, openHighWater } from "./high-water";
import { keepStore, type OpenedStore } from "./keeping";
import { type ReadLog, readLog } from "./log";
import type { Rewrapping } from "./rewrapping";
import { migrate, putMeta, readIdentity, type StoreIdentity } from "./schema";
import type { IntegrityReport } from "./verification";

export interface StoreOptions {
  /** `/var/lib/postern/postern.db`; its folder is the store's own, and closed to others. */
  readonly path: string;
  readonly keyring: Keyring & { deployment(): string | undefined };
  readonly clock: Clock;
  readonly files: PrivateFiles;
  readonly logger: Logger;
  /** Start although the store is older than the mark beside it, or the mark is missing or does not hold; begins a new epoch. */
  readonly acceptRollback?: boolean;
}

export interface StoreControl extends Store, Rewrapping {
  readonly deployment: string;
  /** How often a rollback was accepted, plus one. */
  readonly epoch: number;
  /** Whether one was accepted just now: that belongs in the audit. */
  readonly acceptedRollback: boolean;
  /** Brings the write-ahead log into the database file. */
  checkpoint(): Promise<void>;
  /** Puts snapshots in the place of the log. Followers that are behind must then begin anew. */
  compact(): Promise<void>;
  /** Reads and verifies everything again from disk, opening every sealed row, a page at a time. */
  verify(): Promise<IntegrityReport>;
  /** How many values, API keys and policy texts are kept. */
  sealedCount(): number;
}

/** Whether there is a store at this path, or was one. For this alone no key is needed. */
export function storeExists(files: PrivateFiles, path: string): boolean {
  return (files.size(path) ?? 0) > 0 || files.size(markPath(path)) !== undefined;
}

/**
 * Opens the store of an unsealed keyring, or makes it where none has been. Throws `sealed`; `conflict` (because `store_in_use`); `unsupported` (because
 * `store_newer`); `integrity` because `store_damaged`, `store_of_another_deployment`, `store_rolled_back`, or `high_water_missing`.
 */
export async function openStore(options: StoreOptions): Promise<StoreControl> {
  const { path, keyring, files, logger } = options;
  const deployment = keyring.deployment();
  const state = keyring.state();
  if (state.state !== "unsealed") throw new PosternError({ code: "sealed", reason: state.state === "sealed" ? state.reason : state.state });
  if (deployment === undefined) throw new PosternError({ code: "sealed", reason: "uninitialised" });
  if (files.ensureFolder(dirname(path))) logger.warn("store_folder_closed_to_others");
  const highWater = openHighWater(files, markPath(path), keyring);
  const { written } = highWater;
  const hasHadData = written.state === "damaged" || (written.state === "present" && written.mark.revision > 0);
  const isEmpty = (files.size(path) ?? 0) === 0;
  const hasLog = (files.size(`${path}-wal`) ?? 0) > 0;
  // SQLite would throw away the log of an empty database, and with it what was committed last.
  if (isEmpty && (hasHadData || hasLog)) throw damagedStore("the database file is missing or empty where data was");
  // Before the file: from here on the two are told apart from a database whose mark was taken away.
  if (isEmpty) highWater.raise({ format: "postern-high-water/1", deployment, epoch: 1, revision: 0, floor: 0, tips: digestOfTips([]) });
  closeToOthers(options);
  const engine = await openEngine(path);
  try {
    await migrate(engine, { deployment, mayBeEmpty: isEmpty || (written.state === "present" && !hasHadData) });
    const found = await readIdentity(engine);
    // The mark carries a MAC, the database's own word does not.
    const identity = { ...found, floor: Math.max(found.floor, written.state === "present" ? written.mark.floor : 0) };
    if (identity.deployment !== deployment) {
      throw new PosternError({ code: "integrity", what: "the store of another installation", because: "store_of_another_deployment" });
    }
    const log = await readLog(engine, keyring, written.state === "present" ? written.mark.revision : 0);
    const accepted = isEmpty ? undefined : await judgeRollback(options, { engine, highWater, identity, log });
    const opened = { engine, highWater, log, identity: accepted ?? identity, acceptedRollback: accepted !== undefined };
    return await keepStore({ ...options, walBytes: () => files.size(`${path}-wal`) ?? 0 }, opened);
  } catch (error) {
    highWater.close();
    await engine.close();
    throw error;
  }
}

const markPath = (path: string): string => join(dirname(path), "high-water.json");

/** Before the engine opens them, for it would lose its hold on a file that somebody else in this process closes. */
function closeToOthers({ files, path, logger }: StoreOptions): void {
  for (const each of [path, `${path}-wal`]) {
    const isThere = each === path || files.size(each) !== undefined;
    if (isThere && files.ensureFile(each)) logger.warn("store_file_closed_to_others", { file: each });
  }
}

/** Nothing when all is well; the identity of a new epoch when it is not, and that is accepted. Throws `integrity` otherwise. */
async function judgeRollback(
  options: StoreOptions,
  { engine, highWater, identity, log }: Omit<OpenedStore, "acceptedRollback">,
): Promise<StoreIdentity | undefined> {
  const finding = rollbackOf(highWater, identity, log);
  if (finding === undefined) return undefined;
  if (options.acceptRollback !== true) throw new PosternError({ code: "integrity", ...finding });
  const { written } = highWater;
  const known = written.state === "present" ? written.mark : undefined;
  const next = {
    deployment: identity.deployment,
    epoch: Math.max(identity.epoch, known?.epoch ?? 0) + 1,
    // Revisions that were given out once are not given out again for something else: old rows would fit.
    floor: Math.max(identity.floor, known?.revision ?? log.revision + unknownCommits),
  };
  await engine.write([putMeta("epoch", String(next.epoch)), putMeta("floor", String(next.floor))]);
  options.logger.warn("rollback_accepted", { because: finding.because, epoch: next.epoch, revision: log.revision });
  return next;
}

/** How many commits may have been lost when nothing tells. */
const unknownCommits = 1 << 20;

function rollbackOf({ written }: HighWater, identity: StoreIdentity, log: ReadLog): { what: string; because: string } | undefined {
  if (written.state === "absent") return { what: "the mark beside the store is missing", because: "high_water_missing" };
  if (written.state === "damaged") return { what: "the mark beside the store does not hold", because: "store_rolled_back" };
  const { mark } = written;
  if (log.revision < mark.revision || identity.epoch < mark.epoch) {
    const what = `the store stands at revision ${log.revision}, and was known at ${mark.revision}`;
    return { what, because: "store_rolled_back" };
  }
  const tips = [...log.accounts].flatMap(([account, { tipThen }]) => (tipThen === undefined ? [] : [[account, tipThen] as const]));
  if (digestOfTips(tips) === mark.tips) return undefined;
  return { what: "the last commits of some account are not those that were known", because: "store_rolled_back" };
}
