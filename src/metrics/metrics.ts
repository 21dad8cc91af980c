/**
 * The catalogue of metrics: every series declared once, with labels whose values are fixed words. No id, name, address or value is ever a label.
 */

import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Clock, Meter } from "../model/ports";
import { createReadGauge } from "./read-gauge";
import { createTally } from "./tally";

export interface Metrics extends Meter {
  /** A request came in, and left with its answer. */
  began(): void;
  ended(dialect: string, status: number, durationMs: number): void;
  /** Refused before a front saw it; the words are those of the server's reception: `host`, `in_flight`, `login_rate`. */
  rejected(reason: string): void;
  /** The store refused or failed: `full`, `readonly`, `ioerr`. */
  databaseError(code: string): void;
  /** A seal or MAC did not hold: `value`, `facts`, `audit`. */
  integrityFailure(what: string): void;
  policyLoaded(durationMs: number): void;
  /** A fetch of an issuer's keys: `ok`, `failed`, `stale`. */
  keySetRefreshed(result: string): void;
  /** The process before this one had no time to close its store or audit. */
  recovered(): void;
  /** The wall clock went another way than the monotonic one. */
  clockStepped(milliseconds: number): void;
  /** Begins to measure how late the event loop is. */
  start(): void;
  stop(): void;
  /** Prometheus's text format. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** Numbers that others hold and that are read when somebody asks. */
export interface MetricSources {
  /** Lines of the audit that no file took. */
  readonly auditFailures: () => number;
  /** Events that some place beside the audit trail did not get. */
  readonly auditEventsDropped: () => number;
  /** Session tokens whose signature is remembered. */
  readonly rememberedTokens: () => number;
  readonly residentBytes: () => number;
  /** Of the certificate, in epoch seconds; undefined without one. */
  readonly certificateNotAfterSeconds: () => number | undefined;
}

export interface MetricsDeps {
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly sources: MetricSources;
}

const lagProbeMs = 500;
// From a read out of memory to a login that waits for an issuer.
const requestBuckets = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
const loadBuckets = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 30];
const outcomes = { true: "allowed", false: "refused" } as const;

export function createMetrics({ clock, sources }: MetricsDeps): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const tally = (name: string, help: string, labelNames: readonly [string, string]) => createTally({ name, help, labelNames, registry });

  const decisions = tally("postern_decisions_total", "Decisions of the gate", ["operation", "outcome"]);
  const logins = tally("postern_logins_total", "Attempts to log in", ["authenticator", "outcome"]);
  const requests = tally("postern_requests_total", "Answered requests", ["dialect", "status"]);
  const duration = new Histogram({ name: "postern_request_seconds", help: "From arrival to answer", buckets: requestBuckets, registers });
  const rejections = new Counter({
    name: "postern_rejected_total",
    help: "Requests refused before any dialect saw them",
    labelNames: ["reason"],
    registers,
  });
  const databaseErrors = new Counter({ name: "postern_db_errors_total", help: "Failures of the store", labelNames: ["code"], registers });
  const integrity = new Counter({
    name: "postern_integrity_failures_total",
    help: "Seals and MACs that did not hold",
    labelNames: ["what"],
    registers,
  });
  const loads = new Histogram({ name: "postern_policy_load_seconds", help: "Policy loads", buckets: loadBuckets, registers });
  const keySets = new Counter({ name: "postern_jwks_refresh_total", help: "Fetches of issuers' keys", labelNames: ["result"], registers });
  const recoveries = new Counter({ name: "postern_recovery_total", help: "Starts after an unclean stop", registers });
  const clockStep = new Gauge({ name: "postern_clock_step_seconds", help: "The last step of the wall clock", registers });
  const lag = new Gauge({
    name: "postern_event_loop_lag_seconds",
    help: "The longest delay of the event loop since the last scrape",
    registers,
    collect() {
      this.set(longestLagMs / 1000);
      longestLagMs = 0;
    },
  });
  new Counter({
    name: "postern_audit_failures_total",
    help: "Audit lines that no file took",
    registers,
    collect() {
      this.reset();
      this.inc(sources.auditFailures());
    },
  });
  new Counter({
    name: "postern_audit_events_dropped_total",
    help: "Audit events that a place beside the trail did not get",
    registers,
    collect() {
      this.reset();
      this.inc(sources.auditEventsDropped());
    },
  });
  const read = createReadGauge(registers);
  read("postern_requests_in_flight", "Requests without an answer yet", () => current);
  read("postern_token_cache_size", "Session tokens whose signature is remembered", sources.rememberedTokens);
  read("postern_resident_memory_bytes", "Resident memory", sources.residentBytes);
  read("postern_tls_not_after", "When the certificate ends, in epoch seconds", sources.certificateNotAfterSeconds);

  let longestLagMs = 0;
  let probe: ReturnType<typeof setInterval> | undefined;
  let current = 0;
  lag.set(0);

  return {
    decision: (operation, allowed) => decisions.add(operation, outcomes[`${allowed}`]),
    login: (authenticator, allowed) => logins.add(authenticator, outcomes[`${allowed}`]),
    began() {
      current += 1;
    },
    ended(dialect, status, durationMs) {
      current -= 1;
      requests.add(dialect, statusClasses[Math.floor(status / 100)] ?? "other");
      duration.observe(durationMs / 1000);
    },
    rejected: (reason) => rejections.inc({ reason }),
    databaseError: (code) => databaseErrors.inc({ code }),
    integrityFailure: (what) => integrity.inc({ what }),
    policyLoaded: (durationMs) => loads.observe(durationMs / 1000),
    keySetRefreshed: (result) => keySets.inc({ result }),
    recovered: () => recoveries.inc(),
    clockStepped: (milliseconds) => clockStep.set(milliseconds / 1000),
    start() {
      let expectedMs = clock.monotonicMs() + lagProbeMs;
      probe = setInterval(() => {
        const now = clock.monotonicMs();
        longestLagMs = Math.max(longestLagMs, now - expectedMs);
        expectedMs = now + lagProbeMs;
      }, lagProbeMs);
      probe.unref();
    },
    stop: () => clearInterval(probe),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

const statusClasses = ["other", "1xx", "2xx", "3xx", "4xx", "5xx"];
