/** The catalogue of an agent's metrics. Labels have fixed words alone: no app, secret or address is one. */

import { Counter, Gauge, Registry } from "prom-client";
import { createReadGauge } from "./read-gauge";
import { createTally } from "./tally";

export interface AgentMetrics {
  /** A local caller was answered: `secret.read` from `primary` or `copy`, a `login` that was `allowed`; or not: `refused`, `stale`, `primary_unavailable`. */
  decided(operation: string, outcome: string): void;
  /** Refused before it was looked at: `local` for what no local client sends, and the words of the server's reception. */
  rejected(reason: string): void;
  clockStepped(milliseconds: number): void;
  /** Prometheus's text format. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** What others hold and is read when somebody asks; undefined: nobody knows yet, and the series is absent. */
export interface AgentMetricSources {
  readonly apps: () => number;
  readonly isIdentityUp: () => boolean | undefined;
  readonly isPrimaryUp: () => boolean | undefined;
  /** Of what may be served without the primary. */
  readonly oldestAgeSeconds: () => number | undefined;
  readonly residentBytes: () => number;
}

export function createAgentMetrics(sources: AgentMetricSources): AgentMetrics {
  const registry = new Registry();
  const registers = [registry];
  const decisions = createTally({
    name: "postern_agent_decisions_total",
    help: "Answers to local callers",
    labelNames: ["operation", "outcome"],
    registry,
  });
  const rejections = new Counter({
    name: "postern_rejected_total",
    help: "Requests refused before any dialect saw them",
    labelNames: ["reason"],
    registers,
  });
  const clockStep = new Gauge({ name: "postern_clock_step_seconds", help: "The last step of the wall clock", registers });
  const read = createReadGauge(registers);
  const upOf = (isUp: boolean | undefined): number | undefined => (isUp === undefined ? undefined : Number(isUp));
  read("postern_agent_apps", "Apps that are served", sources.apps);
  read("postern_identity_source_up", "Whether the machine's endpoint gave its last token", () => upOf(sources.isIdentityUp()));
  read("postern_primary_up", "Whether the primary answered when it was last asked", () => upOf(sources.isPrimaryUp()));
  read("postern_copy_oldest_seconds", "The age of the oldest value that may be served without the primary", sources.oldestAgeSeconds);
  read("postern_resident_memory_bytes", "Resident memory", sources.residentBytes);
  return {
    decided: decisions.add,
    rejected: (reason) => rejections.inc({ reason }),
    clockStepped: (milliseconds) => clockStep.set(milliseconds / 1000),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
