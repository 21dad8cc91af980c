/**
 * Path rules: the form of grant that a token carries. Of all rules of its policies one decides about a path, and never a union of several.
 *
 * Rules of the same path are merged first; a `deny` among them leaves nothing else. Then the exact rule decides; without one, the best of the longest
 * prefix and of the rules with `+`. Source: Vault 1.19, vault/acl.go (NewACL, AllowOperation, CheckAllowedFromNonExactPaths).
 */

import type { Capability, PathAccess, PathRights, PathVerdict } from "../model/paths";
import { parametersProblem } from "./path-parameters";
import { indexRules, type MergedRule, type NamedRules, type RuleIndex } from "./path-rule-index";
import { byText } from "./sorted-page";

/** Path rights that also tell of their rules, for whoever explains them. */
export interface PathRuleSet extends PathRights {
  /** Every rule that is for the path, each once and the one that decides first. */
  matching(path: string): Iterable<MergedRule>;
  readonly index: RuleIndex;
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

/**
 * Makes the rules of some policies ready. Their order is of no account. `shared`: rules that were made ready for others too, to which these are added without
 * going through all of them again.
 */
export function createPathRights(policies: readonly NamedRules[], shared?: PathRuleSet): PathRuleSet {
  const index = indexRules(policies, shared?.index);
  const names = [...new Set([...(shared?.policies ?? []), ...policies.map(({ name }) => name)])].sort(byText);

  /** Of a list also those for the path without its slash. */
  function* matching(path: string): Generator<MergedRule> {
    const ways = path.endsWith("/") ? [path, path.slice(0, -1)] : [path];
    for (const way of ways) {
      const rule = index.exact(way);
      if (rule !== undefined) yield rule;
    }
    const told = new Set<MergedRule>();
    for (const way of ways) {
      for (const rule of index.wildcards(way)) {
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
    index,
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

    reaches(prefix) {
      for (const rule of index.rules()) if (!rule.isDenied && rule.capabilities.size > 0 && reachesInto(rule, prefix)) return true;
      return false;
    },
  };
}

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
