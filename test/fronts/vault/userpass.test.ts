import { beforeEach, describe, expect, test } from "bun:test";
import { createVaultClient, type VaultClient } from "./client";

let vault: VaultClient;
const wrong = { status: 400, body: { errors: ["invalid username or password"] } };

beforeEach(async () => {
  vault = await createVaultClient();
  await vault.as("POST", "sys/auth/userpass", { body: { type: "userpass" } });
});

const user = (name: string, body: object) => vault.as("POST", `auth/userpass/users/${name}`, { body });
const login = (name: string, password: string, from?: string) =>
  vault.as("POST", `auth/userpass/login/${name}`, { token: null, body: { password }, ...(from === undefined ? {} : { from }) });

describe("users", () => {
  test("are made with a password, changed without one, and never shown it", async () => {
    expect(await user("alice", { token_ttl: 60 })).toMatchObject({ status: 400, body: { errors: ["missing password"] } });
    expect((await user("Alice", { password: "correct horse", token_policies: "dev" })).status).toBe(204);
    expect((await user("alice", { token_ttl: 60 })).status).toBe(204);
    const { body, text } = await vault.as("GET", "auth/userpass/users/alice");
    expect(body.data).toMatchObject({ token_policies: ["dev"], token_ttl: 60 });
    expect(text).not.toMatch(/argon|password/);
    expect((await vault.as("LIST", "auth/userpass/users")).body.data).toEqual({ keys: ["alice"] });
    expect((await login("ALICE", "correct horse")).status).toBe(200);
    expect((await vault.as("DELETE", "auth/userpass/users/alice")).status).toBe(204);
    expect((await vault.as("GET", "auth/userpass/users/alice")).status).toBe(404);
  });

  test("get another password or other policies by routes of their own, once they are there", async () => {
    const change = (what: string, body: object) => vault.as("POST", `auth/userpass/users/bob/${what}`, { body });
    expect((await change("password", { password: "x" })).status).toBe(404);
    await user("bob", { password: "first", token_ttl: 60 });
    expect((await change("password", { password: "second" })).status).toBe(204);
    expect(await change("password", {})).toMatchObject({ status: 400, body: { errors: ["missing password"] } });
    expect((await change("policies", { policies: "ops", token_ttl: 1 })).status).toBe(204);
    expect(await login("bob", "first")).toMatchObject(wrong);
    expect((await login("bob", "second")).body.auth).toMatchObject({ policies: ["default", "ops"], lease_duration: 60 });
  });

  test.each(["a b", "../x", "-x", "x-", "a%2Fb", "ä"])("are not called %j", async (name) => {
    expect((await user(encodeURIComponent(name).replace("%25", "%"), { password: "x" })).status).not.toBe(204);
    expect((await vault.as("LIST", "auth/userpass/users")).status).toBe(404);
  });
});

describe("a login by password", () => {
  test("gives a token of the user's, and one line of the audit without the password", async () => {
    await user("alice", { password: "correct horse", token_policies: "dev" });
    const { body } = await login("alice", "correct horse");
    expect(body.auth).toMatchObject({ metadata: { username: "alice" }, policies: ["default", "dev"], orphan: true });
    expect(vault.house.lastAudit()).toMatchObject({ operation: "login", allowed: true, role: "acme:host:vault/role/userpass/alice" });
    expect(JSON.stringify(vault.house.audit)).not.toContain("correct horse");
    const self = await vault.as("GET", "auth/token/lookup-self", { token: body.auth.client_token });
    expect(self.body.data).toMatchObject({ display_name: "userpass-alice", path: "auth/userpass/login/alice" });
  });

  test("tells a wrong password and a user that is not there by neither words nor work", async () => {
    await user("alice", { password: "correct horse" });
    expect(await login("alice", "battery staple")).toMatchObject(wrong);
    expect(vault.house.lastAudit()).toMatchObject({ allowed: false, because: "password", claimed: "alice" });
    const began = performance.now();
    expect(await login("nobody", "battery staple")).toMatchObject(wrong);
    // A look-up alone takes a hundredth of this: the dummy was hashed.
    expect(performance.now() - began).toBeGreaterThan(2);
    expect(await login("alice", "")).toMatchObject({ status: 400, body: { errors: ["missing password"] } });
    expect(await login("alice", "x".repeat(5000))).toMatchObject(wrong);
  });

  test.each([
    ["somebody", "alice"],
    ["nobody", "mallory"],
  ])("locks the name of %s after five failures, for fifteen minutes, the right password too", async (_title, name) => {
    await user("alice", { password: "correct horse" });
    for (let attempt = 0; attempt < 5; attempt += 1) expect(await login(name, "guess")).toMatchObject(wrong);
    expect(await login(name, "correct horse")).toMatchObject({ status: 403, body: { errors: ["permission denied"] } });
    expect(vault.house.lastAudit()).toMatchObject({ allowed: false, because: "user_lockout" });
    vault.house.clock.advance(14 * 60_000);
    expect((await login(name, "correct horse")).status).toBe(403);
    vault.house.clock.advance(60_000);
    expect((await login(name, "correct horse")).status).toBe(name === "alice" ? 200 : 400);
  });

  test("forgets failures once it succeeds, and after a quarter of an hour", async () => {
    await user("alice", { password: "correct horse" });
    for (let attempt = 0; attempt < 4; attempt += 1) await login("alice", "guess");
    expect((await login("alice", "correct horse")).status).toBe(200);
    for (let attempt = 0; attempt < 4; attempt += 1) await login("alice", "guess");
    vault.house.clock.advance(15 * 60_000);
    for (let attempt = 0; attempt < 4; attempt += 1) expect(await login("alice", "guess")).toMatchObject(wrong);
    expect((await login("alice", "correct horse")).status).toBe(200);
  });

  test("tells no more than five of a hundred guesses at the same time whether they are right", async () => {
    await user("alice", { password: "guess 99" });
    const statuses = (await Promise.all(Array.from({ length: 100 }, (_, guess) => login("alice", `guess ${guess}`)))).map(
      ({ status }) => status,
    );
    expect(statuses.filter((status) => status === 200)).toHaveLength(0);
    expect(statuses.filter((status) => status === 400)).toHaveLength(5);
    expect(statuses.filter((status) => status === 403)).toHaveLength(95);
  }, 30_000);

  test("comes from the user's networks alone", async () => {
    await user("alice", { password: "correct horse", token_bound_cidrs: "192.0.2.0/24" });
    expect(await login("alice", "correct horse", "203.0.113.9")).toMatchObject({ status: 403, body: { errors: ["permission denied"] } });
    expect(vault.house.lastAudit()).toMatchObject({ allowed: false, because: "token_bound_cidrs" });
    expect((await login("alice", "correct horse")).status).toBe(200);
  });

  test("is renewed for as long as the user is there", async () => {
    await user("alice", { password: "correct horse", token_ttl: 60 });
    const token: string = (await login("alice", "correct horse")).body.auth.client_token;
    expect((await vault.as("POST", "auth/token/renew-self", { token, body: {} })).status).toBe(200);
    await vault.as("DELETE", "auth/userpass/users/alice");
    expect((await vault.as("POST", "auth/token/renew-self", { token, body: {} })).status).toBe(403);
  });

  test("is at its own mount alone", async () => {
    await vault.as("POST", "sys/auth/staff", { body: { type: "userpass" } });
    await user("alice", { password: "correct horse" });
    expect((await vault.as("POST", "auth/staff/login/alice", { token: null, body: { password: "correct horse" } })).status).toBe(400);
  });
});
