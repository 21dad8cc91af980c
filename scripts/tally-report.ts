/** Counts the tests of a run from Bun's JUnit report. A crash, or an error outside any test, is in no report and counts as a failure, as does a run of nothing. */

import { existsSync, readFileSync } from "node:fs";

export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** `exitCode` is the run's own. */
export function readTally(reportFile: string | undefined, exitCode: number): Tally {
  const report = reportFile !== undefined && existsSync(reportFile) ? readFileSync(reportFile, "utf8") : "";
  const total = /<testsuites\b[^>]*>/.exec(report)?.[0] ?? "";
  const count = (name: string): number => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(total)?.[1] ?? 0);
  const [tests, failures, skipped] = [count("tests"), count("failures"), count("skipped")];
  const unreported = failures === 0 && (exitCode !== 0 || tests === 0) ? 1 : 0;
  return { passed: tests - failures - skipped, failed: failures + unreported, skipped };
}
