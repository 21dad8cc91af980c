/** What the operator of a machine asks its agent, at a socket in the data folder that only its own user can open: how it is, and its metrics. */

import { join } from "node:path";
import type { AgentMetrics } from "../metrics/agent-metrics";
import { listenOnAdminSocket } from "../server/admin-socket";

/** `GET /ready`. An agent serves what it has also while the primary or the machine's endpoint is away, so nothing in here makes it not ready. */
export interface AgentCondition {
  readonly apps: readonly string[];
  readonly identity: { readonly source: string; readonly isUp?: boolean };
  readonly primary: { readonly url: string; readonly isUp?: boolean };
}

export interface OperatorSocket {
  stop(): Promise<void>;
}

const headers = { "cache-control": "no-store" };

/** Throws as `listenOnAdminSocket`: `conflict` also where another agent has the data folder. */
export function openOperatorSocket(
  dataFolder: string,
  { condition, metrics }: { readonly condition: () => AgentCondition; readonly metrics: Pick<AgentMetrics, "text" | "contentType"> },
): Promise<OperatorSocket> {
  return listenOnAdminSocket(join(dataFolder, "agent.sock"), {
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (request.method !== "GET") return new Response(null, { status: 405, headers: { ...headers, allow: "GET" } });
      if (pathname === "/health") return Response.json({ status: "ok" }, { headers });
      if (pathname === "/ready") return Response.json(condition(), { headers });
      if (pathname === "/metrics")
        return new Response(await metrics.text(), { headers: { ...headers, "content-type": metrics.contentType } });
      return new Response(null, { status: 404, headers });
    },
  });
}
