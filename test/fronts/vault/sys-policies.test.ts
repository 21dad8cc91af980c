import { beforeEach, describe, expect, test } from "bun:test";
import { createVaultClient, type VaultClient } from "./client";

let vault: VaultClient;
const errors = (...texts: readonly string[]) => ({ errors: texts });
const text = 'path "kv/x" { capabilities = ["read"] }';

async function tokenOf(...policies: readonly string[]): Promise<string> {
  const { body } = await vault.as("POST", "auth/token/create", { body: { policies } });
  return body.auth.client_token;
}

beforeEach(async () => {
  vault = await createVaultClient();
});

describe("policies by path", () => {
  test("are written, read, listed and removed as clients of either age do", async () => {
    expect((await vault.as("PUT", "sys/policies/acl/app", { body: { policy: text } })).status).toBe(204);
    expect((await vault.as("GET", "sys/policies/acl/app")).body.data).toEqual({ name: "app", policy: text });
    expect((await vault.as("LIST", "sys/policies/acl")).body.data).toEqual({ keys: ["app", "default", "root"] });
    const old = (await vault.as("GET", "sys/policy/app")).body;
    expect([old.data, old.rules]).toEqual([{ name: "app", rules: text }, text]);
    const list = (await vault.as("GET", "sys/policy")).body;
    expect(list.policies).toEqual(["app", "default", "root"]);
    expect(list.data).toEqual({ keys: list.policies, policies: list.policies });
    expect((await vault.as("DELETE", "sys/policies/acl/app")).status).toBe(204);
    expect(await vault.as("GET", "sys/policies/acl/app")).toMatchObject({ status: 404, body: { errors: [] } });
  });

  test("are taken in base64, by an old member, and by a name in capitals, with a word about it", async () => {
    const packed = Buffer.from(text).toString("base64");
    expect((await vault.as("PUT", "sys/policies/acl/App", { body: { policy: packed } })).body.warnings).toEqual([
      "policy name was converted to app",
    ]);
    expect((await vault.as("GET", "sys/policies/acl/app")).body.data.policy).toBe(text);
    expect((await vault.as("PUT", "sys/policy/old", { body: { rules: text } })).body.warnings).toEqual([
      "'rules' is deprecated, please use 'policy' instead",
    ]);
  });

  test.each([
    ["PUT", "app", { policy: "" }, "'policy' parameter not supplied or empty"],
    ["PUT", "app", { policy: "x = 1" }, 'failed to parse policy: 1 error occurred:\n\t* invalid key "x" on line 1\n\n'],
    ["PUT", "root", { policy: text }, 'cannot update "root" policy'],
    ["DELETE", "root", undefined, 'cannot delete "root" policy'],
    ["DELETE", "default", undefined, "cannot delete default policy"],
  ])("%s %s with %j is refused", async (method, name, body, says) => {
    expect(await vault.as(method, `sys/policies/acl/${name}`, { body })).toMatchObject({ status: 400, body: errors(says) });
  });

  test.each(["constructor", "prototype", "__proto__"])(
    "hold a rule about a member called %p for as long as they are kept",
    async (name) => {
      const denied = `path "cubbyhole/*" { capabilities = ["create", "update"]\n denied_parameters = { ${JSON.stringify(name)} = [] } }`;
      const allowed = `path "cubbyhole/*" { capabilities = ["create", "update"]\n allowed_parameters = { ${JSON.stringify(name)} = [] } }`;
      await vault.as("PUT", "sys/policies/acl/denying", { body: { policy: denied } });
      await vault.as("PUT", "sys/policies/acl/allowing", { body: { policy: allowed } });
      const write = async (policy: string, body: string) => {
        const options = { body: { policies: [policy], no_default_policy: true } };
        const token = (await vault.as("POST", "auth/token/create", options)).body.auth.client_token;
        return (await vault.as("POST", "cubbyhole/x", { token, body })).status;
      };
      const body = `{${JSON.stringify(name)}:"1"}`;
      expect([await write("denying", body), await write("denying", '{"a":"1"}')]).toEqual([403, 204]);
      expect([await write("allowing", body), await write("allowing", '{"a":"1"}')]).toEqual([204, 403]);
    },
  );

  test("about the mounts of secrets take no method away", async () => {
    await vault.as("POST", "sys/auth/ci", { body: { type: "approle" } });
    const rules = 'path "sys/mounts/*" { capabilities = ["create", "read", "update", "delete", "sudo"] }';
    await vault.as("PUT", "sys/policies/acl/mounts", { body: { policy: rules } });
    const token = await tokenOf("mounts");
    expect(await vault.as("DELETE", "sys/mounts/auth/ci", { token })).toMatchObject({
      status: 400,
      body: errors('cannot unmount "auth/ci/"'),
    });
    expect((await vault.as("POST", "sys/mounts/auth/more", { token, body: { type: "approle" } })).status).toBe(400);
    expect((await vault.as("GET", "sys/auth")).body.data).toHaveProperty("ci/");
  });

  test("change what tokens may do at once, also those that are out already", async () => {
    const token = await tokenOf("app");
    const ask = async () => (await vault.as("POST", "sys/capabilities-self", { token, body: { paths: ["kv/x"] } })).body.data;
    expect(await ask()).toEqual({ "kv/x": ["deny"], capabilities: ["deny"] });
    await vault.as("PUT", "sys/policies/acl/app", { body: { policy: text } });
    expect(await ask()).toEqual({ "kv/x": ["read"], capabilities: ["read"] });
    await vault.as("PUT", "sys/policies/acl/app", { body: { policy: 'path "kv/x" { capabilities = ["deny", "read"] }' } });
    expect(await ask()).toEqual({ "kv/x": ["deny"], capabilities: ["deny"] });
  });

  test("reach a token through a layer that holds one", async () => {
    await vault.as("PUT", "sys/policies/acl/app", { body: { policy: text } });
    await vault.as("POST", "auth/token/roles/ci", { body: {} });
    await vault.house.load(
      "- !layer apps\n- !grant\n  role: !group vault/policy/app\n  member: !layer apps\n- !grant\n  role: !layer apps\n  member: !host vault/role/token/ci",
    );
    const { body } = await vault.as("POST", "auth/token/create/ci", { body: { policies: ["none"] } });
    expect(body.auth).toMatchObject({
      token_policies: ["default", "none"],
      identity_policies: ["app"],
      policies: ["app", "default", "none"],
    });
    const asked = await vault.as("POST", "sys/capabilities-self", { token: body.auth.client_token, body: { path: "kv/x" } });
    expect(asked.body.data.capabilities).toEqual(["read"]);
  });

  test("cannot make anybody root, in whatever way they are held", async () => {
    await vault.as("POST", "auth/token/roles/ci", { body: {} });
    await vault.house.load("- !group vault/policy/root\n- !grant\n  role: !group vault/policy/root\n  member: !host vault/role/token/ci");
    const { body } = await vault.as("POST", "auth/token/create/ci", { body: { policies: ["none"] } });
    expect(body.auth).not.toHaveProperty("identity_policies");
    expect((await vault.as("GET", "sys/mounts", { token: body.auth.client_token })).status).toBe(403);
  });
});

describe("capabilities", () => {
  test("of root are root's, of several paths each, and of another token by it or its accessor", async () => {
    await vault.as("PUT", "sys/policies/acl/app", { body: { policy: text } });
    const token = await tokenOf("app");
    const paths = ["kv/x", "kv/y"];
    expect((await vault.as("POST", "sys/capabilities-self", { body: { paths } })).body.data).toEqual({
      "kv/x": ["root"],
      "kv/y": ["root"],
    });
    const expected = { "kv/x": ["read"], "kv/y": ["deny"] };
    expect((await vault.as("POST", "sys/capabilities", { body: { paths, token } })).body.data).toEqual(expected);
    const { accessor } = (await vault.as("GET", "auth/token/lookup-self", { token })).body.data;
    expect((await vault.as("POST", "sys/capabilities-accessor", { body: { paths, accessor } })).body.data).toEqual(expected);
  });

  test.each([
    ["sys/capabilities-self", {}, "paths must be supplied"],
    ["sys/capabilities", { path: "a", token: "hvs.none" }, "invalid token"],
    ["sys/capabilities-accessor", { path: "a", accessor: "none" }, "invalid accessor"],
  ])("at %s with %j are refused", async (path, body, says) => {
    expect(await vault.as("POST", path, { body })).toMatchObject({ status: 400, body: errors(says) });
  });

  test("are told to nobody at the page that shows them, and only whether they are root's to others", async () => {
    expect((await vault.as("GET", "sys/internal/ui/resultant-acl", { token: null })).status).toBe(204);
    expect((await vault.as("GET", "sys/internal/ui/resultant-acl")).body.data).toMatchObject({ root: true });
  });
});
