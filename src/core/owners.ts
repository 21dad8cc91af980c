/** Who may be named as the owner of something that a request makes or changes. */

import { PosternError } from "../model/failures";
import { type AccountName, accountOf, type RoleId } from "../model/ids";
import type { Caller } from "../model/types";
import type { Graph } from "./graph";

/** Whom the caller sees or is, in this account. Whoever else is not there, whether they exist or not: throws `not_found`. */
export function assertKnownOwner(graph: Graph, caller: Caller, owner: RoleId, account: AccountName): void {
  const isThere = graph.role(owner) !== undefined;
  const isKnown = isThere && (graph.sees(caller.role, owner) || graph.held(caller.role).has(owner));
  if (isKnown && accountOf(owner) === account) return;
  throw new PosternError({ code: "not_found", target: owner, hidden: isThere, because: "owner_missing" });
}
