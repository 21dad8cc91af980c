import { expect, test } from "bun:test";
import { PosternError } from "../../../src/model/failures";
import { createVaultClient, type VaultClient } from "./client";

async function kept(vault: VaultClient): Promise<number> {
  let records = 0;
  for await (const page of vault.house.store.tokens.load(0)) records += page.length;
  return records;
}

test("tokens and secret-ids that have ended leave the store, with all that belonged to them, and the others stay", async () => {
  const vault = await createVaultClient();
  await vault.as("POST", "sys/auth/approle", { body: { type: "approle" } });
  await vault.as("POST", "auth/approle/role/ci", { body: { role_id: "ci", token_ttl: 60, secret_id_ttl: 60 } });
  await vault.as("POST", "auth/approle/role/lasting", { body: { role_id: "lasting" } });
  const login = async (role: string): Promise<string> => {
    const { body } = await vault.as("POST", `auth/approle/role/${role}/secret-id`, { body: {} });
    const reply = await vault.as("POST", "auth/approle/login", { token: null, body: { role_id: role, secret_id: body.data.secret_id } });
    return reply.body.auth.client_token;
  };
  const lasting = await login("lasting");
  const before = await kept(vault);
  for (let count = 0; count < 1500; count += 1) await login("ci");
  const brief = await login("ci");
  await vault.as("POST", "cubbyhole/a", { token: brief, body: { x: 1 } });
  await vault.house.tidy();
  expect(await kept(vault)).toBeGreaterThan(before + 3000);
  vault.house.clock.advance(61_000);
  await vault.house.tidy();
  expect(await kept(vault)).toBe(before);
  expect((await vault.as("GET", "auth/token/lookup-self", { token: lasting })).status).toBe(200);
  expect((await vault.as("GET", "auth/token/lookup-self", { token: brief })).status).toBe(403);
});

test("a token that is none leaves a line, and so does one from where it does not count, but only so many a second", async () => {
  const vault = await createVaultClient();
  expect((await vault.as("GET", "sys/mounts", { token: "hvs.canary" })).status).toBe(403);
  expect(vault.house.lastAudit()).toMatchObject({ operation: "token.verify", allowed: false, because: "token_unknown" });
  expect((await vault.as("GET", "sys/mounts", { token: null })).status).toBe(403);
  expect(vault.house.lastAudit()).toMatchObject({ operation: "token.verify", allowed: false, because: "token_missing" });
  expect(JSON.stringify(vault.house.audit)).not.toContain("canary");
  const before = vault.house.audit.length;
  for (let count = 0; count < 500; count += 1) await vault.as("GET", "sys/mounts", { token: "hvs.nobody" });
  expect(vault.house.audit.length - before).toBeLessThan(100);
});

test.each([
  ["approle", "login", { role_id: "ci" }, "auth/approle/ci 192.0.2.10"],
  ["azure", "login", { role: "dev" }, "auth/azure/dev 192.0.2.10"],
  ["jwt", "login", { role: "dev" }, "auth/jwt/dev 192.0.2.10"],
  ["userpass", "login/alice", {}, "auth/userpass/alice"],
])("logins by %s are counted by the listener before anything is looked up", async (type, path, body, identity) => {
  const vault = await createVaultClient();
  await vault.as("POST", `sys/auth/${type}`, { body: { type } });
  const seen: string[] = [];
  const edge = {
    admitLogin(_context: unknown, name: string) {
      seen.push(name);
      throw new PosternError({ code: "throttled", retryAfterSeconds: 3, because: "login_rate" });
    },
    report: () => undefined,
  };
  const request = new Request(`http://vault.test/v1/auth/${type}/${path}`, { method: "POST", body: JSON.stringify(body) });
  const before = vault.house.audit.length;
  const answer = await vault.front.app.fetch(request, { context: vault.house.context({ dialect: "vault" }), edge });
  expect([answer.status, answer.headers.get("retry-after")]).toEqual([429, "3"]);
  expect(seen).toEqual([identity]);
  expect(vault.house.audit.length).toBe(before);
});
