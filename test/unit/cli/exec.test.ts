import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import type { ChildEnd, Program } from "../../../src/runtime/child-process";
import { createClientBench } from "../../support/client-bench";

const bench = await createClientBench();
afterAll(() => bench.close());

await bench.primary.house.load(
  ["key", "empty", "nothing"]
    .map(
      (name) =>
        `- !variable apps/billing/${name}\n- !permit\n  role: !host apps/billing\n  privileges: [ read, execute ]\n  resource: !variable apps/billing/${name}\n`,
    )
    .join(""),
);
await bench.primary.setVariable("apps/billing/key", "line one\nline two\0");
beforeEach(async () => {
  rmSync(bench.state, { recursive: true, force: true });
  await bench.run(bench.asMachine("host/apps/billing"));
});

/** Runs a line with this `secrets.yml`; what the program would have had, and the files that were made and are gone. */
async function exec(line: string, file: string, end: ChildEnd = { code: 0 }, environment: Readonly<Record<string, string>> = {}) {
  const files: Record<string, string> = {};
  let program: Program | undefined;
  let isClean = false;
  const outcome = await bench.run(`exec ${line}`, {
    files: { "/home/op/secrets.yml": file, "/home/secrets.yml": file },
    environment: { HOME: "/home/op", ...environment },
    world: {
      secretFolder: () => ({
        write(name, bytes) {
          files[`/memory/${name}`] = Buffer.from(bytes).toString();
          return `/memory/${name}`;
        },
        remove() {
          isClean = true;
        },
      }),
      async runChild({ prepare, cleanUp }) {
        try {
          program = prepare();
          return end;
        } finally {
          cleanUp();
        }
      },
    },
  });
  return { ...outcome, program, files, isClean };
}

describe("postern exec", () => {
  test("gives a program its secrets by the names of the file, beside the environment that was there", async () => {
    const text = "PASSWORD: !var apps/billing/password\nLEVEL: info\nKEY: !var:file apps/billing/key\n";
    const { program, files, isClean, out, err } = await exec("-- ./server --port 1 -v", text);
    expect(program?.command).toEqual(["./server", "--port", "1", "-v"]);
    expect(program?.environment).toMatchObject({
      HOME: "/home/op",
      PASSWORD: "the billing password",
      LEVEL: "info",
      KEY: "/memory/secret-3",
    });
    expect(files).toEqual({ "/memory/secret-3": "line one\nline two\0" });
    expect([isClean, out, err]).toEqual([true, "", ""]);
  });

  test("ends as the program ends", async () => {
    expect((await exec("-- x", "A: b", { code: 137 })).code).toBe(137);
    expect(await exec("-- x", "A: b", { notStarted: "absent" })).toMatchObject({ code: 127, err: "postern: x: no such program\n" });
    expect(await exec("-- x", "A: b", { notStarted: "not_executable" })).toMatchObject({ code: 126 });
  });

  test("leaves the words of the program to the program", async () => {
    const { program } = await exec("env --help -e x", "A: b");
    expect(program?.command).toEqual(["env", "--help", "-e", "x"]);
  });

  test("takes a section, and tells the program which", async () => {
    const text = "common:\n  A: !var $team/password\nprod:\n  B: b\n";
    const { program } = await exec("-e prod -D team=apps/billing -- x", text);
    expect(program?.environment).toMatchObject({ A: "the billing password", B: "b", SUMMON_ENV: "prod" });
  });

  test("puts a file with the environment in the place of its word, a line for each name", async () => {
    const text = 'B: "x\\nINJECTED=1"\nA: !var apps/billing/password\n';
    const { program, files } = await exec("-- docker --env-file=@SUMMONENVFILE", text);
    expect(program?.command).toEqual(["docker", "--env-file=/memory/environment"]);
    expect(files["/memory/environment"]).toBe('A="the billing password"\nB="x\\nINJECTED=1"\n');
  });

  test("takes the text in the place of a variable without a value, and of no other", async () => {
    expect(
      (await exec("-- x", "A: !var:default='d' apps/billing/empty\nB: !var:default='e' apps/billing/nothing")).program?.environment,
    ).toMatchObject({
      A: "d",
      B: "e",
    });
    expect(await exec("-- x", "A: !var apps/billing/nothing")).toMatchObject({ code: 1, program: undefined });
  });

  test("runs nothing when a secret is refused, and says which entry wanted it", async () => {
    const { code, program, isClean, err } = await exec("-- x", "A: a\nB: !var apps/shop/password");
    expect([code, program, isClean]).toEqual([1, undefined, true]);
    expect(err).toContain("apps/shop/password (B, secrets.yml:2)");
    const lines = bench.primary.house.audit.filter((line) => line.resource === "acme:variable:apps/shop/password");
    expect(lines.at(-1)).toMatchObject({ allowed: false, role: "acme:host:apps/billing" });
  });

  test.each(["-i B", "-i apps/shop/password", "--ignore-all"])("runs without it by %s", async (option) => {
    const { program } = await exec(`${option} -- x`, "A: a\nB: !var apps/shop/password");
    expect(program?.environment).toMatchObject({ A: "a" });
    expect(program?.environment.B).toBeUndefined();
  });

  test("needs nobody logged in for a file without variables", async () => {
    expect((await exec("--state /nowhere -- x", "A: b")).code).toBe(0);
    expect((await exec("--state /nowhere -- x", "A: !var b")).code).toBe(1);
  });

  test("finds the file above by --up", async () => {
    expect((await exec("--up -- x", "A: b")).code).toBe(0);
    expect(await exec("--up -f other.yml -- x", "A: b")).toMatchObject({ code: 1, err: expect.stringContaining("in a folder above") });
  });

  test.each([
    ["-- x", "A: !var apps/billing/key", 1, "!var:file puts any value into a file"],
    ["-- x", "A: !var a//b", 2, "secrets.yml:1: expected a name"],
    ["-D nothing -- x", "A: b", 2, "name=text"],
    ["-f other.yml -- x", "A: b", 1, "other.yml: expected a file"],
    ["--up -f /etc/secrets.yml -- x", "A: b", 2, "a relative path"],
  ])("is not understood as 'exec %s' with '%s'", async (line, text, code, expected) => {
    const outcome = await exec(line, text);
    expect([outcome.code, outcome.program]).toEqual([code, undefined]);
    expect(outcome.err).toContain(expected);
  });

  test("uses the sealed copy while the server is away, no older than allowed", async () => {
    const text = "A: !var apps/billing/password";
    const words = "--offline --max-age 1h -- x";
    expect((await exec(words, text)).err).toBe("");
    bench.cut(true);
    bench.clock.advance(3_000_000);
    const late = await exec(words, text);
    expect(late.program?.environment).toMatchObject({ A: "the billing password" });
    expect(late.err).toContain("using the sealed copy, 50m old");
    bench.clock.advance(700_000);
    expect(await exec(words, text)).toMatchObject({ program: undefined, err: expect.stringContaining("is 1h old") });
    expect(await exec("-- x", text)).toMatchObject({ code: 75, program: undefined });
    bench.cut(false);
  });
});
