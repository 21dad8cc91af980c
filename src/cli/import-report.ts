/** What an operator is told of an import. Names come from another server, so what a terminal would obey is escaped. */

import { printableLine } from "../core/policy/report";
import type { ImportSource, Left } from "./import-source";

/** What became of it. */
export interface ImportReport {
  /** Facts of the source; a policy file's records are not counted. */
  readonly records: { readonly added: number; readonly unchanged: number };
  readonly policies: number;
  readonly values: ImportedValues;
  readonly newKeys: number;
  readonly authenticators: readonly string[];
  /** What should have come along. */
  readonly notTaken: readonly Left[];
  /** What could not. */
  readonly leftBehind: readonly Left[];
}

export interface ImportedValues {
  readonly written: number;
  /** Done by an earlier run. */
  readonly skipped: number;
  readonly without: number;
}

/** Text for people; `keysFile` is where the new keys are. */
export function reportText(report: ImportReport, keysFile: string | undefined): string {
  const { records, policies, values, newKeys, authenticators, notTaken, leftBehind } = report;
  const keys = keysFile === undefined ? "print one with postern role retrieve-key" : `in ${keysFile}`;
  return [
    `records   ${records.added} new, ${records.unchanged} were there`,
    ...(policies === 0 ? [] : [`policies  ${policies} loaded`]),
    `values    ${values.written} written, ${values.skipped} done before, ${values.without} without a value`,
    `keys      ${newKeys} new API keys (${keys})`,
    `on        ${authenticators.map(printableLine).join(", ") || "no authenticator"}`,
    `${leftText("left behind", leftBehind)}${leftText("not taken", notTaken)}`,
  ].join("\n");
}

/** What a dry run found; `records` are those of a server, or those that policy texts would make. */
export function previewOf(source: ImportSource) {
  const { facts, variables, policies, authenticators, leftBehind } = source;
  return {
    records: facts?.resources.length ?? 0,
    memberships: facts?.grants.length ?? 0,
    permits: facts?.permits.length ?? 0,
    policies: policies.length,
    variables: variables.length,
    authenticators,
    leftBehind,
  };
}

export function previewText(found: ReturnType<typeof previewOf>): string {
  const counts = `${found.records} records, ${found.memberships} memberships, ${found.permits} permits, ${found.policies} policy files, ${found.variables} variables`;
  const on = found.authenticators.map(printableLine).join(", ") || "none";
  return `${counts}, authenticators on: ${on}\n${leftText("left behind", found.leftBehind)}Nothing was written.\n`;
}

/** `values    [#########-----------] 450 of 1000` */
export function progressText(what: string, done: number, total: number): string {
  const filled = total === 0 ? barWidth : Math.floor((done / total) * barWidth);
  return `${what.padEnd(11)} [${"#".repeat(filled)}${"-".repeat(barWidth - filled)}] ${done} of ${total}`;
}

const barWidth = 30;
const mostTold = 50;

function leftText(title: string, left: readonly Left[]): string {
  if (left.length === 0) return "";
  const told = left.slice(0, mostTold).map(({ what, reason }) => `  ${printableLine(what)}: ${printableLine(reason)}`);
  const rest = left.length - told.length;
  return `${title} ${left.length}\n${told.join("\n")}\n${rest > 0 ? `  and ${rest} more: --json tells them all\n` : ""}`;
}
