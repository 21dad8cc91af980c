import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CliWorld } from "../../../src/cli/world";
import { PosternError } from "../../../src/model/failures";
import { parseId } from "../../../src/model/ids";
import { SecretBytes } from "../../../src/model/secret-bytes";
import { createClientBench } from "../../support/client-bench";
import { createLogKeeper } from "../../support/fake-issuer";

const bench = await createClientBench();
const { primary, clock } = bench;
afterAll(() => bench.close());
beforeEach(async () => {
  bench.cut(false);
  bench.moveTo("machine-1");
  rmSync(bench.state, { recursive: true, force: true });
  await primary.setVariable("apps/billing/password", "the billing password");
  await bench.run(bench.asMachine("host/apps/billing"));
});

const get = (words: string) => bench.run(`get ${words}`);
const offline = "--offline --max-age 1h apps/billing/password";
const copies = (): string => join(bench.state, "postern", "offline");
const copyFile = (): string => join(copies(), readdirSync(copies()).find((name) => name.endsWith(".copy")) ?? "");

function mustHave<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error("the bench has none");
  return value;
}

describe("postern get", () => {
  test("prints the bytes alone, and ends the line on a terminal", async () => {
    expect(await get("apps/billing/password")).toEqual({ code: 0, out: "the billing password", err: "" });
    expect((await bench.run("get acme:variable:apps/billing/password", { isTerminal: true })).out).toBe("the billing password\n");
  });

  test("prints several as JSON by the names they were asked by, and what is no text in base64", async () => {
    await primary.house.load(
      "- !variable apps/billing/key\n- !permit\n  role: !host apps/billing\n  privileges: [ read, execute ]\n  resource: !variable apps/billing/key\n",
    );
    await primary.house.broker.writeSecret(
      { ...primary.house.admin, context: primary.house.context() },
      parseId("acme:variable:apps/billing/key"),
      new SecretBytes(new Uint8Array([0xff, 0xfe, 0])),
    );
    const { out } = await get("--json apps/billing/password apps/billing/key");
    expect(JSON.parse(out)).toEqual({
      "apps/billing/password": { id: "acme:variable:apps/billing/password", value: "the billing password" },
      "apps/billing/key": { id: "acme:variable:apps/billing/key", base64: "//4A" },
    });
    expect((await get("--base64 apps/billing/key")).out).toBe("//4A");
  });

  test("says of a value that an agent has in its copy alone that it is one, and how old", async () => {
    const front = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: async (request) => {
        const { pathname, search } = new URL(request.url);
        const { method, headers } = request;
        return await fetch(`${primary.listener.url}${pathname}${search}`, { method, headers, body: await request.bytes() });
      },
    });
    const { house } = bench;
    const socket = join(bench.folder, "billing.sock");
    const app = `[offline]\nmax_stale = "1h"\nfresh = "0s"\n[apps.billing]\nrole = "host/apps/billing"\nsocket = "${socket}"\n`;
    const agent = await house.start(app, createLogKeeper(), house.primaryTable.replace(primary.listener.url, front.url.origin));
    try {
      const words = `--json --socket ${socket} --account acme --login host/apps/billing apps/billing/password`;
      const value = { id: "acme:variable:apps/billing/password", value: "the billing password" };
      const fresh = await get(words);
      expect([JSON.parse(fresh.out), fresh.err]).toEqual([{ "apps/billing/password": value }, ""]);
      await front.stop(true);
      clock.advance(90_000);
      const { out, err } = await get(words);
      expect(JSON.parse(out)).toEqual({ "apps/billing/password": { ...value, source: "copy", ageSeconds: 90 } });
      expect(err).toBe(`postern: the agent at ${socket} cannot ask its primary; it gave its copy, 1m old\n`);
    } finally {
      await agent.stop();
      await front.stop(true);
    }
  });

  test("gives an earlier version", async () => {
    await primary.setVariable("apps/billing/password", "newer");
    expect((await get("--version 1 apps/billing/password")).out).toBe("the billing password");
  });

  test("prints nothing of several when one is refused; the server has the refusal in its audit", async () => {
    const outcome = await get("--json apps/billing/password apps/shop/password");
    expect(outcome).toEqual({ code: 1, out: "", err: expect.stringContaining("not found: acme:variable:apps/shop/password") });
    expect(primary.house.audit.findLast((line) => line.resource === "acme:variable:apps/shop/password")).toMatchObject({ allowed: false });
  });

  test.each([
    ["", "the name of a variable"],
    ["a b", "--json"],
    ["--version 0 a", "a number from 1"],
    ["--offline a", "--max-age"],
    ["--max-age 1h a", "--max-age"],
    ["--offline --max-age soon a", "a time such as"],
    ["a//b", "an empty path segment"],
    ["--offline --max-age 1h --version 2 a", "no --offline"],
    ["--offline --max-age 1h --socket /x --account acme --login host/x a", "no --socket"],
  ])("is not understood as 'get %s'", async (words, expected) => {
    const outcome = await bench.run(`get ${words}`.trim());
    expect([outcome.code, outcome.out]).toEqual([2, ""]);
    expect(outcome.err).toContain(expected);
  });
});

describe("without the line", () => {
  test("nothing is read that was not asked to be kept", async () => {
    await get("apps/billing/password");
    bench.cut(true);
    expect(await get("apps/billing/password")).toMatchObject({ code: 75, out: "" });
    expect(await get(offline)).toMatchObject({ code: 75, out: "", err: expect.stringContaining("no copy of acme:variable:apps") });
  });

  test("what was kept is used, with its age, until it is too old", async () => {
    await get(offline);
    bench.cut(true);
    clock.advance(1_800_000);
    const outcome = await get(offline);
    expect([outcome.code, outcome.out]).toEqual([0, "the billing password"]);
    expect(outcome.err).toContain("using the sealed copy, 30m old");
    expect(JSON.parse((await get(`--json ${offline}`)).out)).toEqual({
      "apps/billing/password": {
        id: "acme:variable:apps/billing/password",
        value: "the billing password",
        source: "copy",
        ageSeconds: 1800,
      },
    });
    clock.advance(1_800_001);
    expect(await get(offline)).toMatchObject({ code: 1, out: "", err: expect.stringContaining("is 1h old") });
  });

  test("a clock that went back makes everything too old", async () => {
    await get(offline);
    bench.cut(true);
    const now = clock.now();
    clock.setWall(now - 600_000);
    expect(await get(offline)).toMatchObject({ code: 1, out: "", err: expect.stringContaining("the clock went back") });
    clock.setWall(now);
  });

  test("a copy opens on no other machine, and not when a byte of it changed", async () => {
    await get(offline);
    bench.cut(true);
    bench.moveTo("machine-2");
    expect(await get(offline)).toMatchObject({ code: 75, out: "", err: expect.stringContaining("copy_not_opened") });
    bench.moveTo("machine-1");
    const text = readFileSync(copyFile(), "utf8");
    expect(text).not.toContain("billing");
    writeFileSync(
      copyFile(),
      text.replace(/"body":"(.)/u, (_, first) => `"body":"${first === "A" ? "B" : "A"}`),
      { mode: 0o600 },
    );
    expect(await get(offline)).toMatchObject({ code: 75, out: "" });
  });

  test("what the server refuses leaves the copy also where the copy cannot be written, and a value is printed all the same", async () => {
    const { openCopy } = bench.world;
    const full: Partial<CliWorld> = {
      openCopy: async (...options) => ({
        ...(await mustHave(openCopy)(...options)),
        save: () => {
          throw new PosternError({ code: "storage_full" });
        },
      }),
    };
    const withFullDisk = () => bench.run(`get ${offline}`, { world: full });
    await get(offline);
    const read = await withFullDisk();
    expect([read.code, read.out]).toEqual([0, "the billing password"]);
    expect(read.err).toContain("the sealed copy could not be written (storage_full), and was thrown away");
    await get(offline);
    await primary.house.load(
      "- !deny\n  role: !host apps/billing\n  privileges: [ read, execute ]\n  resource: !variable apps/billing/password\n",
      "update",
    );
    expect(await withFullDisk()).toMatchObject({ code: 1, out: "", err: expect.stringContaining("thrown away") });
    bench.cut(true);
    expect(await get(offline)).toMatchObject({ code: 75, out: "", err: expect.stringContaining("no copy") });
    bench.cut(false);
    await primary.house.load(
      "- !permit\n  role: !host apps/billing\n  privileges: [ read, execute ]\n  resource: !variable apps/billing/password\n",
    );
  });

  test("what the server refuses leaves the copy", async () => {
    await get(offline);
    await primary.house.load(
      "- !deny\n  role: !host apps/billing\n  privileges: [ read, execute ]\n  resource: !variable apps/billing/password\n",
      "update",
    );
    expect(await get(offline)).toMatchObject({ code: 1, out: "" });
    bench.cut(true);
    expect(await get(offline)).toMatchObject({ code: 75, out: "", err: expect.stringContaining("no copy") });
    bench.cut(false);
    await primary.house.load(
      "- !permit\n  role: !host apps/billing\n  privileges: [ read, execute ]\n  resource: !variable apps/billing/password\n",
    );
  });
});
