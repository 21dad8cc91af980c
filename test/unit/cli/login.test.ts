import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PosternError } from "../../../src/model/failures";
import { parseRoleId } from "../../../src/model/ids";
import { SecretBytes } from "../../../src/model/secret-bytes";
import { apps } from "../../support/agent-house";
import { createClientBench } from "../../support/client-bench";

const bench = await createClientBench();
afterAll(() => bench.close());
beforeEach(() => rmSync(bench.state, { recursive: true, force: true }));

const { primary, clock } = bench;
const kept = join(bench.state, "postern");
const key = Buffer.from(primary.house.adminKey.reveal()).toString();
const asAdmin = `login --url ${primary.listener.url} --account acme --login admin`;
function raise(): never {
  throw new PosternError({ code: "read_only" });
}
const logins = (): number => primary.house.audit.filter((line) => line.operation === "login").length;

describe("postern login", () => {
  test("logs in with the machine's identity, and keeps what only this user may read", async () => {
    const outcome = await bench.run(bench.asMachine("host/apps/billing"));
    expect(outcome).toEqual({ code: 0, out: `Logged in at ${primary.listener.url} as host/apps/billing\n`, err: "" });
    for (const name of readdirSync(kept)) expect(statSync(join(kept, name)).mode & 0o777).toBe(0o600);
    expect((await bench.run("get apps/billing/password")).out).toBe("the billing password");
  });

  test("is refused as a role of another machine, keeps nothing, and leaves a line in the audit", async () => {
    await primary.addLogins([
      { login: "host/apps/elsewhere", annotations: { "authn-azure/subscription-id": "x", "authn-azure/resource-group": "other" } },
    ]);
    const outcome = await bench.run(bench.asMachine("host/apps/elsewhere"));
    expect([outcome.code, outcome.out]).toEqual([1, ""]);
    expect(outcome.err).toContain("the proof was not accepted");
    expect(primary.house.audit.at(-1)).toMatchObject({ operation: "login", allowed: false, claimed: "host/apps/elsewhere" });
    expect(() => readdirSync(kept)).toThrow();
  });

  test("takes an API key from standard input, and keeps the session alone", async () => {
    expect((await bench.run(asAdmin, { input: `${key}\n` })).code).toBe(0);
    const texts = readdirSync(kept).map((name) => readFileSync(join(kept, name), "utf8"));
    expect(texts.join("")).not.toContain(key);
    expect((await bench.run("whoami")).out).toContain("renewed by 'postern login'");
    clock.advance(480_000);
    expect(await bench.run("whoami")).toMatchObject({ code: 1, err: expect.stringContaining("log in again") });
  });

  test("keeps the key where that was asked for, and renews the session with it", async () => {
    await bench.run(`${asAdmin} --keep`, { input: key });
    clock.advance(86_400_000);
    expect((await bench.run("whoami --json")).out).toContain('"username":"admin"');
  });

  test("takes a password, which is no key", async () => {
    const { run } = bench;
    await primary.house.load("- !user alice\n");
    const password = "Some-Pass-1234";
    const { operator, context } = primary.house;
    await operator.resetPassword(parseRoleId("acme:user:alice"), SecretBytes.ofText(password), context());
    expect((await run(asAdmin.replace("admin", "alice"), { input: password })).code).toBe(0);
    expect((await run("whoami")).out).toContain("alice of acme");
  });

  test("is refused with a wrong key, and says no word of it", async () => {
    const outcome = await bench.run(asAdmin, { input: "wrong-key-canary" });
    expect(outcome.code).toBe(1);
    expect(outcome.out + outcome.err).not.toContain("canary");
  });

  test("is asked for on the terminal without showing it", async () => {
    const outcome = await bench.run(asAdmin, { hidden: key });
    expect([outcome.code, outcome.err]).toEqual([0, "API key or password of admin: \n"]);
    expect((await bench.run("whoami")).out).toContain("admin of acme");
  });

  test.each([
    ["login --account acme --login admin", "--url, --account and --login"],
    ["login --url http://postern.example --account acme --login admin", "https URL"],
    ["login --url https://a:b@postern.example --account acme --login admin", "https URL"],
    [`${asAdmin} --service x --client-id a --object-id b`, "one of --client-id"],
    [`${asAdmin} --service x --identity-source moon`, "imds, arc"],
    ["login --socket /run/x.sock", "--account and --login"],
    ["login --socket /run/x.sock --account a --login host/x --url https://x", "--account and --login alone"],
    ["login --url https://x --account a:b --login admin", "an account name"],
  ])("is not understood as '%s'", async (line, expected) => {
    const outcome = await bench.run(line, { input: key });
    expect([outcome.code, outcome.out]).toEqual([2, ""]);
    expect(outcome.err).toContain(expected);
  });
});

describe("a login that was kept", () => {
  test("is used again while its session is young, and renewed in time", async () => {
    await bench.run(bench.asMachine("host/apps/billing"));
    const before = logins();
    await bench.run("get apps/billing/password");
    clock.advance(300_000);
    await bench.run("get apps/billing/password");
    expect(logins()).toBe(before);
    clock.advance(100_000);
    await bench.run("get apps/billing/password");
    expect(logins()).toBe(before + 1);
  });

  test("is renewed when the server takes its session no longer, once", async () => {
    await bench.run(bench.asMachine("host/apps/billing"));
    const path = join(kept, "session.json");
    const session = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(path, JSON.stringify({ ...session, token: Buffer.from("{}").toString("base64") }), { mode: 0o600 });
    expect((await bench.run("get apps/billing/password")).out).toBe("the billing password");
  });

  test("lends its session to no other connection", async () => {
    await bench.run(asAdmin, { input: key });
    const session = readFileSync(join(kept, "session.json"));
    await bench.run(bench.asMachine("host/apps/billing"));
    writeFileSync(join(kept, "session.json"), session, { mode: 0o600 });
    expect((await bench.run("whoami --json")).out).toContain('"username":"host/apps/billing"');
  });

  test("is not read where others could have written or read it", async () => {
    await bench.run(asAdmin, { input: key });
    const path = join(kept, "connection.json");
    const text = readFileSync(path);
    rmSync(path);
    writeFileSync(path, text, { mode: 0o644 });
    expect(await bench.run("whoami")).toMatchObject({ code: 1, err: expect.stringContaining("closed to group and others") });
  });

  test("stands behind the variables of Conjur's clients", async () => {
    await bench.run(bench.asMachine("host/apps/billing"));
    const environment = {
      CONJUR_APPLIANCE_URL: primary.listener.url,
      CONJUR_ACCOUNT: "acme",
      CONJUR_AUTHN_LOGIN: "admin",
      CONJUR_AUTHN_API_KEY: key,
    };
    expect((await bench.run("whoami", { environment })).out).toContain("admin of acme");
    expect((await bench.run("whoami")).out).toContain("host/apps/billing of acme");
  });

  test("leaves a folder that was named for it as it was, with all that is another's", async () => {
    const own = join(bench.folder, "shared");
    mkdirSync(join(own, "offline"), { recursive: true });
    chmodSync(own, 0o755);
    writeFileSync(join(own, "offline", "mine"), "");
    await bench.run(`${asAdmin} --state ${own}`, { input: key });
    expect(statSync(own).mode & 0o777).toBe(0o755);
    expect((await bench.run(`whoami --state ${own}`)).code).toBe(0);
    await bench.run(`logout --state ${own}`);
    expect([readdirSync(own), readdirSync(join(own, "offline"))]).toEqual([["offline"], ["mine"]]);
    rmSync(own, { recursive: true });
  });

  test("is of use where nothing more can be written", async () => {
    await bench.run(bench.asMachine("host/apps/billing"));
    clock.advance(480_000);
    const files = bench.world.files;
    if (files === undefined) throw new Error("the bench has files");
    const readOnly = { ...files, replace: raise };
    expect((await bench.run("get apps/billing/password", { world: { files: readOnly } })).out).toBe("the billing password");
  });

  test("is forgotten with all that it kept", async () => {
    await bench.run(bench.asMachine("host/apps/billing"));
    await bench.run("get --offline --max-age 1h apps/billing/password");
    expect((await bench.run("logout")).out).toBe("Logged out\n");
    expect(readdirSync(kept)).toEqual([]);
    expect(await bench.run("whoami")).toMatchObject({ code: 1, err: expect.stringContaining("postern login") });
  });
});

describe("an agent's socket", () => {
  test("needs no login, and is who the app is", async () => {
    const agent = await bench.house.start(apps);
    const words = `--socket ${bench.folder}/billing.sock --account acme --login host/apps/billing`;
    expect((await bench.run(`get ${words} apps/billing/password`)).out).toBe("the billing password");
    expect((await bench.run(`whoami ${words}`)).out).toContain("the right to connect to the socket");
    expect((await bench.run(`get ${words.replace("host/apps/billing", "host/apps/shop")} apps/shop/password`)).code).toBe(1);
    expect((await bench.run(`get ${words} apps/shop/password`)).code).toBe(1);
    await agent.stop();
  });
});
