/** Callers by path for tests: one that may do everything, and one with a list of paths that it may do everything at. */

import type { PathRights } from "../../src/model/paths";
import type { Caller } from "../../src/model/types";

export const rootRights: PathRights = {
  isRoot: true,
  policies: ["root"],
  verdict: () => ({ allowed: true, rule: "policy root" }),
  capabilities: () => ["root"],
  reaches: () => true,
};

/** Everything at paths that begin with one of these; deny where one begins with `!`. */
export function rightsAt(...prefixes: readonly string[]): PathRights {
  const denied = prefixes.filter((prefix) => prefix.startsWith("!")).map((prefix) => prefix.slice(1));
  return {
    isRoot: false,
    policies: ["test"],
    verdict({ path }) {
      if (denied.some((prefix) => path.startsWith(prefix))) return { allowed: false, because: "path_denied", detail: path };
      if (prefixes.some((prefix) => path.startsWith(prefix))) return { allowed: true, rule: "policy test" };
      return { allowed: false, because: "no_path_rule", detail: path };
    },
    capabilities: () => ["deny"],
    reaches: (prefix) => prefixes.some((each) => each.startsWith(prefix) || prefix.startsWith(each)),
  };
}

export const withRights = (caller: Caller, rights: PathRights): Caller => ({ ...caller, proof: "token", rights });
