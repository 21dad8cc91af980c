/**
 * What a load does to the records of an account: which come, which go, and which others look different afterwards. Pure: two graphs and the changes
 * between them in, ids out.
 */

import { isRoleId, type ResourceId, type RoleId } from "../../model/ids";
import type { Annotation, Change, Grant, Permit } from "../../model/types";
import type { Graph } from "../graph";
import { createPace } from "../slices";

/** A record as far as policy texts can say something of it. Sorted, so that equal records are equal texts. */
export interface RecordState {
  readonly id: ResourceId;
  readonly owner: RoleId;
  /** The branch whose load made it; absent when an API call did. */
  readonly policy?: RoleId;
  readonly annotations: readonly Annotation[];
  /** Of a role: what it was permitted itself, not what it holds by membership. */
  readonly permissions: readonly Permit[];
  /** Of any other record: who was permitted what on it. */
  readonly permitted: readonly Permit[];
  readonly members: readonly RoleId[];
  readonly memberships: readonly RoleId[];
  readonly restrictedTo: readonly string[];
}

export interface Effect {
  readonly created: readonly RecordState[];
  readonly updated: readonly { readonly before: RecordState; readonly after: RecordState }[];
  readonly deleted: readonly RecordState[];
}

/** So many are compared in some ten milliseconds. */
const recordsPerSlice = 500;

/** `after` is `before` with the changes. Each list is sorted by id. */
export async function effectOf(before: Graph, after: Graph, changes: readonly Change[]): Promise<Effect> {
  const created: RecordState[] = [];
  const updated: { before: RecordState; after: RecordState }[] = [];
  const deleted: RecordState[] = [];
  const pace = createPace(recordsPerSlice);
  for (const id of [...(await touchedBy(changes, before))].sort()) {
    await pace();
    const [earlier, later] = [recordState(before, id), recordState(after, id)];
    if (earlier === undefined && later !== undefined) created.push(later);
    else if (earlier !== undefined && later === undefined) deleted.push(earlier);
    else if (earlier !== undefined && later !== undefined && JSON.stringify(earlier) !== JSON.stringify(later))
      updated.push({ before: earlier, after: later });
  }
  return { created, updated, deleted };
}

/** Undefined for a record that is not there. */
export function recordState(graph: Graph, id: ResourceId): RecordState | undefined {
  const resource = graph.resource(id);
  if (resource === undefined) return undefined;
  const { owner, policy } = resource;
  const role = isRoleId(id) ? id : undefined;
  return {
    id,
    owner,
    ...(policy === undefined ? {} : { policy }),
    annotations: [...graph.annotations(id)].map(({ resource: on, name, value }) => ({ resource: on, name, value })).sort(byName),
    permissions: role === undefined ? [] : sortedPermits(graph.permitsTo(role)),
    permitted: role === undefined ? sortedPermits(graph.permitsOn(id)) : [],
    members: role === undefined ? [] : distinct(graph.members(role), (grant) => grant.member),
    memberships: role === undefined ? [] : distinct(graph.memberships(role), (grant) => grant.role),
    restrictedTo: role === undefined ? [] : [...(graph.restriction(role)?.networks ?? [])].sort(),
  };
}

/** Every record that a change names, and those at the other ends of what goes with a removed one. */
async function touchedBy(changes: readonly Change[], before: Graph): Promise<ReadonlySet<ResourceId>> {
  const touched = new Set<ResourceId>();
  const pace = createPace();
  for (const change of changes) {
    await pace();
    switch (change.type) {
      case "put_resource":
        touched.add(change.resource.id);
        break;
      case "remove_resource":
        addNeighbours(change.id, before, touched);
        break;
      case "put_grant":
        touched.add(change.grant.role).add(change.grant.member);
        break;
      case "remove_grant":
        touched.add(change.role).add(change.member);
        break;
      case "put_permit":
        touched.add(change.permit.role).add(change.permit.resource);
        break;
      case "remove_permit":
        touched.add(change.role).add(change.resource);
        break;
      case "put_annotation":
        touched.add(change.annotation.resource);
        break;
      case "remove_annotation":
        touched.add(change.resource);
        break;
      case "put_restriction":
        touched.add(change.restriction.role);
        break;
      case "remove_restriction":
        touched.add(change.role);
        break;
      default:
        // Values, credentials and the record of the load itself are no part of what a policy text describes.
        break;
    }
  }
  return touched;
}

function addNeighbours(id: ResourceId, graph: Graph, touched: Set<ResourceId>): void {
  touched.add(id);
  for (const permit of graph.permitsOn(id)) touched.add(permit.role);
  if (!isRoleId(id)) return;
  for (const permit of graph.permitsTo(id)) touched.add(permit.resource);
  for (const grant of graph.members(id)) touched.add(grant.member);
  for (const grant of graph.memberships(id)) touched.add(grant.role);
}

function sortedPermits(permits: Iterable<Permit>): readonly Permit[] {
  return [...permits]
    .map(({ role, privilege, resource }) => ({ role, privilege, resource }))
    .sort((left, right) => compare(permitText(left), permitText(right)));
}

const permitText = ({ privilege, role, resource }: Permit): string => `${privilege}\n${resource}\n${role}`;
const byName = (left: Annotation, right: Annotation): number => compare(left.name, right.name);
const compare = (left: string, right: string): number => (left < right ? -1 : Number(left > right));

function distinct(grants: Iterable<Grant>, other: (grant: Grant) => RoleId): readonly RoleId[] {
  return [...new Set([...grants].map(other))].sort();
}
