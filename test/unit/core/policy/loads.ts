/** Policy loads over a graph, one after the other, as core/policies.ts does them: plan, commit, next graph. */

import { emptyGraph, type Graph } from "../../../../src/core/graph";
import type { PolicyMode } from "../../../../src/core/operations";
import type { SceneFacts } from "../../../../src/core/policy/scene";
import { type PlanInput, type PlanOutput, planPolicy } from "../../../../src/core/policy/task";
import type { PolicyProblem } from "../../../../src/model/failures";
import { parseAccount, parseId, parseRoleId, type ResourceId } from "../../../../src/model/ids";
import type { Change } from "../../../../src/model/types";

export const account = parseAccount("acme");
export const now = Date.UTC(2025, 10, 10);

const authenticators: PlanInput["authenticators"] = [
  { type: "authn-azure", attributes: ["subscription-id", "resource-group", "user-assigned-identity", "system-assigned-identity"] },
  { type: "authn-jwt", attributes: [] },
];

export interface LoadOptions {
  readonly mode?: PolicyMode;
  /** The branch; `root` by default. */
  readonly branch?: string;
  readonly settings?: PlanInput["settings"];
}

export interface Loads {
  /** Plans the text, crosses what a thread border does to plain data, and applies the changes. */
  load(text: string | Uint8Array, options?: LoadOptions): PlanOutput;
  /** As `load`, and fails the test when the text is refused. */
  loaded(text: string, options?: LoadOptions): PlanOutput & { readonly ok: true };
  /** As `load`, and fails the test when the text is accepted. */
  refused(text: string | Uint8Array, options?: LoadOptions): readonly PolicyProblem[];
  apply(changes: readonly Change[]): void;
  graph(): Graph;
  /** Facts as short lines, sorted: `resource variable:db owner user:admin`, `permit read variable:db group:ops`. */
  facts(): readonly string[];
}

export function createLoads(): Loads {
  let graph = emptyGraph();
  let version = 0;
  const apply = (changes: readonly Change[]): void => {
    graph = graph.with({ revision: graph.revision + 1, account, at: now, changes });
  };
  const admin = parseRoleId("acme:user:admin");
  const root = parseRoleId("acme:policy:root");
  apply([
    { type: "put_account", account: { name: account, createdAt: now } },
    { type: "put_resource", resource: { id: admin, owner: admin, createdAt: now } },
    { type: "put_resource", resource: { id: root, owner: admin, createdAt: now } },
    { type: "put_grant", grant: { role: root, member: admin, adminOption: true, ownership: true } },
  ]);

  const load: Loads["load"] = (text, { mode = "create", branch = "root", settings = {} } = {}) => {
    const input: PlanInput = {
      account,
      policy: parseRoleId(`acme:policy:${branch}`),
      mode,
      version: version + 1,
      now,
      text: typeof text === "string" ? new TextEncoder().encode(text) : text,
      authenticators,
      facts: [new TextEncoder().encode(JSON.stringify(factsOf(graph)))],
      settings,
    };
    const output = structuredClone(planPolicy(structuredClone(input)));
    if (output.ok) {
      version += 1;
      apply(output.changes);
    }
    return output;
  };

  return {
    load,
    apply,
    loaded(text, options) {
      const output = load(text, options);
      if (!output.ok) throw new Error(`refused: ${JSON.stringify(output.problems)}`);
      return output;
    },
    refused(text, options) {
      const output = load(text, options);
      if (output.ok) throw new Error(`accepted: ${JSON.stringify(output)}`);
      return output.problems;
    },
    graph: () => graph,
    facts: () => shortFacts(factsOf(graph)),
  };
}

export const id = (kindAndIdentifier: string): ResourceId => parseId(`acme:${kindAndIdentifier}`);
export const role = (kindAndIdentifier: string) => parseRoleId(`acme:${kindAndIdentifier}`);

export function factsOf(graph: Graph): SceneFacts {
  const resources = [...graph.resources(account)];
  const roles = resources.flatMap(({ id: resource }) => graph.role(parseRoleIdOr(resource)) ?? []).map((each) => parseRoleId(each.id));
  return {
    resources,
    grants: roles.flatMap((member) => [...graph.memberships(member)]),
    permits: resources.flatMap((resource) => [...graph.permitsOn(resource.id)]),
    annotations: resources.flatMap((resource) => [...graph.annotations(resource.id)]),
    restrictions: roles.flatMap((each) => graph.restriction(each) ?? []),
  };
}

function parseRoleIdOr(resource: ResourceId) {
  return /^[^:]+:(user|host|group|layer|policy|host_factory):/.test(resource) ? parseRoleId(resource) : parseRoleId("acme:group:none");
}

/** Without the two records and the grant that every account begins with. */
function shortFacts({ resources, grants, permits, annotations, restrictions }: SceneFacts): readonly string[] {
  const short = (full: string): string => full.slice("acme:".length);
  return [
    ...resources.map((each) => `resource ${short(each.id)} owner ${short(each.owner)}`),
    ...grants.map(
      (each) => `grant ${short(each.role)} to ${short(each.member)}${each.ownership ? " ownership" : each.adminOption ? " admin" : ""}`,
    ),
    ...permits.map((each) => `permit ${each.privilege} ${short(each.resource)} to ${short(each.role)}`),
    ...annotations.map((each) => `annotation ${short(each.resource)} ${each.name}=${each.value}`),
    ...restrictions.map((each) => `networks ${short(each.role)} ${each.networks.join(" ")}`),
  ]
    .filter((fact) => !/^resource (user:admin|policy:root) |^grant policy:root to user:admin/.test(fact))
    .sort();
}
