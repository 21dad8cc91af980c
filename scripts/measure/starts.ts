/** (d) From starting the process to the first secret it answers with, and what it then occupies. */

import { statSync } from "node:fs";
import { median } from "./median";
import type { Plan } from "./plan";
import { type Memory, memoryOf } from "./proc";
import type { Stage } from "./stage";

export interface StartResult {
  readonly medianMs: number;
  readonly slowestMs: number;
  /** A second after the first answer. */
  readonly idle: Memory;
  readonly fileMiB: number;
}

const idleMs = 1000;

export async function measureStarts(stage: Stage, plan: Plan): Promise<StartResult> {
  const times: number[] = [];
  let idle: Memory | undefined;
  for (let start = 0; start < plan.starts; start += 1) {
    const server = await stage.startBinary(`start-${start}`);
    times.push(server.startMs);
    if (idle === undefined) {
      await Bun.sleep(idleMs);
      idle = memoryOf(server.pid);
    }
    await server.stop();
  }
  if (idle === undefined) throw new Error("nothing was started");
  return { medianMs: median(times), slowestMs: Math.max(...times), idle, fileMiB: statSync(stage.binary).size / 2 ** 20 };
}
