/** The policies by path that are always there. Source: Vault 1.19, vault/policy_store.go (defaultPolicy, responseWrappingPolicy). */

import type { Capability, PathRule } from "../../model/paths";
import type { PathPolicy } from "./path-policies";

type Line = readonly [path: string, ...capabilities: Capability[]];

const usual: readonly Line[] = [
  ["auth/token/lookup-self", "read"],
  ["auth/token/renew-self", "update"],
  ["auth/token/revoke-self", "update"],
  ["sys/capabilities-self", "update"],
  ["identity/entity/id/{{identity.entity.id}}", "read"],
  ["identity/entity/name/{{identity.entity.name}}", "read"],
  ["sys/internal/ui/resultant-acl", "read"],
  ["sys/renew", "update"],
  ["sys/leases/renew", "update"],
  ["sys/leases/lookup", "update"],
  ["cubbyhole/*", "create", "read", "update", "delete", "list"],
  ["sys/wrapping/wrap", "update"],
  ["sys/wrapping/lookup", "update"],
  ["sys/wrapping/unwrap", "update"],
  ["sys/tools/hash", "update"],
  ["sys/tools/hash/*", "update"],
  ["sys/control-group/request", "update"],
  ["identity/oidc/provider/+/authorize", "read", "update"],
];

const wrapping: readonly Line[] = [
  ["cubbyhole/response", "create", "read"],
  ["sys/wrapping/unwrap", "update"],
];

/** Three of a rule, and the empty one after it. */
const linesEach = 4;

/** By name; `root` is no set of rules, and its text is empty. */
export const builtInPolicies: ReadonlyMap<string, PathPolicy> = new Map(
  [policy("default", usual), policy("response-wrapping", wrapping), policy("root", [])].map((each) => [each.name, each]),
);

function policy(name: string, lines: readonly Line[]): PathPolicy {
  const rules = lines.map(([path, ...capabilities], index): PathRule => ({ path, capabilities, line: index * linesEach + 1 }));
  const text = rules.map(({ path, capabilities }) => `path "${path}" {\n  capabilities = ${JSON.stringify(capabilities)}\n}\n`).join("\n");
  return { name, text, rules };
}
