/** What the process that measures steps is told and what it tells, and how to run it. */

import * as v from "valibot";
import type { Plan } from "./plan";
import { hosts, type Stage } from "./stage";

export const StepsSpec = v.strictObject({
  config: v.string(),
  sessions: v.array(v.string()),
  logins: v.array(v.strictObject({ host: v.string(), jwt: v.string() })),
  steps: v.number(),
  /** Calls of each step before anything is counted. */
  warmUp: v.number(),
});

/** Processor microseconds of a call, by how far up it enters. */
export const Steps = v.strictObject({
  audited: v.strictObject({
    identify: v.number(),
    open: v.number(),
    read: v.number(),
    route: v.number(),
    reception: v.number(),
    loginNew: v.number(),
    loginRepeated: v.number(),
  }),
  unaudited: v.strictObject({ read: v.number(), loginNew: v.number() }),
});
export type Steps = v.InferOutput<typeof Steps>;

export async function measureSteps(stage: Stage, plan: Plan): Promise<Steps> {
  const logins = Array.from({ length: plan.tokens }, (_, index) => {
    const { host, machine } = hosts[index % hosts.length] ?? hosts[0];
    return { host, jwt: stage.azure.mint({ machine }) };
  });
  const spec = { config: stage.configuration("steps"), sessions: stage.hostTokens, logins, steps: plan.steps, warmUp: plan.stepWarmUp };
  const child = Bun.spawn([process.execPath, `${import.meta.dir}/steps.ts`], { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
  child.stdin.write(JSON.stringify(spec));
  await child.stdin.end();
  const [stdout, stderr, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (exitCode !== 0) throw new Error(`the steps were not measured: ${stderr}`);
  return v.parse(Steps, JSON.parse(stdout));
}
