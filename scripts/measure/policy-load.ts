/** (c) Large policies, loaded over HTTP while machines go on reading. */

import { account } from "../walkthrough/cloud";
import type { LoadResult } from "./load-spec";
import type { Plan } from "./plan";
import { type Memory, memoryOf } from "./proc";
import { type Running, runLoad } from "./processes";
import { readRequests } from "./requests";
import { ask, type Stage } from "./stage";

export interface PolicyLoadResult {
  readonly hosts: number;
  readonly variables: number;
  readonly policyLines: number;
  readonly policyBytes: number;
  readonly seconds: number;
  /** Reads by eight connections that rest between their requests: before the load, and from its beginning to its end. */
  readonly readsBefore: LoadResult;
  readonly readsMeanwhile: LoadResult;
  readonly memoryBefore: Memory;
  readonly memoryAfter: Memory;
}

const readers = { connections: 8, pauseMs: 5 };
const readsMs = 2000;
const readWarmUp = 800;

/** `wide`: as few lines as that many hosts and variables need. `long`: a description for each variable, and permits host by host. */
export type PolicyShape = "wide" | "long";

/** Leaves the server running, with the policy in it. */
export async function measurePolicyLoad(stage: Stage, plan: Plan, server: Running, shape: PolicyShape): Promise<PolicyLoadResult> {
  const policy = shape === "wide" ? widePolicy(plan) : longPolicy(plan);
  const { port, pid } = server;
  const spec = { port, pid, ...readers, requests: [...readRequests(port, stage.hostTokens)], count: Number.MAX_SAFE_INTEGER };
  const readsBefore = await runLoad({ ...spec, warmUp: readWarmUp, maxMs: readsMs });
  const memoryBefore = memoryOf(pid);
  const started = performance.now();
  const loading = ask(port, "POST", `/policies/${account}/policy/root`, stage.admin, policy).then(
    () => (performance.now() - started) / 1000,
  );
  let isLoaded = false;
  const end = (): void => {
    isLoaded = true;
  };
  loading.then(end, end);
  // In slices, so that what is counted as meanwhile is over soon after the load is.
  const slices: LoadResult[] = [];
  while (!isLoaded) slices.push(await runLoad({ ...spec, warmUp: 0, maxMs: sliceMs }));
  const seconds = await loading;
  return {
    hosts: plan.hosts,
    variables: plan.variables,
    policyLines: policy.split("\n").length - 1,
    policyBytes: Buffer.byteLength(policy),
    seconds,
    readsBefore,
    readsMeanwhile: worstOf(slices),
    memoryBefore,
    memoryAfter: memoryOf(pid),
  };
}

const sliceMs = 500;

/** Of every figure the worst slice: a mean over slices would hide the one in which everybody waited. */
function worstOf(slices: readonly LoadResult[]): LoadResult {
  const [first] = slices;
  if (first === undefined) throw new Error("the policy was loaded before anything was read");
  const worst = (of: (slice: LoadResult) => number): number => Math.max(...slices.map(of));
  return { ...first, p50Us: worst(({ p50Us }) => p50Us), p99Us: worst(({ p99Us }) => p99Us), maxUs: worst(({ maxUs }) => maxUs) };
}

/** Applications of ten hosts each, with a group that may read the application's variables. */
function widePolicy({ hosts, variables }: Plan): string {
  const applications = Math.max(1, Math.round(hosts / 10));
  const each = Math.round(variables / applications);
  const lines: string[] = [];
  for (let app = 0; app < applications; app += 1) {
    lines.push(`- !policy`, `  id: bulk-${app}`, `  body:`, `    - !group readers`, `    - &hosts-${app}`);
    for (let host = 0; host < 10; host += 1) {
      lines.push(`      - !host`, `        id: host-${host}`, `        annotations:`);
      lines.push(
        `          authn-azure/subscription-id: 11111111-2222-4333-8444-555555555555`,
        `          authn-azure/resource-group: rg-${app}`,
      );
    }
    lines.push(`    - &variables-${app}`);
    for (let variable = 0; variable < each; variable += 1) lines.push(`      - !variable secret-${variable}`);
    lines.push(`    - !grant`, `      role: !group readers`, `      members: *hosts-${app}`);
    lines.push(`    - !permit`, `      role: !group readers`, `      privilege: [ read, execute ]`, `      resource: *variables-${app}`);
  }
  return `${lines.join("\n")}\n`;
}

function longPolicy({ hosts, variables }: Plan): string {
  const lines = ["- !policy", "  id: bulk", "  body:"];
  for (let variable = 0; variable < variables; variable += 1) {
    lines.push(`    - !variable`, `      id: secret-${variable}`, `      annotations:`, `        description: Secret number ${variable}`);
  }
  for (let host = 0; host < hosts; host += 1) {
    lines.push(`    - !host`, `      id: host-${host}`, `      annotations:`, `        authn-azure/resource-group: rg-${host}`);
    lines.push(`    - !permit`, `      role: !host host-${host}`, `      privileges: [ read, execute ]`, `      resources:`);
    for (let each = 0; each < 5; each += 1) lines.push(`        - !variable secret-${(host * 7 + each) % variables}`);
  }
  return `${lines.join("\n")}\n`;
}
