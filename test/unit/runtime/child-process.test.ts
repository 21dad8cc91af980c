import { describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Program, runChild, runHook } from "../../../src/runtime/child-process";

const environment = { PATH: process.env.PATH ?? "" };
const shell = (script: string, more: Readonly<Record<string, string>> = {}): Program => ({
  command: ["sh", "-c", script],
  environment: { ...environment, ...more },
});
const patience = 30_000;

async function ended(program: Program): Promise<{ readonly end: unknown; readonly cleaned: number }> {
  let cleaned = 0;
  const end = await runChild({
    prepare: () => program,
    cleanUp() {
      cleaned += 1;
    },
    folder: "/",
    isAtTerminal: false,
  });
  return { end, cleaned };
}

describe("a child in this process's place", () => {
  test.each([
    ["exit 0", 0],
    ["exit 7", 7],
    ["kill -TERM $$", 143],
    ["kill -KILL $$", 137],
    ['test "$A" = b && test -z "$HOME"', 0],
  ])("ends '%s' as a shell says it", async (script, code) => {
    expect(await ended(shell(script, { A: "b" }))).toEqual({ end: { code }, cleaned: 1 });
  });

  test.each([
    [["no-such-program"], "absent"],
    [["/no/such/program"], "absent"],
    [["/etc/hostname"], "not_executable"],
    [["/"], "not_executable"],
  ] as const)("is not started for %p, and all the same cleaned up after", async (command, notStarted) => {
    expect(await ended({ command: [...command], environment })).toEqual({ end: { notStarted }, cleaned: 1 });
  });

  test("is not started with more than the system takes", async () => {
    expect(await ended(shell("exit 0", { A: "x".repeat(4 * 2 ** 20) }))).toEqual({ end: { notStarted: "too_large" }, cleaned: 1 });
  });

  test("is found by the path of its own environment, and in its own folder", async () => {
    const folder = mkdtempSync(join(tmpdir(), "child-"));
    writeFileSync(join(folder, "own-program"), "#!/bin/sh\nexit 9\n");
    chmodSync(join(folder, "own-program"), 0o755);
    const run = (command: readonly [string], path: string) =>
      runChild({ prepare: () => ({ command, environment: { PATH: path } }), cleanUp: () => undefined, folder, isAtTerminal: false });
    expect(await run(["own-program"], folder)).toEqual({ code: 9 });
    expect(await run(["./own-program"], "")).toEqual({ code: 9 });
    expect(await run(["own-program"], "/usr/bin")).toEqual({ notStarted: "absent" });
    rmSync(folder, { recursive: true });
  });

  test("takes its listeners for signals away again, also when what it needs cannot be made", async () => {
    const count = () => process.listenerCount("SIGTERM");
    const before = count();
    let cleaned = 0;
    const failing = runChild({
      prepare() {
        expect(count()).toBe(before + 1);
        throw new Error("no disk");
      },
      cleanUp() {
        cleaned += 1;
      },
      folder: "/",
      isAtTerminal: false,
    });
    expect(await failing.catch((error: unknown) => error)).toMatchObject({ message: "no disk" });
    await ended(shell("exit 0"));
    expect([cleaned, count()]).toEqual([1, before]);
  });
});

describe("a hook", () => {
  test("that ends well says nothing", async () => {
    expect(await runHook(shell("exit 0"), "/", patience)).toBeUndefined();
  });

  test.each([
    ["exit 3", "exit code 3"],
    ["kill -TERM $$", "ended by SIGTERM"],
  ])("that ends by '%s' says how", async (script, reason) => {
    expect(await runHook(shell(script), "/", patience)).toBe(reason);
  });

  test("that is not there, or does not end, is told as well", async () => {
    expect(await runHook({ command: ["no-such-program"], environment }, "/", patience)).toBe("no such program");
    expect(await runHook(shell("exec sleep 60"), "/", 50)).toBe("not ended within 0.05 s");
  });
});
