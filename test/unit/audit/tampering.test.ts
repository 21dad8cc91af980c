import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { appendFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import type { AuditReport } from "../../../src/audit/audit-log";
import { type AuditBench, createAuditBench, createTestKeys } from "../../support/audit-bench";

let bench: AuditBench;
/** Sequences 1 (opened) to 10. */
let lines: readonly string[];

beforeEach(async () => {
  bench = createAuditBench();
  const trail = bench.open();
  await bench.fill(trail, 1, 9);
  await trail.close();
  lines = bench.lines();
});
afterEach(() => bench.remove());

function verify(): Promise<AuditReport> {
  return bench.open().verify();
}

function at(sequence: number): string {
  return lines[sequence - 1] ?? "";
}

/** The kinds and sequences of all findings. */
function told(report: AuditReport): string[] {
  return report.findings.map(({ kind, sequence }) => `${kind} ${sequence}`);
}

describe("verifying the audit trail", () => {
  test("accepts what was written", async () => {
    expect(await verify()).toMatchObject({ ok: true, lines: 10, lastSequence: 10 });
  });

  test("accepts a trail that is not there yet", async () => {
    expect(await bench.open({ folder: `${bench.folder}/none` }).verify()).toMatchObject({ ok: true, lines: 0 });
  });

  for (const [name, change] of [
    ["a refusal turned into a permission", (line: string) => line.replace('"allowed":true', '"allowed":false')],
    ["another name", (line: string) => line.replace("AD", "AE")],
    ["another sequence with the same digits", (line: string) => line.replace('"seq":5', '"seq":05')],
    [
      "a bit of the MAC",
      (line: string) => line.replace(/.("\})$/u, (end) => (end.startsWith("0") ? `1${end.slice(1)}` : `0${end.slice(1)}`)),
    ],
    ["the MAC in capitals", (line: string) => line.replace(/[0-9a-f]{64}/u, (mac) => mac.toUpperCase())],
    ["another epoch", (line: string) => line.replace('"epoch":1', '"epoch":2')],
    ["white space", (line: string) => line.replace('"epoch":1,', '"epoch":1, ')],
  ] as const) {
    test(`names the first bad line when one carries ${name}`, async () => {
      bench.write(lines.with(4, change(at(5))));
      const report = await verify();
      expect(report.ok).toBe(false);
      expect(report.findings[0]).toMatchObject({ sequence: 5, file: "audit.jsonl", line: 5 });
    });
  }

  test("finds a changed line once, and goes on behind it", async () => {
    bench.write(lines.with(4, at(5).replace("10.0.0.7", "10.0.0.8")).with(7, at(8).replace("10.0.0.7", "10.0.0.8")));
    expect(told(await verify())).toEqual(["changed 5", "changed 8"]);
  });

  test("finds a removed line", async () => {
    bench.write(lines.toSpliced(4, 1));
    expect(told(await verify())).toEqual(["missing 5"]);
  });

  test("finds several removed lines, and the line behind them changed", async () => {
    bench.write(lines.toSpliced(2, 3));
    const report = await verify();
    expect(report.findings[0]).toMatchObject({ sequence: 3, kind: "missing", detail: "lines 3 to 5 are missing" });
  });

  test("finds a removed beginning", async () => {
    bench.write(lines.slice(3));
    expect(told(await verify())).toEqual(["missing 1"]);
  });

  test("accepts a beginning that was archived, when told so", async () => {
    bench.write(lines.slice(3));
    expect((await bench.open().verify({ from: 4 })).findings).toEqual([]);
  });

  test("finds two lines in each other's place", async () => {
    bench.write(lines.with(4, at(6)).with(5, at(5)));
    expect(told(await verify())).toContain("reordered 5");
  });

  test("finds a line that was put in by a hand without the key", async () => {
    const forged = at(5).replace("AD", "EV");
    bench.write(lines.toSpliced(4, 0, forged));
    expect(told(await verify())).toEqual(["inserted 5"]);
  });

  test("finds a true line that stands there twice", async () => {
    bench.write(lines.toSpliced(7, 0, at(3)));
    expect(told(await verify())).toEqual(["inserted 3"]);
  });

  test("finds a line that is none", async () => {
    bench.write(lines.toSpliced(4, 0, "hello"));
    expect(told(await verify())).toEqual(["unreadable 5"]);
  });

  test("finds a trail cut short, by the head beside it", async () => {
    bench.write(lines.slice(0, 7));
    const report = await verify();
    expect(told(report)).toEqual(["truncated 8"]);
    expect(report.findings[0]?.detail).toBe("lines 8 to 10 are missing at the end");
  });

  test("finds a trail that is gone as a whole, by the head beside it", async () => {
    rmSync(bench.path());
    expect(told(await verify())).toEqual(["truncated 1"]);
  });

  test("finds a trail cut short with its head, by what was known elsewhere", async () => {
    const early = createAuditBench();
    const trail = early.open();
    await early.fill(trail, 1, 6);
    await trail.close();
    const knownHead = { sequence: 10, mac: JSON.parse(at(10)).mac };
    expect(told(await early.open().verify({ knownHead }))).toEqual(["truncated 8"]);
    early.remove();
  });

  test("finds another history of the same length, by what was known elsewhere", async () => {
    expect(told(await bench.open().verify({ knownHead: { sequence: 10, mac: "0".repeat(64) } }))).toEqual(["changed 10"]);
  });

  test("finds a line cut in the middle", async () => {
    truncateSync(bench.path(), readFileSync(bench.path()).length - 20);
    expect(told(await verify())).toEqual(["torn 10", "truncated 10"]);
  });

  test("finds that the head was changed or taken away", async () => {
    const head = readFileSync(bench.path("audit.head"), "utf8");
    writeFileSync(bench.path("audit.head"), head.replace("10", "09"));
    expect(told(await verify())).toEqual(["head_damaged 11"]);
    rmSync(bench.path("audit.head"));
    expect(told(await verify())).toEqual(["head_missing 11"]);
  });

  test("accepts nothing under another key", async () => {
    const report = await bench.open({ keyring: createTestKeys("another key") }).verify();
    expect(report.findings[0]).toMatchObject({ sequence: 1, kind: "changed" });
  });
});

describe("opening a trail that is not as it was left", () => {
  async function reopen(): Promise<string[]> {
    const trail = bench.open();
    await bench.fill(trail, 10, 10);
    await trail.close();
    return bench.log.events.filter(({ event }) => event === "audit_finding").map(({ fields }) => String(fields.finding));
  }

  test("takes a torn last line away, says so in the log and in the trail, and goes on with the chain", async () => {
    appendFileSync(bench.path(), at(10).slice(0, 100));
    expect(await reopen()).toEqual(["torn_line_removed"]);
    const opened = JSON.parse(bench.lines()[10] ?? "{}");
    expect(opened).toMatchObject({ seq: 11, operation: "audit.opened", findings: [{ finding: "torn_line_removed" }] });
    expect(await verify()).toMatchObject({ ok: true, lastSequence: 12 });
  });

  test("takes away the zeros that a power cut leaves behind", async () => {
    appendFileSync(bench.path(), Buffer.alloc(4096));
    expect(await reopen()).toEqual(["torn_line_removed"]);
    expect(await verify()).toMatchObject({ ok: true });
  });

  test("leaves the gap of lost lines to be seen", async () => {
    bench.write(lines.slice(0, 7));
    expect(await reopen()).toEqual(["lines_missing"]);
    expect(JSON.parse(bench.lines()[7] ?? "{}").seq).toBe(11);
    expect(told(await verify())).toEqual(["missing 8"]);
  });

  test("says that the head is gone", async () => {
    rmSync(bench.path("audit.head"));
    expect(await reopen()).toEqual(["head_missing"]);
  });

  test("says that the last line is not the one that was written, and keeps it as evidence", async () => {
    bench.write(lines.with(9, at(10).replace("10.0.0.7", "10.0.0.8")));
    expect(await reopen()).toEqual(["last_line_changed"]);
    expect(told(await verify())).toEqual(["changed 10"]);
  });

  test("says that the process before it had no time to close", async () => {
    const trail = bench.open();
    await bench.fill(trail, 10, 10);
    const next = bench.open();
    await bench.fill(next, 11, 11);
    expect(bench.log.events.map(({ fields }) => fields.finding)).toEqual(["unclean_stop"]);
    await next.close();
    expect(await verify()).toMatchObject({ ok: true });
  });
});
