/**
 * Prints the closing line of a test run, `N passed, N failed`, from Bun's JUnit report, and exits 1 unless everything passed.
 *
 *   bun scripts/tally.ts dist/tests.xml 0
 *
 * The second argument is the exit status of the run.
 */

import { readTally } from "./tally-report";

const [reportFile, status = "1"] = process.argv.slice(2);
const { passed, failed, skipped } = readTally(reportFile, Number(status));

console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exit(failed === 0 ? 0 : 1);
