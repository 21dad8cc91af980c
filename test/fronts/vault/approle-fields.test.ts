import { beforeEach, describe, expect, test } from "bun:test";
import { createVaultClient, type VaultClient } from "./client";

let vault: VaultClient;
const at = (path: string) => `auth/approle/role/ci/${path}`;

beforeEach(async () => {
  vault = await createVaultClient();
  await vault.as("POST", "sys/auth/approle", { body: { type: "approle" } });
  await vault.as("POST", "auth/approle/role/ci", { body: { token_policies: "dev", token_ttl: 60, token_max_ttl: 3600 } });
});

const whole = async () => (await vault.as("GET", "auth/approle/role/ci")).body.data;

describe("a field of a role of AppRole", () => {
  test.each<[string, string, unknown, unknown, unknown]>([
    ["policies", "token_policies", "dev,prod", ["dev", "prod"], []],
    ["bind-secret-id", "bind_secret_id", true, true, true],
    ["secret-id-bound-cidrs", "secret_id_bound_cidrs", "10.0.0.0/8", ["10.0.0.0/8"], null],
    ["secret-id-num-uses", "secret_id_num_uses", "7", 7, 0],
    ["secret-id-ttl", "secret_id_ttl", "10m", 600, 0],
    ["token-bound-cidrs", "token_bound_cidrs", ["10.1.0.0/16"], ["10.1.0.0/16"], []],
    ["token-num-uses", "token_num_uses", 3, 3, 0],
    ["token-ttl", "token_ttl", "2m", 120, 0],
    ["token-max-ttl", "token_max_ttl", "2h", 7200, 0],
    ["period", "token_period", "1h", 3600, 0],
  ])("%s is written, read and removed alone", async (path, name, written, read, left) => {
    const before = await whole();
    expect((await vault.as("POST", at(path), { body: { [name]: written, token_type: "batch", role_id: "stolen" } })).status).toBe(204);
    expect((await vault.as("GET", at(path))).body.data).toEqual({ [name]: read });
    expect(await whole()).toEqual({ ...before, [name]: read });
    expect((await vault.as("DELETE", at(path))).status).toBe(204);
    expect((await vault.as("GET", at(path))).body.data).toEqual({ [name]: left });
    expect(await whole()).toEqual({ ...before, [name]: left });
  });

  test("has its older name too, and is shown by both for as long as that was used", async () => {
    await vault.as("POST", at("policies"), { body: { policies: "old" } });
    expect((await vault.as("GET", at("policies"))).body.data).toEqual({ policies: ["old"], token_policies: ["old"] });
    await vault.as("POST", at("policies"), { body: { token_policies: "new" } });
    expect((await vault.as("GET", at("policies"))).body.data).toEqual({ token_policies: ["new"] });
    await vault.as("POST", at("bound-cidr-list"), { body: { bound_cidr_list: "10.0.0.0/8" } });
    expect((await whole()).secret_id_bound_cidrs).toEqual(["10.0.0.0/8"]);
  });

  test.each([
    ["POST", "token-ttl", {}, 400, "missing token_ttl"],
    ["POST", "token-ttl", { token_max_ttl: 5 }, 400, "missing token_ttl"],
    ["POST", "token-ttl", { token_ttl: "2h" }, 400, "'token_ttl' cannot be greater than 'token_max_ttl'"],
    ["POST", "secret-id-num-uses", { secret_id_num_uses: -1 }, 400, "secret_id_num_uses cannot be negative"],
    ["POST", "bind-secret-id", { bind_secret_id: false }, 400, "at least one constraint should be enabled on the role"],
    ["POST", "token-bound-cidrs", { token_bound_cidrs: "here" }, 400, 'error parsing address "here": not an address or network'],
    ["POST", "local-secret-ids", { local_secret_ids: true }, 405, undefined],
    ["DELETE", "role-id", undefined, 405, undefined],
    ["GET", "nothing", undefined, 404, undefined],
  ])("%s %s with %j is refused, and the role stays as it is", async (method, path, body, status, says) => {
    const before = await whole();
    const answer = await vault.as(method, at(path), body === undefined ? {} : { body });
    expect(answer.status).toBe(status);
    if (says !== undefined) expect(answer.body.errors).toEqual([says]);
    expect(await whole()).toEqual(before);
  });

  test("makes no role that is not there", async () => {
    expect((await vault.as("POST", "auth/approle/role/none/policies", { body: { token_policies: "a" } })).status).toBe(404);
    expect((await vault.as("GET", "auth/approle/role/none/policies")).status).toBe(404);
    expect((await vault.as("LIST", "auth/approle/role")).body.data).toEqual({ keys: ["ci"] });
  });

  test("takes a right of its own: none for the whole role is one for its fields, nor the other way round", async () => {
    const policy =
      'path "auth/approle/role/ci" { capabilities = ["update"] }\npath "auth/approle/role/ci/token-ttl" { capabilities = ["update"] }';
    await vault.as("PUT", "sys/policies/acl/some", { body: { policy } });
    const token: string = (await vault.as("POST", "auth/token/create", { body: { policies: ["some"] } })).body.auth.client_token;
    const ask = async (method: string, path: string, body?: object) =>
      (await vault.as(method, at(path), { token, ...(body === undefined ? {} : { body }) })).status;
    expect(await ask("POST", "token-ttl", { token_ttl: 30 })).toBe(204);
    expect(await ask("GET", "token-ttl")).toBe(403);
    expect(await ask("DELETE", "token-ttl")).toBe(403);
    expect(await ask("POST", "policies", { token_policies: "root" })).toBe(403);
    expect(await ask("POST", "role-id", { role_id: "chosen" })).toBe(403);
  });
});

describe("the role_id of a role", () => {
  const login = async (roleId: string) =>
    (await vault.as("POST", "auth/approle/login", { token: null, body: { role_id: roleId } })).body.auth?.metadata.role_name;
  const open = (name: string, more: object) =>
    vault.as("POST", `auth/approle/role/${name}`, { body: { bind_secret_id: false, token_bound_cidrs: "0.0.0.0/0", ...more } });

  test("is of whoever has it now, through every change of names", async () => {
    await open("a", { role_id: "x" });
    await open("b", { role_id: "y" });
    expect([await login("x"), await login("y"), await login("z")]).toEqual(["a", "b", undefined]);
    await open("a", { role_id: "z" });
    expect([await login("x"), await login("z")]).toEqual([undefined, "a"]);
    await open("b", { role_id: "x" });
    expect([await login("x"), await login("y")]).toEqual(["b", undefined]);
    await vault.as("DELETE", "auth/approle/role/b");
    expect(await login("x")).toBeUndefined();
    await open("c", { role_id: "x" });
    expect([await login("x"), (await open("d", { role_id: "x" })).status]).toEqual(["c", 400]);
  });

  test("is nobody's once a policy of the graph has removed its role, and another's in another mount", async () => {
    await open("a", { role_id: "x" });
    expect(await login("x")).toBe("a");
    await vault.as("POST", "sys/auth/other", { body: { type: "approle" } });
    expect((await vault.as("POST", "auth/other/role/o", { body: { role_id: "x" } })).status).toBe(204);
    expect(await login("x")).toBe("a");
    await vault.house.load("- !delete\n  record: !host vault/role/approle/a\n", "update");
    expect(await login("x")).toBeUndefined();
  });

  test("does not let a secret-id in from where its role no longer lets anybody in", async () => {
    await vault.as("POST", "auth/approle/role/ci", { body: { role_id: "ci", token_bound_cidrs: "10.0.0.0/8" } });
    const made = await vault.as("POST", at("secret-id"), { body: { token_bound_cidrs: "10.1.0.0/16" } });
    const enter = async () => {
      const body = { role_id: "ci", secret_id: made.body.data.secret_id };
      return (await vault.as("POST", "auth/approle/login", { token: null, body, from: "10.1.0.1" })).status;
    };
    expect(await enter()).toBe(200);
    await vault.as("POST", at("token-bound-cidrs"), { body: { token_bound_cidrs: "10.2.0.0/16" } });
    expect(await enter()).toBe(400);
  });
});
