/**
 * What watches the server: its metrics, and where its audit goes.
 *
 * Source: Vault 1.19, http/sys_metrics.go, helper/metricsutil; vault/logical_system.go (handleAuditTable).
 */

import { PosternError } from "../../model/failures";
import { isoTime } from "../timestamp";
import type { Call, EngineRoute } from "./engine";
import type { Answer } from "./wire";

export const observingRoutes: readonly EngineRoute[] = [
  { path: "metrics", read: metrics },
  { path: "audit", sudo: true, read: devices },
  { path: "audit/*", sudo: true, write: notHere, delete: notHere },
];

async function metrics(call: Call): Promise<Answer> {
  await call.broker.paths.mounts.probe(call.caller(), call.access());
  const text = (await call.settings.metrics?.()) ?? "";
  const format = call.query.one("format") ?? "";
  if (format === "prometheus") return { bare: text, headers: { "content-type": "text/plain; version=0.0.4" } };
  if (format !== "")
    throw new PosternError({
      code: "malformed",
      where: "format",
      expected: "prometheus",
      kind: "argument",
      says: `metric response format "${format.slice(0, 32)}" is not supported`,
    });
  return { bare: seriesOf(text, call.context.now) };
}

const typeLine = /^# TYPE (\S+) (\S+)$/;
const valueLine = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;

/** The series of an exposition as the lists of Vault's own form. Histograms show as the counters they are made of. */
function seriesOf(text: string, now: number): object {
  const types = new Map<string, string>();
  const gauges: object[] = [];
  const counters: object[] = [];
  for (const line of text.split("\n")) {
    const typed = typeLine.exec(line);
    if (typed !== null) types.set(typed[1] ?? "", typed[2] ?? "");
    const [, name = "", labels = "", value = ""] = valueLine.exec(line) ?? [];
    if (name === "") continue;
    const marks = Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, word]) => [label, word]));
    if (types.get(name) === "gauge") gauges.push({ Name: name, Value: Number(value), Labels: marks });
    else counters.push({ Name: name, Count: Number(value), Sum: Number(value), Labels: marks });
  }
  return { Timestamp: isoTime(now), Gauges: gauges, Points: [], Counters: counters, Samples: [] };
}

/** There is one trail and it is always on; where else it goes is for the configuration to say. */
async function devices(call: Call): Promise<Answer> {
  await call.broker.paths.mounts.probe(call.caller(), call.access());
  const file = { type: "file", description: "the chained trail in the data folder", options: {}, local: true, path: "file/" };
  return { data: { "file/": file }, isDoubled: true };
}

async function notHere(call: Call): Promise<Answer> {
  await call.broker.paths.mounts.probe(call.caller(), call.access());
  const says = "audit devices are set in the configuration of the server, not through its API";
  throw new PosternError({ code: "malformed", where: "path", expected: "no audit device", kind: "argument", says });
}
