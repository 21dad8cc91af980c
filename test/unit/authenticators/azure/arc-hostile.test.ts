/** What answers at the Arc agent's address is somebody else. It must be shown nothing but its own challenge. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTestClock } from "../../../support/house";
import { createTestMachine, outcomeOf } from "../../../support/machine";

const home = realpathSync(mkdtempSync(join(tmpdir(), "postern-arc-")));
const parent = join(home, "azcmagent");
const folder = join(parent, "tokens");
const stolen = "what nobody may see";
/** Puts a link in a place and takes it away again, from a process of its own, so that it happens within an opening too. */
const swapping = 'echo ready; while [ -e "$4" ]; do mv -T "$1" "$3"; ln -s "$2" "$1"; rm "$1"; mv -T "$3" "$1"; done';
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
  for (const name of ["azcmagent", "moved", "evil"]) rmSync(join(home, name), { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o750 });
});
afterAll(async () => {
  await agent.stop(true);
  rmSync(home, { recursive: true });
});

const isRoot = process.getuid?.() === 0;
const rootsOwn: readonly (readonly [string, () => void])[] = isRoot
  ? [
      ["is a device", () => void Bun.spawnSync(["mknod", "-m", "0640", join(folder, "a.key"), "c", "1", "5"])],
      [
        "is neither root's nor that of whoever has the folder",
        () => {
          writeFileSync(join(folder, "a.key"), "x", { mode: 0o640 });
          chownSync(join(folder, "a.key"), 3001, 3001);
        },
      ],
      [
        "lies below a folder of somebody else",
        () => {
          writeFileSync(join(folder, "a.key"), "x", { mode: 0o640 });
          chownSync(parent, 3001, 3001);
        },
      ],
    ]
  : [];

async function attack(realm: string): Promise<string> {
  challenge = () => `Basic realm=${realm}`;
  const endpoint = `http://127.0.0.1:${agent.port}/metadata/identity/oauth2/token`;
  const machine = createTestMachine({ source: "arc", endpoint, tokensFolder: folder }, { clock: createTestClock() });
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
    ["the folder by its own name twice", () => `${folder}//a.key`],
    ["the folder from within", () => `${folder}/./a.key`],
    ["a way around by its own parent", () => `${folder}/../tokens/a.key`],
    ["a hidden file", () => `${folder}/.a.key`],
    ["an ending in capitals", () => `${folder}/a.KEY`],
    ["an ending before another", () => `${folder}/a.key.txt`],
    ["a name too long", () => `${folder}/${"a".repeat(250)}.key`],
    ["a path before another parameter", () => `${folder}/a.key, charset="UTF-8"`],
    ["a second challenge", () => `${folder}/a.key, Basic realm=${home}/secret.key`],
    ["a folder whose name only begins like it", () => `${folder}-of-another/a.key`],
    ["a path of another system", () => "C:\\ProgramData\\AzureConnectedMachineAgent\\Tokens\\a.key"],
    ["an address", () => `file://${folder}/a.key`],
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
    [
      "lies below a folder that is a link",
      () => {
        writeFileSync(join(folder, "a.key"), stolen, { mode: 0o640 });
        renameSync(parent, join(home, "moved"));
        symlinkSync(join(home, "moved"), parent);
      },
    ],
    [
      "lies below a folder that others can change",
      () => {
        writeFileSync(join(folder, "a.key"), "x", { mode: 0o640 });
        chmodSync(parent, 0o757);
      },
    ],
    ["was moved away with its folder", () => renameSync(parent, join(home, "moved"))],
    ["is a link to one beside it", () => symlinkSync("b.key", join(folder, "a.key"))],
    ["is a link to a device", () => symlinkSync("/dev/zero", join(folder, "a.key"))],
    // What only root can plant.
    ...rootsOwn,
  ];
  test.each(planted)("reads nothing of a file that %s", async (_what, plant) => {
    plant();
    expect(await attack(`${folder}/a.key`)).toMatch(/^upstream_unavailable: challenge_(file|folder)$/u);
    expect(seen).toEqual([""]);
  });

  test("may be the agent's though its group can write above its folder, as whoever is in that group gets the tokens anyway", async () => {
    writeFileSync(join(folder, "a.key"), "challenge", { mode: 0o640 });
    if (isRoot) for (const path of [parent, folder]) chownSync(path, 0, 990);
    chmodSync(parent, 0o775);
    expect([await attack(`${folder}/a.key`), seen.length]).toEqual(["upstream_unavailable: http_401", 2]);
    chmodSync(folder, 0o770);
    expect(await attack(`${folder}/a.key`)).toBe("upstream_unavailable: challenge_folder");
  });

  test("with a line break in its file sends no header of its own", async () => {
    writeFileSync(join(folder, "a.key"), "x\r\nX-Evil: 1", { mode: 0o640 });
    expect(await attack(`${folder}/a.key`)).toBe("upstream_unavailable: challenge_content");
    expect(seen).toEqual([""]);
  });

  const exchanged: readonly (readonly [string, (evil: string) => readonly [place: string, other: string]])[] = [
    ["the file", (evil) => [join(folder, "a.key"), join(evil, "a.key")]],
    ["the folder", (evil) => [folder, evil]],
    [
      "the folder above",
      (evil) => {
        mkdirSync(join(evil, "tokens"), { mode: 0o750 });
        writeFileSync(join(evil, "tokens", "a.key"), stolen, { mode: 0o640 });
        return [parent, evil];
      },
    ],
  ];
  test.each(exchanged)("gains nothing by exchanging %s while it is opened", async (_what, prepare) => {
    writeFileSync(join(folder, "a.key"), "challenge", { mode: 0o640 });
    const evil = join(home, "evil");
    mkdirSync(evil, { mode: 0o750 });
    symlinkSync(join(home, "secret.key"), join(evil, "a.key"));
    const [place, other] = prepare(evil);
    const going = join(home, "going");
    writeFileSync(going, "");
    const swapper = Bun.spawn(["sh", "-c", swapping, "sh", place, other, join(home, "aside"), going], { stdout: "pipe" });
    await swapper.stdout.getReader().read();
    for (let round = 0; round < 150; round += 1) await attack(`${folder}/a.key`);
    rmSync(going);
    expect(await swapper.exited).toBe(0);
    expect(seen.length).toBeGreaterThanOrEqual(150);
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
