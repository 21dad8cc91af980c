/**
 * Why somebody may or may not do something at a path, as prose for the operator.
 *
 *   refused  read  secret/data/app
 *
 *   Who         acme:host:vault/role/approle/ci
 *   Mount       secret/ (kv, version 2)
 *   Policies    app: of the role's tokens
 *               db: acme:host:vault/role/approle/ci → acme:layer:machines → acme:group:vault/policy/db
 *
 *   Rules for the path, the one that decides first
 *     ✗ path "secret/data/app" of app line 1: list
 *     ✓ path "secret/*" of db line 4: read; passed over, for that one has no wildcard
 *
 *   Refused     path_capability: path "secret/data/app" of policy app line 1 gives list, not read
 */

import type { Operator, PathReport } from "../core/broker";
import { failureOf } from "../model/failures";
import type { AuditedRecord, Instant } from "../model/types";

/** Lines end with a newline each; nothing in them steers a terminal. */
export function explainedPath(report: PathReport): string {
  const { allowed, capability, path, role, mount, policies, remedy, because, detail, demands, notes } = report;
  const held = policies.map(({ name, via, exists }) => `${name}: ${via}${exists ? "" : "; there is no such policy"}`);
  const lines = [
    `${allowed ? "allowed" : "refused"}  ${capability}  ${path}`,
    "",
    ...rows("Who", role === undefined ? [] : [role]),
    ...rows("Mount", [mount ?? "none: nothing answers at this path"]),
    ...rows("Policies", held.length === 0 ? ["none"] : held),
    ...ruleLines(report),
    "",
    ...rows(allowed ? "Allowed" : "Refused", [allowed ? `by ${detail}` : `${because}: ${detail}`]),
    ...rows("It demands", demands === undefined ? [] : [demands]),
    ...rows("Beside", notes),
    ...(remedy === undefined ? [] : ["", "What would allow it, in one of the policies:", `  ${remedy}`]),
  ];
  return lines.map((line) => `${line.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\u00b7")}\n`).join("");
}

const labelWidth = 12;

function rows(label: string, texts: readonly string[]): readonly string[] {
  return texts.map((text, index) => `${(index === 0 ? label : "").padEnd(labelWidth)}${text}`);
}

function ruleLines({ rule, passedOver, nearest }: PathReport): readonly string[] {
  type Told = NonNullable<PathReport["rule"]>;
  const told = ({ path, from, capabilities, allows }: Told): string =>
    `  ${allows ? "✓" : "✗"} path "${path}" of ${from}: ${capabilities.length === 0 ? "nothing" : capabilities.join(", ")}`;
  if (rule !== undefined) {
    const others = passedOver.map((each) => `${told(each)}; passed over, for ${each.reason}`);
    return ["", "Rules for the path, the one that decides first", told(rule), ...others];
  }
  return nearest === undefined ? [] : ["", "No rule is for the path. The nearest one", told(nearest), `    ${nearest.hint}`];
}

const capabilities = ["create", "read", "update", "patch", "delete", "list"] as const;

/**
 * The same question again for a decision that was made by path: for its token as long as that lives, else for its role. Undefined for other decisions, and
 * where there is nobody left to ask about.
 */
export function presentRights(operator: Pick<Operator, "explainPath">, record: AuditedRecord, now: Instant): PathReport | undefined {
  const { path, accessor, role } = record;
  const capability = capabilities.find((each) => each === record.privilege);
  if (path === undefined || capability === undefined) return undefined;
  const asked = (about: Parameters<Operator["explainPath"]>[0]["about"]): PathReport | undefined => {
    try {
      return operator.explainPath({ about, path, capability, sudo: record.because === "path_sudo" }, now);
    } catch (error) {
      if (["not_found", "malformed", "sealed"].includes(failureOf(error).code)) return undefined;
      throw error;
    }
  };
  const ofToken = accessor === undefined ? undefined : asked({ by: "accessor", accessor });
  return ofToken ?? (role === undefined ? undefined : asked({ by: "role", role }));
}
