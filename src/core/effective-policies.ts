/** Fetching a policy as it is now. It tells owners of a branch all that is in it, so it takes more than seeing the policy: holding the role that owns it. */

import { PosternError } from "../model/failures";
import { isRoleId, type ResourceId } from "../model/ids";
import type { Caller } from "../model/types";
import type { Gate } from "./gate";
import type { Graph } from "./graph";
import type { EffectivePolicyQuery } from "./operations";
import { policyJson, policyYaml } from "./policy/document";
import { effectiveStatements } from "./policy/effective";

export function createEffectivePolicies({ gate }: { readonly gate: Gate }) {
  return (caller: Caller, { policy, depth, limit, format }: EffectivePolicyQuery): Promise<string> =>
    gate.release(caller, { operation: "policy.read", resource: policy }, async (graph) => {
      assertOwner(graph, caller, policy);
      const held = graph.held(caller.role);
      const isVisible = (id: ResourceId): boolean => graph.sees(caller.role, id) || (isRoleId(id) && held.has(id));
      const statements = await effectiveStatements(graph, policy, { depth, limit, isVisible });
      return format === "json" ? policyJson(statements) : policyYaml(statements);
    });
}

function assertOwner(graph: Graph, caller: Caller, policy: ResourceId): void {
  const owner = graph.resource(policy)?.owner;
  if (owner !== undefined && graph.held(caller.role).has(owner)) return;
  const detail = `${caller.role} does not hold ${owner ?? "its owner"}`;
  throw new PosternError({ code: "forbidden", because: "policy_owner", checks: [{ check: "policy_owner", ok: false, detail }] });
}
