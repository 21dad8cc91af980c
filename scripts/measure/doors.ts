/** (f) The same read of a key, in versions and of one KiB, at two addresses of one process: the runtime's own HTTP server, and the reader that takes what Vault's clients send. */

import { join } from "node:path";
import * as v from "valibot";
import { type Compared, compareInTurn } from "./median";
import type { Plan } from "./plan";
import { freePort, runCommand, runLoad } from "./processes";
import type { Stage } from "./stage";

export interface DoorRow extends Compared {
  readonly door: string;
  readonly connections: number;
}

const key = "app/db";

/** As a client written in Go sends it. */
const requestAt = (port: number, token: string): string =>
  [
    `GET /v1/secret/data/${key} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    "User-Agent: Go-http-client/1.1",
    `X-Vault-Token: ${token}`,
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
    const token = await furnish(stage, server.port);
    const doors = [
      { door: "`--listen`: `Bun.serve`", port: server.port },
      { door: "`--vault-listen`: the intake", port: ownPort },
    ];
    const rows: DoorRow[] = [];
    for (const connections of plan.connections) {
      const bounds = { warmUp: plan.readWarmUp, count: Number.MAX_SAFE_INTEGER, maxMs: plan.readMs, pauseMs: 0 };
      const compared = await compareInTurn(doors, plan.rounds, ({ port }) =>
        runLoad({ port, pid: server.pid, connections, requests: [requestAt(port, token)], ...bounds }),
      );
      rows.push(...compared.map(({ subject, ...row }) => ({ door: subject.door, connections, ...row })));
    }
    return rows;
  } finally {
    await server.stop();
  }
}

/** A mount, a policy, a key; gives the token of a reader. */
async function furnish(stage: Stage, port: number): Promise<string> {
  const root = (await runCommand([stage.binary, "vault", "token", "--config", join(stage.folder, "doors.toml")]))
    .split("\n")
    .find((line) => line.startsWith("hvs."));
  const ask = async (path: string, body: object): Promise<unknown> => {
    const headers = { "x-vault-token": root ?? "" };
    const answer = await fetch(`http://127.0.0.1:${port}/v1/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${answer.status} of ${path}: ${await answer.text()}`);
    return answer.status === 204 ? undefined : await answer.json();
  };
  await ask("sys/mounts/secret", { type: "kv", options: { version: "2" } });
  await ask(`secret/data/${key}`, { data: { password: "x".repeat(1024) } });
  await ask("sys/policies/acl/reader", { policy: 'path "secret/data/*" { capabilities = ["read"] }' });
  const { auth } = v.parse(Created, await ask("auth/token/create", { policies: ["reader"] }));
  return auth.client_token;
}

const Created = v.object({ auth: v.object({ client_token: v.string() }) });
