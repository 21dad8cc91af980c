/** What tokens inherit, what their last use may still do, and what ends with them. */

import { beforeEach, describe, expect, test } from "bun:test";
import { createVaultClient, type VaultClient } from "./client";

let vault: VaultClient;

beforeEach(async () => {
  vault = await createVaultClient();
  await vault.as("POST", "sys/mounts/kv", { body: { type: "kv" } });
  await vault.as("POST", "kv/a", { body: { password: "one" } });
  await vault.as("POST", "sys/auth/userpass", { body: { type: "userpass" } });
});

const created = async (body: object, token?: string): Promise<ReturnType<typeof JSON.parse>> =>
  (await vault.as("POST", "auth/token/create", { body, ...(token === undefined ? {} : { token }) })).body.auth;
const self = (token: string) => vault.as("GET", "auth/token/lookup-self", { token });

async function login(more: object = {}): Promise<ReturnType<typeof JSON.parse>> {
  const role = { password: "hunter22", token_policies: ["mine"], ...more };
  expect((await vault.as("POST", "auth/userpass/users/ann", { body: role })).status).toBeLessThan(300);
  return (await vault.as("POST", "auth/userpass/login/ann", { token: null, body: { password: "hunter22" } })).body.auth;
}

describe("a child of a token that logged in", () => {
  beforeEach(async () => {
    const { accessor } = (await vault.as("GET", "sys/auth")).body.data["userpass/"];
    const policy = [
      'path "auth/token/create*" { capabilities = ["update"] }',
      `path "kv/{{identity.entity.aliases.${accessor}.name}}/*" { capabilities = ["create", "read"] }`,
    ].join("\n");
    await vault.as("PUT", "sys/policies/acl/mine", { body: { policy } });
  });

  test("is the same entity, and so is a child of it, of either kind", async () => {
    const parent = await login();
    const child = await created({}, parent.client_token);
    const grandchild = await created({}, child.client_token);
    const batch = await created({ type: "batch" }, grandchild.client_token);
    expect(parent.entity_id).not.toBe("");
    for (const each of [child, grandchild, batch]) {
      expect([each.entity_id, (await self(each.client_token)).body.data.entity_id]).toEqual([parent.entity_id, parent.entity_id]);
      const path = `identity/entity/id/${parent.entity_id}`;
      if (each !== batch) expect((await vault.as("GET", path, { token: each.client_token })).body.data.aliases[0].name).toBe("ann");
      expect((await vault.as("POST", "kv/ann/x", { token: each.client_token, body: { a: 1 } })).status).not.toBe(400);
      expect((await vault.as("GET", "kv/ann/x", { token: each.client_token })).status).toBe(200);
      expect((await vault.as("GET", "kv/bob/x", { token: each.client_token })).status).toBe(403);
    }
  });

  test("is no login: it is renewed as a token, and ends with its parent", async () => {
    const parent = await login();
    const child = await created({ ttl: 60 }, parent.client_token);
    await vault.as("DELETE", "auth/userpass/users/ann");
    expect((await vault.as("POST", "auth/token/renew-self", { token: child.client_token })).status).toBe(200);
    await vault.as("POST", "auth/token/revoke", { body: { token: parent.client_token } });
    expect((await self(child.client_token)).status).toBe(403);
  });

  test("is nobody where it is an orphan", async () => {
    const parent = await login();
    const { body } = await vault.as("POST", "auth/token/create-orphan", { token: parent.client_token, body: {} });
    expect(body.auth.entity_id).toBe("");
    expect((await vault.as("GET", "kv/ann/x", { token: body.auth.client_token })).status).toBe(403);
  });
});

describe("an alias that a token role gives", () => {
  const create = (alias: string) => vault.as("POST", "auth/token/create/robots", { body: { entity_alias: alias } });

  beforeEach(async () => {
    await vault.as("POST", "auth/token/roles/robots", { body: { allowed_entity_aliases: "web-*,Solo", allowed_policies: "default" } });
  });

  test("makes an entity, the same one each time and in every case", async () => {
    const [one, two, three] = [await create("web-1"), await create("WEB-1"), await create("solo")].map(({ body }) => body.auth.entity_id);
    expect(one).toMatch(/^[0-9a-f-]{36}$/);
    expect([two === one, three === one]).toEqual([true, false]);
  });

  test.each(["db-1", "web", "solo2", "*"])("is not %s, which the role does not allow", async (alias) => {
    expect(await create(alias)).toMatchObject({ status: 400, body: { errors: ["invalid 'entity_alias' value"] } });
  });
});

describe("the last use of a token", () => {
  const once = async () => (await created({ num_uses: 1 })).client_token;

  test("is served by what the token is, and no other is", async () => {
    const token = (await created({ num_uses: 1, display_name: "one-shot", meta: { team: "db" }, policies: ["default"] })).client_token;
    const { body } = await self(token);
    expect(body.data).toMatchObject({ display_name: "token-one-shot", meta: { team: "db" }, num_uses: 0, path: "auth/token/create" });
    expect((await self(token)).status).toBe(403);
    expect((await vault.as("POST", "auth/token/lookup", { body: { token } })).status).toBe(403);
  });

  test("reads what the token kept, and ends it", async () => {
    const token = (await created({ num_uses: 2 })).client_token;
    expect((await vault.as("POST", "cubbyhole/a", { token, body: { b: "c" } })).status).toBe(204);
    expect((await vault.as("GET", "cubbyhole/a", { token })).body.data).toEqual({ b: "c" });
    expect((await vault.as("GET", "cubbyhole/a", { token })).status).toBe(403);
  });

  test("makes no child, renews nothing, and says why", async () => {
    expect((await vault.as("POST", "auth/token/create", { token: await once(), body: {} })).body.errors).toEqual([
      "restricted use token cannot generate child tokens",
    ]);
    expect((await vault.as("POST", "auth/token/renew-self", { token: await once() })).status).toBe(400);
    expect((await vault.as("POST", "auth/token/revoke-self", { token: await once() })).status).toBe(204);
  });

  test("is had by one of fifty who ask at the same time, wherever they ask", async () => {
    const token = await once();
    const paths = ["kv/a", "cubbyhole/a", "auth/token/lookup-self", "sys/internal/ui/mounts", "sys/internal/ui/resultant-acl"];
    const replies = await Promise.all(Array.from({ length: 50 }, (_, at) => vault.as("GET", paths[at % paths.length] ?? "", { token })));
    expect(replies.filter(({ status }) => status !== 403)).toHaveLength(1);
  });
});

describe("a wrapping token", () => {
  const wrapped = async (ttl = "60s") => (await vault.as("GET", "kv/a", { headers: { "x-vault-wrap-ttl": ttl } })).body;

  test("shows its answer where older clients look for it, once", async () => {
    const { token } = (await wrapped()).wrap_info;
    const read = () => vault.as("GET", "cubbyhole/response", { token });
    const first = await read();
    expect(JSON.parse(first.body.data.response).data).toEqual({ password: "one" });
    expect((await read()).status).toBe(403);
    expect((await vault.as("POST", "sys/wrapping/unwrap", { token })).status).toBe(400);
    expect(vault.house.audit.some(({ operation, path }) => operation === "cubbyhole.read" && path === "cubbyhole/response")).toBe(true);
  });

  test("is opened by one of fifty who try by every door at the same time", async () => {
    const { token } = (await wrapped()).wrap_info;
    const doors = [
      () => vault.as("GET", "cubbyhole/response", { token }),
      () => vault.as("POST", "sys/wrapping/unwrap", { token }),
      () => vault.as("POST", "sys/wrapping/unwrap", { body: { token } }),
      () => vault.as("POST", "sys/wrapping/rewrap", { token }),
    ];
    const replies = await Promise.all(Array.from({ length: 50 }, (_, at) => doors[at % doors.length]?.()));
    expect(replies.filter((reply) => reply?.status === 200)).toHaveLength(1);
  });

  test("lives no longer than anything does, and says so; what was asked for was done once", async () => {
    const made = await vault.as("POST", "auth/token/create", { body: {}, headers: { "x-vault-wrap-ttl": "9000h" } });
    expect([made.status, made.body.wrap_info.ttl]).toEqual([200, 2_764_800]);
    expect(made.body.warnings).toEqual([
      'TTL of "9000h0m0s" exceeded the effective max_ttl of "768h0m0s"; TTL value is capped accordingly',
    ]);
    const opened = await vault.as("POST", "sys/wrapping/unwrap", { token: made.body.wrap_info.token });
    expect((await self(opened.body.auth.client_token)).status).toBe(200);
  });

  test("may neither write what it stands for nor do anything else", async () => {
    for (const ask of [
      ["POST", "cubbyhole/response", { response: "forged" }],
      ["GET", "kv/a", undefined],
      ["POST", "auth/token/create", {}],
    ] as const) {
      const { token } = (await wrapped()).wrap_info;
      expect([400, 403]).toContain((await vault.as(ask[0], ask[1], { token, body: ask[2] })).status);
    }
  });
});

describe("what a token keeps", () => {
  test("outlives a renewal and a restart", async () => {
    const { client_token: token } = await created({ ttl: 60 });
    await vault.as("POST", "cubbyhole/a", { token, body: { b: "c" } });
    await vault.as("POST", "auth/token/renew-self", { token, body: { increment: 600 } });
    vault.house.clock.advance(120_000);
    const after = await createVaultClient({ store: vault.house.store, clock: vault.house.clock });
    expect((await after.as("GET", "cubbyhole/a", { token })).body.data).toEqual({ b: "c" });
    vault.house.clock.advance(600_000);
    expect((await after.as("GET", "cubbyhole/a", { token })).status).toBe(403);
  });
});

describe("tokens of an account that was removed", () => {
  test("are nothing to the one that is made in its place, by any name, and are let go of", async () => {
    const { client_token: token, accessor } = await created({ policies: ["root"] });
    const batch = (await created({ type: "batch", policies: ["default"] })).client_token;
    const { token: wrapping } = (await vault.as("GET", "kv/a", { headers: { "x-vault-wrap-ttl": "1h" } })).body.wrap_info;
    const { house } = vault;
    await house.operator.deleteAccount("acme", house.context());
    house.clock.advance(1000);
    await house.operator.createAccount("acme", house.context());
    const root = await house.operator.createRootToken(0, house.context({ dialect: "vault" }));
    const fresh = Buffer.from(root.token?.reveal() ?? "").toString();
    const ask = (path: string, body: object) => vault.as("POST", path, { token: fresh, body });
    for (const each of [token, batch, vault.root]) expect((await self(each)).status).toBe(403);
    expect((await ask("auth/token/lookup", { token })).status).toBe(403);
    expect((await ask("auth/token/lookup-accessor", { accessor })).status).toBe(400);
    expect((await ask("auth/token/renew-accessor", { accessor })).status).toBe(400);
    expect((await ask("auth/token/revoke-accessor", { accessor })).body.warnings).toEqual(["No token found with this accessor"]);
    expect((await ask("sys/capabilities", { token, path: "x" })).status).toBe(400);
    expect((await vault.as("POST", "sys/wrapping/unwrap", { token: wrapping })).status).toBe(400);
    expect((await ask("sys/wrapping/lookup", { token: wrapping })).status).toBe(400);
    expect((await vault.as("LIST", "auth/token/accessors", { token: fresh })).body.data.keys).toHaveLength(1);
    await house.tidy();
    expect((await vault.as("LIST", "auth/token/accessors", { token: fresh })).body.data.keys).toHaveLength(1);
  });
});

describe("secret-ids of an account that was removed", () => {
  test("open nothing in the one that is made in its place, though all of it is made again under the same names", async () => {
    const setUp = async (token: string) => {
      const ask = (path: string, body: object) => vault.as("POST", path, { token, body });
      await ask("sys/auth/approle", { type: "approle" });
      await ask("auth/approle/role/ci", { token_policies: "default" });
      await ask("auth/approle/role/ci/role-id", { role_id: "known" });
      return (await ask("auth/approle/role/ci/custom-secret-id", { secret_id: "chosen" })).body.data.secret_id_accessor;
    };
    const accessor = await setUp(vault.root);
    const login = (id: string) => vault.as("POST", "auth/approle/login", { token: null, body: { role_id: "known", secret_id: id } });
    const made = (await vault.as("POST", "auth/approle/role/ci/secret-id", { body: {} })).body.data.secret_id;
    expect((await login(made)).status).toBe(200);
    const { house } = vault;
    await house.operator.deleteAccount("acme", house.context());
    house.clock.advance(1000);
    await house.operator.createAccount("acme", house.context());
    const root = await house.operator.createRootToken(0, house.context({ dialect: "vault" }));
    const fresh = Buffer.from(root.token?.reveal() ?? "").toString();
    const next = await setUp(fresh);
    expect((await login(made)).status).toBe(400);
    expect((await login("chosen")).status).toBe(200);
    expect(next).not.toBe(accessor);
    expect((await vault.as("LIST", "auth/approle/role/ci/secret-id", { token: fresh })).body.data.keys).toEqual([next]);
    await house.tidy();
    expect((await login("chosen")).status).toBe(200);
  });
});

describe("a login whose method is taken away meanwhile", () => {
  test("leaves no token that counts", async () => {
    const { client_token: token } = await login();
    const logins = Array.from({ length: 10 }, () =>
      vault.as("POST", "auth/userpass/login/ann", { token: null, body: { password: "hunter22" } }),
    );
    const gone = vault.as("DELETE", "sys/auth/userpass");
    const tokens = [token, ...(await Promise.all(logins)).flatMap(({ body }) => body?.auth?.client_token ?? [])];
    await gone;
    for (const each of tokens) expect((await self(each)).status).toBe(403);
  });
});

describe("a role that is made again within the same second", () => {
  test("is another one to the tokens of the first", async () => {
    const { client_token: token } = await login();
    vault.house.clock.advance(1);
    await vault.as("DELETE", "auth/userpass/users/ann");
    const { client_token: next } = await login();
    expect([(await self(token)).status, (await self(next)).status]).toEqual([403, 200]);
  });
});

describe("a clock that is set back by a year", () => {
  test.each(["service", "batch"])("gives a %s token no longer life, nor one that is renewed", async (type) => {
    const { client_token: token } = await created({ ttl: 60, type, policies: ["default"], explicit_max_ttl: type === "service" ? 90 : 0 });
    const { clock } = vault.house;
    clock.advance(30_000);
    clock.setWall(clock.now() - 365 * 86_400_000);
    expect((await self(token)).status).toBe(200);
    if (type === "service") {
      expect((await self(token)).body.data.ttl).toBe(30);
      const renewed = await vault.as("POST", "auth/token/renew-self", { token, body: { increment: 600 } });
      expect(renewed.body.auth.lease_duration).toBe(60);
    }
    clock.advance(60_000);
    expect((await self(token)).status).toBe(403);
  });
});
