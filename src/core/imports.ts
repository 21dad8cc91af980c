/**
 * Facts of another server's account, taken over as they are: who owns what, which branch declared it, when it came to be. Only the operator of this machine can do it.
 *
 * All that is sound comes in one commit; what is not is refused by name and the rest is taken. What is there already is left as it is, so the same import can be
 * done again after it was interrupted, and brings what is new. Keys cannot be taken over: new users and hosts get new ones.
 */

import { PosternError } from "../model/failures";
import { type AccountName, accountOf, identifierOf, isRoleId, kindOf, type ResourceId, type RoleId } from "../model/ids";
import type { SecretBytes } from "../model/secret-bytes";
import type { Annotation, Change, Grant, Instant, NetworkRestriction, Permit, RequestContext } from "../model/types";
import type { Credentials } from "./credentials";
import type { Gate } from "./gate";
import type { Graph } from "./graph";
import { parseNetwork } from "./policy/cidr";
import { wordProblem } from "./policy/names";
import type { Projection } from "./projection";

export interface ImportedFacts {
  readonly resources: readonly { readonly id: ResourceId; readonly owner: RoleId; readonly createdAt: Instant; readonly policy?: RoleId }[];
  readonly grants: readonly Grant[];
  readonly permits: readonly Permit[];
  readonly annotations: readonly Annotation[];
  readonly restrictions: readonly NetworkRestriction[];
}

export interface ImportOutcome {
  /** How many records, grants, permits, annotations and restrictions are new. */
  readonly added: number;
  readonly unchanged: number;
  /** What was not taken, and why. */
  readonly refused: readonly { readonly what: string; readonly reason: string }[];
  /** New users and hosts with the keys made for them. */
  readonly createdRoles: readonly { readonly id: RoleId; readonly apiKey: SecretBytes }[];
}

export interface ImportsDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly credentials: Credentials;
}

export function createImports({ projection, gate, credentials }: ImportsDeps) {
  return async (account: AccountName, facts: ImportedFacts, context: RequestContext): Promise<ImportOutcome> => {
    const about = { operation: "account.import", account, count: facts.resources.length };
    try {
      if (projection.graph().account(account) === undefined)
        throw new PosternError({ code: "not_found", target: `account ${account}`, because: "account" });
      await gate.accept(context, about);
      return await projection.write(account, context.now, (graph) => {
        const taken = takeFacts(graph, account, facts);
        const created = taken.newActors.map((id) => ({ id, ...credentials.renewKey(id, context.now) }));
        const { added, unchanged, refused } = taken;
        const createdRoles = created.map(({ id, apiKey }) => ({ id, apiKey }));
        return { changes: [...taken.changes, ...created.map(({ change }) => change)], result: { added, unchanged, refused, createdRoles } };
      });
    } catch (error) {
      throw await gate.refuse(context, about, error);
    }
  };
}

interface Taken {
  readonly changes: readonly Change[];
  readonly newActors: readonly RoleId[];
  readonly added: number;
  readonly unchanged: number;
  readonly refused: ImportOutcome["refused"];
}

function takeFacts(graph: Graph, account: AccountName, facts: ImportedFacts): Taken {
  const changes: Change[] = [];
  const newActors: RoleId[] = [];
  const refused: { what: string; reason: string }[] = [];
  let unchanged = 0;
  const coming = soundResources(graph, account, facts, (what, reason) => refused.push({ what, reason }));
  const isThere = (id: ResourceId): boolean => graph.resource(id) !== undefined || coming.has(id);

  /** Adds a change unless the fact is there, or something is wrong with it. */
  function take(what: string, reason: string | undefined, isKnown: boolean, change: Change): void {
    if (reason !== undefined) refused.push({ what, reason });
    else if (isKnown) unchanged += 1;
    else changes.push(change);
  }

  for (const resource of coming.values()) {
    const { id } = resource;
    const isNew = graph.resource(id) === undefined;
    take(id, undefined, !isNew, { type: "put_resource", resource });
    if (isNew && isRoleId(id) && ["user", "host"].includes(kindOf(id))) newActors.push(id);
  }
  const edges = createEdges(graph);
  for (const grant of facts.grants) {
    const { role, member, ownership } = grant;
    const absent = isThere(role) && isThere(member) ? undefined : "one of them is not there";
    const reason = absent ?? (edges.add(role, member) ? undefined : "it would make a role a member of itself");
    const isKnown = graph.grant(role, member, ownership) !== undefined;
    take(`membership of ${member} in ${role}`, reason, isKnown, { type: "put_grant", grant });
  }
  for (const permit of facts.permits) {
    const { role, resource, privilege } = permit;
    const reason = isThere(role) && isThere(resource) ? wordProblem(privilege) : "one of them is not there";
    const isKnown = [...graph.permitsOn(resource)].some((each) => each.role === role && each.privilege === privilege);
    take(`permit ${privilege} to ${role} on ${resource}`, reason, isKnown, { type: "put_permit", permit });
  }
  for (const annotation of facts.annotations) {
    const { resource, name, value } = annotation;
    const isText = value.isWellFormed() && !value.includes("\0");
    const reason = isThere(resource) ? (wordProblem(name) ?? (isText ? undefined : "its value is no text")) : "its record is not there";
    const isKnown = graph.annotation(resource, name) !== undefined;
    take(`annotation ${name} on ${resource}`, reason, isKnown, { type: "put_annotation", annotation });
  }
  for (const { role, networks } of facts.restrictions) {
    const canonical = networks.map(parseNetwork).flatMap((each) => ("network" in each ? [each.network] : []));
    // A restriction that is only half understood must not become a weaker one.
    const isWhole = canonical.length === networks.length && canonical.length > 0;
    const reason = isThere(role) ? (isWhole ? undefined : "one of its networks is none") : "the role is not there";
    const restriction = { role, networks: canonical };
    take(`restricted_to of ${role}`, reason, graph.restriction(role) !== undefined, { type: "put_restriction", restriction });
  }
  return { changes, newActors: withoutHalfRestricted(newActors, refused), added: changes.length, unchanged, refused };
}

/** A role whose restriction could not be taken gets no key: it could be used from anywhere. */
function withoutHalfRestricted(actors: readonly RoleId[], refused: ImportOutcome["refused"]): readonly RoleId[] {
  const unrestricted = new Set(refused.map(({ what }) => what));
  return actors.filter((role) => !unrestricted.has(`restricted_to of ${role}`));
}

/** Those that can be: of this account, with an owner and a policy that are there or come too. What falls takes along what it owns. */
function soundResources(
  graph: Graph,
  account: AccountName,
  { resources }: ImportedFacts,
  refuse: (what: string, reason: string) => void,
): ReadonlyMap<ResourceId, ImportedFacts["resources"][number]> {
  const coming = new Map(resources.map((resource) => [resource.id, resource]));
  const isThere = (id: ResourceId): boolean => graph.resource(id) !== undefined || coming.has(id);
  for (let isSettled = false; !isSettled; ) {
    isSettled = true;
    for (const { id, owner, policy } of coming.values()) {
      const reason =
        problemOf(id, account) ??
        (isThere(owner) ? undefined : `its owner ${owner} is not there`) ??
        (policy === undefined || isThere(policy) ? undefined : `its policy ${policy} is not there`);
      if (reason === undefined) continue;
      coming.delete(id);
      refuse(id, reason);
      isSettled = false;
    }
  }
  return coming;
}

function problemOf(id: ResourceId, account: AccountName): string | undefined {
  if (accountOf(id) !== account) return "it is of another account";
  if (kindOf(id) === "user" && identifierOf(id) === "admin") return "the account has its administrator";
  return undefined;
}

/** Memberships old and new, none of which closes a circle. */
function createEdges(graph: Graph) {
  const rolesOf = new Map<RoleId, Set<RoleId>>();

  function reaches(from: RoleId, to: RoleId): boolean {
    const seen = new Set<RoleId>([from]);
    // A Set iterates what is added meanwhile: it is its own queue.
    for (const role of seen) {
      if (role === to) return true;
      for (const { role: held } of graph.memberships(role)) seen.add(held);
      for (const held of rolesOf.get(role) ?? []) seen.add(held);
    }
    return false;
  }

  return {
    /** Whether `member` may hold `role`; then it does. */
    add(role: RoleId, member: RoleId): boolean {
      if (reaches(role, member)) return false;
      const roles = rolesOf.get(member);
      if (roles === undefined) rolesOf.set(member, new Set([role]));
      else roles.add(role);
      return true;
    },
  };
}
