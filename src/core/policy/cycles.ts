/**
 * Rings of owners and of memberships, found in time proportional to the graph.
 */

import type { ResourceId, RoleId } from "../../model/ids";
import { identifierOf, kindOf } from "../../model/ids";
import type { Grant } from "../../model/types";
import type { DraftRecord } from "./draft";
import type { NextFacts } from "./next-facts";
import type { Position } from "./nodes";
import type { Problems } from "./problems";
import { grantKey, type PolicyScene } from "./scene";

/** The ids of the records, each owner before what it owns. Reports records that own each other in a ring. */
export function ownersFirst(records: readonly DraftRecord[], problems: Problems): readonly ResourceId[] {
  const byId = new Map<ResourceId, DraftRecord>(records.map((record) => [record.id, record]));
  const placed = new Set<ResourceId>();
  for (const record of records) {
    const path = new Set<ResourceId>();
    let current: DraftRecord | undefined = record;
    while (current !== undefined && !placed.has(current.id) && !path.has(current.id)) {
      path.add(current.id);
      current = byId.get(current.owner);
    }
    if (current !== undefined && path.has(current.id)) {
      problems.report(current.ownerAt, `Dependency cycle encountered between ${spoken(current.id)} and ${spoken(current.owner)}`);
    }
    for (const id of [...path].reverse()) placed.add(id);
  }
  return [...placed];
}

/** Reports every new grant that closes a ring. Rings that stand already are left alone. */
export function reportMembershipCycles(next: NextFacts, scene: PolicyScene, placeOf: (grant: Grant) => Position, problems: Problems): void {
  const added = Map.groupBy(
    [...next.grants].filter(([key]) => !next.removedGrants.has(key)).map(([, grant]) => grant),
    (grant) => grant.member,
  );
  const gone = next.removedResources;
  const rolesOf = (member: RoleId): RoleId[] => {
    if (gone.has(member)) return [];
    const kept = scene.memberships(member).filter((grant) => !next.removedGrants.has(grantKey(grant.role, grant.member, grant.ownership)));
    return [...kept, ...(added.get(member) ?? [])].map((grant) => grant.role).filter((role) => !gone.has(role));
  };
  const rings = ringNumbers([...added.keys()], rolesOf);
  for (const grant of next.grants.values()) {
    const { role, member } = grant;
    const isNew = scene.grant(role, member, true) === undefined && scene.grant(role, member, false) === undefined;
    if (!isNew || gone.has(role) || gone.has(member) || next.removedGrants.has(grantKey(role, member, grant.ownership))) continue;
    if (role !== member && rings.get(role) !== rings.get(member)) continue;
    problems.report(placeOf(grant), `Membership cycle: ${spoken(member)} would be a member of ${spoken(role)}, which is a member of it`);
  }
}

/** Tarjan's strongly connected components, without recursion: roles with the same number reach each other. */
function ringNumbers(starts: readonly RoleId[], next: (role: RoleId) => readonly RoleId[]): ReadonlyMap<RoleId, number> {
  const index = new Map<RoleId, number>();
  const low = new Map<RoleId, number>();
  const ring = new Map<RoleId, number>();
  const open: RoleId[] = [];
  for (const start of starts) {
    if (index.has(start)) continue;
    const walk: { readonly role: RoleId; readonly roles: readonly RoleId[]; at: number }[] = [];
    const enter = (role: RoleId): void => {
      index.set(role, index.size);
      low.set(role, index.size - 1);
      open.push(role);
      walk.push({ role, roles: next(role), at: 0 });
    };
    const lower = (role: RoleId, value: number | undefined): unknown => low.set(role, Math.min(low.get(role) ?? 0, value ?? 0));
    enter(start);
    for (let top = walk.at(-1); top !== undefined; top = walk.at(-1)) {
      const child = top.roles[top.at++];
      if (child !== undefined) {
        if (!index.has(child)) enter(child);
        else if (!ring.has(child)) lower(top.role, index.get(child));
        continue;
      }
      walk.pop();
      const above = walk.at(-1);
      if (above !== undefined) lower(above.role, low.get(top.role));
      if (low.get(top.role) !== index.get(top.role)) continue;
      for (let role = open.pop(); role !== undefined; role = role === top.role ? undefined : open.pop())
        ring.set(role, index.get(top.role) ?? 0);
    }
  }
  return ring;
}

function spoken(id: ResourceId): string {
  return `${kindOf(id)} '${identifierOf(id)}'`;
}
