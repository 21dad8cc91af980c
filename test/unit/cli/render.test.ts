import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { CliWorld } from "../../../src/cli/world";
import { stageFiles } from "../../../src/runtime/placed-files";
import { createClientBench } from "../../support/client-bench";
import { seededRandom } from "../../support/house";

const bench = await createClientBench();
afterAll(() => bench.close());

const out = join(bench.folder, "out");
const spec = join(bench.folder, "render.toml");
const destination = join(out, "app.conf");
const template = 'password = {{ json "apps/billing/password" }}\n';
const secretKey = 'secret = "apps/billing/password"';
const file = (more = ""): string => `[[file]]\ntemplate = "app.tmpl"\ndestination = "${destination}"\n${more}\n`;

let hooks: string[];
let hookFails: boolean;
let pauses: number[];
let world: Partial<CliWorld>;

beforeEach(async () => {
  bench.cut(false);
  for (const folder of [out, bench.state]) rmSync(folder, { recursive: true, force: true });
  mkdirSync(out, { mode: 0o755 });
  await bench.primary.setVariable("apps/billing/password", "the billing password");
  await bench.run(bench.asMachine("host/apps/billing"));
  hooks = [];
  hookFails = false;
  pauses = [];
  world = {
    stageFiles: (placements) => stageFiles(placements, seededRandom(pauses.length + 3)),
    async runHook({ command, environment }) {
      hooks.push(command.join(" "));
      expect(JSON.stringify(environment)).not.toContain("billing password");
      return hookFails ? "exit code 1" : undefined;
    },
    async pause(ms) {
      pauses.push(ms);
      bench.clock.advance(ms);
    },
  };
});

const render = (words: string, text = file(), templateText = template, more: Partial<CliWorld> = {}) =>
  bench.run(`render ${words}`.trim(), {
    files: { [spec]: text, [join(bench.folder, "app.tmpl")]: templateText },
    world: { ...world, ...more },
  });

describe("postern render", () => {
  test("writes a file with its mode, and the next time leaves it alone", async () => {
    expect(await render(`-f ${spec}`, file('mode = "0640"'))).toEqual({ code: 0, out: `wrote ${destination}\n`, err: "" });
    expect([readFileSync(destination, "utf8"), statSync(destination).mode & 0o777]).toEqual(['password = "the billing password"\n', 0o640]);
    expect((await render(`-f ${spec} --json`, file('mode = "0640"'))).out).toBe(
      `${JSON.stringify({ files: [{ path: destination, change: "none" }], reloaded: [] })}\n`,
    );
  });

  test("writes from the command line, for this user alone", async () => {
    await render(`--template ${join(bench.folder, "app.tmpl")}:${destination}`);
    expect(statSync(destination).mode & 0o777).toBe(0o600);
  });

  test("tells each program once, when content changed", async () => {
    const reload = 'reload = ["systemctl", "reload", "app"]';
    const both = `${file(reload)}[[file]]\n${secretKey}\ndestination = "${join(out, "key")}"\n${reload}\n`;
    expect((await render(`-f ${spec}`, both)).out).toContain("ran systemctl reload app\n");
    expect(hooks).toEqual(["systemctl reload app"]);
    await render(`-f ${spec}`, both);
    expect(hooks).toHaveLength(1);
    await bench.primary.setVariable("apps/billing/password", "another");
    await render(`-f ${spec}`, both);
    expect(hooks).toHaveLength(2);
    expect(readFileSync(join(out, "key"), "utf8")).toBe("another");
  });

  test("tells a program again that could not be told", async () => {
    hookFails = true;
    const text = file('reload = ["reload-app"]');
    const first = await render(`-f ${spec}`, text);
    expect([first.code, existsSync(destination)]).toEqual([1, true]);
    expect(first.err).toContain("'reload-app' failed: exit code 1; it runs again the next time");
    hookFails = false;
    expect((await render(`-f ${spec}`, text)).out).toContain("ran reload-app");
    await render(`-f ${spec}`, text);
    expect(hooks).toHaveLength(2);
  });

  test("remembers what could not be told, whatever else is rendered meanwhile", async () => {
    hookFails = true;
    const text = file('reload = ["reload-app"]');
    await render(`-f ${spec}`, text);
    hookFails = false;
    const other = `[[file]]\n${secretKey}\ndestination = "${join(out, "other")}"\nreload = ["reload-other"]\n`;
    await render(`-f ${spec}`, other);
    await render(`-f ${spec}`, text);
    expect(hooks).toEqual(["reload-app", "reload-other", "reload-app"]);
  });

  test("writes nothing at all when one secret is refused", async () => {
    const both = `${file()}[[file]]\nsecret = "apps/shop/password"\ndestination = "${join(out, "key")}"\n`;
    const outcome = await render(`-f ${spec}`, both);
    expect([outcome.code, outcome.out, readdirSync(out)]).toEqual([1, "", []]);
    const lines = bench.primary.house.audit.filter((line) => line.resource === "acme:variable:apps/shop/password");
    expect(lines.at(-1)).toMatchObject({ allowed: false, role: "acme:host:apps/billing" });
  });

  test("reads nothing for a template that is wrong, and says where", async () => {
    const before = bench.primary.house.audit.length;
    const outcome = await render(`-f ${spec}`, file(), `${template}{{ range }}`);
    expect(outcome).toMatchObject({ code: 1, err: expect.stringContaining("app.tmpl:2:1") });
    expect(bench.primary.house.audit).toHaveLength(before);
  });

  test("waits for the server by growing pauses, and for nothing else", async () => {
    bench.cut(true);
    const back = { pause: async (ms: number) => void (pauses.push(ms) === 3 && bench.cut(false)) };
    const outcome = await render(`-f ${spec} --wait 5m`, file(), template, back);
    expect([outcome.code, pauses]).toEqual([0, [1000, 2000, 4000]]);
    expect(outcome.err).toContain("waiting");
    bench.cut(true);
    pauses = [];
    expect((await render(`-f ${spec} --wait 5s`)).code).toBe(75);
    expect(pauses).toEqual([1000, 2000]);
    bench.cut(false);
    pauses = [];
    expect((await render(`-f ${spec} --wait`, file().replace("template", "secret"))).code).toBe(1);
    expect(pauses).toEqual([]);
  });

  test("goes on with --watch, through rounds that fail, until it is asked to end", async () => {
    let round = 0;
    let stop = (): void => undefined;
    const watching: Partial<CliWorld> = {
      untilStopped: () => new Promise((resolve) => (stop = resolve)),
      async pause() {
        round += 1;
        bench.cut(round === 1);
        if (round === 2) await bench.primary.setVariable("apps/billing/password", "rotated");
        if (round === 3) stop();
        await Promise.resolve();
      },
    };
    const outcome = await render(`-f ${spec} --watch 1m`, file(), template, watching);
    expect([outcome.code, outcome.out]).toEqual([0, `wrote ${destination}\nwrote ${destination}\n`]);
    expect(outcome.err).toContain("not rendered: not reachable: http://127.0.0.1:9");
    expect(readFileSync(destination, "utf8")).toContain("rotated");
  });

  test("uses the sealed copy while the server is away", async () => {
    await render(`-f ${spec} --offline --max-age 1h`);
    rmSync(destination);
    bench.cut(true);
    expect((await render(`-f ${spec} --offline --max-age 1h`)).err).toContain("using the sealed copy");
    expect(readFileSync(destination, "utf8")).toContain("the billing password");
  });

  test.each([
    ["", 2, "either --file or --template"],
    [`-f ${spec} --template a:b`, 2, "either --file or --template"],
    [`-f ${spec} --mode 0640`, 2, "--template beside them"],
    ["--template a", 2, "source:destination"],
    ["--template a:/x --template b:/x", 2, "each destination once"],
    ["--template a:/x --mode 0666", 2, "an octal mode"],
    [`-f ${spec} --watch 0s`, 2, "a time of a second or more"],
    [`-f ${spec} --wait soon`, 2, "a time such as"],
    ["-f /nowhere.toml", 1, "a file"],
  ])("is not understood as 'render %s'", async (words, code, expected) => {
    const outcome = await render(words);
    expect([outcome.code, readdirSync(out)]).toEqual([code, []]);
    expect(outcome.err).toContain(expected);
  });
});
