/**
 * Path rules by what they are for: those without wildcards by their paths, the others by what stands in front of their first wildcard. The longest of these
 * is looked at first, which is the order in which rules count.
 *
 * Rules of a whole installation are indexed once; the few that differ from caller to caller come on top in an index of their own.
 */

import type { Capability, PathRule } from "../model/paths";
import { byText } from "./sorted-page";

/** One policy of a caller; rules with placeholders are filled in before. */
export interface NamedRules {
  readonly name: string;
  readonly rules: readonly PathRule[];
}

/** One rule of one policy. */
export interface RuleSource {
  readonly policy: string;
  readonly rule: PathRule;
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
  readonly sources: readonly RuleSource[];
  readonly rules: readonly PathRule[];
  /** Whether any of them says more than what may be done: members of the request, or wrapping. */
  readonly isBounded: boolean;
}

export interface RuleIndex {
  /** The rule of this very path, as policies write it. */
  find(path: string): MergedRule | undefined;
  /** The rule without wildcards that is for the path. */
  exact(path: string): MergedRule | undefined;
  /** Every rule with wildcards that is for the path, the one that decides first. */
  wildcards(path: string): Iterable<MergedRule>;
  /** Each once, in no order. */
  rules(): Iterable<MergedRule>;
}

/** `below`: what these rules are added to, which stays as it is. */
export function indexRules(policies: readonly NamedRules[], below?: RuleIndex): RuleIndex {
  const merged = mergeByPath(policies, below);
  const byPath = new Map(merged.map((rule) => [rule.path, rule]));
  const exact = new Map<string, MergedRule>();
  const byHead = new Map<string, MergedRule[]>();
  for (const rule of merged) {
    if (!rule.isPrefix && rule.segments === undefined) exact.set(rule.path, rule);
    else grouped(byHead, rule.head, rule);
  }
  for (const rules of byHead.values()) rules.sort(byNearness);
  const headLengths = [...new Set([...byHead.keys()].map((head) => head.length))].sort((left, right) => right - left);

  function* own(path: string): Generator<MergedRule> {
    const segments = path.split("/");
    for (const length of headLengths) {
      if (length > path.length) continue;
      for (const rule of byHead.get(path.slice(0, length)) ?? []) if (rule.segments === undefined || fits(rule, segments)) yield rule;
    }
  }

  if (below === undefined)
    return { find: (path) => byPath.get(path), exact: (path) => exact.get(path), wildcards: own, rules: () => merged };
  return {
    find: (path) => byPath.get(path) ?? below.find(path),
    exact: (path) => exact.get(path) ?? below.exact(path),
    wildcards: (path) => (headLengths.length === 0 ? below.wildcards(path) : inOrder(own(path), without(byPath, below.wildcards(path)))),
    *rules() {
      yield* merged;
      yield* without(byPath, below.rules());
    },
  };
}

/** Those that are not said anew. */
function* without(anew: ReadonlyMap<string, MergedRule>, rules: Iterable<MergedRule>): Generator<MergedRule> {
  for (const rule of rules) if (!anew.has(rule.path)) yield rule;
}

/** Two that are in order each, as one that is. */
function* inOrder(left: Iterator<MergedRule>, right: Iterator<MergedRule>): Generator<MergedRule> {
  let first = left.next();
  let second = right.next();
  while (first.done !== true || second.done !== true) {
    if (second.done === true || (first.done !== true && byPrecedence(first.value, second.value) < 0)) {
      if (first.done !== true) yield first.value;
      first = left.next();
    } else {
      yield second.value;
      second = right.next();
    }
  }
}

const byPrecedence = (left: MergedRule, right: MergedRule): number => right.head.length - left.head.length || byNearness(left, right);

function grouped<Member>(groups: Map<string, Member[]>, key: string, member: Member): void {
  const known = groups.get(key);
  if (known === undefined) groups.set(key, [member]);
  else known.push(member);
}

/** Rules that one path has in `below` already are counted in, so that one rule says all of it. */
function mergeByPath(policies: readonly NamedRules[], below: RuleIndex | undefined): readonly MergedRule[] {
  const byPath = new Map<string, RuleSource[]>();
  for (const { name, rules } of policies) {
    for (const rule of rules) grouped(byPath, rule.path, { policy: name, rule });
  }
  return [...byPath].map(([path, own]) => {
    const sources = [...(below?.find(path)?.sources ?? []), ...own];
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
      origin: originOf(sources),
      sources,
      rules: sources.map(({ rule }) => rule),
      isBounded: sources.some(({ rule }) => saysMore(rule)),
    };
  });
}

/** It stands in every line of the audit that the rule decides: not all of it, where a path is written again and again. */
function originOf(sources: readonly RuleSource[]): string {
  const told = sources
    .slice(0, maxOriginsTold)
    .map(({ policy, rule }) => (rule.line === undefined ? policy : `${policy} line ${rule.line}`));
  return `${told.join(", ")}${sources.length > maxOriginsTold ? ` and ${sources.length - maxOriginsTold} more` : ""}`;
}

const maxOriginsTold = 8;

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
