import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as v from "valibot";
import type { RunningAgent } from "../../../src/agent/agent";
import { type Ask, apps, createAgentHouse, logIn, secretPath } from "../../support/agent-house";
import { createLogKeeper } from "../../support/fake-issuer";

const house = await createAgentHouse();
const running: RunningAgent[] = [];
/** Where the kernel tells whose a connection is. */
const asker = process.platform === "linux" ? { user: String(process.getuid?.()) } : {};

async function start(...args: Parameters<typeof house.start>): Promise<RunningAgent> {
  const agent = await house.start(...args);
  running.push(agent);
  return agent;
}
afterEach(async () => {
  for (const agent of running.splice(0)) await agent.stop();
});
afterAll(() => house.close());

const billing = house.bySocket("billing");
const shop = house.bySocket("shop");
async function read(ask: Ask, app: string, headers?: Record<string, string>): Promise<string> {
  const answer = await ask(secretPath(app), { headers: headers ?? (await logIn(ask, app)) });
  return `${answer.status} ${await answer.text()}`;
}

describe("an app's socket", () => {
  test("serves the app's role as the primary decides, with source and age", async () => {
    await start(apps);
    const answer = await billing(secretPath("billing"), { headers: await logIn(billing, "billing") });
    expect(await answer.text()).toBe("the billing password");
    expect(answer.headers.get("x-postern-source")).toBe("primary");
    expect(answer.headers.get("age")).toBe("0");
    const lines = house.primary.house.audit.filter((line) => line.operation === "secret.read");
    expect(lines.at(-1)).toMatchObject({ role: "acme:host:apps/billing", allowed: true });
  });

  test("asks this machine's own endpoints itself, whatever proxy the primary is behind", async () => {
    await start(`https_proxy = "http://127.0.0.1:9"\n${apps}`);
    expect(await read(billing, "billing")).toBe("200 the billing password");
  });

  test("answers several at once", async () => {
    await start(apps);
    const path = "/secrets?variable_ids=acme:variable:apps%2Fbilling%2Fpassword";
    const answer = await billing(path, { headers: await logIn(billing, "billing") });
    expect(await answer.json()).toEqual({ "acme:variable:apps/billing/password": "the billing password" });
    expect(answer.headers.get("x-postern-source")).toBe("primary");
  });

  test("belongs to its owner alone, and is gone from others' sight from the first moment", async () => {
    await start(`${apps}mode = "0660"\n`);
    expect(statSync(join(house.folder, "billing.sock")).mode & 0o777).toBe(0o600);
    expect(statSync(join(house.folder, "shop.sock")).mode & 0o777).toBe(0o660);
  });

  test("asks with the app's role, so that another app's secret is absent there", async () => {
    await start(apps);
    await read(billing, "billing");
    const headers = await logIn(shop, "shop");
    const answer = await shop(secretPath("billing"), { headers });
    expect(answer.status).toBe(404);
    const line = house.primary.house.lastAudit();
    expect(line).toMatchObject({ role: "acme:host:apps/shop", allowed: false, operation: "secret.read" });
  });

  test("knows no token of another app, of the primary, of an earlier process, or a changed one", async () => {
    const first = await start(apps);
    const ofBilling = await logIn(billing, "billing");
    expect(await read(shop, "shop", ofBilling)).toBe("401 Unauthorized: Invalid token");
    expect(await read(shop, "shop", { authorization: await house.primary.adminToken() })).toStartWith("401 ");
    const token = JSON.parse(Buffer.from(ofBilling.authorization?.slice(13, -1) ?? "", "base64").toString());
    const payload = JSON.parse(Buffer.from(token.payload, "base64").toString());
    const longer = { ...token, payload: Buffer.from(JSON.stringify({ ...payload, until: payload.until + 1 })).toString("base64") };
    const changed = { authorization: `Token token="${Buffer.from(JSON.stringify(longer)).toString("base64")}"` };
    expect(await read(billing, "billing", changed)).toStartWith("401 ");
    expect(await read(billing, "billing", {})).toStartWith("401 ");
    await first.stop();
    running.splice(0);
    await start(apps);
    expect(await read(billing, "billing", ofBilling)).toBe("401 Unauthorized: Invalid token");
  });

  test("logs in its own role only", async () => {
    await start(apps);
    for (const path of [
      "/authn/acme/host%2Fapps%2Fshop/authenticate",
      "/authn/acme/admin/authenticate",
      "/authn/other/host%2Fapps%2Fbilling/authenticate",
    ])
      expect((await billing(path, { method: "POST", body: "x" })).status).toBe(401);
  });

  test("ends a token after five minutes, whatever the wall clock says", async () => {
    await start(apps);
    const headers = await logIn(billing, "billing");
    house.clock.advance(299_000);
    expect(await read(billing, "billing", headers)).toStartWith("200 ");
    house.clock.advance(1000);
    house.clock.setWall(house.clock.now() - 300_000);
    expect(await read(billing, "billing", headers)).toStartWith("401 ");
    house.clock.setWall(house.clock.now() + 300_000);
  });

  test("answers a thousand clients of ten secrets with ten reads at the primary", async () => {
    const { primary, clock } = house;
    for (let at = 0; at < 10; at += 1) {
      await primary.house.load(
        `- !variable apps/billing/${at}\n- !permit\n  role: !host apps/billing\n  privileges: [ read, execute ]\n  resource: !variable apps/billing/${at}\n`,
      );
      await primary.setVariable(`apps/billing/${at}`, `value ${at}`);
    }
    await start(apps);
    const headers = await logIn(billing, "billing");
    const before = primary.house.audit.length;
    const paths = Array.from({ length: 10 }, (_, at) => `/secrets/acme/variable/apps%2Fbilling%2F${at}`);
    const client = async (): Promise<void> => {
      for (const [at, path] of paths.entries()) expect(await (await billing(path, { headers })).text()).toBe(`value ${at}`);
    };
    // Connections of one process are what limits how many run at once here, not the agent.
    for (let wave = 0; wave < 10; wave += 1) await Promise.all(Array.from({ length: 100 }, client));
    expect(primary.house.audit.slice(before).filter(({ operation }) => operation === "secret.read").length).toBe(10);
    clock.advance(1);
  }, 60_000);

  test("offers nothing that writes", async () => {
    await start(apps);
    const headers = await logIn(billing, "billing");
    for (const [method, path] of [
      ["POST", secretPath("billing")],
      ["PUT", "/policies/acme/policy/root"],
      ["GET", "/resources/acme"],
      ["POST", "/authn/acme/host%2Fapps%2Fbilling/api_key"],
    ] as const)
      expect((await billing(path, { method, headers })).status).toBe(404);
  });

  test("is not taken from an agent that serves it", async () => {
    await start(apps);
    await expect(house.start(apps, createLogKeeper(), house.primaryTable, "other")).rejects.toThrow("address_in_use");
    await expect(house.start(apps)).rejects.toThrow("already_running");
    expect(await read(billing, "billing")).toBe("200 the billing password");
  });

  test("is not put where everybody could put another", async () => {
    const open = join(house.folder, "open");
    mkdirSync(open, { recursive: true });
    chmodSync(open, 0o777);
    await expect(house.start(`[apps.billing]\nrole = "host/apps/billing"\nsocket = "${open}/a.sock"\n`)).rejects.toThrow("configuration");
  });
});

describe("a port", () => {
  const withPort = `[apps.billing]\nrole = "host/apps/billing"\nlisten = "127.0.0.1:0"\ntoken_file = "$folder/billing.token"\n`;
  const byPort =
    (url: string): Ask =>
    (path, options) =>
      fetch(`${url}${path}`, options);
  writeFileSync(join(house.folder, "billing.token"), "the app's own token\n", { mode: 0o640 });

  test("takes the content of the app's token file, and nothing else", async () => {
    const ask = byPort((await start(withPort)).urls()[0] ?? "");
    expect(await read(ask, "billing", await logIn(ask, "billing", "the app's own token"))).toBe("200 the billing password");
    expect(logIn(ask, "billing", "x")).rejects.toThrow("401");
    expect(logIn(ask, "billing", "")).rejects.toThrow("401");
  });

  test("has the user at the other end written down with each login, good or bad", async () => {
    const log = createLogKeeper();
    const ask = byPort((await start(withPort, log)).urls()[0] ?? "");
    await logIn(ask, "billing", "the app's own token");
    await expect(logIn(ask, "billing", "x")).rejects.toThrow("401");
    const told = log.lines.filter(({ event }) => event === "agent_login").map(({ fields }) => fields);
    expect(told).toMatchObject([asker, { ...asker, because: "local_proof" }]);
    expect(told.length).toBe(2);
  });

  test("opens to nobody while the token file is missing, empty, or readable for everybody", async () => {
    const file = join(house.folder, "billing.token");
    const ask = byPort((await start(withPort)).urls()[0] ?? "");
    chmodSync(file, 0o644);
    await expect(logIn(ask, "billing", "the app's own token")).rejects.toThrow("login: 4");
    chmodSync(file, 0o640);
    renameSync(file, `${file}.away`);
    await expect(logIn(ask, "billing", "")).rejects.toThrow("401");
    writeFileSync(file, "\n", { mode: 0o640 });
    await expect(logIn(ask, "billing", "")).rejects.toThrow("401");
    renameSync(`${file}.away`, file);
  });

  test.each([
    ["origin", "https://evil.example"],
    ["referer", "https://evil.example/"],
    ["sec-fetch-site", "cross-site"],
    ["x-forwarded-for", "192.0.2.1"],
    ["forwarded", "for=192.0.2.1"],
    ["via", "1.1 proxy"],
    ["host", "evil.example"],
    ["host", "127.0.0.1"],
    ["host", "127.0.0.1.evil.example:80"],
  ])("answers nothing to a request with %s: %s, though all else is right", async (name, value) => {
    const ask = byPort((await start(withPort)).urls()[0] ?? "");
    const headers = await logIn(ask, "billing", "the app's own token");
    const answer = await ask(secretPath("billing"), { headers: { ...headers, [name]: value } });
    expect(answer.status).toBe(403);
    expect(await answer.text()).toBe("");
    expect([...answer.headers.keys()].filter((key) => key.startsWith("access-control"))).toEqual([]);
  });
});

describe("a port with challenges", () => {
  const group = process.getgid?.() ?? 0;
  const settings = `[apps.billing]\nrole = "host/apps/billing"\nlisten = "127.0.0.1:0"\nchallenge = { folder = "$folder/challenges", group = ${group} }\n`;
  async function open(): Promise<{
    ask: Ask;
    challenge(headers?: Record<string, string>): Promise<Response>;
    fileOf(answer: Response): string;
  }> {
    const url = (await start(settings)).urls()[0];
    const ask: Ask = (path, options) => fetch(`${url}${path}`, options);
    return {
      ask,
      challenge: (headers = { metadata: "true" }) => ask("/challenge", { method: "POST", headers }),
      fileOf: (answer) => (answer.headers.get("www-authenticate") ?? "").slice("Basic realm=".length),
    };
  }

  test("takes the content of a file that the group may read, once", async () => {
    const { ask, challenge, fileOf } = await open();
    const answer = await challenge();
    const file = fileOf(answer);
    expect([answer.status, dirname(file)]).toEqual([401, join(house.folder, "challenges")]);
    expect([statSync(file).mode & 0o777, statSync(dirname(file)).mode & 0o777]).toEqual([0o640, 0o750]);
    const secret = readFileSync(file, "utf8");
    expect(await read(ask, "billing", await logIn(ask, "billing", secret))).toBe("200 the billing password");
    expect(existsSync(file)).toBe(false);
    await expect(logIn(ask, "billing", secret)).rejects.toThrow("401");
    await expect(logIn(ask, "billing", "")).rejects.toThrow("401");
  });

  test("takes none after half a minute, and leaves no file of it", async () => {
    const { ask, challenge, fileOf } = await open();
    const file = fileOf(await challenge());
    const secret = readFileSync(file, "utf8");
    house.clock.advance(30_000);
    await expect(logIn(ask, "billing", secret)).rejects.toThrow("401");
    expect(existsSync(file)).toBe(false);
  });

  test("makes few files at a time, and none for a page or without the header", async () => {
    const { challenge } = await open();
    await challenge({});
    expect(readdirSync(join(house.folder, "challenges"))).toEqual([]);
    expect((await challenge({ metadata: "true", origin: "https://evil.example" })).status).toBe(403);
    const statuses: number[] = [];
    for (let at = 0; at < 12; at += 1) statuses.push((await challenge()).status);
    // The kernel of Linux tells that it is one user who asks.
    const most = process.platform === "linux" ? 5 : 10;
    expect(statuses).toEqual(Array.from({ length: 12 }, (_, at) => (at < most ? 401 : 429)));
    expect(readdirSync(join(house.folder, "challenges")).length).toBe(most);
    house.clock.advance(1000);
    expect((await challenge()).status).toBe(401);
  });

  test("leaves no file behind when the agent ends", async () => {
    const agent = await start(settings);
    const answer = await fetch(`${agent.urls()[0]}/challenge`, { method: "POST", headers: { metadata: "true" } });
    expect([answer.status, readdirSync(join(house.folder, "challenges")).length]).toEqual([401, 1]);
    await agent.stop();
    expect(readdirSync(join(house.folder, "challenges"))).toEqual([]);
  });

  test("empties its folder at the start, and takes no folder that is a link", async () => {
    await open();
    expect(readdirSync(join(house.folder, "challenges"))).toEqual([]);
    symlinkSync(join(house.folder, "challenges"), join(house.folder, "linked"));
    await expect(house.start(settings.replace("/challenges", "/linked"), createLogKeeper(), house.primaryTable, "other")).rejects.toThrow(
      "configuration",
    );
  });
});

describe("without the line", () => {
  const offline = `seal = ["file:$folder/keys/agent.key"]\n[offline]\nmax_stale = "1h"\nfresh = "0s"\n[offline.secrets]\n"apps/shop" = "1m"\n${apps}`;

  test("serves what was read before, also after a restart, and says how old it is", async () => {
    const before = await start(offline);
    expect(await read(billing, "billing")).toBe("200 the billing password");
    expect(await read(shop, "shop")).toBe("200 the shop password");
    await before.stop();
    running.splice(0);
    house.clock.advance(120_000);
    const copies = join(house.folder, "data/copies");
    for (const name of readdirSync(copies)) expect(readFileSync(join(copies, name), "latin1")).not.toContain("password");

    await start(cutOff(offline));
    const answer = await billing(secretPath("billing"), { headers: await logIn(billing, "billing") });
    expect(await answer.text()).toBe("the billing password");
    expect(answer.headers.get("x-postern-source")).toBe("copy");
    expect(Number(answer.headers.get("age"))).toBeGreaterThanOrEqual(120);
    const stale = await shop(secretPath("shop"), { headers: await logIn(shop, "shop") });
    expect(stale.status).toBe(503);
    expect([stale.headers.get("x-postern-reason"), stale.headers.get("retry-after")]).toEqual(["stale", "5"]);
    const unknown = await billing("/secrets/acme/variable/other", { headers: await logIn(billing, "billing") });
    expect([unknown.status, unknown.headers.get("x-postern-reason")]).toEqual([503, "primary_unavailable"]);
  });

  test("keeps a trail of its own, chained, of what was read, refused and from where", async () => {
    const lines = readdirSync(join(house.folder, "data/audit"))
      .flatMap((name) => readFileSync(join(house.folder, "data/audit", name), "utf8").split("\n"))
      .filter((line) => line !== "");
    const said = lines.join("\n");
    expect(said).toContain('"source":"copy"');
    expect(said).toContain('"because":"stale"');
    expect(said).toContain("acme:variable:apps/billing/password");
    expect(said).not.toContain("the billing password");
  });

  test("serves nothing after a start with a clock that was set back", async () => {
    const log = createLogKeeper();
    house.clock.setWall(house.clock.now() - 600_000);
    await start(cutOff(offline), log);
    expect((await billing(secretPath("billing"), { headers: await logIn(billing, "billing") })).status).toBe(503);
    expect(log.lines).toContainEqual(expect.objectContaining({ event: "copy_from_the_future" }));
    house.clock.setWall(house.clock.now() + 600_000);
  });

  test("opens no copy of another app, nor a changed one", async () => {
    const copies = join(house.folder, "data/copies");
    await (await start(offline)).stop();
    running.splice(0);
    const log = createLogKeeper();
    writeFileSync(join(copies, "shop.copy"), readFileSync(join(copies, "billing.copy")));
    await start(cutOff(offline), log);
    expect((await shop(secretPath("billing"), { headers: await logIn(shop, "shop") })).status).toBe(503);
    expect(log.lines).toContainEqual(
      expect.objectContaining({ event: "copy_not_opened", fields: { app: "shop", reason: "PosternError" } }),
    );
  });

  test("keeps nothing on the disk without a seal", async () => {
    const agent = await start(apps.replace("[apps.billing]", "[offline]\nmax_stale = '1h'\n[apps.billing]"));
    await read(billing, "billing");
    await agent.stop();
    running.splice(0);
    expect(existsSync(join(house.folder, "data/copies/none.copy"))).toBe(false);
  });
});

/** The same agent, whose primary is at an address where nobody answers; copies are bound to the primary's name, so that one stays. */
function cutOff(text: string): string {
  house.primary.listener.stop();
  return text;
}

const Lent = v.object({ access_token: v.string(), resource: v.string() });

describe("the identity endpoint", () => {
  const audience = "https://vault.azure.net";
  const settings = `${apps}[apps.shop.identity_endpoint]\nlisten = "127.0.0.1:0"\nsecret_file = "$folder/identity.secret"\naudiences = ["${audience}"]\n`;
  writeFileSync(join(house.folder, "identity.secret"), "s3cret", { mode: 0o600 });
  interface Asked {
    readonly resource?: string;
    readonly version?: string;
    readonly headers?: Record<string, string>;
    readonly more?: string;
    readonly method?: string;
  }
  async function open(): Promise<(asked?: Asked) => Promise<Response>> {
    const url = (await start(settings)).urls()[2];
    return ({ resource = audience, version = "2019-08-01", headers = {}, more = "", method = "GET" } = {}) => {
      const query = `api-version=${version}&resource=${encodeURIComponent(resource)}${more}`;
      return fetch(`${url}/msi/token?${query}`, { method, headers: { "x-identity-header": "s3cret", ...headers } });
    };
  }

  test("is off unless it is configured", async () => {
    expect((await start(apps)).urls().length).toBe(2);
  });

  test("writes down whom it lent a token for what, and what it refused", async () => {
    const log = createLogKeeper();
    const url = (await start(settings, log)).urls()[2];
    const headers = { "x-identity-header": "s3cret" };
    for (const resource of [audience, "https://graph.microsoft.com"]) {
      const query = new URLSearchParams({ "api-version": "2019-08-01", resource });
      await fetch(`${url}/msi/token?${query}`, { headers });
    }
    const lines = log.lines.filter(({ event }) => event === "agent_identity_lend").map(({ level, fields }) => ({ level, fields }));
    expect(lines).toEqual([
      { level: "info", fields: { app: "shop", audience, ...asker } },
      {
        level: "warn",
        fields: { app: "shop", audience: "https://graph.microsoft.com", ...asker, failure: "forbidden", because: "audience" },
      },
    ]);
    expect(JSON.stringify(log.lines)).not.toContain("s3cret");
  });

  test("hands out a token of the machine for an audience that is named", async () => {
    const ask = await open();
    const answer = await ask();
    expect(await answer.json()).toMatchObject({ resource: audience, token_type: "Bearer", expires_on: expect.stringMatching(/^\d+$/) });
  });

  test("takes an audience for what it is, however its host is written and with a slash at the end or without, and asks for it as it is named", async () => {
    const ask = await open();
    for (const resource of [`${audience}/`, "HTTPS://Vault.Azure.NET", "https://vault.AZURE.net/"]) {
      const answer = await ask({ resource });
      const { access_token: token, resource: told } = v.parse(Lent, await answer.json());
      expect([JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()).aud, told]).toEqual([audience, resource]);
    }
  });

  test.each(["2017-09-01", "2019-07-01-preview", "2019-8-1", "", "latest"])("speaks no version %s", async (version) => {
    const ask = await open();
    const answer = await ask({ version, headers: { secret: "s3cret" } });
    expect([answer.status, await answer.json()]).toEqual([400, { statusCode: 400, message: "api-version must be 2019-08-01 or later" }]);
  });

  test("opens one app's endpoint with that app's secret alone", async () => {
    writeFileSync(join(house.folder, "billing.secret"), "billing's", { mode: 0o600 });
    const own = settings.replaceAll("apps.shop.", "apps.billing.").replace("identity.secret", "billing.secret").slice(apps.length);
    const urls = (await start(settings + own)).urls().filter((url) => url.startsWith("http:"));
    const query = new URLSearchParams({ "api-version": "2019-08-01", resource: audience });
    const statuses = urls.map(async (url) => {
      const answers = ["billing's", "s3cret", "", "s3cret, billing's"].map(async (secret) => {
        const answer = await fetch(`${url}/msi/token?${query}`, { headers: { "x-identity-header": secret } });
        return answer.status;
      });
      return await Promise.all(answers);
    });
    expect((await Promise.all(statuses)).toSorted()).toEqual([
      [200, 401, 401, 401],
      [401, 200, 401, 401],
    ]);
  });

  test("hands out nothing while its secret is missing, empty or readable for everybody", async () => {
    const file = join(house.folder, "identity.secret");
    const ask = await open();
    chmodSync(file, 0o644);
    expect((await ask()).status).toBe(500);
    chmodSync(file, 0o600);
    renameSync(file, `${file}.away`);
    expect((await ask({ headers: { "x-identity-header": "" } })).status).toBe(401);
    writeFileSync(file, "\n", { mode: 0o600 });
    expect((await ask({ headers: { "x-identity-header": "" } })).status).toBe(401);
    renameSync(`${file}.away`, file);
    expect((await ask()).status).toBe(200);
  });

  test.each(["POST", "HEAD", "PUT", "OPTIONS"])("hands out nothing for %s", async (method) => {
    const ask = await open();
    const answer = await ask({ method });
    expect([answer.status, (await answer.text()).includes("access_token")]).toEqual([405, false]);
  });

  test.each([
    ["another audience", { resource: "https://management.azure.com/" }, 403],
    ["one that only begins like it", { resource: `${audience}.evil.example` }, 403],
    ["one with two slashes at the end", { resource: `${audience}//` }, 403],
    ["a path of it", { resource: `${audience}/x` }, 403],
    ["it at another port", { resource: `${audience}:443` }, 403],
    ["it by another scheme", { resource: "http://vault.azure.net" }, 403],
    ["it with a name before it", { resource: "https://x@vault.azure.net" }, 403],
    ["it before a line", { resource: `${audience}\n` }, 403],
    ["it as a scope", { resource: `${audience}/.default` }, 403],
    ["no audience", { resource: "" }, 403],
    ["another secret", { headers: { "x-identity-header": "s3cre" } }, 401],
    ["a page", { headers: { origin: "https://evil.example" } }, 403],
    ["two resources", { more: "&resource=https://management.azure.com/" }, 400],
    ["a second resource by its name in capitals", { more: "&RESOURCE=https://management.azure.com/" }, 400],
    ...["client_id", "clientid", "Client_Id", "principal_id", "object_id", "mi_res_id", "msi_res_id"].map(
      (name) => [`a certain identity, by ${name}`, { more: `&${name}=00000000-0000-4000-8000-000000000000` }, 400] as const,
    ),
  ])("refuses %s", async (_what, changes, status) => {
    const ask = await open();
    const answer = await ask(changes);
    expect(answer.status).toBe(status);
    expect(await answer.text()).not.toContain("access_token");
  });
});
