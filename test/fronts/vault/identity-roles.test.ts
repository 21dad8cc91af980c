import { beforeEach, describe, expect, test } from "bun:test";
import { createLocalJWKSet, jwtVerify } from "jose";
import { createVaultClient, type VaultClient } from "./client";

let vault: VaultClient;
/** Of alice, who logged in with a password and may have tokens of the role `app`. */
let alice: string;
const issuer = "https://postern.example:8200/v1/identity/oidc";

beforeEach(async () => {
  vault = await createVaultClient({ settings: { apiAddress: "https://postern.example:8200" } });
  await write("sys/auth/userpass", { type: "userpass" });
  await write("sys/policies/acl/app", {
    policy: 'path "identity/oidc/token/*" { capabilities = ["read"] }\npath "identity/oidc/introspect" { capabilities = ["update"] }',
  });
  await write("auth/userpass/users/alice", { password: "horse", token_policies: "app" });
  alice = await logIn("alice");
});

const write = (path: string, body: object = {}, token?: string) =>
  vault.as("POST", path, { body, ...(token === undefined ? {} : { token }) });
const get = (path: string, token?: string | null) => vault.as("GET", path, token === undefined ? {} : { token });

async function logIn(name: string): Promise<string> {
  const { body } = await vault.as("POST", `auth/userpass/login/${name}`, { token: null, body: { password: "horse" } });
  return body.auth.client_token;
}

async function verified(token: string, audience: string) {
  const { body } = await get("identity/oidc/.well-known/keys", null);
  const currentDate = new Date(vault.house.clock.now());
  return (await jwtVerify(token, createLocalJWKSet(body), { issuer, audience, algorithms: ["RS256"], currentDate })).payload;
}

describe("a token about a caller", () => {
  test("says who they are, for the client of its role, and is verified by what is open to everybody", async () => {
    expect((await write("identity/oidc/role/app", { key: "default", ttl: "10m" })).status).toBe(204);
    const { client_id: clientId } = (await get("identity/oidc/role/app")).body.data;
    const { body } = await get("identity/oidc/token/app", alice);
    expect(body.data).toEqual({ client_id: clientId, token: expect.any(String), ttl: 600 });
    const discovery = await get("identity/oidc/.well-known/openid-configuration", null);
    expect([discovery.body.issuer, discovery.body.jwks_uri]).toEqual([issuer, `${issuer}/.well-known/keys`]);
    const entity = (await get("auth/token/lookup-self", alice)).body.data.entity_id;
    const { token } = (await get("identity/oidc/token/app", alice)).body.data;
    const seconds = Math.floor(vault.house.clock.now() / 1000);
    expect(await verified(token, clientId)).toEqual({
      ...{ iss: issuer, sub: entity, aud: clientId, iat: seconds, exp: seconds + 600, namespace: "root" },
    });
    expect(vault.house.lastAudit()).toMatchObject({ operation: "identity_role.token", allowed: true });
    expect(JSON.stringify(vault.house.audit)).not.toContain(token);
  });

  test("bears what the template of its role says, in plain text or in base64, and nothing that it may not", async () => {
    const accessor: string = (await get("sys/auth")).body.data["userpass/"].accessor;
    const template = `{"name": {{identity.entity.aliases.${accessor}.name}}, "of": {"entity": {{ identity.entity.id }}, "groups": {{identity.entity.groups.names}}}, "colour": {{identity.entity.metadata.colour}}, "nbf": {{time.now}}, "later": {{time.now.plus.1h}}}`;
    for (const sent of [template, Buffer.from(template).toString("base64")]) {
      expect((await write("identity/oidc/role/app", { key: "default", template: sent, client_id: "shop" })).status).toBe(204);
      const { token } = (await get("identity/oidc/token/app", alice)).body.data;
      const seconds = Math.floor(vault.house.clock.now() / 1000);
      const entity = (await get("auth/token/lookup-self", alice)).body.data.entity_id;
      const beside = { name: "alice", of: { entity, groups: [] }, colour: "", nbf: seconds, later: seconds + 3600 };
      expect(await verified(token, "shop")).toMatchObject(beside);
    }
    for (const wrong of [
      '{"sub": "somebody"}',
      '{"iss": {{identity.entity.name}}}',
      '{"a": "{{identity.entity.name}}"}',
      "{ {{identity.entity.name}}: 1 }",
      "[1]",
      "{",
    ])
      expect([wrong, (await write("identity/oidc/role/app", { template: wrong })).status]).toEqual([wrong, 400]);
    expect((await get("identity/oidc/role/app")).body.data.template).toBe(template);
  });

  test("is about the caller alone: nobody without a login gets one, and nobody without a right to", async () => {
    await write("identity/oidc/role/app", { key: "default" });
    expect((await get("identity/oidc/token/app")).body.errors).toEqual(["no entity associated with the request's token"]);
    const { body } = await write("auth/token/create", { policies: ["default"] });
    const refused = await get("identity/oidc/token/app", body.auth.client_token);
    expect([refused.status, vault.house.lastAudit()]).toEqual([403, expect.objectContaining({ allowed: false })]);
    expect((await get("identity/oidc/token/app", null)).status).toBe(403);
    for (const [method, path] of [
      ["GET", "role/app"],
      ["LIST", "role"],
      ["POST", "role/app"],
      ["DELETE", "role/app"],
    ] as const)
      expect((await vault.as(method, `identity/oidc/${path}`, { token: alice, ...(method === "POST" ? { body: {} } : {}) })).status).toBe(
        403,
      );
  });

  test("is refused where the key does not sign for the role's client, or there is no role, or no issuer", async () => {
    await write("identity/oidc/key/own", { verification_ttl: "1h" });
    expect((await write("identity/oidc/role/app", { key: "own" })).body.errors).toEqual([
      "a role's token ttl cannot be longer than the verification_ttl of the key it references",
    ]);
    expect((await write("identity/oidc/role/app", { key: "own", ttl: "1h", client_id: "shop" })).status).toBe(204);
    expect((await get("identity/oidc/token/app", alice)).body.errors).toEqual([
      'the key "own" does not list the client ID of the role "app" as an allowed client ID',
    ]);
    await write("identity/oidc/key/own", { allowed_client_ids: ["shop"] });
    expect((await get("identity/oidc/token/app", alice)).status).toBe(200);
    expect((await vault.as("DELETE", "identity/oidc/key/own")).body.errors).toEqual([
      'unable to delete key "own" because it is currently referenced by these roles: app',
    ]);
    expect((await get("identity/oidc/token/none", alice)).body.errors).toEqual(['role "none" not found']);
    expect((await write("identity/oidc/role/other", {})).body.errors).toEqual(["the key parameter is required"]);
    expect((await write("identity/oidc/role/other", { key: "none" })).body.errors).toEqual(['cannot find key "none"']);
    expect((await vault.as("LIST", "identity/oidc/role")).body.data).toEqual({ keys: ["app"] });
    expect((await vault.as("DELETE", "identity/oidc/role/app")).status).toBe(204);
    expect((await get("identity/oidc/role/app")).status).toBe(404);
  });
});

describe("whether a token is active", () => {
  const isActive = async (body: object) => (await write("identity/oidc/introspect", body, alice)).body;

  test("is told of one that is: until its end, for its client, and by a key that still verifies", async () => {
    await write("identity/oidc/role/app", { key: "default", ttl: "10m", client_id: "shop" });
    const { token } = (await get("identity/oidc/token/app", alice)).body.data;
    expect(await isActive({ token })).toEqual({ active: true });
    expect(await isActive({ token, client_id: "shop" })).toEqual({ active: true });
    expect(await isActive({ token, client_id: "other" })).toEqual({ active: false });
    expect(await isActive({ token: `${token.slice(0, -8)}AAAAAAAA` })).toEqual({ active: false });
    for (const wrong of ["", "a.b.c", "e30.e30.e30"]) expect(await isActive({ token: wrong })).toEqual({ active: false });
    vault.house.clock.advance(300_000);
    expect(await isActive({ token })).toEqual({ active: true });
    await write("identity/oidc/key/default/rotate", { verification_ttl: 0 });
    expect(await isActive({ token })).toEqual({ active: false });
    const second = (await get("identity/oidc/token/app", alice)).body.data.token;
    vault.house.clock.advance(600_000);
    expect(await isActive({ token: second })).toEqual({ active: false });
  });

  test("is told to who may ask alone", async () => {
    const { body } = await write("auth/token/create", { policies: ["default"] });
    expect((await write("identity/oidc/introspect", { token: "x" }, body.auth.client_token)).status).toBe(403);
  });
});
