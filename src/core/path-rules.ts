/**
 * Path rules: the form of grant that a token carries. Of all rules of its policies one decides about a path, and never a union of several.
 *
 * Rules of the same path are merged first; a `deny` among them leaves nothing else. Then the exact rule decides; without one, the best of the longest
 * prefix and of the rules with `+`. Source: Vault 1.19, vault/acl.go (NewACL, AllowOperation, CheckAllowedFromNonExactPaths).
 */

import type { Capability, PathAccess, PathRights, PathRule, PathVerdict } from "../model/paths";
import { parametersProblem } from "./path-parameters";
import { byText } from "./sorted-page";

/** One policy of a caller; rules with placeholders are filled in before. */
export interface NamedRules {
  readonly name: string;
  readonly rules: readonly PathRule[];
}

/** Path rights that also tell of their rules, for whoever explains them. */
export interface PathRuleSet extends PathRights {
  /** Every rule that is for the path, each once and the one that decides first. */
  matching(path: string): Iterable<MergedRule>;
  readonly rules: readonly MergedRule[];
}

/** All rules of one path. */
export interface MergedRule {
  readonly path: string;
  /** The path without a `*` at its end. */
  readonly stem: string;
  readonly isPrefix: boolean;
  /** Of a rule with wildcards: what stands in front of the first one. */
  readonly head: string;
  /** Of the stem; only where one of them is `+`. */
  readonly segments: readonly string[] | undefined;
  readonly capabilities: ReadonlySet<Capability>;
  readonly isDenied: boolean;
  /** `app line 3, db`. */
  readonly origin: string;
  readonly rules: readonly PathRule[];
  /** Whether any of them says more than what may be done: members of the request, or wrapping. */
  readonly isBounded: boolean;
}

const everything: PathRights = {
  isRoot: true,
  policies: ["root"],
  verdict: () => ({ allowed: true, rule: "policy root" }),
  capabilities: () => ["root"],
  reaches: () => true,
};

/** The rights of whoever carries the policy `root`. */
export const rootRights = everything;

/** Makes the rules of some policies ready. Their order is of no account. */
export function createPathRights(policies: readonly NamedRules[]): PathRuleSet {
  const merged = mergeByPath(policies);
  const exact = new Map<string, MergedRule>();
  const byHead = new Map<string, MergedRule[]>();
  for (const rule of merged) {
    if (!rule.isPrefix && rule.segments === undefined) exact.set(rule.path, rule);
    else grouped(byHead, rule.head, rule);
  }
  for (const rules of byHead.values()) rules.sort(byNearness);
  const headLengths = [...new Set([...byHead.keys()].map((head) => head.length))].sort((left, right) => right - left);
  const names = policies.map(({ name }) => name).sort(byText);

  /** Every rule with wildcards that is for the path, the one that decides first: where the first wildcard stands later, the rule comes before. */
  function* wildcards(path: string): Generator<MergedRule> {
    const segments = path.split("/");
    for (const length of headLengths) {
      if (length > path.length) continue;
      for (const rule of byHead.get(path.slice(0, length)) ?? []) if (rule.segments === undefined || fits(rule, segments)) yield rule;
    }
  }

  /** Of a list also those for the path without its slash. */
  function* matching(path: string): Generator<MergedRule> {
    const ways = path.endsWith("/") ? [path, path.slice(0, -1)] : [path];
    const told = new Set<MergedRule>();
    for (const way of ways) {
      const rule = exact.get(way);
      if (rule !== undefined) yield rule;
    }
    for (const way of ways) {
      for (const rule of wildcards(way)) {
        if (!told.has(rule)) yield rule;
        told.add(rule);
      }
    }
  }

  function deciding(path: string): MergedRule | undefined {
    for (const rule of matching(path)) return rule;
    return undefined;
  }

  return {
    isRoot: false,
    policies: names,
    rules: merged,
    matching,

    verdict(access, exists) {
      const rule = deciding(access.path) ?? (access.written === undefined ? undefined : deciding(access.written));
      const needed = capabilityOf(access, exists);
      if (rule === undefined) return refused("no_path_rule", `no rule of ${names.join(", ")} is for ${access.path}`, access, needed);
      const where = `path "${rule.path}" of policy ${rule.origin}`;
      if (rule.isDenied) return { allowed: false, because: "path_denied", detail: `${where} denies it` };
      if (!rule.capabilities.has(needed))
        return refused("path_capability", `${where} gives ${listed(rule)}, not ${needed}`, access, needed);
      if (access.sudo === true && !rule.capabilities.has("sudo"))
        return refused("path_sudo", `${where} gives ${listed(rule)}, not sudo`, access, needed);
      return restricted(rule, access, where) ?? { allowed: true, rule: `${where}: ${needed}` };
    },

    capabilities(path) {
      const rule = deciding(path);
      if (rule === undefined || rule.isDenied || rule.capabilities.size === 0) return ["deny"];
      return [...rule.capabilities].sort(byText);
    },

    reaches: (prefix) => merged.some((rule) => !rule.isDenied && rule.capabilities.size > 0 && reachesInto(rule, prefix)),
  };
}

function grouped<Member>(groups: Map<string, Member[]>, key: string, member: Member): void {
  const known = groups.get(key);
  if (known === undefined) groups.set(key, [member]);
  else known.push(member);
}

function mergeByPath(policies: readonly NamedRules[]): readonly MergedRule[] {
  const byPath = new Map<string, { readonly policy: string; readonly rule: PathRule }[]>();
  for (const { name, rules } of policies) {
    for (const rule of rules) grouped(byPath, rule.path, { policy: name, rule });
  }
  return [...byPath].map(([path, sources]) => {
    const isPrefix = path.endsWith("*");
    const stem = isPrefix ? path.slice(0, -1) : path;
    const segments = stem.split("/");
    const capabilities = new Set(sources.flatMap(({ rule }) => rule.capabilities));
    return {
      path,
      stem,
      isPrefix,
      head: headOf(stem, segments),
      segments: segments.includes("+") ? segments : undefined,
      capabilities,
      isDenied: capabilities.has("deny"),
      origin: sources.map(({ policy, rule }) => (rule.line === undefined ? policy : `${policy} line ${rule.line}`)).join(", "),
      rules: sources.map(({ rule }) => rule),
      isBounded: sources.some(({ rule }) => saysMore(rule)),
    };
  });
}

const saysMore = (rule: PathRule): boolean =>
  rule.requiredParameters !== undefined ||
  rule.allowedParameters !== undefined ||
  rule.deniedParameters !== undefined ||
  rule.minWrappingSeconds !== undefined ||
  rule.maxWrappingSeconds !== undefined;

/** Whether a rule with `+` is for these segments: each `+` for one of them, whatever it is. */
function fits({ segments: pattern = [], isPrefix }: MergedRule, segments: readonly string[]): boolean {
  if (segments.length < pattern.length || (!isPrefix && segments.length !== pattern.length)) return false;
  return pattern.every((part, index) => {
    const segment = segments[index] ?? "";
    return part === "+" || part === segment || (isPrefix && index === pattern.length - 1 && segment.startsWith(part));
  });
}

/** Of two rules whose first wildcard stands at the same place, the one that says more about the path comes first. */
function byNearness(left: MergedRule, right: MergedRule): number {
  if (left.isPrefix !== right.isPrefix) return left.isPrefix ? 1 : -1;
  const fewer = plusCount(left) - plusCount(right);
  if (fewer !== 0) return fewer;
  if (left.path.length !== right.path.length) return right.path.length - left.path.length;
  return byText(right.path, left.path);
}

function headOf(stem: string, segments: readonly string[]): string {
  const plus = segments.indexOf("+");
  return plus < 0
    ? stem
    : segments
        .slice(0, plus)
        .map((segment) => `${segment}/`)
        .join("");
}

/** How many segments stand for any. */
export const plusCount = ({ segments }: MergedRule): number => segments?.filter((segment) => segment === "+").length ?? 0;

/** The capability that an access takes, beside `sudo`. */
export function capabilityOf({ action }: PathAccess, exists: boolean): Capability {
  if (action !== "write") return action;
  return exists ? "update" : "create";
}

/** What bounds the rule's leave: for how long an answer is wrapped, and what the request may say. Undefined when nothing does. */
function restricted({ rules, isBounded }: MergedRule, access: PathAccess, where: string): PathVerdict | undefined {
  if (!isBounded) return undefined;
  const least = smallest(rules.map(({ minWrappingSeconds }) => minWrappingSeconds));
  const most = smallest(rules.map(({ maxWrappingSeconds }) => maxWrappingSeconds));
  const { wrapSeconds } = access;
  const isOutside =
    (least !== undefined || most !== undefined) &&
    (wrapSeconds === undefined || wrapSeconds < (least ?? 0) || wrapSeconds > (most ?? Number.POSITIVE_INFINITY));
  if (isOutside) {
    const detail = `${where} wants the answer wrapped for ${least ?? 0} to ${most ?? "any"} seconds`;
    return { allowed: false, because: "path_wrapping", detail };
  }
  if (access.action === "list" || access.action === "delete") return undefined;
  const problem = parametersProblem(rules, access.parameters ?? {});
  return problem === undefined ? undefined : { allowed: false, because: "path_parameters", detail: `${where} ${problem}` };
}

/** Of those that are set; zero is not. */
function smallest(values: readonly (number | undefined)[]): number | undefined {
  const set = values.filter((value) => value !== undefined && value > 0);
  return set.reduce<number | undefined>((least, value) => (least === undefined || (value ?? least) < least ? value : least), undefined);
}

function refused(because: string, detail: string, { path, sudo }: PathAccess, needed: Capability): PathVerdict {
  const capabilities = sudo === true ? `"${needed}", "sudo"` : `"${needed}"`;
  return { allowed: false, because, detail, remedy: `path "${path}" { capabilities = [${capabilities}] }` };
}

/** `list, read`; `nothing`. */
export const listed = ({ capabilities }: MergedRule): string =>
  capabilities.size === 0 ? "nothing" : [...capabilities].sort(byText).join(", ");

/** Whether a rule could match something at or below a prefix, such as `secret/`. */
function reachesInto({ stem, isPrefix, segments }: MergedRule, prefix: string): boolean {
  const bare = prefix.endsWith("/") ? prefix.slice(0, -1) : prefix;
  if (segments === undefined) {
    if (stem === bare || stem.startsWith(prefix)) return true;
    return isPrefix && (prefix.startsWith(stem) || bare.startsWith(stem));
  }
  const wanted = bare.split("/");
  if (!isPrefix && segments.length < wanted.length) return false;
  return wanted.every((part, index) => {
    const segment = segments[index];
    if (segment === undefined) return isPrefix;
    if (segment === "+" || segment === part) return true;
    return isPrefix && index === segments.length - 1 && part.startsWith(segment);
  });
}
