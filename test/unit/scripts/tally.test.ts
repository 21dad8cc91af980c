import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = mkdtempSync(join(tmpdir(), "postern-tally-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The last line that the script prints, and its exit code, for a report with these totals after a run with this exit status. */
function tally(totals: string | undefined, status: string): readonly [string | undefined, number] {
  const report = join(folder, totals === undefined ? "absent.xml" : "tests.xml");
  if (totals !== undefined)
    writeFileSync(report, `<?xml version="1.0"?>\n<testsuites name="bun test" ${totals} time="1.2">\n</testsuites>\n`);
  const { stdout, exitCode } = Bun.spawnSync([process.execPath, join(import.meta.dir, "../../../scripts/tally.ts"), report, status]);
  return [stdout.toString().trimEnd().split("\n").at(-1), exitCode];
}

describe("the closing line of a test run", () => {
  test("counts what passed", () => {
    expect(tally('tests="12" assertions="30" failures="0" skipped="0"', "0")).toEqual(["12 passed, 0 failed", 0]);
  });

  test("counts what failed, and fails", () => {
    expect(tally('tests="12" assertions="30" failures="2" skipped="1"', "1")).toEqual(["9 passed, 2 failed, 1 skipped", 1]);
  });

  test("fails for an error outside any test", () => {
    expect(tally('tests="12" assertions="30" failures="0" skipped="0"', "1")).toEqual(["12 passed, 1 failed", 1]);
  });

  test("fails for a run of no tests", () => {
    expect(tally('tests="0" assertions="0" failures="0" skipped="0"', "0")).toEqual(["0 passed, 1 failed", 1]);
  });

  test("fails for a run that left no report", () => {
    expect(tally(undefined, "0")).toEqual(["0 passed, 1 failed", 1]);
  });
});
