/**
 * What a load takes away: rows its text no longer has, what it deletes, and everything that depends on either.
 */

import { identifierOf, kindOf, type ResourceId, type RoleId } from "../../model/ids";
import type { DraftDeletion, DraftRecord } from "./draft";
import { isWithin } from "./names";
import type { NextFacts } from "./next-facts";
import type { Position } from "./nodes";
import type { Problems } from "./problems";
import { publicKeyUser } from "./public-keys";
import type { PolicyScene } from "./scene";
import { kindName } from "./statements";

export interface RemovalOptions {
  readonly policy: RoleId;
  readonly scene: PolicyScene;
  readonly next: NextFacts;
  readonly problems: Problems;
}

interface Removal {
  readonly id: ResourceId;
  readonly at: Position;
}

/** Removes resources of the branch that the text no longer declares. A record that stays must not go with an owner that does not. */
export function dropUndeclared(dropped: readonly ResourceId[], records: readonly DraftRecord[], options: RemovalOptions): void {
  const at = { line: 1, column: 1 };
  const gone = cascade(
    dropped.map((id) => ({ id, at })),
    options,
  );
  for (const record of records) {
    if (!gone.has(record.id)) continue;
    const message = `${kindName(kindOf(record.owner))} '${identifierOf(record.owner)}' is no longer declared, and what it owns would be removed with it`;
    options.problems.report(record.ownerAt, message, "declare it, or name another owner");
  }
}

/** `!delete` of what is there, or would be after the additions. */
export function deleteRecords(deletions: readonly DraftDeletion[], options: RemovalOptions): void {
  const { scene, next } = options;
  cascade(
    deletions.filter(({ id }) => scene.resource(id) !== undefined || next.resources.has(id)),
    options,
  );
}

/** Marks all of it removed, and everything that depends on it; reports what a load may not take away. */
function cascade(roots: readonly Removal[], options: RemovalOptions): ReadonlySet<ResourceId> {
  const { scene, next } = options;
  const newlyOwned = Map.groupBy(next.resources.values(), (resource): ResourceId => resource.owner);
  const newKeys = Map.groupBy(
    [...next.resources.keys()].filter((id) => kindOf(id) === "public_key"),
    (id) => publicKeyUser(identifierOf(id)),
  );
  const ownerAfter = (id: ResourceId): RoleId | undefined => (next.resources.get(id) ?? scene.resource(id))?.owner;
  const isKeyOf = (key: ResourceId, user: ResourceId): boolean =>
    kindOf(key) === "public_key" && kindOf(user) === "user" && publicKeyUser(identifierOf(key)) === identifierOf(user);
  const found = new Set<ResourceId>();
  const pending = [...roots];
  for (let removal = pending.pop(); removal !== undefined; removal = pending.pop()) {
    const { id, at } = removal;
    if (found.has(id)) continue;
    found.add(id);
    checkRemoval(removal, ownerAfter(id), options);
    next.removedResources.delete(id);
    next.removedResources.add(id);
    // What the same load gives to another owner stays.
    for (const dependent of scene.dependents(id))
      if (ownerAfter(dependent) === id || isKeyOf(dependent, id)) pending.push({ id: dependent, at });
    for (const { id: dependent } of newlyOwned.get(id) ?? []) pending.push({ id: dependent, at });
    if (kindOf(id) === "user") for (const key of newKeys.get(identifierOf(id)) ?? []) pending.push({ id: key, at });
  }
  return found;
}

function checkRemoval({ id, at }: Removal, owner: RoleId | undefined, { policy, problems }: RemovalOptions): void {
  const kind = kindOf(id);
  const identifier = identifierOf(id);
  const branch = identifierOf(policy);
  if (id === policy || (kind === "policy" && identifier === "root") || (kind === "user" && identifier === "admin")) {
    problems.report(at, `The load would remove ${kind} '${identifier}', on which it depends`);
    return;
  }
  if (mayGoWith(id, owner, branch)) return;
  problems.report(at, `The load would remove records outside of policy '${branch}', because a record that it removes owns them`);
}

/**
 * Whether a record may go with what owns it. A factory makes hosts anywhere in its account, and they go with it; anything else outside of the branch was
 * given to a role in here by somebody above.
 */
export function mayGoWith(id: ResourceId, owner: RoleId | undefined, branch: string): boolean {
  const kind = kindOf(id);
  const isOfFactory = kind === "host" && owner !== undefined && kindOf(owner) === "host_factory";
  return isOfFactory || kind === "public_key" || isWithin(kind, identifierOf(id), branch);
}
