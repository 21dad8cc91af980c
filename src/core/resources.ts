/** What callers may learn about resources: one, a list, a check, who else may. Only what they see counts, everywhere alike. */

import { PosternError } from "../model/failures";
import { accountOf, identifierOf, isRoleId, kindOf, type ResourceId, type RoleId } from "../model/ids";
import type { Store } from "../model/ports";
import type { Caller } from "../model/types";
import type { Gate } from "./gate";
import type { Graph } from "./graph";
import type { Page, ResourceQuery, ResourceView } from "./operations";
import type { Projection } from "./projection";
import { isReadable } from "./secret-versions";
import { byText, sortedPage } from "./sorted-page";

export interface Resources {
  show(caller: Caller, id: ResourceId): Promise<ResourceView>;
  list(caller: Caller, query: ResourceQuery): Promise<Page<ResourceView>>;
  count(caller: Caller, query: ResourceQuery): Promise<number>;
  check(caller: Caller, id: ResourceId, privilege: string, role?: RoleId): Promise<boolean>;
  permittedRoles(caller: Caller, id: ResourceId, privilege: string): Promise<readonly RoleId[]>;
}

export interface ResourcesDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly store: Pick<Store, "record">;
}

export function createResources({ projection, gate, store }: ResourcesDeps): Resources {
  /** Policy text is for those who own the policy or may `read` it: it can hold more than the ids that others see. */
  async function textsOf(graph: Graph, caller: Caller, policy: RoleId): Promise<ResourceView["policyVersions"]> {
    const newestFirst = graph.policyVersions(policy).toReversed();
    if (!gate.allows(graph, caller.role, "read", policy)) return newestFirst;
    return Promise.all(
      newestFirst.map(async (version) => {
        const text = await store.record("policy_text", `${policy}@${version.version}`);
        return text === undefined ? version : { ...version, text: Buffer.from(text.reveal()).toString("utf8") };
      }),
    );
  }

  async function view(graph: Graph, caller: Caller, id: ResourceId): Promise<ResourceView> {
    const resource = graph.resource(id);
    if (resource === undefined) throw new PosternError({ code: "not_found", target: id, because: "resource_missing" });
    const expiry = graph.secretExpiry(id);
    const isPolicy = isRoleId(id) && kindOf(id) === "policy";
    return {
      resource,
      permits: [...graph.permitsOn(id)],
      annotations: [...graph.annotations(id)],
      secretVersions: graph.secretVersions(id).filter((each) => isReadable(each, caller.context.now)),
      ...(expiry === undefined ? {} : { secretExpiry: expiry }),
      policyVersions: isPolicy ? await textsOf(graph, caller, id) : [],
      restrictedTo: isRoleId(id) ? (graph.restriction(id)?.networks ?? []) : [],
      layers: isRoleId(id) && kindOf(id) === "host_factory" ? [...graph.layersOf(id)].sort() : [],
      factoryTokens: isRoleId(id) && kindOf(id) === "host_factory" ? tokensOf(graph, caller, id) : [],
    };
  }

  /** Only those who may use the factory, or change it, learn what tokens there are. */
  function tokensOf(graph: Graph, caller: Caller, factory: RoleId): ResourceView["factoryTokens"] {
    if (!["execute", "update"].some((privilege) => gate.allows(graph, caller.role, privilege, factory))) return [];
    return [...graph.hostFactoryTokens(factory)]
      .filter(({ expiresAt }) => expiresAt > caller.context.now)
      .map(({ expiresAt, networks }) => ({ expiresAt, networks }));
  }

  /** A page of the ids that the caller (or the role acted as) sees and the query asks for, sorted. */
  async function matching(graph: Graph, caller: Caller, query: ResourceQuery): Promise<Page<ResourceId>> {
    const role = query.actingAs ?? caller.role;
    if (query.actingAs !== undefined) assertHeld(graph, caller, query.actingAs);
    const owners = query.owner === undefined ? undefined : graph.held(query.owner);
    const words = query.search === undefined ? [] : wordsOf(query.search);
    const isWanted = (id: ResourceId): boolean => {
      if (query.account !== undefined && accountOf(id) !== query.account) return false;
      if (query.kind !== undefined && kindOf(id) !== query.kind) return false;
      const resource = graph.resource(id);
      if (resource === undefined || (owners !== undefined && !owners.has(resource.owner))) return false;
      return words.length === 0 || hasAllWords(graph, id, words);
    };
    const { offset, limit } = query;
    const page = await sortedPage(graph.seenBy(role), {
      order: byText,
      isWanted,
      ...(offset === undefined ? {} : { offset }),
      ...(limit === undefined ? {} : { limit }),
    });
    // An owner that owns nothing the caller sees is told from an absent one only to those who see or hold it.
    const { owner } = query;
    if (owner !== undefined && page.total === 0 && !graph.sees(role, owner) && !graph.held(role).has(owner))
      throw new PosternError({ code: "not_found", target: owner, hidden: graph.role(owner) !== undefined, because: "owner_missing" });
    return page;
  }

  return {
    show: (caller, id) => gate.release(caller, { operation: "resource.show", resource: id }, (graph) => view(graph, caller, id)),

    list(caller, query) {
      const graph = projection.graph();
      return gate.release(caller, { operation: "resource.list", graph }, async () => {
        const { items, total } = await matching(graph, caller, query);
        return { items: await Promise.all(items.map((id) => view(graph, caller, id))), total };
      });
    },

    count(caller, { offset: _from, ...query }) {
      return gate.release(
        caller,
        { operation: "resource.list" },
        async (graph) => (await matching(graph, caller, { ...query, limit: 0 })).total,
      );
    },

    check(caller, id, privilege, role) {
      return gate.release(caller, { operation: "resource.check", about: { resource: id, privilege } }, (graph) => {
        const judged = role ?? caller.role;
        if (role !== undefined) assertHeld(graph, caller, role);
        return graph.sees(caller.role, id) && gate.allows(graph, judged, privilege, id);
      });
    },

    permittedRoles: (caller, id, privilege) =>
      gate.release(caller, { operation: "resource.permitted_roles", resource: id }, async (graph) => {
        return (await sortedPage(graph.permittedRoles(privilege, id), { order: byText })).items;
      }),
  };
}

/** A caller may look with the eyes of a role it holds, and of no other; an unknown one looks the same. */
function assertHeld(graph: Graph, caller: Caller, role: RoleId): void {
  if (graph.role(role) === undefined || !graph.held(caller.role).has(role))
    throw new PosternError({ code: "forbidden", because: "role_not_held" });
}

/** Words as a full-text index sees them: `. - / _` and white space separate. */
function wordsOf(text: string): readonly string[] {
  return text
    .toLowerCase()
    .split(/[\s./_-]+/u)
    .filter((word) => word !== "");
}

function hasAllWords(graph: Graph, id: ResourceId, words: readonly string[]): boolean {
  const present = new Set(wordsOf(`${identifierOf(id)} ${kindOf(id)}`));
  for (const annotation of graph.annotations(id)) for (const word of wordsOf(annotation.value)) present.add(word);
  return words.every((word) => present.has(word));
}
