/**
 * The audit trail: one chained line of JSON for each decision, with the kernel before the answer leaves and on the disk at most 100 ms later.
 *
 * A line that comes alone is written at once. Lines that come thick share one write in the next turn of the event loop: requests that arrive together are
 * handled in separate callbacks with their microtasks run between them, so only the next turn sees them together (Bun 1.4.5, measured at 16 connections: ten
 * lines a write, half as many reads a second again). The known end of the trail goes into a head
 * file after each sync, and every thousand lines or minute into the log (`audit_checkpoint`), where it is out of reach for whoever edits the folder.
 */

import nodeFs from "node:fs";
import { PosternError } from "../model/failures";
import type { AuditLog, Clock, Logger } from "../model/ports";
import type { AuditedRecord, AuditRecord, DecisionId } from "../model/types";
import type { AuditKeys } from "./chain";
import { findDecision, findRefusedLogin, type LoginAttempt } from "./find-decision";
import { createInstantText, jsonText, recordText } from "./line";
import type { AuditFileSystem } from "./trail-files";
import { createTrailWriter } from "./trail-writer";
import { type AuditReport, type VerifyOptions, verifyTrail } from "./verify";

export type { AuditFinding, AuditReport, VerifyOptions } from "./verify";

export interface AuditTrail extends AuditLog {
  /** The newest line of a decision; undefined when there is none. Throws `malformed` for what is no decision's name. */
  findDecision(id: DecisionId): Promise<AuditedRecord | undefined>;
  /** The newest refusal of a login; undefined when there is none. */
  findRefusedLogin(attempt: LoginAttempt): Promise<AuditedRecord | undefined>;
  /** Reads everything and reports what does not hold. Throws `sealed` without keys. */
  verify(options?: VerifyOptions): Promise<AuditReport>;
  /** For metrics: lines that no file took. */
  failures(): number;
}

export interface AuditOptions {
  /** Made 0700 when absent; the files in it are 0640. */
  readonly folder: string;
  readonly keyring: AuditKeys;
  readonly clock: Clock;
  /** This node's name, in every line. */
  readonly node: string;
  /** `required`: no line, no answer. `best_effort`: counts and goes on. */
  readonly mode: "required" | "best_effort";
  /** `grouped`: on the disk at most 100 ms later. `always`: before the answer. */
  readonly sync: "grouped" | "always";
  /** A file of this size is set aside and the next begun. Default 256 MiB. */
  readonly rotateBytes?: number;
  readonly logger: Logger;
  readonly fileSystem?: AuditFileSystem;
}

/** The same for a trail that nobody writes: reads everything below the folder and changes nothing. */
export function verifyFolder(folder: string, keyring: AuditKeys, options: VerifyOptions = {}, fileSystem = nodeFs): Promise<AuditReport> {
  return verifyTrail(fileSystem, keyring, folder, options);
}

interface Waiter {
  readonly sequence: number;
  readonly settle: (error?: PosternError) => void;
}

/** What most appends give back: one promise serves them all. */
const written: Promise<void> = Promise.resolve();

/** Lines closer together than this come thick. */
const thickMs = 0.1;

const defaultRotateBytes = 256 * 2 ** 20;
// Leaves room for the sync itself inside the 100 ms.
const syncDelayMs = 80;
const checkpointRecords = 1000;
const checkpointMs = 60_000;
// A sink that failed a moment ago is not asked again for each request.
const retryMs = 100;

/** Opens no file before the first line, because the keys may come later. */
export function createAuditLog(options: AuditOptions): AuditTrail {
  const { folder, keyring, clock, node, mode, sync, logger } = options;
  const fs = options.fileSystem ?? nodeFs;
  const writer = createTrailWriter({ fs, keys: keyring, folder, node, rotateBytes: options.rotateBytes ?? defaultRotateBytes });
  const instantText = createInstantText();

  let pending: AuditRecord[] = [];
  let batch: PromiseWithResolvers<void> | undefined;
  let lastAppendMs = Number.NEGATIVE_INFINITY;
  let waiters: Waiter[] = [];
  let announcements: string[] = [];
  let isClosed = false;
  let failures = 0;
  let broken: { readonly since: number; triedAt: number } | undefined;
  let syncing: PromiseWithResolvers<void> | undefined;
  let syncTimer: ReturnType<typeof setTimeout> | undefined;
  let isSyncDue = false;
  let sinceCheckpoint = 0;
  let checkpointAt = clock.monotonicMs();
  let checkpointTimer: ReturnType<typeof setTimeout> | undefined;

  /** A line about the trail itself. */
  function ownLine(operation: string, members: object): string {
    return jsonText({ at: instantText(clock.now()), operation, ...members });
  }

  function attach(): void {
    const findings = writer.attach();
    for (const { finding, detail } of findings) logger.warn("audit_finding", { finding, detail });
    announcements = [ownLine("audit.opened", { previous: writer.link().mac, findings })];
  }

  function rotate(): void {
    try {
      writer.rotate();
      announcements.push(ownLine("audit.rotated", { previous: writer.link().mac }));
    } catch (cause) {
      // The old file goes on; the next line finds out whether it still takes any.
      logger.error("audit_rotation_failed", { reason: codeOf(cause) });
      writer.detach();
      attach();
    }
  }

  function checkpointIfDue(): readonly string[] {
    const isDue = sinceCheckpoint >= checkpointRecords || (sinceCheckpoint > 0 && clock.monotonicMs() - checkpointAt >= checkpointMs);
    return isDue ? [ownLine("audit.checkpoint", { records: sinceCheckpoint })] : [];
  }

  /** Hands lines to the kernel, with whatever the trail has to say about itself. Throws with nothing written. */
  function write(lines: readonly string[]): void {
    const now = clock.monotonicMs();
    if (broken !== undefined) {
      if (now - broken.triedAt < retryMs) throw unavailable("the audit trail failed a moment ago");
      broken.triedAt = now;
      // The descriptor must not be closed under a sync that still uses it.
      if (syncing !== undefined) throw unavailable("the disk does not answer");
      writer.detach();
    }
    if (!writer.isAttached()) attach();
    if (writer.wantsRotation() && syncing === undefined) rotate();
    const resumed = broken === undefined ? [] : [ownLine("audit.resumed", { failed: failures - broken.since })];
    const checkpoint = checkpointIfDue();
    const all = [...announcements, ...resumed, ...lines, ...checkpoint];
    if (all.length === 0) return;
    writer.write(all);
    announcements = [];
    sinceCheckpoint += lines.length;
    if (checkpoint.length > 0) noteCheckpoint(now);
    if (broken !== undefined) logger.info("audit_available", { failed: failures - broken.since });
    broken = undefined;
    scheduleSync();
    scheduleCheckpoint();
  }

  function noteCheckpoint(now: number): void {
    sinceCheckpoint = 0;
    checkpointAt = now;
    logger.info("audit_checkpoint", { ...writer.link() });
  }

  function scheduleCheckpoint(): void {
    if (checkpointTimer !== undefined || sinceCheckpoint === 0 || isClosed) return;
    checkpointTimer = setTimeout(() => {
      checkpointTimer = undefined;
      attempt([]);
    }, checkpointMs);
    checkpointTimer.unref();
  }

  /** `write`, with the failure counted, said once, and returned. */
  function attempt(records: readonly AuditRecord[]): PosternError | undefined {
    try {
      write(records.map((record) => recordText(record, instantText(record.at))));
      return undefined;
    } catch (cause) {
      return fail(cause, records.length);
    }
  }

  /** Writes lines now; resolves or rejects as their requests must hear it. */
  function settle(records: readonly AuditRecord[]): Promise<void> {
    const problem = attempt(records);
    if (problem !== undefined) return mode === "best_effort" ? written : Promise.reject(problem);
    if (sync === "grouped") return written;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const hear = (late?: PosternError) => (late === undefined || mode === "best_effort" ? resolve() : reject(late));
    waiters.push({ sequence: writer.link().sequence, settle: hear });
    return promise;
  }

  function flush(): void {
    const records = pending;
    const settled = batch;
    pending = [];
    batch = undefined;
    if (settled !== undefined) settle(records).then(settled.resolve, settled.reject);
  }

  function fail(cause: unknown, lines: number): PosternError {
    failures += lines;
    if (broken === undefined) {
      broken = { since: failures - lines, triedAt: clock.monotonicMs() };
      logger.error("audit_unavailable", { reason: codeOf(cause), mode });
    }
    return unavailable(codeOf(cause), cause);
  }

  function scheduleSync(): void {
    if (syncTimer !== undefined || syncing !== undefined || isSyncDue) return;
    if (sync === "always") {
      // In the next turn: the lines of this one then share a sync.
      isSyncDue = true;
      setImmediate(() => {
        isSyncDue = false;
        if (syncing === undefined) startSync();
      });
      return;
    }
    syncTimer = setTimeout(startSync, syncDelayMs);
    syncTimer.unref();
  }

  function startSync(): void {
    syncTimer = undefined;
    if (!writer.isAttached()) return;
    const { sequence } = writer.link();
    syncing = Promise.withResolvers();
    try {
      if (writer.wasMoved()) logger.error("audit_file_moved", { folder });
      writer.sync((error) => finishSync(sequence, error));
    } catch (cause) {
      finishSync(sequence, cause);
    }
  }

  function finishSync(sequence: number, error: unknown): void {
    syncing?.resolve();
    syncing = undefined;
    const problem = error === null ? undefined : fail(error, 0);
    if (problem === undefined && writer.isAttached() && writer.wasMoved()) writer.detach();
    // After a failed sync nothing is known of any line that waits.
    const [done, waiting] = partition(waiters, (waiter) => problem !== undefined || waiter.sequence <= sequence);
    waiters = waiting;
    for (const waiter of done) waiter.settle(problem);
    if (problem === undefined && writer.isAttached() && writer.link().sequence > sequence) scheduleSync();
  }

  return {
    append(record) {
      if (isClosed) return Promise.reject(unavailable("the audit trail is closed"));
      const now = clock.monotonicMs();
      // A line that must reach the disk waits far longer than a turn; it may as well share the sync.
      const isAlone = sync === "grouped" && batch === undefined && now - lastAppendMs > thickMs;
      lastAppendMs = now;
      if (isAlone) return settle([record]);
      pending.push(record);
      if (batch === undefined) {
        batch = Promise.withResolvers();
        setImmediate(flush);
      }
      return batch.promise;
    },
    available() {
      if (isClosed) return false;
      if (mode === "best_effort" || (broken === undefined && writer.isAttached())) return true;
      return attempt([]) === undefined;
    },
    findDecision: (id) => findDecision(fs, folder, id),
    findRefusedLogin: (attempt) => findRefusedLogin(fs, folder, attempt),
    verify(verifyOptions = {}) {
      flush();
      return verifyTrail(fs, keyring, folder, verifyOptions);
    },
    failures: () => failures,
    async close() {
      if (isClosed) return;
      flush();
      isClosed = true;
      clearTimeout(checkpointTimer);
      clearTimeout(syncTimer);
      await syncing?.promise;
      if (writer.isAttached() && broken === undefined) writer.close();
      for (const waiter of waiters.splice(0)) waiter.settle(broken === undefined ? undefined : unavailable("the audit trail is closed"));
    },
  };
}

function partition<Item>(items: readonly Item[], holds: (item: Item) => boolean): readonly [Item[], Item[]] {
  return [items.filter(holds), items.filter((item) => !holds(item))];
}

function unavailable(reason: string, cause?: unknown): PosternError {
  return new PosternError({ code: "internal", what: `the audit trail takes no line: ${reason}`, because: "audit_unavailable" }, { cause });
}

function codeOf(cause: unknown): string {
  if (cause instanceof PosternError) return cause.message;
  if (cause instanceof Error && "code" in cause && typeof cause.code === "string") return cause.code;
  return cause instanceof Error ? cause.name : "unknown";
}
