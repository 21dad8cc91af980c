import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const folder = mkdtempSync(join(tmpdir(), "postern-rotation-"));
const data = join(folder, "data");
const binary = resolve("dist/postern");
const place = ["--data", data, "--seal", `file:${join(folder, "seal.key")}`];
const names = Array.from({ length: 12 }, (_, index) => `v${index}`);

async function postern(args: readonly string[], input = ""): Promise<string> {
  const child = Bun.spawn([binary, ...args], { env: { PATH: "/usr/bin:/bin" }, stdin: Buffer.from(input), stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (exitCode !== 0) throw new Error(`exit ${exitCode} of ${args.join(" ")}: ${stderr}`);
  return stdout;
}

interface Scope {
  readonly generation: number;
  readonly kept: number;
}

async function scope(): Promise<Scope> {
  const status: { readonly seal: { readonly scopes: readonly Scope[] } } = JSON.parse(await postern(["status", "--json", ...place]));
  const [first] = status.seal.scopes;
  if (first === undefined) throw new Error("no scope key");
  return first;
}

async function until(holds: (scope: Scope) => boolean): Promise<Scope> {
  const deadline = performance.now() + 15_000;
  for (;;) {
    const present = await scope();
    if (holds(present)) return present;
    if (performance.now() > deadline) throw new Error(`still ${JSON.stringify(present)}`);
    await Bun.sleep(20);
  }
}

/** A server, until `work` is done. */
async function serving(work: () => Promise<void>, signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
  const child = Bun.spawn([binary, "server", ...place, "--listen", "127.0.0.1:0"], {
    env: { PATH: "/usr/bin:/bin" },
    stdout: "pipe",
    stderr: "ignore",
  });
  for await (const piece of child.stdout) if (Buffer.from(piece).toString().includes("Listening")) break;
  try {
    await work();
  } finally {
    child.kill(signal);
    await child.exited;
  }
}

const readAll = async (): Promise<readonly string[]> => {
  const read: string[] = [];
  for (const name of names) read.push(await postern(["variable", "get", "--account", "acme", name, ...place]));
  return read;
};

beforeAll(async () => {
  await postern(["init", ...place]);
  await postern(["account", "create", "acme", ...place]);
  await postern(["policy", "load", "--account", "acme", "-", ...place], names.map((name) => `- !variable ${name}\n`).join(""));
  await serving(async () => {
    for (const name of names) await postern(["variable", "set", "--account", "acme", name, ...place], `value of ${name}`);
  });
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const expected = names.map((name) => `value of ${name}`);

describe("a rotation on a running server", () => {
  test("of an account's key moves every value and then drops the old key", async () => {
    await serving(async () => {
      await postern(["seal", "rotate", "scope", "--account", "acme", ...place]);
      expect(await until(({ kept }) => kept === 1)).toMatchObject({ generation: 2 });
      expect(await readAll()).toEqual(expected);
    });
  }, 60_000);

  test("that is cut off by kill -9 goes on at the next start", async () => {
    await serving(async () => void (await postern(["seal", "rotate", "scope", "--account", "acme", ...place])), "SIGKILL");
    await serving(async () => {
      expect(await until(({ kept }) => kept === 1)).toMatchObject({ generation: 3 });
      expect(await readAll()).toEqual(expected);
    });
  }, 60_000);

  test("of the root key leaves every value and the whole trail as they were", async () => {
    await serving(async () => {
      await postern(["seal", "rotate", "root", ...place]);
      expect(await readAll()).toEqual(expected);
    });
    expect(await readAll()).toEqual(expected);
    expect(await postern(["audit", "verify", ...place])).toContain("whole");
  }, 60_000);
});
