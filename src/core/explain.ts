/**
 * Says why the graph refused: every rule tried, in order, where the policy declares it, and the smallest addition that would have allowed it.
 * For the audit and the operator; nothing of it reaches the one who was refused.
 */

import { identifierOf, kindOf, type ResourceId, type RoleId } from "../model/ids";
import type { Check, Permit } from "../model/types";
import type { Graph } from "./graph";

export interface Explanation {
  readonly because: string;
  readonly checks: readonly Check[];
  /** Policy text, to be loaded at root. Absent when no grant could help: the resource is not there. */
  readonly remedy?: string;
}

/** A resource may carry thousands of permits; the audit line need not. */
const maxPermitsTold = 20;

/** Explains why `role` was refused `privilege` on the resource; without a privilege, why it does not see it at all. */
export function explainRefusal(graph: Graph, role: RoleId, privilege: string | undefined, resource: ResourceId): Explanation {
  const target = graph.resource(resource);
  if (target === undefined) {
    return {
      because: "resource_missing",
      checks: [{ check: "resource_exists", ok: false, detail: `${resource} is not declared by any policy` }],
    };
  }
  const checks: Check[] = [{ check: "resource_exists", ok: true, ...originOf(graph, target) }];
  checks.push({ check: "owner", ok: false, detail: `owned by ${target.owner}, which ${role} does not hold`, ...originOf(graph, target) });
  const permits = [...graph.permitsOn(resource)];
  for (const permit of permits.slice(0, maxPermitsTold)) checks.push(permitCheck(graph, role, privilege, permit));
  if (permits.length > maxPermitsTold)
    checks.push({ check: "permit", ok: false, detail: `and ${permits.length - maxPermitsTold} more permits, none of which helps` });
  if (permits.length === 0) checks.push({ check: "permit", ok: false, detail: `no permit on ${resource} at all` });
  return {
    because: privilege === undefined ? "not_visible" : "privilege_missing",
    checks,
    remedy: remedyFor(graph, role, privilege ?? "read", resource, permits),
  };
}

function permitCheck(graph: Graph, role: RoleId, privilege: string | undefined, permit: Permit): Check {
  const held = graph.held(role).has(permit.role);
  const detail = held
    ? `${permit.privilege} to ${permit.role}: held, but another privilege than ${privilege ?? "any"}`
    : `${permit.privilege} to ${permit.role}, which ${role} is not a member of`;
  return { check: "permit", ok: false, detail, ...originOf(graph, permit) };
}

/** The narrowest role that already has the privilege is the smallest thing to grant; without one, a permit on exactly this resource is. */
function remedyFor(graph: Graph, role: RoleId, privilege: string, resource: ResourceId, permits: readonly Permit[]): string {
  const candidates = permits.filter((permit) => permit.privilege === privilege && permit.role !== role).map((permit) => permit.role);
  const reach = (candidate: RoleId): number => {
    let count = 0;
    for (const each of graph.held(candidate)) for (const _ of graph.permitsTo(each)) count += 1;
    return count;
  };
  const narrowest = candidates.sort((left, right) => reach(left) - reach(right))[0];
  if (narrowest !== undefined) return `- !grant\n  role: ${reference(narrowest)}\n  member: ${reference(role)}`;
  return `- !permit\n  role: ${reference(role)}\n  privileges: [ ${privilege} ]\n  resource: ${reference(resource)}`;
}

/** How root policy text names a thing: `!variable secrets/test-variable`. */
export function reference(id: ResourceId): string {
  return `!${kindOf(id).replaceAll("_", "-")} ${identifierOf(id)}`;
}

/** Where the policy declares a fact, in the form a `Check` carries it. */
export function originOf(
  graph: Graph,
  fact: {
    readonly policy?: RoleId;
    readonly origin?: Check["origin"] | { readonly version: number; readonly line: number; readonly column: number };
  },
): Pick<Check, "origin"> {
  const { policy, origin } = fact;
  if (policy === undefined || origin === undefined) return {};
  const file = graph.policyVersions(policy).find((each) => each.version === origin.version)?.file;
  const { version, line, column } = origin;
  return { origin: file === undefined ? { policy, version, line, column } : { policy, version, line, column, file } };
}
