/**
 * Prints the closing line of a test run, `N passed, N failed`, from Bun's JUnit report, and exits 1 unless everything passed.
 *
 *   bun scripts/tally.ts dist/tests.xml 0
 *
 * The second argument is the exit status of the run: a crash, or an error outside any test, is in no report and counts as a failure.
 * A run of no tests fails.
 */

import { existsSync, readFileSync } from "node:fs";

const [reportFile = "", status = "1"] = process.argv.slice(2);
const tally = existsSync(reportFile) ? read(readFileSync(reportFile, "utf8")) : { tests: 0, failures: 0, skipped: 0 };
const unreported = tally.failures === 0 && (status !== "0" || tally.tests === 0) ? 1 : 0;
const failed = tally.failures + unreported;
const passed = tally.tests - tally.failures - tally.skipped;
const skipped = tally.skipped > 0 ? `, ${tally.skipped} skipped` : "";

console.log(`\n${passed} passed, ${failed} failed${skipped}`);
process.exit(failed === 0 ? 0 : 1);

function read(report: string): { readonly tests: number; readonly failures: number; readonly skipped: number } {
  const total = /<testsuites\b[^>]*>/.exec(report)?.[0] ?? "";
  return { tests: attribute(total, "tests"), failures: attribute(total, "failures"), skipped: attribute(total, "skipped") };
}

function attribute(element: string, name: string): number {
  return Number(new RegExp(`\\b${name}="(\\d+)"`).exec(element)?.[1] ?? 0);
}
