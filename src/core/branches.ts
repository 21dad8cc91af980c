/**
 * Branches: policies as records of their own, made, shown, changed and removed one by one, without a policy text.
 *
 * What is made here is declared by the branch above, as if a load of that branch had said it: a later text for that branch may change it, and one that
 * replaces the branch must name it. Source of rights and defaults: Conjur 5.3.1, app/domain/branches/branch_service.rb.
 */

import { PosternError } from "../model/failures";
import { type AccountName, accountOf, identifierOf, identifierProblem, kindOf, makeId, type ResourceId, type RoleId } from "../model/ids";
import type { Caller, Change, Resource } from "../model/types";
import { administratorOf } from "./administrator";
import { annotationChanges } from "./annotations";
import type { Gate } from "./gate";
import type { Graph } from "./graph";
import type { BranchChange, BranchQuery, BranchRequest, BranchView, Page } from "./operations";
import { assertKnownOwner } from "./owners";
import { reservedNameProblem } from "./policy/names";
import type { Projection } from "./projection";
import { everythingIn } from "./removal";
import { byText, sortedPage } from "./sorted-page";
import { writeTold } from "./told-write";

export interface Branches {
  create(caller: Caller, request: BranchRequest): Promise<BranchView>;
  list(caller: Caller, query: BranchQuery): Promise<Page<BranchView>>;
  show(caller: Caller, id: RoleId): Promise<BranchView>;
  update(caller: Caller, id: RoleId, change: BranchChange): Promise<BranchView>;
  remove(caller: Caller, id: RoleId): Promise<void>;
}

export function createBranches({ projection, gate }: { readonly projection: Projection; readonly gate: Gate }): Branches {
  function assertOwner(graph: Graph, caller: Caller, owner: RoleId, branch: RoleId): void {
    assertKnownOwner(graph, caller, owner, accountOf(branch));
    if (graph.held(branch).has(owner))
      throw argument("owner", "a role that the branch does not itself own or belong to", "ownership_cycle");
  }

  /** The owner of a branch holds its role. Giving that away takes holding it, or the right to change the branch above, where the branch is declared. */
  function assertMayGive(graph: Graph, caller: Caller, branch: Resource): void {
    if (isRoot(branch.id)) throw argument("owner", "absent: the root branch keeps its owner", "root_owner");
    if (graph.held(caller.role).has(branch.owner) || gate.allows(graph, caller.role, "update", branchAbove(branch.id))) return;
    throw new PosternError({
      code: "forbidden",
      because: "owner_of_branch",
      checks: [{ check: "owner_of_branch", ok: false, detail: `owned by ${branch.owner}; or update on ${branchAbove(branch.id)}` }],
    });
  }

  function newBranch(graph: Graph, caller: Caller, { parent, name, owner, annotations }: BranchRequest): readonly Change[] {
    const id = branchBelow(parent, name);
    if (graph.resource(parent) === undefined) throw new PosternError({ code: "not_found", target: parent, because: "resource_missing" });
    const problem = identifierProblem(name) ?? identifierProblem(identifierOf(id)) ?? reservedNameProblem("policy", identifierOf(id));
    if (problem !== undefined || name.includes("/"))
      throw argument("name", `a name for a branch${problem === undefined ? "" : `; it ${problem}`}`, "branch_name");
    if (graph.resource(id) !== undefined) throw new PosternError({ code: "exists", target: id, because: "branch_exists" });
    if (owner !== undefined) assertOwner(graph, caller, owner, id);
    const holder = owner ?? (isRoot(parent) ? administratorOf(accountOf(parent)) : parent);
    return [
      { type: "put_resource", resource: { id, owner: holder, createdAt: caller.context.now, policy: parent } },
      { type: "put_grant", grant: { role: id, member: holder, adminOption: true, ownership: true, policy: parent } },
      ...annotationChanges(id, annotations, parent),
    ];
  }

  function changesOf(graph: Graph, caller: Caller, id: RoleId, { owner, annotations }: BranchChange): readonly Change[] {
    const branch = existing(graph, id);
    const declared = branch.policy === undefined ? {} : { policy: branch.policy };
    const changes: Change[] = [...annotationChanges(id, annotations, branch.policy)];
    if (owner === undefined || owner === branch.owner) return changes;
    assertMayGive(graph, caller, branch);
    assertOwner(graph, caller, owner, id);
    changes.push(
      { type: "put_resource", resource: { ...branch, owner } },
      { type: "remove_grant", role: id, member: branch.owner, ownership: true },
      { type: "put_grant", grant: { role: id, member: owner, adminOption: true, ownership: true, ...declared } },
    );
    return changes;
  }

  return {
    create(caller, request) {
      const { parent } = request;
      const graph = projection.graph();
      const demand = { operation: "branch.create" as const, resource: parent, privilege: "create", graph };
      return gate.change(caller, { ...demand, requires: () => void newBranch(graph, caller, request) }, async () => {
        await writeTold({ projection, gate, by: caller, account: accountOf(parent) }, (newest) => newBranch(newest, caller, request));
        return viewOf(projection.graph(), branchBelow(parent, request.name));
      });
    },

    list(caller, { account, limit, offset }) {
      return gate.release(caller, { operation: "branch.list" }, async (graph) => {
        projection.assertSound(account);
        const isWanted = (id: ResourceId): boolean => isBranchOf(account, id) && gate.allows(graph, caller.role, "read", id);
        const { items, total } = await sortedPage(graph.seenBy(caller.role), { order: byText, isWanted, offset, limit });
        return { items: items.map((id) => viewOf(graph, id)), total };
      });
    },

    show: (caller, id) => gate.release(caller, { operation: "branch.show", resource: id, privilege: "read" }, (graph) => viewOf(graph, id)),

    update(caller, id, change) {
      const graph = projection.graph();
      const demand = { operation: "branch.update" as const, resource: id, privilege: "update", graph };
      return gate.change(caller, { ...demand, requires: () => void changesOf(graph, caller, id, change) }, async () => {
        await writeTold({ projection, gate, by: caller, account: accountOf(id) }, (newest) => changesOf(newest, caller, id, change));
        return viewOf(projection.graph(), id);
      });
    },

    async remove(caller, id) {
      /** All that goes, each of which the caller may change. */
      async function doomed(graph: Graph): Promise<readonly ResourceId[]> {
        const ids = await everythingIn(graph, id);
        const kept = ids.find((each) => each !== id && !gate.allows(graph, caller.role, "update", each));
        if (kept === undefined) return ids;
        throw new PosternError({
          code: "forbidden",
          because: "update_on_children",
          checks: [{ check: "update_on_children", ok: false, detail: `update on ${kept}` }],
        });
      }

      const graph = projection.graph();
      // Looked for only by those who see the branch: how long it takes would tell the others that there is one.
      const isSeen = graph.sees(caller.role, id) && gate.allows(graph, caller.role, "delete", id) && !isRoot(id);
      const outcome = isSeen ? await settled(doomed(graph)) : undefined;
      const requires = (): void => {
        if (isRoot(id)) throw argument("branch", "a branch below the root", "root_branch");
        if (outcome?.error !== undefined) throw outcome.error;
      };
      await gate.change(caller, { operation: "branch.remove", resource: id, privilege: "delete", graph, requires }, () =>
        writeTold({ projection, gate, by: caller, account: accountOf(id) }, async (newest) => {
          existing(newest, id);
          return (await doomed(newest)).map((each): Change => ({ type: "remove_resource", id: each }));
        }),
      );
    },
  };
}

/** The branch a record lies in by its name: `acme:group:apps/web/ops` → `acme:policy:apps/web`; at the top the root. */
export function branchAbove(id: ResourceId): RoleId {
  const identifier = identifierOf(id);
  const slash = identifier.lastIndexOf("/");
  return makeId(accountOf(id), "policy", slash < 0 ? "root" : identifier.slice(0, slash));
}

function branchBelow(parent: RoleId, name: string): RoleId {
  return makeId(accountOf(parent), "policy", isRoot(parent) ? name : `${identifierOf(parent)}/${name}`);
}

function isRoot(id: ResourceId): boolean {
  return identifierOf(id) === "root";
}

function isBranchOf(account: AccountName, id: ResourceId): boolean {
  return kindOf(id) === "policy" && accountOf(id) === account && !isRoot(id);
}

function existing(graph: Graph, id: ResourceId): Resource {
  const resource = graph.resource(id);
  if (resource === undefined) throw new PosternError({ code: "not_found", target: id, because: "resource_missing" });
  return resource;
}

function viewOf(graph: Graph, id: ResourceId): BranchView {
  return { id, owner: existing(graph, id).owner, annotations: [...graph.annotations(id)] };
}

function argument(where: string, expected: string, because: string): PosternError {
  return new PosternError({ code: "malformed", where, expected, kind: "argument", because });
}

async function settled<Result>(work: Promise<Result>): Promise<{ readonly error?: unknown }> {
  try {
    await work;
    return {};
  } catch (error) {
    // Thrown again where the gate writes it down.
    return { error };
  }
}
