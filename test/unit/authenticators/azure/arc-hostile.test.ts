/** What answers at the Arc agent's address is somebody else. It must be shown nothing but its own challenge. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, linkSync, mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMachineFiles } from "../../../../src/runtime/machine-files";
import { createTestClock } from "../../../support/house";
import { createTestMachine, outcomeOf } from "../../../support/machine";

const home = realpathSync(mkdtempSync(join(tmpdir(), "postern-arc-")));
const folder = join(home, "tokens");
const stolen = "what nobody may see";
let challenge: () => string;
let seen: string[] = [];

const agent = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request) {
    seen.push(request.headers.get("authorization") ?? "");
    return new Response("{}", { status: 401, headers: { "content-type": "application/json", "www-authenticate": challenge() } });
  },
});

beforeAll(() => writeFileSync(join(home, "secret.key"), stolen));
beforeEach(() => {
  seen = [];
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { mode: 0o750 });
});
afterAll(async () => {
  await agent.stop(true);
  rmSync(home, { recursive: true });
});

async function attack(realm: string, change: Partial<ReturnType<typeof createMachineFiles>> = {}): Promise<string> {
  challenge = () => `Basic realm=${realm}`;
  const endpoint = `http://127.0.0.1:${agent.port}/metadata/identity/oauth2/token`;
  const machine = createTestMachine({ source: "arc", endpoint, tokensFolder: folder }, { clock: createTestClock(), files: change });
  return await outcomeOf(machine.identity, "https://management.azure.com/");
}

describe("a hostile answer at the Arc agent's address", () => {
  test("gets the content of its own file, once, and a second refusal is final", async () => {
    writeFileSync(join(folder, "a.key"), "challenge\n", { mode: 0o640 });
    expect(await attack(`${folder}/a.key`)).toBe("upstream_unavailable: http_401");
    expect(seen).toEqual(["", "Basic challenge"]);
  });

  test.each([
    ["another folder", () => join(home, "secret.key")],
    ["a way out of the folder", () => `${folder}/../secret.key`],
    ["a folder below", () => `${folder}/below/a.key`],
    ["another ending", () => `${folder}/a.txt`],
    ["no name", () => `${folder}/.key`],
    ["a path in quotes", () => `"${folder}/a.key"`],
    ["a NUL", () => `${folder}/a.key%00.key`],
    ["a relative path", () => "tokens/a.key"],
  ])("is not followed to %s", async (_what, realm) => {
    expect(await attack(realm())).toBe("upstream_unavailable: challenge_path");
    expect(seen).toEqual([""]);
  });

  const planted: readonly (readonly [string, () => void])[] = [
    ["is a link out of the folder", () => symlinkSync(join(home, "secret.key"), join(folder, "a.key"))],
    ["is a second name of another file", () => linkSync(join(home, "secret.key"), join(folder, "a.key"))],
    ["is a FIFO", () => void Bun.spawnSync(["mkfifo", join(folder, "a.key")])],
    ["is a folder", () => mkdirSync(join(folder, "a.key"))],
    ["is not there", () => undefined],
    ["is too long", () => writeFileSync(join(folder, "a.key"), "x".repeat(4097), { mode: 0o640 })],
    [
      "can be written by others",
      () => {
        writeFileSync(join(folder, "a.key"), "x");
        chmodSync(join(folder, "a.key"), 0o646);
      },
    ],
    [
      "lies where others can write",
      () => {
        writeFileSync(join(folder, "a.key"), "x", { mode: 0o640 });
        chmodSync(folder, 0o777);
      },
    ],
    [
      "lies behind a link",
      () => {
        renameSync(folder, join(home, "moved"));
        writeFileSync(join(home, "moved", "a.key"), stolen, { mode: 0o640 });
        symlinkSync(join(home, "moved"), folder);
      },
    ],
  ];
  test.each(planted)("reads nothing of a file that %s", async (_what, plant) => {
    plant();
    expect(await attack(`${folder}/a.key`)).toBe("upstream_unavailable: challenge_file");
    expect(seen).toEqual([""]);
    rmSync(join(home, "moved"), { recursive: true, force: true });
  });

  test("with a line break in its file sends no header of its own", async () => {
    writeFileSync(join(folder, "a.key"), "x\r\nX-Evil: 1", { mode: 0o640 });
    expect(await attack(`${folder}/a.key`)).toBe("upstream_unavailable: challenge_content");
    expect(seen).toEqual([""]);
  });

  test("gains nothing by exchanging the folder while the file is opened", async () => {
    writeFileSync(join(folder, "a.key"), "challenge", { mode: 0o640 });
    const real = createMachineFiles();
    const evil = join(home, "evil");
    mkdirSync(evil, { recursive: true, mode: 0o750 });
    symlinkSync(join(home, "secret.key"), join(evil, "a.key"));
    let isStopped = false;
    const swapping = (async () => {
      while (!isStopped) {
        renameSync(folder, join(home, "aside"));
        symlinkSync(evil, folder);
        await Bun.sleep(0);
        rmSync(folder);
        renameSync(join(home, "aside"), folder);
        await Bun.sleep(0);
      }
    })();
    for (let round = 0; round < 40; round += 1) await attack(`${folder}/a.key`, real);
    isStopped = true;
    await swapping;
    expect(seen.length).toBeGreaterThanOrEqual(40);
    expect(seen.filter((header) => header !== "" && header !== "Basic challenge")).toEqual([]);
  });

  test("that hands out a token before any challenge is not believed", async () => {
    const eager = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => Response.json({ access_token: "a.b.c" }) });
    const endpoint = `http://127.0.0.1:${eager.port}/metadata/identity/oauth2/token`;
    const machine = createTestMachine({ source: "arc", endpoint, tokensFolder: folder }, { clock: createTestClock() });
    expect(await outcomeOf(machine.identity, "https://management.azure.com/")).toBe("upstream_unavailable: challenge_missing");
    await eager.stop(true);
  });
});
