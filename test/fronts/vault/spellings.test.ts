/** One thing has one name to the rules, however its path is written. */

import { beforeEach, describe, expect, test } from "bun:test";
import { createVaultClient, type VaultClient } from "./client";

let vault: VaultClient;

beforeEach(async () => {
  vault = await createVaultClient();
  await vault.as("POST", "sys/auth/approle", { body: { type: "approle" } });
  await vault.as("POST", "auth/approle/role/ci", { body: { token_policies: "default" } });
});

async function tokenFor(policy: string): Promise<string> {
  expect((await vault.as("PUT", "sys/policies/acl/mine", { body: { policy } })).status).toBe(204);
  return (await vault.as("POST", "auth/token/create", { body: { policies: ["mine"] } })).body.auth.client_token;
}

const everywhere = (path: string, but: string): string =>
  `path "${path}*" { capabilities = ["create", "read", "update", "delete", "list"] }\npath "${path}${but}" { capabilities = ["deny"] }`;

describe("a rule that denies", () => {
  test.each(["kept", "KEPT", "Kept", "%4bept", "/kept", "kept/", "K\u0045PT", "\u212Aept"])(
    "holds for the policy that is asked for as %s",
    async (name) => {
      await vault.as("PUT", "sys/policies/acl/kept", { body: { policy: 'path "x" { capabilities = ["read"] }' } });
      const token = await tokenFor(everywhere("sys/policies/acl/", "kept") + everywhere("sys/policy/", "kept"));
      for (const base of ["sys/policies/acl", "sys/policy"]) {
        const body = { policy: 'path "*" { capabilities = ["sudo"] }' };
        const statuses = [
          (await vault.as("PUT", `${base}/${name}`, { token, body })).status,
          (await vault.as("GET", `${base}/${name}`, { token })).status,
          (await vault.as("DELETE", `${base}/${name}`, { token })).status,
        ];
        // Nothing can be written where a slash ends the path.
        expect(statuses).toEqual([name.endsWith("/") ? 400 : 403, 403, 403]);
      }
      expect((await vault.as("GET", "sys/policies/acl/kept")).body.data.policy).toContain("read");
    },
  );

  test.each(["ci", "CI", "cI", "%43i", "//ci"])("holds for the role that is asked for as %s", async (name) => {
    const token = await tokenFor(everywhere("auth/approle/role/", "ci*"));
    for (const rest of ["", "/role-id"]) expect((await vault.as("GET", `auth/approle/role/${name}${rest}`, { token })).status).toBe(403);
    expect((await vault.as("POST", `auth/approle/role/${name}/secret-id`, { token, body: {} })).status).toBe(403);
    expect((await vault.as("LIST", `auth/approle/role/${name}/secret-id`, { token })).status).toBe(403);
    expect((await vault.as("DELETE", `auth/approle/role/${name}`, { token })).status).toBe(403);
  });

  test("holds for a member of the body whatever stands beside it in capitals", async () => {
    await vault.as("POST", "sys/mounts/kv", { body: { type: "kv" } });
    const token = await tokenFor('path "kv/*" { capabilities = ["create", "update"]\n denied_parameters = { "debug" = ["true"] } }');
    expect((await vault.as("POST", "kv/a", { token, body: { debug: "true", DEBUG: "false" } })).status).toBe(403);
    expect((await vault.as("POST", "kv/a", { token, body: { DEBUG: "false", debug: "true" } })).status).toBe(403);
    expect((await vault.as("POST", "kv/a", { token, body: { debug: "false" } })).status).toBe(204);
  });
});

describe("a rule that was written in capitals", () => {
  test("counts for a path in capitals, where none is for the name itself", async () => {
    const token = await tokenFor('path "auth/approle/role/CI/role-id" { capabilities = ["read"] }');
    expect((await vault.as("GET", "auth/approle/role/CI/role-id", { token })).status).toBe(200);
    expect((await vault.as("GET", "auth/approle/role/ci/role-id", { token })).status).toBe(403);
  });
});

describe("the paths of methods among the mounts of secrets", () => {
  const policy = 'path "sys/mounts/*" { capabilities = ["create", "read", "update", "delete"] }';

  test("neither show nor end nor make a method: that takes the rights on sys/auth", async () => {
    const token = await tokenFor(policy);
    expect(await vault.as("DELETE", "sys/mounts/auth/approle", { token })).toMatchObject({
      status: 400,
      body: { errors: ['cannot unmount "auth/approle/"'] },
    });
    expect((await vault.as("GET", "sys/mounts/auth/approle", { token })).status).toBe(400);
    expect((await vault.as("POST", "sys/mounts/auth/evil", { token, body: { type: "kv" } })).status).toBe(400);
    expect((await vault.as("DELETE", "sys/auth/approle", { token })).status).toBe(403);
    expect((await vault.as("GET", "auth/approle/role/ci")).status).toBe(200);
  });

  test("have the settings of one, where the command line looks for them", async () => {
    const token = await tokenFor(policy);
    expect((await vault.as("POST", "sys/mounts/auth/approle/tune", { token, body: { description: "of machines" } })).status).toBe(204);
    expect((await vault.as("GET", "sys/mounts/auth/approle/tune", { token })).body.data.description).toBe("of machines");
  });
});

describe("a mount", () => {
  test.each(["SYS", "Sys/x", "ｓｙｓ", "s\u200bys", "Cubbyhole", "IDENTITY", "vault", "Vault/policy", "token", "Auth", "Conjur"])(
    "is not called %j",
    async (path) => {
      const reply = await vault.as("POST", `sys/mounts/${encodeURIComponent(path).replaceAll("%2F", "/")}`, { body: { type: "kv" } });
      expect(reply.status).toBe(400);
    },
  );

  test.each(["identity", "Token", "sys", "vault/x"])("of a method is not called %j", async (path) => {
    expect((await vault.as("POST", `sys/auth/${path}`, { body: { type: "approle" } })).status).toBe(400);
  });

  test.each(["sys", "sys/x", "cubbyhole/a", "identity", "conjur/b"])("is told that %s is taken", async (path) => {
    const { status, body } = await vault.as("POST", `sys/mounts/${path}`, { body: { type: "kv" } });
    expect([status, body.errors]).toEqual([400, [`path is already in use at ${path.split("/")[0]}/`]]);
  });

  test("has no settings in common with a method of the same name", async () => {
    await vault.as("POST", "sys/mounts/azure", { body: { type: "kv-v2" } });
    await vault.as("POST", "sys/auth/azure", { body: { type: "azure" } });
    const config = { tenant_id: "5d1b1f2c-93a0-4d0c-9d2e-6f3e1c1f0a11", resource: "https://vault.test/" };
    expect((await vault.as("POST", "auth/azure/config", { body: config })).status).toBe(204);
    expect((await vault.as("POST", "azure/config", { body: { max_versions: 3, cas_required: true } })).status).toBe(204);
    expect((await vault.as("GET", "auth/azure/config")).body.data).toMatchObject(config);
    await vault.as("DELETE", "sys/auth/azure");
    expect((await vault.as("GET", "azure/config")).body.data).toMatchObject({ max_versions: 3, cas_required: true });
  });

  test("stays one of the two versions there are", async () => {
    await vault.as("POST", "sys/mounts/kv", { body: { type: "kv" } });
    expect(await vault.as("POST", "sys/mounts/kv/tune", { body: { options: { version: "7" } } })).toMatchObject({
      status: 400,
      body: { errors: ["unsupported kv version: 7"] },
    });
    expect((await vault.as("POST", "kv/a", { body: { b: "c" } })).status).toBe(204);
    expect((await vault.as("POST", "sys/mounts/kv/tune", { body: { listing_visibility: "everybody" } })).status).toBe(400);
  });
});
