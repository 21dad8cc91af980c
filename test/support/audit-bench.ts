/** What the audit's tests stand on: a keyring that only signs, clocks that stand still, a log that is kept, and records. */

import { createHmac, timingSafeEqual } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AuditOptions, type AuditTrail, createAuditLog } from "../../src/audit/audit-log";
import type { AuditKeys } from "../../src/audit/chain";
import { parseId, parseRoleId } from "../../src/model/ids";
import type { Clock, LogFields, Logger } from "../../src/model/ports";
import type { AuditRecord } from "../../src/model/types";

export const startOfTests = Date.UTC(2025, 10, 10, 9, 12, 13, 123);

export function createTestKeys(secret = "the audit key of the tests", epoch = 1): AuditKeys {
  const tagOf = (purpose: string, parts: readonly Uint8Array[]) => {
    const mac = createHmac("sha256", `${secret}/${purpose}`);
    for (const part of parts) mac.update(`${part.byteLength}:`).update(part);
    return mac.digest();
  };
  return {
    mac: (purpose, parts) => ({ epoch, tag: tagOf(purpose, parts) }),
    verifyMac: (purpose, parts, { epoch: claimed, tag }) =>
      claimed === epoch && tag.byteLength === 32 && timingSafeEqual(tagOf(purpose, parts), tag),
  };
}

export interface TestClock extends Clock {
  advance(milliseconds: number): void;
}

export function createTestClock(start = startOfTests): TestClock {
  let now = start;
  return {
    now: () => now,
    monotonicMs: () => now - start,
    advance(milliseconds) {
      now += milliseconds;
    },
  };
}

export interface KeptLog extends Logger {
  readonly events: { readonly event: string; readonly fields: LogFields }[];
}

export function createKeptLog(): KeptLog {
  const events: { readonly event: string; readonly fields: LogFields }[] = [];
  const keep = (event: string, fields: LogFields = {}) => void events.push({ event, fields });
  return { events, debug: keep, info: keep, warn: keep, error: keep };
}

/** A read that was allowed, numbered by its decision. */
export function readRecord(number: number, more: Partial<AuditRecord> = {}): AuditRecord {
  return {
    decision: `d-read${String(number).padStart(8, "0")}`,
    at: startOfTests + number,
    operation: "secret.read",
    allowed: true,
    context: { requestId: `r${number}`, now: startOfTests + number, dialect: "conjur", clientAddress: "10.0.0.7" },
    account: "acme",
    role: parseRoleId("acme:host:azure-apps/AD"),
    resource: parseId("acme:variable:secrets/test-variable"),
    version: 3,
    privilege: "execute",
    rule: "permit execute to acme:group:secrets/consumers",
    revision: 12,
    ...more,
  };
}

export interface AuditBench {
  readonly folder: string;
  readonly clock: TestClock;
  readonly log: KeptLog;
  open(options?: Partial<AuditOptions>): AuditTrail;
  /** Appends reads numbered from `first` to `last`, one write each. */
  fill(trail: AuditTrail, first: number, last: number): Promise<void>;
  lines(file?: string): readonly string[];
  write(lines: readonly string[], file?: string): void;
  path(file?: string): string;
  files(): readonly string[];
  remove(): void;
}

export function createAuditBench(): AuditBench {
  const folder = mkdtempSync(join(tmpdir(), "audit-"));
  const clock = createTestClock();
  const log = createKeptLog();
  const path = (file = "audit.jsonl") => join(folder, file);
  return {
    folder,
    clock,
    log,
    open: (options = {}) =>
      createAuditLog({
        folder,
        keyring: createTestKeys(),
        clock,
        node: "vault-1",
        mode: "required",
        sync: "grouped",
        logger: log,
        ...options,
      }),
    async fill(trail, first, last) {
      for (let number = first; number <= last; number += 1) await trail.append(readRecord(number));
    },
    lines: (file) => readFileSync(path(file), "utf8").split("\n").slice(0, -1),
    write: (lines, file) => writeFileSync(path(file), lines.map((line) => `${line}\n`).join("")),
    path,
    files: () => readdirSync(folder).sort(),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
