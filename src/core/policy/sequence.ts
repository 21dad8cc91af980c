/** Policy texts one after another, each planned on what the ones before would leave. Nothing is stored: graphs in, a graph out. */

import { sha256Hex } from "../../crypto/digest";
import type { PolicyProblem } from "../../model/failures";
import { type AccountName, accountOf, identifierOf, makeId, type RoleId } from "../../model/ids";
import type { Change, Instant } from "../../model/types";
import type { Graph } from "../graph";
import type { PolicyLoad } from "../operations";
import { factsForPlan } from "../policy-scene";
import type { KnownAuthenticator } from "./findings";
import type { PlanInput, PlanOutput, PlanSettings } from "./task";

export interface SequenceOptions {
  readonly account: AccountName;
  readonly now: Instant;
  readonly authenticators: readonly KnownAuthenticator[];
  readonly settings: PlanSettings;
  /** The planner, wherever it runs. */
  readonly plan: (input: PlanInput) => PlanOutput | Promise<PlanOutput>;
}

export type SequenceOutcome =
  | { readonly ok: true; readonly graph: Graph; readonly changes: readonly Change[]; readonly warnings: readonly string[] }
  /** The first text that would not load. */
  | { readonly ok: false; readonly failed: PolicyLoad; readonly problems: readonly PolicyProblem[] };

export async function applyTexts(start: Graph, loads: readonly PolicyLoad[], options: SequenceOptions): Promise<SequenceOutcome> {
  const { account, now, authenticators, settings, plan } = options;
  let graph = start;
  const changes: Change[] = [];
  const warnings: string[] = [];
  for (const load of loads) {
    graph = withRootPolicy(graph, load.policy, now);
    const { policy, mode, text } = load;
    const version = (graph.policyVersions(policy).at(-1)?.version ?? 0) + 1;
    const planned = await plan({
      account,
      policy,
      mode,
      text,
      version,
      now,
      authenticators,
      settings,
      facts: await factsForPlan(graph, account),
    });
    if (!planned.ok) return { ok: false, failed: load, problems: planned.problems };
    const loaded = [...planned.changes, versionOf(graph, load, version, now)];
    graph = await graph.withInSlices({ revision: graph.revision, account, at: now, changes: loaded });
    for (const change of planned.changes) changes.push(change);
    warnings.push(...planned.warnings);
  }
  return { ok: true, graph, changes, warnings };
}

/** What tells the file and the number of a load by the facts that came with it. Nobody stores it, so it names nobody who did. */
function versionOf(graph: Graph, { policy, text, file }: PolicyLoad, version: number, now: Instant): Change {
  const role = graph.resource(policy)?.owner ?? policy;
  const named = file === undefined ? {} : { file };
  return {
    type: "put_policy_version",
    policyVersion: { policy, version, createdAt: now, role, clientAddress: "", sha256: sha256Hex(text), ...named },
  };
}

/** The root policy comes to be with its first load, owned by the account's administrator; other branches as they are. */
export function withRootPolicy(graph: Graph, policy: RoleId, now: Instant): Graph {
  const changes = rootPolicyChanges(graph, policy, now);
  return changes.length === 0 ? graph : graph.with({ revision: graph.revision, account: accountOf(policy), at: now, changes });
}

/** What makes the root policy, when that is meant and not there yet. */
export function rootPolicyChanges(graph: Graph, policy: RoleId, now: Instant): readonly Change[] {
  if (identifierOf(policy) !== "root" || graph.resource(policy) !== undefined) return [];
  const owner = makeId(accountOf(policy), "user", "admin");
  if (graph.role(owner) === undefined) return [];
  return [
    { type: "put_resource", resource: { id: policy, owner, createdAt: now } },
    { type: "put_grant", grant: { role: policy, member: owner, adminOption: true, ownership: true } },
  ];
}
