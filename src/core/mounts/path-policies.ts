/**
 * Policies by path: kept as documents of roles of the graph (`group:vault/policy/app`), so that a layer can hold one, and made ready for those who carry them.
 *
 * Three are always there: `root`, which is no text; `default`, which may be written anew but not removed; `response-wrapping`, which only wrapping hands out.
 */

import * as v from "valibot";
import type { AuditedOperation } from "../../model/audited-operations";
import { PosternError } from "../../model/failures";
import { type AccountName, accountOf, identifierOf, identifierProblem, makeId, type RoleId } from "../../model/ids";
import type { Capability, PathAccess, PathRights, PathRule } from "../../model/paths";
import type { Caller } from "../../model/types";
import type { Gate } from "../gate";
import type { Graph } from "../graph";
import type { NamedRules } from "../path-rule-index";
import { createPathRights, type PathRuleSet, rootRights } from "../path-rules";
import type { Projection } from "../projection";
import { byText } from "../sorted-page";
import { builtInPolicies } from "./built-in-policies";
import { type Documents, namesIn } from "./documents";
import type { Mounts } from "./mounts";
import { ownRecord } from "./own-record";
import { filledIn, isTemplated, type TemplateValues } from "./policy-templates";

/** A policy as its front understood it: the text, and what it says. */
export interface PathPolicy {
  readonly name: string;
  readonly text: string;
  readonly rules: readonly PathRule[];
}

export interface PathPolicyOperations {
  /** Every name, sorted, with those that are always there. */
  list(caller: Caller, access: PathAccess): Promise<readonly string[]>;
  /** Undefined when there is none. Of `root` the text is empty. */
  read(caller: Caller, access: PathAccess, name: string): Promise<PathPolicy | undefined>;
  /** Throws `malformed` for one that cannot be written. */
  write(caller: Caller, access: PathAccess, policy: PathPolicy): Promise<void>;
  /** Does nothing when there is none: tokens keep the name. Throws `malformed` for one that cannot be removed. */
  remove(caller: Caller, access: PathAccess, name: string): Promise<void>;
}

export interface PathPolicies extends PathPolicyOperations {
  /** What whoever carries these policies may do; names without a policy give nothing. Made once for as long as nothing in it changes. */
  rightsOf(graph: Graph, names: readonly string[], values: TemplateValues): PathRights;
  /** Names of the policies that a role holds in the graph, sorted. */
  heldBy(graph: Graph, role: RoleId): readonly string[];
  exists(graph: Graph, name: string): boolean;
  /** Undefined when there is none. */
  find(graph: Graph, name: string): PathPolicy | undefined;
  /** The group that holders of a policy are members of, there or not. */
  groupOf(graph: Graph, name: string): RoleId;
}

export interface PathPoliciesDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly documents: Documents;
  readonly mounts: Mounts;
}

const capabilities: readonly Capability[] = ["create", "read", "update", "patch", "delete", "list", "sudo", "deny"];
const lists = ownRecord(v.array(v.unknown()));
const Rule = v.object({
  path: v.string(),
  capabilities: v.array(v.picklist(capabilities)),
  requiredParameters: v.exactOptional(v.array(v.string())),
  allowedParameters: v.exactOptional(lists),
  deniedParameters: v.exactOptional(lists),
  minWrappingSeconds: v.exactOptional(v.number()),
  maxWrappingSeconds: v.exactOptional(v.number()),
  line: v.exactOptional(v.number()),
});
const PolicyDocument = v.object({ text: v.string(), rules: v.array(Rule) });

/** What is remembered of one list of names, and of one caller with that list: it holds while each of them means the same. */
interface Ready {
  readonly policies: readonly (PathPolicy | undefined)[];
  readonly rights: PathRuleSet;
}

/** The rules of a policy that are the same for everybody, and those that have placeholders. */
interface Halves {
  readonly plain: NamedRules;
  readonly templated: NamedRules;
}

const maxReady = 4096;
const namePrefix = "vault/policy/";

export function createPathPolicies({ projection, gate, documents, mounts }: PathPoliciesDeps): PathPolicies {
  const kind = documents.kind(PolicyDocument);
  const named = new WeakMap<object, PathPolicy>();
  const ready = new Map<string, Ready>();
  const personal = new Map<string, Ready>();
  const halved = new WeakMap<PathPolicy, Halves>();

  /** Asked at every use of every token, and a policy may have thousands of rules. */
  function halvesOf(policy: PathPolicy): Halves {
    const { name, rules } = policy;
    const known = halved.get(policy) ?? {
      plain: { name, rules: rules.filter((rule) => !isTemplated(rule)) },
      templated: { name, rules: rules.filter(isTemplated) },
    };
    halved.set(policy, known);
    return known;
  }

  function find(graph: Graph, account: AccountName, name: string): PathPolicy | undefined {
    const document = kind.find(graph, idOf(account, name));
    if (document === undefined) return builtInPolicies.get(name);
    const known = named.get(document);
    if (known !== undefined) return known;
    const policy = { name, ...document };
    named.set(document, policy);
    return policy;
  }

  /** What was made ready before under this key, while none of the policies is another one. */
  function remembered(place: Map<string, Ready>, key: string, policies: Ready["policies"], make: () => PathRuleSet): PathRuleSet {
    const known = place.get(key);
    const isSame = known?.policies.length === policies.length && known.policies.every((policy, index) => policy === policies[index]);
    if (known !== undefined && isSame) return known.rights;
    const rights = make();
    if (place.size >= maxReady) place.clear();
    place.set(key, { policies, rights });
    return rights;
  }

  /** Thousands of callers may have the same thousand rules: these are made ready once, and for each caller only what differs. */
  function made(policies: Ready["policies"], key: string, values: TemplateValues): PathRights {
    const halves = policies.flatMap((policy) => (policy === undefined ? [] : [halvesOf(policy)]));
    const shared = remembered(ready, key, policies, () => createPathRights(halves.map(({ plain }) => plain)));
    const templated = halves.map((each) => each.templated).filter(({ rules }) => rules.length > 0);
    if (templated.length === 0) return shared;
    const own = (): PathRuleSet =>
      createPathRights(
        templated.map(({ name, rules }) => ({ name, rules: filledIn(rules, values) })),
        shared,
      );
    return remembered(personal, `${values.key}\n${key}`, policies, own);
  }

  const changed = (access: PathAccess, operation: AuditedOperation, name: string) => ({
    operation,
    access,
    about: { resource: idOf(mounts.account(projection.graph()), name) },
  });

  return {
    list: (caller, access) =>
      gate.release(caller, { operation: "path_policy.list", access }, (graph) =>
        [...new Set([...namesIn(graph, branchOf(mounts.account(graph))), "default", "root"])].sort(byText),
      ),

    read: (caller, access, name) =>
      gate.release(caller, { ...changed(access, "path_policy.read", name) }, (graph) => find(graph, mounts.account(graph), name)),

    write(caller, access, policy) {
      const { now } = caller.context;
      return gate.change(caller, changed(access, "path_policy.write", policy.name), () => {
        assertMay(policy.name, "update", reserved);
        const problem = identifierProblem(policy.name);
        if (problem !== undefined)
          throw new PosternError({ code: "malformed", where: "name", expected: `a name; it ${problem}`, kind: "argument" });
        return projection.write(mounts.account(projection.graph()), now, (graph) => {
          const account = mounts.account(graph);
          const { text, rules } = policy;
          const place = { id: idOf(account, policy.name), branch: branchOf(account) };
          return { changes: documents.put(graph, place, { text, rules }, now), result: undefined };
        });
      });
    },

    remove(caller, access, name) {
      const { now } = caller.context;
      return gate.change(caller, changed(access, "path_policy.remove", name), () => {
        assertMay(name, "delete", [...reserved, "default"]);
        return projection.write(mounts.account(projection.graph()), now, (graph) => ({
          changes: documents.remove(graph, idOf(mounts.account(graph), name)),
          result: undefined,
        }));
      });
    },

    rightsOf(graph, names, values) {
      if (names.includes("root")) return rootRights;
      const account = mounts.account(graph);
      const policies = names.map((name) => find(graph, account, name));
      return made(policies, JSON.stringify(names), values);
    },

    heldBy(graph, role) {
      const names: string[] = [];
      for (const held of graph.held(role)) {
        const identifier = identifierOf(held);
        if (held.startsWith(`${accountOf(held)}:group:`) && identifier.startsWith(namePrefix))
          names.push(identifier.slice(namePrefix.length));
      }
      // What nobody may be given by a login is not to be had by a membership either.
      return names.filter((name) => !reserved.includes(name)).sort(byText);
    },

    find: (graph, name) => find(graph, mounts.account(graph), name),
    groupOf: (graph, name) => idOf(mounts.account(graph), name),

    exists: (graph, name) => name === "root" || find(graph, mounts.account(graph), name) !== undefined,
  };
}

const reserved: readonly string[] = ["root", "response-wrapping"];
const branchOf = (account: AccountName): RoleId => makeId(account, "policy", "vault/policy");
const idOf = (account: AccountName, name: string): RoleId => makeId(account, "group", `${namePrefix}${name}`);

function assertMay(name: string, verb: "update" | "delete", kept: readonly string[]): void {
  if (!kept.includes(name)) return;
  const says = name === "default" ? `cannot ${verb} default policy` : `cannot ${verb} "${name}" policy`;
  throw new PosternError({
    code: "malformed",
    where: "name",
    expected: "another policy",
    kind: "argument",
    because: "policy_reserved",
    says,
  });
}
