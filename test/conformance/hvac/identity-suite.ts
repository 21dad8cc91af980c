/** Tokens about callers, as hvac asks for them: the keys that sign them, the roles they are made by, and what verifies them. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { createLocalJWKSet, decodeJwt, jwtVerify } from "jose";
import { installedFile } from "../support/client";
import { type Driver, startDriver } from "../support/driver";
import { rootTokenOf, startVault } from "../support/vault";

setDefaultTimeout(30_000);

const vault = await startVault();
const command = [installedFile("hvac", "venv/bin/python"), join(import.meta.dir, "driver.py")];
const server = { SERVER_URL: vault.vaultUrl, SERVER_CA_FILE: vault.caFile };
const root: Driver = startDriver({ command, cwd: vault.folder("root"), env: { ...server, SERVER_TOKEN: rootTokenOf(vault) } });
const alice: Driver = startDriver({ command, cwd: vault.folder("alice"), env: server });
const issuer = `${vault.vaultUrl}/v1/identity/oidc`;

afterAll(async () => {
  for (const driver of [root, alice]) await driver.stop();
  expect(await vault.stop()).toBe(0);
});

const ask = (driver: Driver, method: string, args: object = {}) => driver.call(`secrets.identity.${method}`, args);
const must = (driver: Driver, method: string, args: object = {}) => driver.must(`secrets.identity.${method}`, args);

describe("tokens about callers, by hvac,", () => {
  test("have an issuer, keys and roles that are written, read and listed", async () => {
    await must(root, "configure_tokens_backend", { issuer: vault.vaultUrl });
    expect(await must(root, "read_tokens_backend_configuration")).toMatchObject({ data: { issuer: vault.vaultUrl } });
    await must(root, "create_named_key", { name: "shop", verification_ttl: "1h", allowed_client_ids: ["shop-client"] });
    expect(await must(root, "read_named_key", { name: "shop" })).toMatchObject({
      data: { algorithm: "RS256", rotation_period: 86_400, verification_ttl: 3600, allowed_client_ids: ["shop-client"] },
    });
    expect(await must(root, "list_named_keys")).toMatchObject({ data: { keys: ["default", "shop"] } });
    const template = '{"who": {{identity.entity.name}}}';
    await must(root, "create_or_update_role", { name: "shop", key: "shop", client_id: "shop-client", ttl: "10m", template });
    expect(await must(root, "read_role", { name: "shop" })).toMatchObject({
      data: { key: "shop", client_id: "shop-client", ttl: 600, template },
    });
    expect(await must(root, "list_roles")).toMatchObject({ data: { keys: ["shop"] } });
  });

  test("are given to who logged in, verified by the published keys, and told to be active", async () => {
    const policy =
      'path "identity/oidc/token/shop" { capabilities = ["read"] }\npath "identity/oidc/introspect" { capabilities = ["update"] }';
    await root.must("sys.create_or_update_policy", { name: "shop", policy });
    await root.must("sys.enable_auth_method", { method_type: "userpass" });
    await root.must("auth.userpass.create_or_update_user", { username: "alice", password: "horse-battery", policies: "shop" });
    await alice.must("auth.userpass.login", { username: "alice", password: "horse-battery" });
    const answer = JSON.parse(JSON.stringify(await must(alice, "generate_signed_id_token", { name: "shop" })));
    const { token, ttl, client_id } = answer.data;
    expect([ttl, client_id]).toEqual([600, "shop-client"]);
    expect(await must(alice, "read_well_known_configurations")).toMatchObject({ issuer, jwks_uri: `${issuer}/.well-known/keys` });
    const keys = JSON.parse(JSON.stringify(await must(alice, "read_active_public_keys")));
    const { payload } = await jwtVerify(token, createLocalJWKSet(keys), { issuer, audience: "shop-client" });
    expect(payload.who).toMatch(/^entity_[0-9a-f]{8}$/);
    expect(await must(alice, "introspect_signed_id_token", { token })).toEqual({ active: true });
    expect(await must(alice, "introspect_signed_id_token", { token, client_id: "another" })).toEqual({ active: false });
    expect(decodeJwt(token).sub).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("are refused by name: without a right, without a role, while a key is in use or too new to be changed", async () => {
    expect((await ask(alice, "generate_signed_id_token", { name: "other" })).error).toContain("Forbidden");
    expect((await ask(alice, "read_named_key", { name: "shop" })).error).toContain("Forbidden");
    expect((await ask(root, "generate_signed_id_token", { name: "other" })).error).toContain('role "other" not found');
    expect((await ask(root, "delete_named_key", { name: "shop" })).error).toContain("currently referenced by these roles: shop");
    expect((await root.call("write_data", { path: "identity/oidc/key/shop/rotate" })).error).toContain("rotate again in");
    expect((await ask(root, "create_named_key", { name: "curve", algorithm: "ES256" })).error).toContain("unknown signing algorithm");
    await must(root, "delete_role", { name: "shop" });
    await must(root, "delete_named_key", { name: "shop" });
    expect((await ask(root, "read_named_key", { name: "shop" })).error).toContain("InvalidPath");
  });
});
