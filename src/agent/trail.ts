/**
 * What the agent decided, for its operator: a line of the log, and where there are keys one of a chained audit trail on this machine, written before the
 * answer. The primary's own trail has only what it was asked.
 */

import { createDecisionIds } from "../core/decisions";
import type { AgentMetrics } from "../metrics/agent-metrics";
import type { AuditedOperation } from "../model/audited-operations";
import { failureOf } from "../model/failures";
import type { ResourceId, RoleId } from "../model/ids";
import type { AuditLog, Logger, Random } from "../model/ports";
import type { RequestContext } from "../model/types";
import type { AskerMemo } from "./askers";

export interface LocalDecision {
  /** `secret.read`, `login`, `identity.lend`. */
  readonly operation: AuditedOperation;
  readonly app: string;
  readonly context: RequestContext;
  readonly role?: RoleId;
  readonly resource?: ResourceId;
  /** Facts beside: `{ source: "copy", age: "120" }`, `{ audience: "https://vault.azure.net" }`. At a port the number of the user is added where it is known. */
  readonly facts?: Readonly<Record<string, string>>;
  /** Why it was refused; absent: it was allowed. */
  readonly error?: unknown;
}

export interface LocalTrail {
  /** Rejects with `internal` when the line cannot be written and must be; the answer then stays. */
  record(decision: LocalDecision): Promise<void>;
  close(): Promise<void>;
}

export interface LocalTrailDeps {
  readonly meter: Pick<AgentMetrics, "decided">;
  readonly logger: Logger;
  readonly random: Random;
  readonly audit?: AuditLog;
  readonly asking: Pick<AskerMemo, "userOf">;
}

export function createLocalTrail({ logger, random, audit, meter, asking }: LocalTrailDeps): LocalTrail {
  const nextId = createDecisionIds(random);
  return {
    async record({ operation, app, context, role, resource, facts: said = {}, error }) {
      // Reads follow a login, or are too many to look each of them up.
      const user = operation === "secret.read" ? undefined : asking.userOf(context);
      const facts = user === undefined ? said : { ...said, user: String(user) };
      const { code, because } = failureOf(error);
      const refusal = error === undefined ? {} : { failure: code, ...(because === undefined ? {} : { because }) };
      const about = { ...(role === undefined ? {} : { role }), ...(resource === undefined ? {} : { resource }) };
      meter.decided(operation, error === undefined ? (facts.source ?? "allowed") : outcomeOf(because));
      const event = { app, ...about, ...facts, ...refusal };
      logger[error === undefined ? "info" : "warn"](`agent_${operation.replace(".", "_")}`, event);
      const line = { decision: nextId(), at: context.now, operation, allowed: error === undefined, context, revision: 0 };
      await audit?.append({ ...line, ...about, ...refusal, attributes: { app, ...facts } });
    },
    close: async () => audit?.close(),
  };
}

const ownReasons: readonly string[] = ["stale", "primary_unavailable"];

/** Of a refusal, in a word: what is the agent's own matter, and all else. */
function outcomeOf(because: string | undefined): string {
  return because !== undefined && ownReasons.includes(because) ? because : "refused";
}
