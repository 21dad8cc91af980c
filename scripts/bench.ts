/**
 * Measures the binary and prints tables: `bun scripts/bench.ts [--smoke | --soak]`. BENCHMARKS.md has the results and what they mean.
 *
 * `--smoke` measures so little that it says nothing about speed; it asks whether everything can be measured, and fails when something cannot.
 * `--soak` makes a million logins instead, and fails when the store is more than a megabyte larger once their tokens have ended.
 */

import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { measureDoors } from "./measure/doors";
import { measureLogins } from "./measure/logins";
import { measurePaths } from "./measure/paths";
import { full, type Plan, smoke } from "./measure/plan";
import { measurePolicyLoad, type PolicyLoadResult } from "./measure/policy-load";
import { measureReads } from "./measure/reads";
import { type Results, reportOf, soakReport } from "./measure/report";
import { measureRules } from "./measure/rules";
import { measureSoak, soak } from "./measure/soak";
import { setStage } from "./measure/stage";
import { measureStarts } from "./measure/starts";
import { measureSteps } from "./measure/steps-spec";

const flag = { type: "boolean", default: false } as const;
const { values } = parseArgs({ options: { smoke: flag, soak: flag, binary: { type: "string" } } });
const folder = mkdtempSync(join(tmpdir(), "postern-bench-"));
chmodSync(folder, 0o700);
try {
  const binary = resolve(values.binary ?? "dist/postern");
  const results = values.soak ? await soaked(binary) : await measured(binary);
  const missing = unmeasured(results);
  if (missing.length > 0) throw new Error(`not measured: ${missing.join(", ")}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function measured(binary: string): Promise<Results> {
  const results = await measure(binary, values.smoke ? smoke : full);
  console.log(reportOf(results));
  return results;
}

async function soaked(binary: string): Promise<object> {
  const stage = await setStage(binary, folder);
  try {
    const result = await measureSoak(stage, soak);
    console.log(soakReport(result));
    const grown = result.storeAfter - result.storeBefore;
    if (grown > 2 ** 20) throw new Error(`the store is ${grown} bytes larger than before`);
    return result;
  } finally {
    await stage.close();
  }
}

async function measure(binary: string, plan: Plan): Promise<Results> {
  const stage = await setStage(binary, folder);
  try {
    const starts = await step("starts", measureStarts(stage, plan));
    const reads = await step("reads", measureReads(stage, plan));
    const doors = await step("doors", measureDoors(stage, plan));
    const paths = await step("paths", measurePaths(stage, plan));
    const logins = await step("logins", measureLogins(stage, plan));
    const policies: PolicyLoadResult[] = [];
    for (const shape of ["wide", "long"] as const) {
      const server = await stage.startBinary(`policy-${shape}`);
      policies.push(await step(`a ${shape} policy`, measurePolicyLoad(stage, plan, server, shape)).finally(() => server.stop()));
    }
    const steps = await step("steps", measureSteps(stage, plan));
    const rules = await step("rules", Promise.resolve(measureRules(plan)));
    return { reads, doors, paths, logins, policies, starts, steps, rules };
  } finally {
    await stage.close();
  }
}

async function step<Result>(name: string, measured: Promise<Result>): Promise<Result> {
  const started = performance.now();
  const result = await measured;
  console.error(`measured ${name} in ${((performance.now() - started) / 1000).toFixed(0)} s`);
  return result;
}

/** The figures that are no numbers, by their places. */
function unmeasured(value: unknown, place = "results"): readonly string[] {
  if (typeof value === "number") return Number.isFinite(value) ? [] : [place];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => unmeasured(member, `${place}.${name}`));
}
