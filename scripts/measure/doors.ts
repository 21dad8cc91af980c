/** (f) The same answer at two addresses of one process: the runtime's own HTTP server, and the reader that takes what Vault's clients send. */

import { type Compared, compareInTurn } from "./median";
import type { Plan } from "./plan";
import { freePort, runLoad } from "./processes";
import type { Stage } from "./stage";

export interface DoorRow extends Compared {
  readonly door: string;
  readonly connections: number;
}

/** What needs no token, and so little else that the doors are most of it. */
const path = "/v1/sys/health";

/** As a client written in Go sends it. */
const requestAt = (port: number): string =>
  [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    "User-Agent: Go-http-client/1.1",
    `X-Vault-Token: hvs.${"A".repeat(91)}`,
    "X-Vault-Request: true",
    "Accept-Encoding: gzip",
    "",
    "",
  ].join("\r\n");

/** Two rows for each number of connections, that of the runtime's server first. */
export async function measureDoors(stage: Stage, plan: Plan): Promise<readonly DoorRow[]> {
  const ownPort = freePort();
  const server = await stage.startBinary("doors", `[vault]\nlisten = "127.0.0.1:${ownPort}"\n`);
  try {
    const doors = [
      { door: "`--listen`: `Bun.serve`", port: server.port },
      { door: "`--vault-listen`: the intake", port: ownPort },
    ];
    const rows: DoorRow[] = [];
    for (const connections of plan.connections) {
      const bounds = { warmUp: plan.readWarmUp, count: Number.MAX_SAFE_INTEGER, maxMs: plan.readMs, pauseMs: 0 };
      const compared = await compareInTurn(doors, plan.rounds, ({ port }) =>
        runLoad({ port, pid: server.pid, connections, requests: [requestAt(port)], ...bounds }),
      );
      rows.push(...compared.map(({ subject, ...row }) => ({ door: subject.door, connections, ...row })));
    }
    return rows;
  } finally {
    await server.stop();
  }
}
