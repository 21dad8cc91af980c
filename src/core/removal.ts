/** What goes when a branch goes. */

import { PosternError } from "../model/failures";
import { accountOf, identifierOf, isRoleId, kindOf, type ResourceId, type RoleId } from "../model/ids";
import type { Graph } from "./graph";
import { mayGoWith } from "./policy/removals";
import { nextTurn, stepsPerSlice } from "./slices";

/**
 * The branch, everything below it by name, and everything that any of those own. In slices, for it looks at every name of the account. Throws `conflict`
 * when something elsewhere is owned from in here: whoever gave it that owner must give it another first.
 */
export async function everythingIn(graph: Graph, branch: RoleId): Promise<readonly ResourceId[]> {
  const prefix = `${identifierOf(branch)}/`;
  const found = new Set<ResourceId>([branch]);
  let steps = 0;
  for (const { id } of graph.resources(accountOf(branch))) {
    // A user's name says nothing certain of its branch; who owns it does.
    if (identifierOf(id).startsWith(prefix) && kindOf(id) !== "user") found.add(id);
    steps += 1;
    if (steps % stepsPerSlice === 0) await nextTurn();
  }
  // A Set iterates what is added meanwhile: it is its own queue.
  for (const id of found) {
    if (!isRoleId(id)) continue;
    for (const dependent of [...graph.ownedBy(id), ...graph.publicKeysOf(id)]) found.add(dependent);
  }
  for (const id of found) {
    const owner = graph.resource(id)?.owner;
    if (mayGoWith(id, owner, identifierOf(branch))) continue;
    throw new PosternError({ code: "conflict", what: `The branch owns records outside of it: ${id}`, because: "owns_outside" });
  }
  return [...found];
}
