/**
 * Why somebody may or may not do something at a path: which policies they have and by which way, and which rule of these decides. Asked by the operator, about
 * a token that lives (by its accessor), about a role before anybody logs in as it, or about policies alone.
 */

import * as v from "valibot";
import { PosternError } from "../../model/failures";
import { accountOf, makeId, parseRoleId, type RoleId } from "../../model/ids";
import type { PathAccess } from "../../model/paths";
import type { Instant } from "../../model/types";
import type { Graph } from "../graph";
import { explainPath, type PathExplanation } from "../path-explanation";
import type { NamedRules } from "../path-rule-index";
import type { Projection } from "../projection";
import type { Documents } from "./documents";
import { isVersioned, keyed } from "./keyed-places";
import type { Mount } from "./mount";
import { type Mounts, shortPath } from "./mounts";
import type { PathPolicies } from "./path-policies";
import { filledIn, isTemplated, type TemplateValues } from "./policy-templates";
import type { TokenLedger } from "./token-ledger";
import { canonicalPolicies } from "./token-names";
import { TokenParametersDocument } from "./token-parameters";
import { templateValues } from "./tokens";

/** What can be asked about; `sudo` goes beside one of them. */
export const askedCapabilities = ["create", "read", "update", "patch", "delete", "list"] as const;
export type AskedCapability = (typeof askedCapabilities)[number];

export interface PathQuestion {
  /** A `role` by the path that it is kept at (`auth/approle/role/ci`), or as a role of the graph (`acme:host:apps/web`). */
  readonly about:
    | { readonly by: "accessor"; readonly accessor: string }
    | { readonly by: "role"; readonly role: string }
    | { readonly by: "policies"; readonly names: readonly string[] };
  readonly path: string;
  readonly capability: AskedCapability;
  readonly sudo?: boolean;
}

export interface HeldPolicy {
  readonly name: string;
  readonly exists: boolean;
  /** `of the token`, `of the role`, `acme:host:x → acme:layer:y → acme:group:vault/policy/db`. */
  readonly via: string;
}

export interface PathReport extends PathExplanation {
  /** `acme:host:vault/role/approle/ci`; absent where the question was about policies. */
  readonly role?: RoleId;
  readonly path: string;
  readonly capability: string;
  /** `secret/ (kv, version 2)`; absent: nothing is mounted there. */
  readonly mount?: string;
  readonly policies: readonly HeldPolicy[];
  readonly notes: readonly string[];
}

export interface PathWhy {
  /** As things are at `now`. Throws `not_found` for a token or role that is not there, `malformed` for what is none. */
  explain(question: PathQuestion, now: Instant): PathReport;
}

export interface PathWhyDeps {
  readonly projection: Projection;
  readonly mounts: Mounts;
  readonly policies: PathPolicies;
  readonly documents: Documents;
  readonly ledger: Pick<TokenLedger, "byAccessor">;
}

/** Whom a question is about, as far as it matters here. */
interface Subject {
  readonly role?: RoleId;
  readonly policies: readonly Omit<HeldPolicy, "exists">[];
  /** What placeholders are filled in with; absent: nobody has logged in. */
  readonly values?: TemplateValues;
}

/** What roles of all methods have alike. */
const LoginRole = v.object({ token: TokenParametersDocument });
const longestPath = 4096;

export function createPathWhy({ projection, mounts, policies, documents, ledger }: PathWhyDeps): PathWhy {
  const kind = documents.kind(LoginRole);

  function heldBy(graph: Graph, role: RoleId, own: readonly string[]): Subject["policies"] {
    const names = own.includes("root") ? [] : policies.heldBy(graph, role).filter((name) => !own.includes(name));
    return names.map((name) => ({ name, via: wayTo(graph, role, policies.groupOf(graph, name)) }));
  }

  function subjectOf(graph: Graph, about: PathQuestion["about"], now: Instant): Subject {
    if (about.by === "policies") return { policies: canonicalPolicies(about.names).map((name) => ({ name, via: "as asked" })) };
    if (about.by === "accessor") {
      const token = ledger.byAccessor(about.accessor, now);
      if (token === undefined) throw new PosternError({ code: "not_found", target: "a token of this accessor" });
      const own = token.policies.map((name) => ({ name, via: `of the token, made at ${token.path}` }));
      return { role: token.role, policies: [...own, ...heldBy(graph, token.role, token.policies)], values: templateValues(token) };
    }
    const role = roleOf(graph, about.role);
    const parameters = kind.find(graph, role)?.token;
    const own =
      parameters === undefined ? [] : canonicalPolicies([...parameters.policies, ...(parameters.noDefaultPolicy ? [] : ["default"])]);
    return { role, policies: [...own.map((name) => ({ name, via: "of the role's tokens" })), ...heldBy(graph, role, own)] };
  }

  function roleOf(graph: Graph, text: string): RoleId {
    const account = mounts.account(graph);
    const role = text.startsWith("auth/") ? roleAt(graph, text) : parseRoleId(text);
    if (accountOf(role) !== account)
      throw new PosternError({
        code: "malformed",
        where: "role",
        expected: `a role of ${account}, the account behind the paths`,
        kind: "argument",
      });
    if (graph.role(role) === undefined) throw new PosternError({ code: "not_found", target: role });
    return role;
  }

  /** `auth/approle/role/ci`, `auth/userpass/users/ann`. */
  function roleAt(graph: Graph, path: string): RoleId {
    const mount = mounts.find(graph, path);
    const [, name] = /^(?:role|users)\/([^/]+)$/u.exec(path.slice((mount?.path.length ?? 0) + 1)) ?? [];
    if (mount === undefined || name === undefined)
      throw new PosternError({ code: "not_found", target: `a role of a method at ${path.slice(0, 256)}` });
    return makeId(mounts.account(graph), "host", `vault/role/${shortPath(mount.path)}/${name.toLowerCase()}`);
  }

  return {
    explain({ about, path: written, capability, sudo = false }, now) {
      const graph = projection.graph();
      projection.assertSound(mounts.account(graph));
      const path = asAsked(written, capability);
      const subject = subjectOf(graph, about, now);
      const mount = mounts.find(graph, path);
      const shown = {
        path,
        capability: sudo ? `${capability}, sudo` : capability,
        ...(mount === undefined ? {} : { mount: mountText(mount) }),
      };
      const who = subject.role === undefined ? {} : { role: subject.role };
      const held = subject.policies.map((policy) => ({ ...policy, exists: policies.exists(graph, policy.name) }));
      const report = { ...who, ...shown, policies: held };
      if (held.some(({ name }) => name === "root"))
        return { ...report, allowed: true, detail: "policy root allows everything", passedOver: [], notes: [] };
      const ready = held.map(({ name }) => rulesFor(policies.find(graph, name)?.rules ?? [], name, subject.values));
      const access: PathAccess = { path, action: actionOf(capability), ...(sudo ? { sudo } : {}) };
      const place = mount === undefined ? undefined : { path: mount.path, isVersioned: mount.type === keyed && isVersioned(mount) };
      const explanation = explainPath(
        ready.map(({ rules }) => rules),
        access,
        capability !== "create",
        place,
      );
      return { ...report, ...explanation, notes: [...ready.flatMap(({ note }) => note), ...variablesNote(mount)] };
    },
  };
}

/** As the wire would hand it on: without a slash in front, and of a list with one at the end. */
function asAsked(written: string, capability: AskedCapability): string {
  const path = written.replace(/^\/+/u, "").replace(/^v1\//u, "");
  if (
    path === "" ||
    path.length > longestPath ||
    /\p{Cc}/u.test(path) ||
    path.split("/").some((segment) => segment === "." || segment === "..")
  )
    throw new PosternError({ code: "malformed", where: "path", expected: "a path such as secret/data/app", kind: "argument" });
  return capability === "list" && !path.endsWith("/") ? `${path}/` : path;
}

const actionOf = (capability: AskedCapability): PathAccess["action"] =>
  capability === "create" || capability === "update" ? "write" : capability;

const mountText = ({ path, type, options: { version } }: Mount): string =>
  `${path}/ (${type}${version === undefined ? "" : `, version ${version}`})`;

/** The rules of one policy as they count for the subject, and what is to be said of those that do not. */
function rulesFor(
  all: NamedRules["rules"],
  name: string,
  values: TemplateValues | undefined,
): { readonly rules: NamedRules; readonly note: readonly string[] } {
  const known = values ?? { key: "", entityId: "", entityName: "", entityMetadata: {}, aliases: {} };
  const dropped = all.filter((rule) => isTemplated(rule) && filledIn([rule], known).length === 0).map(({ path }) => `"${path}"`);
  const why =
    values === undefined
      ? "its placeholders are filled in for a token alone"
      : "nothing that a path may hold is known for its placeholders";
  const note =
    dropped.length === 0
      ? []
      : [`of policy ${name} ${dropped.slice(0, 5).join(", ")}${dropped.length > 5 ? " and others" : ""} does not count: ${why}`];
  return { rules: { name, rules: filledIn(all, known) }, note };
}

function variablesNote(mount: Mount | undefined): readonly string[] {
  if (mount?.type !== "conjur") return [];
  return [
    `at ${mount.path}/ lie the variables of the account's own policy: its permits decide, and a rule of a policy by path can only deny`,
  ];
}

/** The shortest way by memberships, each role written out. */
function wayTo(graph: Graph, from: RoleId, to: RoleId): string {
  const cameFrom = new Map<RoleId, RoleId | undefined>([[from, undefined]]);
  // A map that grows is walked to its end: nearest first.
  for (const role of cameFrom.keys()) {
    if (role === to) break;
    for (const grant of graph.memberships(role)) if (!cameFrom.has(grant.role)) cameFrom.set(grant.role, role);
  }
  const way: RoleId[] = [];
  for (let role: RoleId | undefined = to; role !== undefined; role = cameFrom.get(role)) way.unshift(role);
  return way.join(" → ");
}
