/** What `postern doctor` finds: one thing each, whether it is as it must be, and if not, why and what mends it. */

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
    ...(cause === undefined ? [] : [`${indent}because ${cause}`]),
    ...(remedy === undefined ? [] : remedy.split("\n").map((line, at) => `${indent}${at === 0 ? "mend:  " : "       "} ${line}`)),
  ];
  return lines.map((line) => `${line.replaceAll(/\p{Cc}/gu, "�")}\n`).join("");
}
