import { beforeEach, describe, expect, test } from "bun:test";
import { createVaultClient, type VaultClient } from "./client";

let vault: VaultClient;
const invalid = { status: 400, body: { errors: ["wrapping token is not valid or does not exist"] } };

beforeEach(async () => {
  vault = await createVaultClient();
  await vault.as("POST", "sys/mounts/kv", { body: { type: "kv" } });
  await vault.as("POST", "kv/a", { body: { password: "one" } });
});

interface WrapInfo {
  readonly token: string;
  readonly accessor: string;
  readonly ttl: number;
  readonly creation_path: string;
  readonly wrapped_accessor?: string;
}

async function wrapped(path: string, ttl = "60s", method = "GET", body?: object): Promise<WrapInfo> {
  const reply = await vault.as(method, path, { headers: { "x-vault-wrap-ttl": ttl }, ...(body === undefined ? {} : { body }) });
  expect([reply.status, reply.body.data, reply.body.auth, reply.body.request_id]).toEqual([200, null, null, ""]);
  return reply.body.wrap_info;
}

async function other(policies: readonly string[] = ["default"], more: object = {}): Promise<string> {
  return (await vault.as("POST", "auth/token/create", { body: { policies, ...more } })).body.auth.client_token;
}

const unwrap = (token: string) => vault.as("POST", "sys/wrapping/unwrap", { token });

describe("a wrapped answer", () => {
  test("is opened once, by its token alone, as it would have been given", async () => {
    const info = await wrapped("kv/a");
    expect(info).toMatchObject({ ttl: 60, creation_path: "kv/a" });
    expect(info.token).toMatch(/^hvs\./);
    const opened = await unwrap(info.token);
    expect([opened.status, opened.body.data, opened.body.mount_type]).toEqual([200, { password: "one" }, "kv"]);
    expect(opened.body.request_id).not.toBe("");
    expect(vault.house.lastAudit()).toMatchObject({ operation: "answer.unwrap", allowed: true });
    expect(await unwrap(info.token)).toMatchObject(invalid);
    expect(vault.house.lastAudit()).toMatchObject({ allowed: false, because: "wrapping_token_unknown" });
    expect(JSON.stringify(vault.house.audit)).not.toContain("password");
  });

  test("is opened by one of fifty who try at the same time", async () => {
    const { token } = await wrapped("kv/a");
    const statuses = (await Promise.all(Array.from({ length: 50 }, () => unwrap(token)))).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(statuses.filter((status) => status === 400)).toHaveLength(49);
  });

  test("is opened by whoever names its token beside one of their own that may", async () => {
    const { token } = await wrapped("kv/a");
    const none = await other([], { no_default_policy: true, policies: ["nothing"] });
    const name = (shown: string) => vault.as("PUT", "sys/wrapping/unwrap", { token: shown, body: { token } });
    expect((await name(none)).status).toBe(403);
    expect((await name(await other())).body.data).toEqual({ password: "one" });
    expect(await name(await other())).toMatchObject(invalid);
  });

  test("ends with its time, and tells of itself until then without being opened", async () => {
    const { token } = await wrapped("kv/a", "5m");
    const look = () => vault.as("POST", "sys/wrapping/lookup", { token: null, body: { token } });
    expect((await look()).body.data).toMatchObject({ creation_path: "kv/a", creation_ttl: 300 });
    vault.house.clock.advance(299_000);
    expect((await look()).status).toBe(200);
    vault.house.clock.advance(1000);
    expect(await look()).toMatchObject(invalid);
    expect(await unwrap(token)).toMatchObject(invalid);
  });

  test("is wrapped again under another token, with its first life", async () => {
    const { token } = await wrapped("kv/a", "5m");
    const { body } = await vault.as("POST", "sys/wrapping/rewrap", { token });
    expect(body.wrap_info).toMatchObject({ ttl: 300, creation_path: "kv/a" });
    expect(await unwrap(token)).toMatchObject(invalid);
    expect((await unwrap(body.wrap_info.token)).body.data).toEqual({ password: "one" });
  });

  test("of a login and of a secret-id tells the accessor of what is in it", async () => {
    await vault.as("POST", "sys/auth/approle", { body: { type: "approle" } });
    await vault.as("POST", "auth/approle/role/ci", { body: {} });
    const { wrapped_accessor: accessor, token } = await wrapped("auth/approle/role/ci/secret-id", "60s", "POST", {});
    const { data: made } = (await unwrap(token)).body;
    expect(made.secret_id_accessor).toBe(accessor);
    const { data: role } = (await vault.as("GET", "auth/approle/role/ci/role-id")).body;
    const login = await vault.as("POST", "auth/approle/login", {
      token: null,
      body: { role_id: role.role_id, secret_id: made.secret_id },
      headers: { "x-vault-wrap-ttl": "60" },
    });
    const opened = await unwrap(login.body.wrap_info.token);
    expect(opened.body.auth.accessor).toBe(login.body.wrap_info.wrapped_accessor);
    expect((await vault.as("GET", "auth/token/lookup-self", { token: opened.body.auth.client_token })).status).toBe(200);
  });

  test("is none where nothing was there, or something was wrong", async () => {
    const ask = (path: string) => vault.as("GET", path, { headers: { "x-vault-wrap-ttl": "60" } });
    expect(await ask("kv/none")).toMatchObject({ status: 404, body: { errors: [] } });
    expect((await vault.as("GET", "kv/a", { token: await other(), headers: { "x-vault-wrap-ttl": "60" } })).status).toBe(403);
    for (const time of ["soon", "-1s"]) expect((await vault.as("GET", "kv/a", { headers: { "x-vault-wrap-ttl": time } })).status).toBe(400);
  });

  test("wraps what it is given, where a time is named", async () => {
    const { token } = await wrapped("sys/wrapping/wrap", "60s", "POST", { any: "thing" });
    expect((await unwrap(token)).body.data).toEqual({ any: "thing" });
    expect(await vault.as("POST", "sys/wrapping/wrap", { body: { a: 1 } })).toMatchObject({
      status: 400,
      body: { errors: ["endpoint requires response wrapping to be used"] },
    });
  });

  test("has a token that is good for nothing else, and others are good for no wrapping", async () => {
    const { token } = await wrapped("kv/a");
    for (const path of ["kv/a", "auth/token/lookup-self", "sys/mounts"]) expect((await vault.as("GET", path, { token })).status).toBe(403);
    for (const shown of [vault.root, await other(), "hvs.nobody"]) expect(await unwrap(shown)).toMatchObject(invalid);
    expect((await vault.as("POST", "sys/wrapping/unwrap", { token: null })).status).toBe(403);
  });
});

describe("a cubbyhole", () => {
  test("is one token's own, whatever others may, and goes with it", async () => {
    const mine = await other();
    const theirs = await other();
    expect((await vault.as("POST", "cubbyhole/a/b", { token: mine, body: { x: 1 } })).status).toBe(204);
    expect((await vault.as("GET", "cubbyhole/a/b", { token: mine })).body.data).toEqual({ x: 1 });
    expect((await vault.as("LIST", "cubbyhole/a", { token: mine })).body.data).toEqual({ keys: ["b"] });
    expect((await vault.as("LIST", "cubbyhole", { token: mine })).body.data).toEqual({ keys: ["a/"] });
    for (const token of [theirs, vault.root]) expect((await vault.as("GET", "cubbyhole/a/b", { token })).status).toBe(404);
    expect((await vault.as("DELETE", "cubbyhole/a/b", { token: mine })).status).toBe(204);
    expect((await vault.as("GET", "cubbyhole/a/b", { token: mine })).status).toBe(404);
  });

  test("is kept of no batch token", async () => {
    const token = await other(["default"], { type: "batch" });
    expect((await vault.as("POST", "cubbyhole/a", { token, body: { x: 1 } })).status).toBe(400);
  });
});

describe("leases, tools and entities", () => {
  test("there are no leases, and tokens of a method end by its prefix", async () => {
    const lease = { body: { lease_id: "kv/a/1" } };
    expect(await vault.as("PUT", "sys/leases/renew", lease)).toMatchObject({ status: 400, body: { errors: ["lease not found"] } });
    expect(await vault.as("PUT", "sys/leases/lookup", lease)).toMatchObject({ status: 400, body: { errors: ["invalid lease"] } });
    expect((await vault.as("PUT", "sys/leases/revoke", lease)).status).toBe(204);
    await vault.as("POST", "sys/auth/userpass", { body: { type: "userpass" } });
    await vault.as("POST", "auth/userpass/users/alice", { body: { password: "horse" } });
    const login = await vault.as("POST", "auth/userpass/login/alice", { token: null, body: { password: "horse" } });
    const token: string = login.body.auth.client_token;
    expect((await vault.as("PUT", "sys/leases/revoke-prefix/auth/userpass/login", { token })).status).toBe(403);
    expect((await vault.as("PUT", "sys/leases/revoke-prefix/auth/userpass/login", {})).status).toBe(204);
    expect((await vault.as("GET", "auth/token/lookup-self", { token })).status).toBe(403);
  });

  test("random bytes are as many as were asked for, and digests are right", async () => {
    const random = await vault.as("POST", "sys/tools/random/16", { body: { format: "hex" } });
    expect(random.body.data.random_bytes).toMatch(/^[0-9a-f]{32}$/);
    const hash = await vault.as("POST", "sys/tools/hash/sha2-256", { body: { input: btoa("abc") } });
    expect(hash.body.data.sum).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect((await vault.as("POST", "sys/tools/hash", { body: { input: "*" } })).status).toBe(400);
  });

  test("a caller is told of their own entity, and of no other", async () => {
    await vault.as("POST", "sys/auth/userpass", { body: { type: "userpass" } });
    for (const name of ["alice", "bob"]) await vault.as("POST", `auth/userpass/users/${name}`, { body: { password: "horse" } });
    const login = async (name: string) =>
      (await vault.as("POST", `auth/userpass/login/${name}`, { token: null, body: { password: "horse" } })).body.auth;
    const [alice, bob] = [await login("alice"), await login("bob")];
    const show = (id: string, token: string) => vault.as("GET", `identity/entity/id/${id}`, { token });
    expect((await show(alice.entity_id, alice.client_token)).body.data).toMatchObject({
      id: alice.entity_id,
      aliases: [{ name: "alice", mount_path: "auth/userpass/" }],
    });
    expect((await show(bob.entity_id, alice.client_token)).status).toBe(403);
    expect((await show(bob.entity_id, vault.root)).status).toBe(404);
  });
});
