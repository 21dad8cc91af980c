/**
 * Who could do what they could not before, and who no longer can: two graphs and the changes between them in, differences out.
 *
 * Told of users and hosts, who are the ones that come; what a group or a layer gains shows in its members, and in itself only when it has none.
 */

import { isRoleId, kindOf, type ResourceId, type RoleId } from "../../model/ids";
import type { Change } from "../../model/types";
import type { Graph } from "../graph";
import { nextTurn } from "../slices";

/** Privileges on resources that came or went together, by one way. `owns`, which allows everything, stands for ownership. */
export interface RightGroup {
  readonly privileges: readonly string[];
  readonly resources: readonly ResourceId[];
  /** The role through which it is held: itself, or one that it is a member of. */
  readonly through: RoleId;
}

/** The same difference for all these roles. */
export interface RightsDifference {
  readonly roles: readonly RoleId[];
  readonly gained: readonly RightGroup[];
  readonly lost: readonly RightGroup[];
}

/** `after` is `before` with the changes. Sorted by the first role of each difference. */
export async function rightsDifferences(before: Graph, after: Graph, changes: readonly Change[]): Promise<readonly RightsDifference[]> {
  const byText = new Map<
    string,
    { readonly roles: RoleId[]; readonly gained: readonly RightGroup[]; readonly lost: readonly RightGroup[] }
  >();
  for (const role of [...affected(before, after, changes)].sort()) {
    const [had, has] = [rightsOf(before, role), rightsOf(after, role)];
    const gained = grouped(has, had, role);
    const lost = grouped(had, has, role);
    if (gained.length === 0 && lost.length === 0) continue;
    const text = JSON.stringify([kindOf(role), gained, lost], (_key, value: unknown) => (value === role ? "itself" : value));
    const same = byText.get(text);
    if (same === undefined) byText.set(text, { roles: [role], gained, lost });
    else same.roles.push(role);
    await nextTurn();
  }
  return [...byText.values()];
}

/** By privilege and resource, the role it is held through. Nothing for a role that is not there. */
type Rights = ReadonlyMap<string, { readonly privilege: string; readonly resource: ResourceId; readonly through: RoleId }>;

function rightsOf(graph: Graph, role: RoleId): Rights {
  const rights = new Map<string, { privilege: string; resource: ResourceId; through: RoleId }>();
  if (graph.role(role) === undefined) return rights;
  for (const held of graph.held(role)) {
    for (const resource of graph.ownedBy(held)) add(rights, "owns", resource, held);
    for (const { privilege, resource } of graph.permitsTo(held)) add(rights, privilege, resource, held);
  }
  return rights;
}

function add(
  rights: Map<string, { privilege: string; resource: ResourceId; through: RoleId }>,
  privilege: string,
  resource: ResourceId,
  through: RoleId,
): void {
  const key = `${privilege}\n${resource}`;
  if (!rights.has(key)) rights.set(key, { privilege, resource, through });
}

/** What is in the one and not in the other, together where privileges or resources are the same. */
function grouped(these: Rights, others: Rights, role: RoleId): readonly RightGroup[] {
  const byResource = new Map<string, { readonly resource: ResourceId; readonly through: RoleId; readonly privileges: string[] }>();
  for (const [key, { privilege, resource, through }] of these) {
    // A role that owns itself says nothing; neither does a right by a name when everything was allowed by owning before.
    if (others.has(key) || resource === role || others.has(`owns\n${resource}`)) continue;
    const place = `${through}\n${resource}`;
    const found = byResource.get(place);
    if (found === undefined) byResource.set(place, { resource, through, privileges: [privilege] });
    else found.privileges.push(privilege);
  }
  const groups = Map.groupBy(byResource.values(), ({ through, privileges }) => `${through}\n${privileges.sort().join("\n")}`);
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    return [{ privileges: first.privileges, through: first.through, resources: group.map(({ resource }) => resource).sort() }];
  });
}

/** Users and hosts whose rights may differ, and other roles without members: everybody below a role whose own rights or members changed. */
function affected(before: Graph, after: Graph, changes: readonly Change[]): ReadonlySet<RoleId> {
  const changed = new Set<RoleId>();
  for (const change of changes) for (const role of rolesOf(change, before)) changed.add(role);
  const found = new Set<RoleId>();
  for (const graph of [before, after]) {
    const below = new Set(changed);
    for (const role of below) for (const { member } of graph.members(role)) below.add(member);
    for (const role of below) {
      const isActor = kindOf(role) === "user" || kindOf(role) === "host";
      if (isActor || (isGroup(role) && isEmpty(graph, role) && isEmpty(after, role))) found.add(role);
    }
  }
  return found;
}

const isGroup = (role: RoleId): boolean => kindOf(role) === "group" || kindOf(role) === "layer";

/** Whether nobody holds it but its owners. */
function isEmpty(graph: Graph, role: RoleId): boolean {
  return ![...graph.members(role)].some(({ ownership }) => !ownership);
}

function rolesOf(change: Change, before: Graph): readonly RoleId[] {
  switch (change.type) {
    case "put_resource": {
      const { id, owner } = change.resource;
      const former = before.resource(id)?.owner;
      return [owner, ...(former === undefined ? [] : [former]), ...(isRoleId(id) ? [id] : [])];
    }
    case "remove_resource": {
      const owner = before.resource(change.id)?.owner;
      const permitted = [...before.permitsOn(change.id)].map(({ role }) => role);
      return [...(owner === undefined ? [] : [owner]), ...permitted, ...(isRoleId(change.id) ? [change.id] : [])];
    }
    case "put_grant":
      return [change.grant.member];
    case "remove_grant":
      return [change.member];
    case "put_permit":
      return [change.permit.role];
    case "remove_permit":
      return [change.role];
    default:
      return [];
  }
}
