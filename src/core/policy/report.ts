/**
 * A policy problem as an operator reads it: the place, the line, a mark below it, and what to do.
 *
 *   app.yml:3:5: No such attribute 'privilegs' on type Permit
 *     3 |     privilegs: [ read ]
 *       |     ^ did you mean 'privileges'?
 */

import type { PolicyProblem } from "../../model/failures";

/** Plain text of one to three lines, without a line break at the end. `file` defaults to `policy`. */
export function describeProblem(text: string, problem: PolicyProblem, file = "policy"): string {
  const { line, column = 1, message, advice } = problem;
  if (line === undefined) return `${file}: ${message}${advice === undefined ? "" : ` (${advice})`}`;
  const source = printableLine(text.split(/\r?\n/, line)[line - 1] ?? "");
  const start = Math.max(0, column - 1 - maxBefore);
  const shown = source.slice(start, start + maxShown);
  const number = String(line);
  const mark = `${" ".repeat(column - 1 - start)}^${advice === undefined ? "" : ` ${advice}`}`;
  return [`${file}:${line}:${column}: ${message}`, `  ${number} | ${shown}`, `  ${" ".repeat(number.length)} | ${mark}`].join("\n");
}

const maxShown = 120;
const maxBefore = 80;

/** One column per character, and nothing that moves a terminal's cursor. */
export function printableLine(line: string): string {
  return line.replaceAll("\t", " ").replace(/[\p{Cc}\p{Cf}]/gu, "\u00B7");
}
