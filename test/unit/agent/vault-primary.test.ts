import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RunningAgent } from "../../../src/agent/agent";
import { type Ask, createAgentHouse } from "../../support/agent-house";
import { createLogKeeper } from "../../support/fake-issuer";
import { type FakeVault, startFakeVault } from "../../support/fake-vault";

const house = await createAgentHouse();
const app = '[apps.billing]\nrole = "billing-role"\nsocket = "$folder/billing.sock"\n';
const offline = '[offline]\nmax_stale = "1h"\nfresh = "1s"\n';
const billing = house.bySocket("billing");
let running: RunningAgent | undefined;
let vault: FakeVault = startFakeVault();

async function start(more: string, primary = ""): Promise<void> {
  running = await house.start(more, createLogKeeper(), `[primary]\nurl = "${vault.url}"\nprotocol = "vault"\n${primary}\n`);
}

async function restart(more: string): Promise<void> {
  await running?.stop();
  await start(more);
}

async function asked(path: string, ask: Ask = billing, headers: Record<string, string> = {}): Promise<readonly [number, unknown]> {
  const answer = await ask(`/v1/${path}`, { headers: { "X-Vault-Request": "true", ...headers } });
  const text = await answer.text();
  return [answer.status, text === "" ? "" : JSON.parse(text)];
}

const dataOf = ([status, body]: readonly [number, unknown]): unknown =>
  status === 200 && typeof body === "object" && body !== null && "data" in body ? body.data : [status, body];

afterEach(async () => {
  await running?.stop();
  running = undefined;
  await vault.stop();
  vault = startFakeVault();
});
afterAll(async () => {
  await vault.stop();
  await house.close();
});

describe("an agent whose primary is a Vault", () => {
  test("logs in at the Azure method as the app's role, with what the machine's token says of the machine", async () => {
    await start(app);
    expect(dataOf(await asked("secret/data/app/db"))).toMatchObject({ data: { password: "hunter2" } });
    expect(vault.logins).toEqual([
      {
        role: "billing-role",
        jwt: expect.stringMatching(/^ey/),
        subscription_id: expect.any(String),
        resource_group_name: expect.any(String),
        resource_id: expect.stringMatching(/Microsoft\.HybridCompute\/machines\//i),
      },
    ]);
    expect(vault.asked[0]).toBe("PUT /v1/auth/azure/login");
  });

  test("asks at the mount that it is told", async () => {
    await start(app, 'mount = "cloud/azure"');
    await asked("secret/data/app/db");
    expect(vault.asked[0]).toBe("PUT /v1/auth/cloud/azure/login");
  });

  test("serves versions, numbers as they were written, and objects of the first version of KV", async () => {
    await start(app);
    const answer = await billing("/v1/secret/data/app/db");
    expect(await answer.text()).toContain('"data":{"password":"hunter2","big":12345678901234567890}');
    expect([answer.headers.get("x-postern-source"), answer.headers.get("content-type")]).toEqual(["primary", "application/json"]);
    expect(dataOf(await asked("secret/data/app/db?version=1"))).toEqual({
      data: { password: "first" },
      metadata: { created_time: "2025-11-10T08:00:00.123000000Z", custom_metadata: null, deletion_time: "", destroyed: false, version: 1 },
    });
    expect(await (await billing("/v1/old/app")).text()).toContain('"data":{"password":"kv one","n":1.0}');
  });

  test("serves variables of a Postern as objects by path, and as they are by their names", async () => {
    await start(app);
    expect(dataOf(await asked("conjur/app/text"))).toEqual({ value: "s3cret" });
    expect(dataOf(await asked("conjur/app/bytes"))).toEqual({ value: "/w==", encoding: "base64" });
    const login = await billing("/authn/vault/host%2Fvault%2Frole%2Fazure%2Fbilling-role/authenticate", { method: "POST", body: "x" });
    const authorization = `Token token="${Buffer.from(await login.text()).toString("base64")}"`;
    const read = (name: string) => billing(`/secrets/vault/variable/${encodeURIComponent(name)}`, { headers: { authorization } });
    expect(await (await read("conjur/app/text")).text()).toBe("s3cret");
    expect([...new Uint8Array(await (await read("conjur/app/bytes")).arrayBuffer())]).toEqual([0xff]);
    expect(await (await read("secret/app/db")).text()).toBe('{"password":"hunter2","big":12345678901234567890}');
  });

  test("answers clients' questions before a read, and never with its own token", async () => {
    await start(app);
    expect(dataOf(await asked("sys/internal/ui/mounts/secret/app/db"))).toMatchObject({
      path: "secret/",
      type: "kv",
      options: { version: "2" },
    });
    expect(dataOf(await asked("sys/internal/ui/mounts/old/app"))).toMatchObject({ path: "old/", options: { version: "1" } });
    const self = await asked("auth/token/lookup-self", billing, { "X-Vault-Token": "hvs.mine" });
    expect(dataOf(self)).toMatchObject({ id: "", policies: ["default"], type: "service" });
    expect(JSON.stringify(self)).not.toContain("hvs.");
    expect(await asked("sys/health")).toMatchObject([200, { initialized: true, sealed: false, standby: false }]);
  });

  test("asks nobody again within the time that counts as fresh", async () => {
    await start(app);
    await asked("secret/data/app/db");
    const before = vault.asked.length;
    await asked("sys/internal/ui/mounts/secret/data/app/db");
    await asked("secret/data/app/db");
    expect(vault.asked.length).toBe(before);
  });

  test("tells what is not there, and what may not be read, as the primary does", async () => {
    await start(app);
    expect(await asked("secret/data/absent")).toMatchObject([404, { errors: [] }]);
    expect((await asked("secret/data/forbidden/x"))[0]).toBe(403);
    expect((await asked("elsewhere/x"))[0]).toBe(403);
    expect((await asked("pki/issue"))[0]).toBe(404);
    expect((await asked("secret/app/db"))[0]).toBe(404);
    const write = await billing("/v1/secret/data/app/db", { method: "POST", body: "{}" });
    expect(write.status).toBe(405);
    expect(vault.asked.filter((line) => !/^(GET|PUT \/v1\/auth\/azure\/login)/.test(line))).toEqual([]);
  });

  test.each([true, false])("logs in again when its token is none any more, said in words or not: %p", async (tells) => {
    await start(app);
    await asked("secret/data/app/db");
    vault.revokeAll(tells);
    expect(dataOf(await asked("secret/data/app/db?version=1"))).toMatchObject({ data: { password: "first" } });
    expect(vault.logins.length).toBe(2);
  });

  test("gives up its session when it ends, and waits for no primary that is away", async () => {
    await start(app);
    await asked("secret/data/app/db");
    await running?.stop();
    running = undefined;
    expect(vault.asked.at(-1)).toBe("PUT /v1/auth/token/revoke-self");
  });

  test("takes no line for lost because an app asks for what the primary does not understand", async () => {
    await start(app);
    expect((await asked("secret/data/a%E2%80%A8b"))[0]).toBe(400);
    expect((await asked("secret/data/app/db"))[0]).toBe(200);
    expect((await asked("sys/internal/ui/mounts/"))[0]).toBe(403);
    expect((await asked("secret/data/app/db?version=1"))[0]).toBe(200);
  });

  test("hands out nothing unwrapped to who wants it wrapped", async () => {
    await start(app);
    const [status, body] = await asked("secret/data/app/db", billing, { "X-Vault-Wrap-TTL": "60" });
    expect([status, body]).toEqual([400, { errors: ["response wrapping is not offered by an agent"] }]);
    expect((await asked("secret/data/app/db?version=x"))[0]).toBe(400);
  });

  test("serves its copy while the primary is away, also after a restart, with source and age", async () => {
    const kept = `seal = ["file:$folder/seal.key"]\n${offline}${app}keep = ["secret/app/db"]\n`;
    writeFileSync(join(house.folder, "seal.key"), Buffer.alloc(32, 7).toString("base64"), { mode: 0o600 });
    await start(kept);
    expect(dataOf(await asked("secret/data/app/db"))).toMatchObject({ metadata: { version: 2 } });
    vault.fail(503);
    house.clock.advance(60_000);
    await restart(kept);
    const answer = await billing("/v1/secret/data/app/db");
    expect([answer.status, answer.headers.get("x-postern-source"), answer.headers.get("age")]).toEqual([200, "copy", "60"]);
    expect(await answer.json()).toMatchObject({ data: { data: { password: "hunter2" }, metadata: { version: 2 } } });
    const absent = await billing("/v1/secret/data/other");
    expect([absent.status, absent.headers.get("x-postern-reason")]).toEqual([503, "primary_unavailable"]);
    // Another namespace's, or another mount's, is nobody's copy here.
    for (const elsewhere of ['namespace = "team"', 'mount = "other"']) {
      await running?.stop();
      await start(kept, elsewhere);
      expect((await billing("/v1/secret/data/app/db")).status).toBe(503);
    }
  });

  test("serves nothing more to a role that may not log in any more", async () => {
    await start(`${offline}${app}`);
    await asked("secret/data/app/db");
    vault.revokeAll(true);
    vault.refuseLogins(403);
    house.clock.advance(5000);
    expect((await asked("secret/data/app/db"))[0]).toBe(403);
    vault.fail(503);
    house.clock.advance(60_000);
    expect((await asked("secret/data/app/db"))[0]).toBe(403);
  });
});

describe("Vault's protocol at an agent whose primary is a Conjur", () => {
  test("shows variables as objects, by their names below conjur/", async () => {
    running = await house.start('[apps.billing]\nrole = "host/apps/billing"\nsocket = "$folder/billing.sock"\n');
    expect(dataOf(await asked("conjur/apps/billing/password"))).toEqual({ value: "the billing password" });
    expect(dataOf(await asked("sys/internal/ui/mounts/conjur/apps"))).toMatchObject({ path: "conjur/", type: "conjur", options: null });
    expect((await asked("conjur/apps/shop/password"))[0]).toBe(404);
    expect((await asked("secret/data/x"))[0]).toBe(404);
    expect((await asked("conjur"))[0]).toBe(404);
    expect(house.primary.house.lastAudit()).toMatchObject({ role: "acme:host:apps/billing", operation: "secret.read", allowed: false });
  });
});

describe("Vault's protocol at an agent's port", () => {
  const port = '[apps.billing]\nrole = "billing-role"\nlisten = "127.0.0.1:0"\ntoken_file = "$folder/billing.token"\n';

  test("wants Vault's header and the app's token, and no proxy on the way", async () => {
    writeFileSync(join(house.folder, "billing.token"), "the-token-of-the-app\n", { mode: 0o640 });
    await start(port);
    const url = running?.urls()[0] ?? "";
    const ask: Ask = (path, options = {}) => fetch(`${url}${path}`, options);
    const token = { "X-Vault-Token": "the-token-of-the-app" };
    expect(dataOf(await asked("secret/data/app/db", ask, token))).toMatchObject({ data: { password: "hunter2" } });
    expect(await asked("secret/data/app/db", ask, { ...token, "X-Vault-Request": "false" })).toEqual([403, ""]);
    const without = await fetch(`${url}/v1/secret/data/app/db`, { headers: token });
    expect([without.status, await without.text()]).toEqual([403, ""]);
    expect(await asked("secret/data/app/db", ask, { ...token, "X-Forwarded-For": "127.0.0.1" })).toEqual([403, ""]);
    expect(await asked("secret/data/app/db", ask, { ...token, Host: "evil.example" })).toEqual([403, ""]);
    expect((await asked("secret/data/app/db", ask, { "X-Vault-Token": "another" }))[0]).toBe(403);
    expect((await asked("secret/data/app/db", ask))[0]).toBe(403);
    expect((await asked("auth/token/lookup-self", ask))[0]).toBe(403);
  });
});
