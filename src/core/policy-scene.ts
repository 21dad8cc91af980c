/**
 * Carries an account's facts to the thread that plans: as JSON text in pieces, each made in a few milliseconds with the other requests served in
 * between. Copying the facts as objects would hold the serving thread for as long as it takes to walk them all.
 */

import type { AccountName, RoleId } from "../model/ids";
import { accountOf, isRoleId } from "../model/ids";
import type { Annotation, Grant, NetworkRestriction, Permit, Resource } from "../model/types";
import type { Graph } from "./graph";
import type { SceneFacts } from "./policy/scene";
import { nextTurn } from "./slices";

/** Pieces of UTF-8 JSON, each the facts of some resources. */
export type EncodedFacts = readonly Uint8Array[];

const resourcesPerPiece = 1000;

/** Only what decides a plan is sent: where a fact was declared does not. */
export async function factsForPlan(graph: Graph, account: AccountName): Promise<EncodedFacts> {
  const pieces: Uint8Array[] = [];
  let piece = emptyFacts();
  let count = 0;
  for (const resource of graph.resources(account)) {
    collect(graph, resource, piece);
    count += 1;
    if (count % resourcesPerPiece !== 0) continue;
    pieces.push(Buffer.from(JSON.stringify(piece)));
    piece = emptyFacts();
    await nextTurn();
  }
  pieces.push(Buffer.from(JSON.stringify(piece)));
  return pieces;
}

/** The other end. */
export function factsFromPieces(pieces: EncodedFacts): SceneFacts {
  const all = emptyFacts();
  for (const piece of pieces) {
    const facts: Facts = JSON.parse(Buffer.from(piece).toString("utf8"));
    for (const resource of facts.resources) all.resources.push(resource);
    for (const grant of facts.grants) all.grants.push(grant);
    for (const permit of facts.permits) all.permits.push(permit);
    for (const annotation of facts.annotations) all.annotations.push(annotation);
    for (const restriction of facts.restrictions) all.restrictions.push(restriction);
  }
  return all;
}

interface Facts {
  readonly resources: Resource[];
  readonly grants: Grant[];
  readonly permits: Permit[];
  readonly annotations: Annotation[];
  readonly restrictions: NetworkRestriction[];
}

const emptyFacts = (): Facts => ({ resources: [], grants: [], permits: [], annotations: [], restrictions: [] });

/** Everything that hangs on one resource; a grant hangs on its member. */
function collect(graph: Graph, { id, owner, createdAt, policy }: Resource, facts: Facts): void {
  facts.resources.push({ id, owner, createdAt, ...declaredBy(policy) });
  for (const permit of graph.permitsOn(id)) {
    facts.permits.push({ role: permit.role, privilege: permit.privilege, resource: permit.resource, ...declaredBy(permit.policy) });
  }
  for (const annotation of graph.annotations(id)) {
    facts.annotations.push({ resource: id, name: annotation.name, value: annotation.value, ...declaredBy(annotation.policy) });
  }
  if (isRoleId(id)) collectRole(graph, id, facts);
}

function collectRole(graph: Graph, id: RoleId, facts: Facts): void {
  for (const { role, member, adminOption, ownership, policy } of graph.memberships(id)) {
    if (accountOf(role) === accountOf(member)) facts.grants.push({ role, member, adminOption, ownership, ...declaredBy(policy) });
  }
  const restriction = graph.restriction(id);
  if (restriction !== undefined) facts.restrictions.push(restriction);
}

const declaredBy = (policy: RoleId | undefined): { readonly policy?: RoleId } => (policy === undefined ? {} : { policy });
