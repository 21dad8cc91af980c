/** (a) Reads of secrets, against a bare server that gives the same answer. */

import type { LoadResult } from "./load-spec";
import { type Summary, summaryOf } from "./median";
import type { Plan } from "./plan";
import { freePort, type Running, runLoad, startServer } from "./processes";
import { authorization, readPath, readRequests, storedValue, variableNames } from "./requests";
import type { Stage } from "./stage";

export interface ReadRow extends Summary {
  readonly subject: string;
  readonly connections: number;
  /** Of the bare server's requests per second, and of its processor time for a request. */
  readonly speedShare: number;
  readonly cpuShare: number;
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
      const results = subjects.map((): LoadResult[] => []);
      for (let round = 0; round < plan.rounds; round += 1) {
        for (const [index, { server }] of subjects.entries()) {
          const requests = [...readRequests(server.port, stage.hostTokens)];
          const { port, pid } = server;
          const bounds = { warmUp: plan.readWarmUp, count: Number.MAX_SAFE_INTEGER, maxMs: plan.readMs, pauseMs: 0 };
          results[index]?.push(await runLoad({ port, pid, connections, requests, ...bounds }));
        }
      }
      const [bare, ...others] = results.map(summaryOf);
      if (bare === undefined) throw new Error("nothing was measured");
      for (const [index, summary] of [bare, ...others].entries()) {
        const subject = subjects[index]?.subject ?? "";
        rows.push({
          subject,
          connections,
          ...summary,
          speedShare: summary.perSecond / bare.perSecond,
          cpuShare: bare.cpuUs / summary.cpuUs,
        });
      }
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
