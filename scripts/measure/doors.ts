/** (f) The same read of a key, in versions and of one KiB, at two addresses of one process: the runtime's own HTTP server, and the reader that takes what Vault's clients send. */

import { type Compared, compareInTurn } from "./median";
import type { Plan } from "./plan";
import { freePort, runLoad } from "./processes";
import type { Stage } from "./stage";
import { openVaultGround, pathRequest, type VaultGround } from "./vault-ground";

export interface DoorRow extends Compared {
  readonly door: string;
  readonly connections: number;
}

const key = "app/db";

/** Two rows for each number of connections, that of the runtime's server first. */
export async function measureDoors(stage: Stage, plan: Plan): Promise<readonly DoorRow[]> {
  const ownPort = freePort();
  const server = await stage.startBinary("doors", `[vault]\nlisten = "127.0.0.1:${ownPort}"\n`);
  try {
    const token = await furnish(await openVaultGround(stage, "doors", server.port));
    const doors = [
      { door: "`--listen`: `Bun.serve`", port: server.port },
      { door: "`--vault-listen`: the intake", port: ownPort },
    ];
    const rows: DoorRow[] = [];
    for (const connections of plan.connections) {
      const bounds = { warmUp: plan.readWarmUp, count: Number.MAX_SAFE_INTEGER, maxMs: plan.readMs, pauseMs: 0 };
      const compared = await compareInTurn(doors, plan.rounds, ({ port }) =>
        runLoad({ port, pid: server.pid, connections, requests: [pathRequest(port, token, `secret/data/${key}`)], ...bounds }),
      );
      rows.push(...compared.map(({ subject, ...row }) => ({ door: subject.door, connections, ...row })));
    }
    return rows;
  } finally {
    await server.stop();
  }
}

/** A mount, a policy, a key; gives the token of a reader. */
async function furnish(ground: VaultGround): Promise<string> {
  await ground.set("sys/mounts/secret", { type: "kv", options: { version: "2" } });
  await ground.set(`secret/data/${key}`, { data: { password: "x".repeat(1024) } });
  return ground.tokenFor("reader", 'path "secret/data/*" { capabilities = ["read"] }');
}
