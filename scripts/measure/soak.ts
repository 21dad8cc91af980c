/**
 * A million logins, each with a token that soon ends: does the store stay as small as what lives, does the memory, and is the server up again as fast as before?
 * Takes ten minutes, so it runs when it is asked for alone: `./scripts/bench --soak`.
 */

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Memory, memoryOf } from "./proc";
import { type Running, runLoad } from "./processes";
import type { Stage } from "./stage";
import { dataText, openVaultGround, pathLogin } from "./vault-ground";

export interface SoakPlan {
  readonly logins: number;
  /** Logins between two looks at the sizes. */
  readonly perRound: number;
  readonly lifeSeconds: number;
  /** The last round begins before this is over. */
  readonly mostSeconds: number;
}

export const soak: SoakPlan = { logins: 1_000_000, perRound: 20_000, lifeSeconds: 10, mostSeconds: 650 };

export interface SoakResult {
  readonly logins: number;
  readonly seconds: number;
  readonly lifeSeconds: number;
  readonly storeBefore: number;
  readonly storeMost: number;
  readonly storeAfter: number;
  readonly memoryBefore: Memory;
  readonly memoryAfter: Memory;
  readonly startBeforeMs: number;
  readonly startAfterMs: number;
}

const connections = 64;
/** The server lets go of what has ended every few seconds, a part at a time. */
const settlingMs = 30_000;

export async function measureSoak(stage: Stage, plan: SoakPlan): Promise<SoakResult> {
  const started = await stage.startBinary("soak");
  const request = await furnish(stage, started, plan);
  await started.stop();
  const first = await stage.restart("soak");
  const storeBefore = storeBytes(stage);
  const memoryBefore = memoryOf(first.pid);
  let storeMost = storeBefore;
  let logins = 0;
  const began = performance.now();
  const elapsed = (): number => (performance.now() - began) / 1000;
  try {
    while (logins < plan.logins && elapsed() < plan.mostSeconds) {
      const { requests } = await load(first, request, plan.perRound);
      logins += requests;
      storeMost = Math.max(storeMost, storeBytes(stage));
    }
    const seconds = elapsed();
    await Bun.sleep(plan.lifeSeconds * 1000 + settlingMs);
    const memoryAfter = memoryOf(first.pid);
    await first.stop();
    const second = await stage.restart("soak");
    const storeAfter = storeBytes(stage);
    await second.stop();
    const { lifeSeconds } = plan;
    const sizes = { storeBefore, storeMost, storeAfter, memoryBefore, memoryAfter };
    return { logins, seconds, lifeSeconds, ...sizes, startBeforeMs: first.startMs, startAfterMs: second.startMs };
  } finally {
    await first.stop();
  }
}

function load({ port, pid }: Running, request: string, count: number) {
  return runLoad({ port, pid, connections, requests: [request], warmUp: 0, count, maxMs: 120_000, pauseMs: 0 });
}

async function furnish(stage: Stage, { port }: Running, { lifeSeconds }: SoakPlan): Promise<string> {
  const ground = await openVaultGround(stage, "soak", port);
  await ground.set("sys/auth/approle", { type: "approle" });
  await ground.set("auth/approle/role/dev", { token_policies: ["default"], token_ttl: lifeSeconds });
  const roleId = dataText(await ground.get("auth/approle/role/dev/role-id"), "role_id");
  const secretId = dataText(await ground.set("auth/approle/role/dev/secret-id"), "secret_id");
  return pathLogin(port, "auth/approle/login", { role_id: roleId, secret_id: secretId });
}

/** The database with its write-ahead log. */
function storeBytes(stage: Stage): number {
  const folder = join(stage.folder, "soak");
  const files = readdirSync(folder).filter((name) => /^postern\.db(-wal)?$/u.test(name));
  if (files.length === 0) throw new Error("there is no database in the data folder");
  return files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}
