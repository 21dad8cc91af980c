import { beforeEach, describe, expect, test } from "bun:test";
import { createVaultClient, type VaultClient } from "./client";

let vault: VaultClient;
const wrong = { status: 400, body: { errors: ["invalid role or secret ID"] } };

beforeEach(async () => {
  vault = await createVaultClient();
  await vault.as("POST", "sys/auth/approle", { body: { type: "approle" } });
});

async function role(name: string, body: object = {}): Promise<string> {
  const { status } = await vault.as("POST", `auth/approle/role/${name}`, { body });
  expect(status).toBe(204);
  return (await vault.as("GET", `auth/approle/role/${name}/role-id`)).body.data.role_id;
}

async function secretId(name: string, body: object = {}): Promise<{ readonly secret_id: string; readonly secret_id_accessor: string }> {
  const { status, body: answer } = await vault.as("POST", `auth/approle/role/${name}/secret-id`, { body });
  expect([status, answer?.errors]).toEqual([200, undefined]);
  return answer.data;
}

const login = (body: object, from?: string) =>
  vault.as("POST", "auth/approle/login", { token: null, body, ...(from === undefined ? {} : { from }) });

describe("roles of AppRole", () => {
  test("have defaults, keep what is not sent, and are listed by names in lower case", async () => {
    await role("CI", { token_policies: "dev,prod", secret_id_ttl: "10m", secret_id_num_uses: 40 });
    await role("ci", { token_ttl: 60 });
    expect((await vault.as("GET", "auth/approle/role/ci")).body.data).toEqual({
      bind_secret_id: true,
      local_secret_ids: false,
      secret_id_bound_cidrs: null,
      secret_id_num_uses: 40,
      secret_id_ttl: 600,
      token_bound_cidrs: [],
      token_explicit_max_ttl: 0,
      token_max_ttl: 0,
      token_no_default_policy: false,
      token_num_uses: 0,
      token_period: 0,
      token_policies: ["dev", "prod"],
      token_ttl: 60,
      token_type: "default",
    });
    expect((await vault.as("LIST", "auth/approle/role")).body.data).toEqual({ keys: ["ci"] });
    expect((await vault.as("DELETE", "auth/approle/role/ci")).status).toBe(204);
    expect(await vault.as("GET", "auth/approle/role/ci")).toMatchObject({ status: 404, body: { errors: [] } });
    expect((await vault.as("LIST", "auth/approle/role")).status).toBe(404);
  });

  test.each([
    ["no constraint at all", { bind_secret_id: false }, "at least one constraint should be enabled on the role"],
    ["a negative use", { secret_id_num_uses: -1 }, "secret_id_num_uses cannot be negative"],
    ["a network that is none", { secret_id_bound_cidrs: "10.0.0.0/99" }, 'error parsing address "10.0.0.0/99": not an address or network'],
    [
      "a period of batch tokens",
      { token_type: "batch", token_period: 60 },
      "'token_type' cannot be 'batch' or 'default_batch' when set to generate periodic tokens",
    ],
  ])("take no %s, and nothing is stored", async (_title, body, says) => {
    expect(await vault.as("POST", "auth/approle/role/bad", { body })).toMatchObject({ status: 400, body: { errors: [says] } });
    expect((await vault.as("GET", "auth/approle/role/bad")).status).toBe(404);
  });

  test("cannot take each other's role_id", async () => {
    const first = await role("first");
    await role("second");
    expect(await vault.as("POST", "auth/approle/role/second/role-id", { body: { role_id: first } })).toMatchObject({ status: 400 });
    expect((await vault.as("POST", "auth/approle/role/second/role-id", { body: { role_id: "chosen" } })).status).toBe(204);
    expect((await vault.as("GET", "auth/approle/role/second/role-id")).body.data).toEqual({ role_id: "chosen" });
  });

  test("are nobody's business without a token that may", async () => {
    const { body } = await vault.as("POST", "auth/token/create", { body: { policies: ["default"] } });
    const token: string = body.auth.client_token;
    for (const [method, path] of [
      ["POST", "auth/approle/role/x"],
      ["GET", "auth/approle/role/x"],
      ["POST", "auth/approle/role/x/secret-id"],
      ["LIST", "auth/approle/role"],
    ] as const)
      expect((await vault.as(method, path, { token, ...(method === "POST" ? { body: {} } : {}) })).status).toBe(403);
    expect(vault.house.lastAudit()).toMatchObject({ allowed: false, operation: "approle.list", because: "no_path_rule" });
  });
});

describe("a login by AppRole", () => {
  test("gives a token with the role's policies, metadata and life, and one line of the audit", async () => {
    const role_id = await role("ci", { token_policies: ["dev"], token_ttl: "20m" });
    const { secret_id, secret_id_accessor } = await secretId("ci", { metadata: '{"build":"7","role_name":"root"}' });
    const { status, body } = await login({ role_id, secret_id });
    expect([status, body.auth]).toMatchObject([
      200,
      {
        policies: ["default", "dev"],
        token_policies: ["default", "dev"],
        metadata: { build: "7", role_name: "ci" },
        lease_duration: 1200,
        renewable: true,
        token_type: "service",
        orphan: true,
        num_uses: 0,
      },
    ]);
    expect(vault.house.lastAudit()).toMatchObject({
      operation: "login",
      allowed: true,
      authenticator: "approle/approle",
      role: "acme:host:vault/role/approle/ci",
      path: "auth/approle/login",
      attributes: { role_name: "ci", secret_id_accessor },
    });
    const self = await vault.as("GET", "auth/token/lookup-self", { token: body.auth.client_token });
    expect(self.body.data).toMatchObject({ display_name: "approle", path: "auth/approle/login", meta: { role_name: "ci" } });
  });

  test("says one thing of everything that is wrong with it", async () => {
    const role_id = await role("ci");
    const other = await role("other");
    const { secret_id } = await secretId("ci");
    const ended = await secretId("ci", { ttl: "1m" });
    const elsewhere = await secretId("ci", { cidr_list: "10.0.0.0/8" });
    vault.house.clock.advance(61_000);
    const because: (string | undefined)[] = [];
    for (const body of [
      { role_id: "nobody", secret_id },
      { role_id, secret_id: "wrong" },
      { role_id: other, secret_id },
      { role_id, secret_id: ended.secret_id },
      { role_id, secret_id: elsewhere.secret_id },
      { role_id, secret_id: "x".repeat(5000) },
      { role_id, secret_id: elsewhere.secret_id_accessor },
    ]) {
      expect(await login(body)).toMatchObject(wrong);
      because.push(vault.house.lastAudit().because);
      expect(vault.house.lastAudit()).toMatchObject({ operation: "login", allowed: false, failure: "malformed" });
    }
    expect(because).toEqual(["role", "secret_id", "secret_id", "secret_id", "secret_id_networks", "secret_id", "secret_id"]);
  });

  test("misses the secret_id of a role that there is and of one that there is not in the same words", async () => {
    const role_id = await role("ci");
    const missing = { status: 400, body: { errors: ["missing secret_id"] } };
    expect(await login({ role_id })).toMatchObject(missing);
    expect(await login({ role_id: "nobody" })).toMatchObject(missing);
    expect(await login({ secret_id: "x" })).toMatchObject({ status: 400, body: { errors: ["missing role_id"] } });
  });

  test("uses up a secret-id for exactly one of fifty who show it at the same time", async () => {
    const role_id = await role("ci");
    const { secret_id } = await secretId("ci", { num_uses: 1 });
    const statuses = (await Promise.all(Array.from({ length: 50 }, () => login({ role_id, secret_id })))).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(statuses.filter((status) => status === 400)).toHaveLength(49);
    expect((await vault.as("LIST", "auth/approle/role/ci/secret-id")).status).toBe(404);
  });

  test("counts uses, and not those that came from elsewhere", async () => {
    const role_id = await role("ci");
    const { secret_id } = await secretId("ci", { num_uses: 2, cidr_list: "192.0.2.10" });
    expect(await login({ role_id, secret_id }, "203.0.113.9")).toMatchObject(wrong);
    expect((await login({ role_id, secret_id })).status).toBe(200);
    const { body } = await vault.as("POST", "auth/approle/role/ci/secret-id/lookup", { body: { secret_id } });
    expect(body.data).toMatchObject({ secret_id_num_uses: 1, cidr_list: ["192.0.2.10/32"] });
    expect((await login({ role_id, secret_id })).status).toBe(200);
    expect(await login({ role_id, secret_id })).toMatchObject(wrong);
  });

  test("goes without a secret-id where the role says so, from its networks alone", async () => {
    const role_id = await role("edge", { bind_secret_id: false, token_bound_cidrs: "192.0.2.0/24" });
    expect((await login({ role_id })).status).toBe(200);
    expect(await login({ role_id }, "203.0.113.9")).toMatchObject(wrong);
    expect(await vault.as("POST", "auth/approle/role/edge/secret-id", { body: {} })).toMatchObject({
      status: 400,
      body: { errors: ["bind_secret_id is not set on the role"] },
    });
  });

  test("ends with the role, with a secret-id of a role that was there before under its name, and with the mount", async () => {
    const role_id = await role("ci", { role_id: "fixed" });
    const { secret_id } = await secretId("ci");
    await vault.as("DELETE", "auth/approle/role/ci");
    expect(await login({ role_id, secret_id })).toMatchObject(wrong);
    await role("ci", { role_id: "fixed" });
    expect(await login({ role_id, secret_id })).toMatchObject(wrong);
    const fresh = await secretId("ci");
    const { body } = await login({ role_id, secret_id: fresh.secret_id });
    await vault.as("DELETE", "sys/auth/approle");
    expect((await vault.as("GET", "auth/token/lookup-self", { token: body.auth.client_token })).status).toBe(403);
    await vault.as("POST", "sys/auth/approle", { body: { type: "approle" } });
    expect((await vault.as("GET", "auth/approle/role/ci")).status).toBe(404);
    await role("ci", { role_id: "fixed" });
    expect(await login({ role_id, secret_id: fresh.secret_id })).toMatchObject(wrong);
  });

  test("gives no root's token, whatever the role says", async () => {
    const role_id = await role("ci", { token_policies: "root" });
    const { secret_id } = await secretId("ci");
    expect(await login({ role_id, secret_id })).toMatchObject({
      status: 400,
      body: { errors: ["auth methods cannot create root tokens"] },
    });
  });

  test("gives no token that would be taken for one around an answer", async () => {
    const role_id = await role("ci", { token_policies: "Response-Wrapping", token_no_default_policy: true });
    const { secret_id } = await secretId("ci");
    const body = { errors: ['cannot assign policy "response-wrapping"'] };
    expect(await login({ role_id, secret_id })).toMatchObject({ status: 400, body });
  });

  test("is renewed by what the role says now, and not once it is gone", async () => {
    const role_id = await role("ci", { token_ttl: 600 });
    const { secret_id } = await secretId("ci");
    const token: string = (await login({ role_id, secret_id })).body.auth.client_token;
    await role("ci", { token_ttl: 300 });
    const renewed = await vault.as("POST", "auth/token/renew-self", { token, body: {} });
    expect(renewed.body.auth).toMatchObject({ lease_duration: 300 });
    await vault.as("DELETE", "auth/approle/role/ci");
    expect(await vault.as("POST", "auth/token/renew-self", { token, body: {} })).toMatchObject({
      status: 403,
      body: { errors: ["role ci does not exist during renewal"] },
    });
  });
});

test("a body of null is one without members, as command lines send it where there is nothing to say", async () => {
  expect((await vault.as("PUT", "auth/approle/role/ci", { body: "null" })).status).toBe(204);
  expect((await vault.as("PUT", "auth/approle/role/ci", { body: "[]" })).status).toBe(400);
});

describe("secret-ids", () => {
  test("are no wider than their role", async () => {
    await role("ci", { secret_id_num_uses: 3, secret_id_ttl: 60, secret_id_bound_cidrs: "10.0.0.0/8" });
    for (const [body, says] of [
      [{ num_uses: 4 }, "num_uses cannot be higher than the role's secret_id_num_uses"],
      [{ num_uses: 0 }, "num_uses cannot be higher than the role's secret_id_num_uses"],
      [{ ttl: 61 }, "ttl cannot be longer than the role's secret_id_ttl"],
      [{ cidr_list: "0.0.0.0/0" }, "failed to verify subset relationship between cidr_list and the role's secret_id_bound_cidrs"],
      [
        { cidr_list: ["10.1.0.0/16", "11.0.0.1"] },
        "failed to verify subset relationship between cidr_list and the role's secret_id_bound_cidrs",
      ],
      [{ metadata: "{" }, "failed to parse metadata: expected a JSON object of texts"],
    ] as const)
      expect(await vault.as("POST", "auth/approle/role/ci/secret-id", { body })).toMatchObject({ status: 400, body: { errors: [says] } });
    expect(await secretId("ci", { num_uses: 2, cidr_list: "10.1.0.0/16" })).toMatchObject({ secret_id_num_uses: 2, secret_id_ttl: 60 });
  });

  test("are found, listed and destroyed by themselves or their accessors, of their own role alone", async () => {
    await role("ci");
    await role("other");
    const made = await secretId("ci", { metadata: '{"a":"b"}' });
    const { secret_id, secret_id_accessor } = made;
    expect((await vault.as("LIST", "auth/approle/role/ci/secret-id")).body.data).toEqual({ keys: [secret_id_accessor] });
    const found = await vault.as("POST", "auth/approle/role/ci/secret-id-accessor/lookup", { body: { secret_id_accessor } });
    expect(found.body.data).toMatchObject({ secret_id_accessor, metadata: { a: "b" }, secret_id_num_uses: 0 });
    expect(JSON.stringify(found.body)).not.toContain(secret_id);
    expect((await vault.as("POST", "auth/approle/role/other/secret-id/lookup", { body: { secret_id } })).status).toBe(204);
    expect((await vault.as("POST", "auth/approle/role/other/secret-id-accessor/destroy", { body: { secret_id_accessor } })).status).toBe(
      404,
    );
    expect((await vault.as("POST", "auth/approle/role/ci/secret-id-accessor/destroy", { body: { secret_id_accessor } })).status).toBe(204);
    expect((await vault.as("POST", "auth/approle/role/ci/secret-id/lookup", { body: { secret_id } })).status).toBe(204);
    expect((await vault.as("POST", "auth/approle/role/nobody/secret-id", { body: {} })).status).toBe(404);
  });

  test("may be chosen, each once", async () => {
    const role_id = await role("ci");
    const custom = () => vault.as("POST", "auth/approle/role/ci/custom-secret-id", { body: { secret_id: "chosen by hand" } });
    expect((await custom()).body.data).toMatchObject({ secret_id: "chosen by hand" });
    expect((await custom()).status).toBe(400);
    expect((await login({ role_id, secret_id: "chosen by hand" })).status).toBe(200);
  });

  test("do not pile up: what has ended goes as new ones come, and by tidying at once", async () => {
    await role("ci", { secret_id_ttl: 60 });
    const kept = () => vault.house.store.tokens.load(vault.house.clock.now() - 120_000);
    const count = async (): Promise<number> => {
      let records = 0;
      for await (const page of kept()) records += page.length;
      return records;
    };
    const before = await count();
    for (let made = 0; made < 40; made += 1) await secretId("ci");
    vault.house.clock.advance(61_000);
    for (let made = 0; made < 10; made += 1) await secretId("ci");
    expect(await count()).toBeLessThan(before + 40);
    expect((await vault.as("POST", "auth/approle/tidy/secret-id")).status).toBe(202);
    expect(await count()).toBe(before + 10);
  });

  test("outlive the process, and nothing of them is kept but a digest", async () => {
    const role_id = await role("ci");
    const { secret_id } = await secretId("ci", { num_uses: 2 });
    for await (const page of vault.house.store.tokens.load(vault.house.clock.now()))
      for (const { body, digest } of page) expect(`${digest}${Buffer.from(body.reveal()).toString()}`).not.toContain(secret_id);
    const again = await createVaultClient({ store: vault.house.store, clock: vault.house.clock });
    const show = () => again.as("POST", "auth/approle/login", { token: null, body: { role_id, secret_id } });
    expect((await show()).status).toBe(200);
    expect((await show()).status).toBe(200);
    expect(await show()).toMatchObject(wrong);
  });
});
