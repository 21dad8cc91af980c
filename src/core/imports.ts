/**
 * Facts of another server's account, taken over as they are: who owns what, which branch declared it, when it came to be. Only the operator of this machine can do it.
 *
 * All that is sound comes in one commit; what is not is refused by name and the rest is taken. What is there already is left as it is, so the same import can be
 * done again after it was interrupted, and brings what is new. Keys cannot be taken over: new users and hosts get new ones.
 *
 * The other server decides over its account and nothing else: a fact that names another account is refused, whichever end of it that is. So is a whole record whose
 * restrictions cannot be taken as they are, because without them it would have more rights here than it had there.
 */

import { PosternError } from "../model/failures";
import { type AccountName, accountOf, identifierOf, isRoleId, kindOf, type ResourceId, type RoleId } from "../model/ids";
import type { SecretBytes } from "../model/secret-bytes";
import type { Annotation, Change, Grant, Instant, NetworkRestriction, Permit, RequestContext } from "../model/types";
import { administratorOf } from "./administrator";
import type { Credentials } from "./credentials";
import type { Gate } from "./gate";
import type { Graph } from "./graph";
import { getsApiKey } from "./policy/api-keys";
import { parseNetwork } from "./policy/cidr";
import { wordProblem } from "./policy/names";
import type { Projection } from "./projection";
import { writeTold } from "./told-write";

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
  /** The records among them, which have no value yet. */
  readonly newRecords: readonly ResourceId[];
  /** What was not taken, and why. */
  readonly refused: readonly { readonly what: string; readonly reason: string }[];
  /** New users and hosts with the keys made for them. */
  readonly createdRoles: readonly { readonly id: RoleId; readonly apiKey: SecretBytes }[];
}

export interface ImportsDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly credentials: Credentials;
  /** Whether hosts without the annotation `authn/api-key: true` get an API key too. */
  readonly apiKeysByDefault: boolean;
}

export function createImports({ projection, gate, credentials, apiKeysByDefault }: ImportsDeps) {
  return async (account: AccountName, facts: ImportedFacts, context: RequestContext): Promise<ImportOutcome> => {
    const about = { operation: "account.import" as const, account, count: facts.resources.length };
    try {
      if (projection.graph().account(account) === undefined)
        throw new PosternError({ code: "not_found", target: `account ${account}`, because: "account" });
      await gate.accept(context, about);
      // Whoever has this machine acts as the account's administrator.
      const by = { context, role: administratorOf(account) };
      let outcome: ImportOutcome | undefined;
      await writeTold({ projection, gate, by, account }, (graph) => {
        const taken = takeFacts(graph, account, facts);
        const annotationsOf = Map.groupBy(facts.annotations, ({ resource }) => resource);
        const created = taken.newRecords
          .filter(isRoleId)
          .filter((id) => getsApiKey(kindOf(id), annotationsOf.get(id) ?? [], apiKeysByDefault))
          .map((id) => ({ id, ...credentials.renewKey(id, context.now) }));
        const { newRecords, unchanged, refused } = taken;
        const createdRoles = created.map(({ id, apiKey }) => ({ id, apiKey }));
        outcome = { added: taken.changes.length, unchanged, newRecords, refused, createdRoles };
        return [...taken.changes, ...created.map(({ change }) => change)];
      });
      if (outcome === undefined) throw new PosternError({ code: "internal", what: "an import that was stored without being planned" });
      return outcome;
    } catch (error) {
      throw await gate.refuse(context, about, error);
    }
  };
}

interface Taken {
  readonly changes: readonly Change[];
  readonly newRecords: readonly ResourceId[];
  readonly unchanged: number;
  readonly refused: ImportOutcome["refused"];
}

function takeFacts(graph: Graph, account: AccountName, facts: ImportedFacts): Taken {
  const changes: Change[] = [];
  const newRecords: ResourceId[] = [];
  const refused: { what: string; reason: string }[] = [];
  let unchanged = 0;
  const coming = soundResources(graph, account, facts, (what, reason) => refused.push({ what, reason }));

  /** Why a fact cannot stand on these, or undefined when it can. */
  function problemWith(...ids: readonly (ResourceId | undefined)[]): string | undefined {
    const named = ids.filter((id) => id !== undefined);
    if (named.some((id) => accountOf(id) !== account)) return foreign;
    return named.every((id) => graph.resource(id) !== undefined || coming.has(id)) ? undefined : "what it names is not there";
  }

  /** Adds a change unless the fact is there, or something is wrong with it. */
  function take(what: string, reason: string | undefined, isKnown: boolean, change: Change): void {
    if (reason !== undefined) refused.push({ what, reason });
    else if (isKnown) unchanged += 1;
    else changes.push(change);
  }

  for (const resource of coming.values()) {
    const { id } = resource;
    const isKnown = graph.resource(id) !== undefined;
    take(id, undefined, isKnown, { type: "put_resource", resource });
    if (!isKnown) newRecords.push(id);
  }
  const permitsOf = new Map<ResourceId, ReadonlySet<string>>();
  /** `execute acme:host:web` */
  function permitsOn(resource: ResourceId): ReadonlySet<string> {
    const known = permitsOf.get(resource) ?? new Set([...graph.permitsOn(resource)].map(({ privilege, role }) => `${privilege} ${role}`));
    permitsOf.set(resource, known);
    return known;
  }

  const edges = createEdges(graph);
  // Role by role, so that what a role holds is walked once however many members it gets.
  for (const grant of [...Map.groupBy(facts.grants, ({ role }) => role).values()].flat()) {
    const { role, member, ownership, policy } = grant;
    const reason = problemWith(role, member, policy) ?? (edges.add(role, member) ? undefined : "it would make a role a member of itself");
    const isKnown = graph.grant(role, member, ownership) !== undefined;
    take(`membership of ${member} in ${role}`, reason, isKnown, { type: "put_grant", grant });
  }
  for (const permit of facts.permits) {
    const { role, resource, privilege, policy } = permit;
    const reason = problemWith(role, resource, policy) ?? wordProblem(privilege);
    const isKnown = permitsOn(resource).has(`${privilege} ${role}`);
    take(`permit ${privilege} to ${role} on ${resource}`, reason, isKnown, { type: "put_permit", permit });
  }
  for (const annotation of facts.annotations) {
    const { resource, name, policy } = annotation;
    const reason = problemWith(resource, policy) ?? annotationProblem(annotation);
    const isKnown = graph.annotation(resource, name) !== undefined;
    take(`annotation ${name} on ${resource}`, reason, isKnown, { type: "put_annotation", annotation });
  }
  for (const { role, networks } of facts.restrictions) {
    const canonical = canonicalNetworks(networks);
    const reason = problemWith(role) ?? (canonical === undefined ? halfRestricted : undefined);
    const restriction = { role, networks: canonical ?? [] };
    take(`restricted_to of ${role}`, reason, graph.restriction(role) !== undefined, { type: "put_restriction", restriction });
  }
  return { changes, newRecords, unchanged, refused };
}

const foreign = "it reaches into another account";
const halfRestricted = "one of its networks is none";

/** Undefined when not all of them are networks: a restriction that is only half understood must not become a weaker one. */
function canonicalNetworks(networks: readonly string[]): readonly string[] | undefined {
  const canonical = networks.map(parseNetwork).flatMap((each) => ("network" in each ? [each.network] : []));
  return canonical.length === networks.length && canonical.length > 0 ? canonical : undefined;
}

function annotationProblem({ name, value }: Annotation): string | undefined {
  return wordProblem(name) ?? (value.isWellFormed() && !value.includes("\0") ? undefined : "its value is no text");
}

/** Those that can be: of this account, with an owner and a policy that are there or come too, and as restricted as they were. What falls takes along what it owns. */
function soundResources(
  graph: Graph,
  account: AccountName,
  { resources, restrictions, annotations }: ImportedFacts,
  refuse: (what: string, reason: string) => void,
): ReadonlyMap<ResourceId, ImportedFacts["resources"][number]> {
  const coming = new Map(resources.map((resource) => [resource.id, resource]));
  const isThere = (id: ResourceId): boolean => graph.resource(id) !== undefined || coming.has(id);
  const weakened = new Map<ResourceId, string>([
    ...restrictions.flatMap(({ role, networks }): [ResourceId, string][] =>
      canonicalNetworks(networks) === undefined ? [[role, halfRestricted]] : [],
    ),
    // What a login must prove is written there.
    ...annotations.flatMap((annotation): [ResourceId, string][] => {
      const problem = annotation.name.startsWith("authn") ? annotationProblem(annotation) : undefined;
      return problem === undefined ? [] : [[annotation.resource, `its annotation ${annotation.name} ${problem}`]];
    }),
  ]);
  const ringed = ownersOfThemselves(coming);
  for (let isSettled = false; !isSettled; ) {
    isSettled = true;
    for (const { id, owner, policy } of coming.values()) {
      // A record that is here already keeps what it has.
      const isNew = graph.resource(id) === undefined;
      const reason =
        problemOf(id, account) ??
        ([owner, policy].some((each) => each !== undefined && accountOf(each) !== account) ? foreign : undefined) ??
        (isNew ? weakened.get(id) : undefined) ??
        (isNew && ringed.has(id) ? "it would own itself" : undefined) ??
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

/** Records whose owners lead back to them: such a one would be hidden from everybody else, as an account's administrator is. */
function ownersOfThemselves(coming: ReadonlyMap<ResourceId, { readonly owner: RoleId }>): ReadonlySet<ResourceId> {
  const ringed = new Set<ResourceId>();
  const seen = new Set<ResourceId>();
  for (const start of coming.keys()) {
    const path: ResourceId[] = [];
    let current: ResourceId | undefined = start;
    while (current !== undefined && !seen.has(current)) {
      seen.add(current);
      path.push(current);
      current = coming.get(current)?.owner;
    }
    const ring = current === undefined ? -1 : path.indexOf(current);
    if (ring >= 0) for (const id of path.slice(ring)) ringed.add(id);
  }
  return ringed;
}

function problemOf(id: ResourceId, account: AccountName): string | undefined {
  if (accountOf(id) !== account) return "it is of another account";
  if (kindOf(id) === "user" && identifierOf(id) === "admin") return "the account has its administrator";
  return undefined;
}

/** Memberships old and new, none of which closes a circle. */
function createEdges(graph: Graph) {
  const rolesOf = new Map<RoleId, Set<RoleId>>();

  /** All that a role holds, itself among them. */
  function reachOf(start: RoleId): ReadonlySet<RoleId> {
    const seen = new Set<RoleId>([start]);
    // A Set iterates what is added meanwhile: it is its own queue.
    for (const role of seen) {
      for (const { role: held } of graph.memberships(role)) seen.add(held);
      for (const held of rolesOf.get(role) ?? []) seen.add(held);
    }
    return seen;
  }

  // A new member changes nothing of what the role itself holds.
  let last: { readonly role: RoleId; readonly reach: ReadonlySet<RoleId> } | undefined;

  return {
    /** Whether `member` may hold `role`; then it does. */
    add(role: RoleId, member: RoleId): boolean {
      if (last?.role !== role) last = { role, reach: reachOf(role) };
      if (last.reach.has(member)) return false;
      const roles = rolesOf.get(member);
      if (roles === undefined) rolesOf.set(member, new Set([role]));
      else roles.add(role);
      return true;
    },
  };
}
