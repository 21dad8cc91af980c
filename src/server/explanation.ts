/**
 * A decision as prose, for the operator: who asked, what was checked in which order, what failed and where the policy says so, and what to add.
 *
 *   d-7k2m9x4p1qz0  refused  secret.read  2025-11-10T09:12:13.123Z
 *
 *   Who         acme:host:azure-apps/AD
 *   From        10.0.0.7, by the conjur dialect, request r1
 *   Wanted      execute on acme:variable:secrets/test-variable
 *
 *   Checks
 *     ✓ resource_exists                              acme:policy:root (secrets.yml:4:5)
 *     ✗ permit: execute to acme:group:consumers, which acme:host:azure-apps/AD is not a member of
 *
 *   Refused     not_found, because privilege_missing
 *
 *   What would allow it, loaded into root:
 *     - !grant
 *       role: !group consumers
 */

import type { AuditedRecord, Check } from "../model/types";

/** Lines end with a newline each; nothing in them steers a terminal. */
export function explainDecision(record: AuditedRecord): string {
  const { context, checks = [], remedy } = record;
  const time = Temporal.Instant.fromEpochMilliseconds(record.at).toString({ smallestUnit: "millisecond" });
  const lines = [
    `${record.decision}  ${record.allowed ? "allowed" : "refused"}  ${record.operation}  ${time}`,
    "",
    ...row("Who", who(record)),
    ...row("From", from(context)),
    ...row("Proof", record.authenticator),
    ...row("Token", record.accessor === undefined ? undefined : `of accessor ${record.accessor}`),
    ...row("Wanted", wanted(record)),
    ...row("Path", record.path),
    ...row("Facts", `of revision ${record.revision}`),
    ...attributes(record),
    ...(checks.length === 0 ? [] : ["", "Checks", ...checks.map(checkLine)]),
    "",
    ...verdict(record),
    ...(remedy === undefined ? [] : ["", `What would allow it, ${placeOf(record)}:`, ...remedy.split("\n").map((line) => `  ${line}`)]),
  ];
  return lines.map((line) => `${printable(line)}\n`).join("");
}

const labelWidth = 12;

function row(label: string, text: string | undefined): readonly string[] {
  return text === undefined ? [] : [`${label.padEnd(labelWidth)}${text}`];
}

function who({ role, claimed }: AuditedRecord): string {
  if (role !== undefined) return claimed === undefined ? role : `${role} (as it wrote it: ${claimed})`;
  return claimed === undefined ? "nobody known" : `nobody proven; says it is ${claimed}`;
}

function from({ clientAddress, peerAddress, dialect, requestId, userAgent }: AuditedRecord["context"]): string {
  const by = peerAddress === undefined ? "" : ` through ${peerAddress}`;
  const agent = userAgent === undefined ? "" : `, with ${userAgent}`;
  return `${clientAddress}${by}, by the ${dialect} dialect, request ${requestId}${agent}`;
}

function wanted({ privilege, resource, version, count }: AuditedRecord): string | undefined {
  if (resource === undefined) return count === undefined ? undefined : `${count} resources`;
  const what = version === undefined ? resource : `version ${version} of ${resource}`;
  return privilege === undefined ? what : `${privilege} on ${what}`;
}

function attributes({ attributes: proven = {} }: AuditedRecord): readonly string[] {
  const names = Object.keys(proven).sort();
  return names.map((name, index) => `${(index === 0 ? "Proven" : "").padEnd(labelWidth)}${name} = ${proven[name]}`);
}

function checkLine({ check, ok, detail, origin }: Check): string {
  const where =
    origin === undefined
      ? ""
      : `  [${origin.file ?? origin.policy}:${origin.line}:${origin.column}, load ${origin.version} of ${origin.policy}]`;
  return `  ${ok ? "✓" : "✗"} ${check}${detail === undefined ? "" : `: ${detail}`}${where}`;
}

function verdict({ allowed, rule, failure, because }: AuditedRecord): readonly string[] {
  if (allowed) return row("Allowed", rule === undefined ? "no rule was needed" : `by ${rule}`);
  return row("Refused", `${failure ?? "refused"}${because === undefined ? "" : `, because ${because}`}`);
}

/** Rules about paths stand in policies that tokens carry; all other rights in the policy of the account. */
function placeOf({ because = "" }: AuditedRecord): string {
  return /(?:^|_)path(?:_|$)/u.test(because) ? "in a policy that the token has" : "loaded into root";
}

function printable(line: string): string {
  return line.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\u00b7");
}
