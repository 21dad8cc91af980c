/**
 * Members of groups, given and taken by the rights on the branch that a group lies in. Both must be visible to who does it.
 *
 * The memberships are the group's branch's own, as if its policy had said them. Source: Conjur 5.3.1, app/domain/memberships/membership_service.rb.
 */

import type { AuditedOperation } from "../model/audited-operations";
import { PosternError } from "../model/failures";
import { accountOf, type RoleId } from "../model/ids";
import type { Caller, Change } from "../model/types";
import { branchAbove } from "./branches";
import type { Gate } from "./gate";
import type { Graph } from "./graph";
import type { Projection } from "./projection";
import { assertNoRing } from "./roles";
import { writeTold } from "./told-write";

export interface GroupMembers {
  add(caller: Caller, group: RoleId, member: RoleId): Promise<void>;
  remove(caller: Caller, group: RoleId, member: RoleId): Promise<void>;
}

export function createGroupMembers({ projection, gate }: { readonly projection: Projection; readonly gate: Gate }): GroupMembers {
  function assertVisible(graph: Graph, caller: Caller, group: RoleId, member: RoleId): void {
    if (!graph.sees(caller.role, group))
      throw new PosternError({ code: "not_found", target: group, hidden: graph.role(group) !== undefined, because: "group_missing" });
    if (accountOf(member) === accountOf(group) && graph.sees(caller.role, member)) return;
    throw new PosternError({
      code: "malformed",
      where: "id",
      expected: "somebody who exists",
      kind: "argument",
      because: "member_missing",
    });
  }

  function addition(graph: Graph, caller: Caller, group: RoleId, member: RoleId): Change {
    assertVisible(graph, caller, group, member);
    assertNoRing(graph, group, member);
    if (graph.grant(group, member, false) !== undefined)
      throw new PosternError({ code: "exists", target: member, because: "already_member" });
    const policy = graph.role(group)?.policy;
    return {
      type: "put_grant",
      grant: { role: group, member, adminOption: false, ownership: false, ...(policy === undefined ? {} : { policy }) },
    };
  }

  function removal(graph: Graph, caller: Caller, group: RoleId, member: RoleId): Change {
    assertVisible(graph, caller, group, member);
    if (graph.grant(group, member, false) === undefined)
      throw new PosternError({ code: "not_found", target: member, because: "member_missing" });
    return { type: "remove_grant", role: group, member, ownership: false };
  }

  function changing(operation: AuditedOperation, privilege: string, changeOf: typeof addition): GroupMembers["add"] {
    return (caller, group, member) => {
      const graph = projection.graph();
      const requires = (): void => void changeOf(graph, caller, group, member);
      return gate.change(caller, { operation, resource: branchAbove(group), privilege, graph, requires }, () =>
        writeTold({ projection, gate, by: caller, account: accountOf(group) }, (newest) => [changeOf(newest, caller, group, member)]),
      );
    };
  }

  return { add: changing("role.add_member", "create", addition), remove: changing("role.remove_member", "update", removal) };
}
