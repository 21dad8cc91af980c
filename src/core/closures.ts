/**
 * Which roles a role holds, remembered for as long as it stays true. A membership that comes or goes changes the closures that contain its member and no
 * others, so that the machines of a fleet do not pay for the birth of the next one; and a closure that only grows by a few is not walked again, for an
 * administrator's contains every machine.
 */

import { isRoleId, type RoleId } from "../model/ids";
import type { Change, Grant } from "../model/types";
import type { Grouped } from "./grouped";

/** A role and every role it reaches through memberships. */
export interface HeldRoles extends Iterable<RoleId> {
  has(role: RoleId): boolean;
}

export interface Closures {
  of(role: RoleId): HeldRoles;
  /** Those of the graph that a commit leaves, whose memberships `grants` are. These ones stay as they are. */
  after(changes: readonly Change[], grants: Grouped<Grant>): Closures;
}

/** A closure, and what was added to it since it was walked. */
interface Known {
  readonly walked: ReadonlySet<RoleId>;
  readonly added: ReadonlySet<RoleId>;
  readonly held: HeldRoles;
}

/** Bounded, for an administrator's is large. */
const maxRemembered = 4096;
/** A commit that touches more members than this forgets all: looking for what it leaves would cost more than it saves. */
const maxTouched = 64;
/** From here on a closure is walked anew rather than copied once more. */
const maxAdded = 1024;

const nothing: ReadonlySet<RoleId> = new Set();

/** `grants` by member. */
export function createClosures(grants: Grouped<Grant>, known: Map<RoleId, Known> = new Map()): Closures {
  return {
    of(role) {
      const remembered = known.get(role);
      if (remembered !== undefined) return remembered.held;
      const walked = walk(role, grants);
      if (known.size >= maxRemembered) known.clear();
      known.set(role, { walked, added: nothing, held: walked });
      return walked;
    },
    after(changes, next) {
      const touched = touchedBy(changes);
      if (touched === undefined) return createClosures(next);
      // Where no membership changed, both graphs go on to remember together.
      if (touched.members.size === 0) return createClosures(next, known);
      const kept = new Map<RoleId, Known>();
      for (const [role, closure] of known) {
        const isTouched = touched.members.values().some((member) => closure.held.has(member));
        const still = !isTouched ? closure : touched.onlyAdds ? grown(closure, touched.grants, next) : undefined;
        if (still !== undefined) kept.set(role, still);
      }
      return createClosures(next, kept);
    },
  };
}

interface Touched {
  readonly members: ReadonlySet<RoleId>;
  readonly grants: readonly Grant[];
  readonly onlyAdds: boolean;
}

/** The members whose memberships a commit changes, as long as they are few. A removed role is in every closure that led through it. */
function touchedBy(changes: readonly Change[]): Touched | undefined {
  const members = new Set<RoleId>();
  const grants: Grant[] = [];
  let onlyAdds = true;
  for (const change of changes) {
    if (change.type === "remove_account") return undefined;
    if (change.type === "put_grant") {
      members.add(change.grant.member);
      grants.push(change.grant);
    }
    if (change.type === "remove_grant") members.add(change.member);
    if (change.type === "remove_resource" && isRoleId(change.id)) members.add(change.id);
    onlyAdds &&= change.type !== "remove_grant" && change.type !== "remove_resource";
    if (members.size > maxTouched || grants.length > maxTouched) return undefined;
  }
  return { members, grants, onlyAdds };
}

/** The closure with what the new grants lead to. Undefined when that is so much that it is better walked anew. */
function grown({ walked, added }: Known, newGrants: readonly Grant[], grants: Grouped<Grant>): Known | undefined {
  const more = new Set(added);
  const isIn = (role: RoleId): boolean => walked.has(role) || more.has(role);
  // A grant may lead on from another one of the same commit, in any order.
  for (let before = -1; before !== more.size; ) {
    before = more.size;
    for (const { role, member } of newGrants) {
      if (!isIn(member) || isIn(role)) continue;
      const reached = new Set([role]);
      // A Set iterates what is added meanwhile: it is its own queue.
      for (const each of reached) {
        more.add(each);
        if (more.size > maxAdded) return undefined;
        for (const grant of grants.of(each)) if (!isIn(grant.role)) reached.add(grant.role);
      }
    }
  }
  return { walked, added: more, held: more.size === 0 ? walked : both(walked, more) };
}

/** Two sets that have no member in common, as one. */
function both(walked: ReadonlySet<RoleId>, added: ReadonlySet<RoleId>): HeldRoles {
  return {
    has: (role) => walked.has(role) || added.has(role),
    *[Symbol.iterator]() {
      yield* walked;
      yield* added;
    },
  };
}

/** Breadth first; circles end. */
function walk(start: RoleId, grants: Grouped<Grant>): ReadonlySet<RoleId> {
  const reached = new Set<RoleId>([start]);
  for (const role of reached) for (const grant of grants.of(role)) reached.add(grant.role);
  return reached;
}
