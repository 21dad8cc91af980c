/** (a) Reads of secrets, against a bare server that gives the same answer. */

import { type Compared, compareInTurn } from "./median";
import type { Plan } from "./plan";
import { freePort, type Running, runLoad, startServer } from "./processes";
import { authorization, readPath, readRequests, storedValue, variableNames } from "./requests";
import type { Stage } from "./stage";

export interface ReadRow extends Compared {
  readonly subject: string;
  readonly connections: number;
}

export const bareSubject = "bare `Bun.serve`, same answer";

/** One row for each subject and number of connections, the bare server's first. */
export async function measureReads(stage: Stage, plan: Plan): Promise<readonly ReadRow[]> {
  const running: Running[] = [];
  const up = async (started: Promise<Running>): Promise<Running> => {
    const server = await started;
    running.push(server);
    return server;
  };
  try {
    const postern = await up(stage.startBinary("reads"));
    const subjects = [
      { subject: bareSubject, server: await up(startBare(await headersOf(stage, postern))) },
      { subject: "Postern", server: postern },
      { subject: "Postern, run from source", server: await up(stage.startSource("reads-audited", "audited")) },
      { subject: "the same without the audit line", server: await up(stage.startSource("reads-unaudited", "unaudited")) },
    ];
    const rows: ReadRow[] = [];
    for (const connections of plan.connections) {
      const bounds = { warmUp: plan.readWarmUp, count: Number.MAX_SAFE_INTEGER, maxMs: plan.readMs, pauseMs: 0 };
      const compared = await compareInTurn(subjects, plan.rounds, ({ server: { port, pid } }) =>
        runLoad({ port, pid, connections, requests: [...readRequests(port, stage.hostTokens)], ...bounds }),
      );
      rows.push(...compared.map(({ subject: { subject }, ...row }) => ({ subject, connections, ...row })));
    }
    return rows;
  } finally {
    for (const server of running) await server.stop();
  }
}

/** The bare server repeats an answer of Postern's, header by header; the runtime adds length and date to both. */
export function startBare(headers: Readonly<Record<string, string>>, body = storedValue(variableNames[0] ?? "")): Promise<Running> {
  const port = freePort();
  const command = [process.execPath, `${import.meta.dir}/bare.ts`, JSON.stringify({ port, headers, body })];
  return startServer(command, port, () =>
    fetch(`http://127.0.0.1:${port}/`).then(
      (answer) => answer.ok,
      () => false,
    ),
  );
}

async function headersOf(stage: Stage, { port }: Running): Promise<Readonly<Record<string, string>>> {
  const token = stage.hostTokens[0] ?? "";
  const answer = await fetch(`http://127.0.0.1:${port}${readPath(variableNames[0] ?? "")}`, {
    headers: { authorization: authorization(token) },
  });
  const added = new Set(["content-length", "date", "connection", "keep-alive"]);
  return Object.fromEntries([...answer.headers].filter(([name]) => !added.has(name)));
}
