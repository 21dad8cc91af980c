/** What `postern doctor` finds: one thing each, whether it is as it must be, and if not, why and what mends it. */

import { harmless } from "../terminal";

export type FindingState = "ok" | "warn" | "fail" | "unknown";

export interface Finding {
  /** `dns`, `login host/apps/web`. */
  readonly check: string;
  readonly state: FindingState;
  readonly found: string;
  /** One line each: `✗ resource-group: policy wants 'a', the proof says 'b'`. */
  readonly details?: readonly string[];
  readonly cause?: string;
  /** A command, or policy text; several lines. */
  readonly remedy?: string;
}

/** What may be said beside the state. */
export type Advice = Pick<Finding, "cause" | "remedy">;

const labels = { ok: "ok", warn: "WARN", fail: "FAIL", unknown: "?" } as const;
const indent = " ".repeat(6);

/** For people. Nothing in it steers a terminal. */
export function findingText({ check, state, found, details = [], cause, remedy }: Finding): string {
  const lines = [
    `${labels[state].padEnd(indent.length)}${check}: ${found}`,
    ...details.map((detail) => `${indent}  ${detail}`),
    ...below("because ", cause),
    ...below("mend:   ", remedy),
  ];
  return lines.map((line) => `${harmless(line)}\n`).join("");
}

/** Lines below each other, the first of them behind the label. */
function below(label: string, text: string | undefined): readonly string[] {
  if (text === undefined) return [];
  return text.split("\n").map((line, at) => `${indent}${at === 0 ? label : " ".repeat(label.length)}${line}`);
}
