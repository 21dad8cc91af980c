/** What an agent owes to a machine that is cut off and loses power: the last copy that was written, whole, whenever the process ended. */

import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClock } from "../../src/runtime/clock";
import { createPrivateFiles } from "../../src/runtime/files";
import { createRandom } from "../../src/runtime/random";
import { numberOf, openCopy } from "../support/copied-state";

const folder = mkdtempSync(join(tmpdir(), "postern-copy-kill-"));
const copies = join(folder, "copies");
const writer = join(import.meta.dir, "../support/copy-writer.ts");
const rounds = 40;
const longestLifeMs = 120;
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The last number that the writer said, which was killed so long after it had said its first. */
async function writeAndKill(from: number, lifeMs: number): Promise<number> {
  const child = Bun.spawn([process.execPath, writer, folder, String(from)], { stdout: "pipe", stderr: "pipe", stdin: "ignore" });
  const chunks: Uint8Array[] = [];
  for await (const chunk of child.stdout) {
    if (chunks.length === 0) setTimeout(() => child.kill("SIGKILL"), lifeMs);
    chunks.push(chunk);
  }
  await child.exited;
  expect([child.signalCode, await new Response(child.stderr).text()]).toEqual(["SIGKILL", ""]);
  // The last line may have been cut off in the pipe: it counts only with its end.
  return Number(Buffer.concat(chunks).toString("utf8").split("\n").at(-2));
}

/** The number of the state that the next start finds; undefined where it finds none. Throws for one that is not whole. */
async function found(): Promise<number | undefined> {
  const copy = await openCopy({ folder, clock: createClock(), random: createRandom(), files: createPrivateFiles() });
  const state = copy.load();
  return state === undefined ? undefined : numberOf(state);
}

describe("a copy whose writer is killed", () => {
  test("is the last one that was written or the one under way, whole, after each of many kills", async () => {
    let written = 0;
    let cutOff = 0;
    for (let round = 0; round < rounds; round += 1) {
      const said = await writeAndKill(written + 1, (longestLifeMs * round) / rounds);
      expect(said).toBeGreaterThan(written);
      if (existsSync(join(copies, "a.copy.new"))) cutOff += 1;
      written = (await found()) ?? Number.NaN;
      expect([said, said + 1]).toContain(written);
    }
    // Otherwise no writing was ever under way, and nothing was tried.
    expect(cutOff).toBeGreaterThan(0);
  }, 120_000);

  test("takes nothing of a file that was never finished, and writes over it", async () => {
    const before = await found();
    const whole = readFileSync(join(copies, "a.copy"));
    writeFileSync(join(copies, "a.copy.new"), whole.subarray(0, whole.length / 2), { mode: 0o644 });
    expect(await found()).toBe(before);
    const said = await writeAndKill(1_000_000, 0);
    expect([said, said + 1]).toContain((await found()) ?? Number.NaN);
  });

  test("leaves nothing open to others and nothing in the clear", () => {
    for (const name of readdirSync(copies)) {
      expect(statSync(join(copies, name)).mode & 0o077).toBe(0);
      expect(readFileSync(join(copies, name), "latin1")).not.toMatch(/xxxxxxxx|kept\/1/u);
    }
  });
});
