import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, openLogFile } from "../../../src/runtime/logger";
import { createTestClock } from "../../support/audit-bench";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function logged(level?: "debug" | "warn") {
  const lines: string[] = [];
  const logger = createLogger({
    clock: createTestClock(),
    sink: (line) => void lines.push(line),
    ...(level === undefined ? {} : { level }),
  });
  return { lines, logger };
}

describe("the logger", () => {
  test("prints one line of JSON with time, level, event and fields", () => {
    const { lines, logger } = logged();
    logger.warn("issuer_keys_stale", { issuer: "https://sts.windows.net/", ageSeconds: 5400, again: undefined });
    expect(lines).toEqual([
      '{"at":"2025-11-10T09:12:13.123Z","level":"warn","event":"issuer_keys_stale","issuer":"https://sts.windows.net/","ageSeconds":5400}\n',
    ]);
  });

  test("drops what is below its level", () => {
    const { lines, logger } = logged("warn");
    logger.debug("one");
    logger.info("two");
    logger.error("three");
    expect(lines).toHaveLength(1);
  });

  test("lets no field start a line or steer a terminal", () => {
    const { lines, logger } = logged();
    logger.info("x", { text: "a\nb\u001b[2J\u2028\u202e\u009bé" });
    expect(lines[0]).toMatch(/^[\x20-\x7eé]*\n$/u);
    expect(JSON.parse(lines[0] ?? "").text).toBe("a\nb\u001b[2J\u2028\u202e\u009bé");
  });

  test("cuts long texts", () => {
    const { lines, logger } = logged();
    logger.info("x", { text: "a".repeat(10_000) });
    expect(JSON.parse(lines[0] ?? "").text).toHaveLength(2048);
  });

  test("appends to a file that others cannot read", () => {
    const folder = mkdtempSync(join(tmpdir(), "log-"));
    folders.push(folder);
    const path = join(folder, "postern.log");
    for (const event of ["first", "second"]) {
      const file = openLogFile(path);
      createLogger({ clock: createTestClock(), sink: file.sink }).info(event);
      file.close();
    }
    expect(readFileSync(path, "utf8").trimEnd().split("\n")).toHaveLength(2);
    expect(statSync(path).mode & 0o007).toBe(0);
  });

  test("refuses to log into what is no file", () => {
    expect(() => openLogFile("/dev/null")).toThrow(expect.objectContaining({ failure: expect.objectContaining({ where: "log" }) }));
  });
});
