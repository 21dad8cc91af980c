/**
 * Says why path rules allow or refuse something: which rule decides, which others were passed over and for what, and where none is for the path, the one that
 * comes nearest and what it misses. For the operator; nothing of it reaches the one who was refused.
 */

import type { PathAccess } from "../model/paths";
import { type MergedRule, type NamedRules, plusCount } from "./path-rule-index";
import { capabilityOf, createPathRights, listed } from "./path-rules";

/** One path as the policies speak of it. */
export interface ToldRule {
  readonly path: string;
  /** Sorted; empty: nothing. */
  readonly capabilities: readonly string[];
  /** The policies that it is from, with lines: `app line 3, db`. */
  readonly from: string;
  /** Whether it would allow what was asked, if it decided. */
  readonly allows: boolean;
}

export interface PathExplanation {
  readonly allowed: boolean;
  /** Of a refusal: `no_path_rule`, `path_denied`, `path_capability`, `path_sudo`. */
  readonly because?: string;
  readonly detail: string;
  readonly rule?: ToldRule;
  /** Rules that are for the path too and do not count, in the order in which they would. */
  readonly passedOver: readonly (ToldRule & { readonly reason: string })[];
  /** Where no rule is for the path. */
  readonly nearest?: ToldRule & { readonly hint: string };
  /** What the rule demands of a request beside its path. */
  readonly demands?: string;
  readonly remedy?: string;
}

/** The mount that the path is in, as far as it changes what paths are. */
export interface ExplainedMount {
  readonly path: string;
  /** Keys are below `data/`, what is told of them below `metadata/`. */
  readonly isVersioned: boolean;
}

const maxPassedOver = 20;

/** `exists` as for a verdict. What a request has to say is not known, so the demands of the rule are told and not judged. */
export function explainPath(
  policies: readonly NamedRules[],
  access: PathAccess,
  exists: boolean,
  mount: ExplainedMount | undefined,
): PathExplanation {
  const rights = createPathRights(policies);
  const [rule, ...others] = rights.matching(access.path);
  const verdict = rights.verdict(access, exists);
  const told = (each: MergedRule): ToldRule => toldRule(each, access, exists);
  // It allows it, and its demands are told beside.
  const isOfRequest = !verdict.allowed && (verdict.because === "path_parameters" || verdict.because === "path_wrapping");
  if (rule === undefined) {
    const nearest = nearestRule(rights.index.rules(), rights.matching, access.path, mount);
    return {
      ...refusalOf(verdict),
      passedOver: [],
      ...(nearest === undefined ? {} : { nearest: { ...told(nearest.rule), hint: nearest.hint } }),
    };
  }
  const demands = demandsOf(rule);
  return {
    ...(isOfRequest
      ? { allowed: true, detail: `path "${rule.path}" of policy ${rule.origin}: ${capabilityOf(access, exists)}` }
      : refusalOf(verdict)),
    rule: told(rule),
    passedOver: others.slice(0, maxPassedOver).map((each) => ({ ...told(each), reason: reasonBetween(rule, each) })),
    ...(demands === "" ? {} : { demands }),
  };
}

function refusalOf(verdict: ReturnType<ReturnType<typeof createPathRights>["verdict"]>) {
  if (verdict.allowed) return { allowed: true, detail: verdict.rule };
  const { because, detail, remedy } = verdict;
  return { allowed: false, because, detail, ...(remedy === undefined ? {} : { remedy }) };
}

function toldRule(rule: MergedRule, access: PathAccess, exists: boolean): ToldRule {
  const { path, capabilities, origin, isDenied } = rule;
  const allows = !isDenied && capabilities.has(capabilityOf(access, exists)) && (access.sudo !== true || capabilities.has("sudo"));
  return { path, capabilities: capabilities.size === 0 ? [] : listed(rule).split(", "), from: origin, allows };
}

const isExact = ({ isPrefix, segments }: MergedRule): boolean => !isPrefix && segments === undefined;

/** Why the first of two rules counts and the other does not, as half a sentence about the first. */
function reasonBetween(first: MergedRule, other: MergedRule): string {
  if (isExact(first)) return isExact(other) ? "that one is for the list itself" : "that one has no wildcard";
  if (first.head.length !== other.head.length) return "the first wildcard of that one stands later";
  if (first.isPrefix !== other.isPrefix) return 'that one does not end in "*"';
  if (plusCount(first) !== plusCount(other)) return 'that one has fewer "+"';
  return first.path.length === other.path.length ? "that one comes later in the order of letters" : "that one is longer";
}

function demandsOf({ rules }: MergedRule): string {
  const names = (lists: readonly (Readonly<Record<string, unknown>> | undefined)[]): string =>
    [...new Set(lists.flatMap((list) => Object.keys(list ?? {})))].join(", ");
  const required = [...new Set(rules.flatMap(({ requiredParameters = [] }) => requiredParameters))].join(", ");
  const allowed = names(rules.map(({ allowedParameters }) => allowedParameters));
  const denied = names(rules.map(({ deniedParameters }) => deniedParameters));
  const isWrapped = rules.some(({ minWrappingSeconds = 0, maxWrappingSeconds = 0 }) => minWrappingSeconds + maxWrappingSeconds > 0);
  return [
    required === "" ? "" : `the members ${required}`,
    allowed === "" ? "" : `no members but ${allowed}, within their values`,
    denied === "" ? "" : `not the members ${denied} with the values that it denies`,
    isWrapped ? "that the answer is wrapped, for as long as it says" : "",
  ]
    .filter((each) => each !== "")
    .join("; ");
}

interface Nearest {
  readonly rule: MergedRule;
  readonly hint: string;
}

/** Below a mount with versions: what stands between its path and the key. */
const versionedRoots = ["data", "metadata", "delete", "undelete", "destroy"];

function nearestRule(
  rules: Iterable<MergedRule>,
  matching: (path: string) => Iterable<MergedRule>,
  path: string,
  mount: ExplainedMount | undefined,
): Nearest | undefined {
  return (mount?.isVersioned === true ? mistakenPath(matching, path, mount.path) : undefined) ?? likest(rules, path);
}

/** A rule that is for the same key by a path where it is not. */
function mistakenPath(matching: (path: string) => Iterable<MergedRule>, path: string, mount: string): Nearest | undefined {
  const rest = path.slice(mount.length + 1);
  const [root = "", ...key] = rest.split("/");
  const isRooted = versionedRoots.includes(root) && key.length > 0;
  const bare = isRooted ? key.join("/") : rest;
  const elsewhere = [
    ...(isRooted ? [bare] : []),
    ...versionedRoots.filter((each) => !isRooted || each !== root).map((each) => `${each}/${bare}`),
  ];
  for (const way of elsewhere) {
    const other = `${mount}/${way}`;
    for (const rule of matching(other)) return { rule, hint: mistakenHint({ mount, path, other, isRooted, isBare: way === bare }) };
  }
  return undefined;
}

function mistakenHint(at: { mount: string; path: string; other: string; isRooted: boolean; isBare: boolean }): string {
  const { mount, path, other, isRooted, isBare } = at;
  const versioned = `${mount}/ keeps versions (KV version 2)`;
  if (!isRooted) return `${versioned}: a request for ${path} means nothing there, and the rule is for ${other}`;
  if (isBare) return `${versioned}: paths in policies need what stands between mount and key, as in ${path}; the rule is for ${other}`;
  return `${versioned}: the rule is for ${other}, which is another thing of the same key`;
}

/** The rule that begins like the path for the longest. At least the mount, or whatever stands first, must be the same. */
function likest(rules: Iterable<MergedRule>, path: string): Nearest | undefined {
  const wanted = path.split("/");
  let best: { readonly rule: MergedRule; readonly shared: number } | undefined;
  for (const rule of rules) {
    const shared = sharedSegments(rule, wanted);
    if (shared > (best?.shared ?? 0)) best = { rule, shared };
  }
  return best === undefined ? undefined : { rule: best.rule, hint: likenessHint(best.rule, wanted, best.shared) };
}

function sharedSegments({ stem }: MergedRule, wanted: readonly string[]): number {
  const segments = stem.split("/");
  const end = segments.findIndex((segment, index) => segment !== "+" && segment !== wanted[index]);
  return Math.min(end < 0 ? segments.length : end, wanted.length);
}

function likenessHint(rule: MergedRule, wanted: readonly string[], shared: number): string {
  const segments = rule.stem.split("/");
  if (!rule.isPrefix && shared === segments.length && wanted.length > shared)
    return `it is for that path alone; "${rule.path}/*" would be for what is below it`;
  if (rule.isPrefix && shared === wanted.length) return "it is for what is below the path, and not for the path itself";
  const differing = wanted[shared] ?? "";
  return `it begins with the same ${shared === 1 ? "segment" : `${shared} segments`}; the path goes on with "${differing}", the rule with "${segments[shared] ?? ""}"`;
}
