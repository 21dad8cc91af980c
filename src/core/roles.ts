/** Roles and their memberships: shown to those who see the resource of the same id, changed by the right on the policy that owns the role. */

import { PosternError } from "../model/failures";
import { accountOf, identifierOf, isRoleId, kindOf, type RoleId } from "../model/ids";
import type { Caller, Grant, Resource, RowEvent } from "../model/types";
import type { Gate } from "./gate";
import type { Graph } from "./graph";
import type { GrantQuery, Page, RoleEdge, RoleView } from "./operations";
import type { Projection } from "./projection";
import { byText, type Order, sortedPage } from "./sorted-page";

export interface Roles {
  show(caller: Caller, id: RoleId): Promise<RoleView>;
  held(caller: Caller, id: RoleId): Promise<readonly RoleId[]>;
  memberships(caller: Caller, id: RoleId, query: GrantQuery): Promise<Page<Grant>>;
  members(caller: Caller, id: RoleId, query: GrantQuery): Promise<Page<Grant>>;
  graph(caller: Caller, id: RoleId): Promise<readonly RoleEdge[]>;
  addMember(caller: Caller, role: RoleId, member: RoleId): Promise<void>;
  removeMember(caller: Caller, role: RoleId, member: RoleId): Promise<void>;
}

export function createRoles({ projection, gate }: { readonly projection: Projection; readonly gate: Gate }): Roles {
  function existing(graph: Graph, id: RoleId): Resource {
    const role = graph.role(id);
    if (role === undefined) throw new PosternError({ code: "not_found", target: id, because: "role_missing" });
    return role;
  }

  /** The policy whose right it takes to change a role's members: the one that owns the role's record. */
  function policyOf(graph: Graph, caller: Caller, id: RoleId): RoleId {
    const owner = graph.sees(caller.role, id) ? graph.role(id)?.owner : undefined;
    if (owner === undefined)
      throw new PosternError({ code: "not_found", target: id, hidden: graph.role(id) !== undefined, because: "role_not_visible" });
    return owner;
  }

  const tell = ({ context, role }: Caller, row: RowEvent): void => gate.tellRows({ context, role }, () => [row]);

  return {
    show: (caller, id) =>
      gate.release(caller, { operation: "role.show", resource: id }, async (graph) => ({
        role: existing(graph, id),
        members: (await sortedPage(graph.members(id), { order: byGrant })).items,
      })),

    held: (caller, id) =>
      gate.release(caller, { operation: "role.held", resource: id }, async (graph) => {
        return (await sortedPage(graph.held(id), { order: byText })).items;
      }),

    memberships: (caller, id, query) =>
      gate.release(caller, { operation: "role.memberships", resource: id }, (graph) =>
        page(graph.memberships(id), (grant) => grant.role, query),
      ),

    members: (caller, id, query) =>
      gate.release(caller, { operation: "role.members", resource: id }, (graph) => page(graph.members(id), (grant) => grant.member, query)),

    graph: (caller, id) =>
      gate.release(caller, { operation: "role.graph", resource: id }, async (graph) => {
        const isWanted = ({ parent }: RoleEdge): boolean => graph.sees(caller.role, parent);
        const { items } = await sortedPage(edgesAround(graph, id), { order: byEdge, isWanted });
        // A member that is also the owner stands there twice.
        return items.filter((edge, index) => index === 0 || byEdge(edge, items[index - 1] ?? edge) !== 0);
      }),

    async addMember(caller, role, member) {
      const graph = projection.graph();
      const policy = policyOf(graph, caller, role);
      await gate.change(caller, { operation: "role.add_member", resource: policy, privilege: "create", graph }, () =>
        projection.write(accountOf(role), caller.context.now, (newest) => {
          existing(newest, role);
          if (accountOf(member) !== accountOf(role) || newest.role(member) === undefined)
            throw new PosternError({ code: "not_found", target: member, because: "member_missing" });
          assertNoRing(newest, role, member);
          if (newest.grant(role, member, false) !== undefined) return { changes: [], result: undefined };
          return { changes: [{ type: "put_grant", grant: { role, member, adminOption: false, ownership: false } }], result: undefined };
        }),
      );
      tell(caller, { operation: "add", subject: { role, member } });
    },

    async removeMember(caller, role, member) {
      const graph = projection.graph();
      const policy = policyOf(graph, caller, role);
      await gate.change(caller, { operation: "role.remove_member", resource: policy, privilege: "update", graph }, () =>
        projection.write(accountOf(role), caller.context.now, (newest) => {
          if (newest.grant(role, member, false) === undefined)
            throw new PosternError({ code: "not_found", target: member, because: "member_missing" });
          return { changes: [{ type: "remove_grant", role, member, ownership: false }], result: undefined };
        }),
      );
      tell(caller, { operation: "remove", subject: { role, member } });
    },
  };
}

/** All memberships of the roles above and their direct members, and all below. */
function* edgesAround(graph: Graph, id: RoleId): Generator<RoleEdge> {
  const below = new Set([id]);
  // A Set iterates what is added meanwhile: it is its own queue.
  for (const parent of below) {
    for (const { member } of graph.members(parent)) {
      below.add(member);
      yield { parent, child: member };
    }
  }
  for (const parent of graph.held(id)) {
    if (!below.has(parent)) for (const { member } of graph.members(parent)) yield { parent, child: member };
  }
}

const byEdge: Order<RoleEdge> = (left, right) => byText(left.parent, right.parent) || byText(left.child, right.child);
const byGrant: Order<Grant> = (left, right) =>
  byText(left.role, right.role) || byText(left.member, right.member) || Number(left.ownership) - Number(right.ownership);

/** A role must not come to hold itself. */
export function assertNoRing(graph: Graph, role: RoleId, member: RoleId): void {
  if (!graph.held(role).has(member)) return;
  throw new PosternError({
    code: "malformed",
    where: "member",
    expected: `a role that ${role} is not itself a member of`,
    kind: "argument",
    because: "membership_cycle",
  });
}

function page(grants: Iterable<Grant>, other: (grant: Grant) => RoleId, query: GrantQuery): Promise<Page<Grant>> {
  const search = query.search?.toLowerCase();
  const isWanted = (grant: Grant): boolean => {
    const id = other(grant);
    if (query.kind !== undefined && kindOf(id) !== query.kind) return false;
    if (search !== undefined && !identifierOf(id).toLowerCase().includes(search)) return false;
    return query.filter === undefined || query.filter.some((each) => isRoleId(each) && each === grant.member);
  };
  const { offset, limit } = query;
  return sortedPage(grants, {
    order: byGrant,
    isWanted,
    ...(offset === undefined ? {} : { offset }),
    ...(limit === undefined ? {} : { limit }),
  });
}
