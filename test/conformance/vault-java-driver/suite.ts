/** vault-java-driver, the Java client without dependencies that build servers and frameworks embed: AppRole, userpass, keys and values of both versions. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { dirname } from "node:path";
import { installedFile } from "../support/client";
import { type Driver, startDriver } from "../support/driver";
import { administratorOfVault, rootTokenOf, startVault } from "../support/vault";

setDefaultTimeout(30_000);

const vault = await startVault();
const root = rootTokenOf(vault);
const admin = administratorOfVault(vault, root);
const drivers: Driver[] = [];
for (const [method, path, body] of [
  ["POST", "sys/mounts/secret", { type: "kv", options: { version: "2" } }],
  ["POST", "sys/mounts/kv", { type: "kv" }],
  ["POST", "sys/auth/approle", { type: "approle" }],
  ["POST", "sys/auth/userpass", { type: "userpass" }],
  ["POST", "auth/approle/role/ci", { token_policies: "default", token_ttl: 600 }],
  ["POST", "auth/userpass/users/alice", { password: "horse-battery" }],
] as const)
  if ((await admin(method, path, body)).status !== 204) throw new Error(path);

const client = connect("root", { SERVER_TOKEN: root });

afterAll(async () => {
  for (const driver of drivers) await driver.stop();
  expect(await vault.stop()).toBe(0);
});

function connect(home: string, env: Readonly<Record<string, string>>): Driver {
  const jar = installedFile("vault-java-driver", "vault-java-driver.jar");
  const server = { SERVER_URL: vault.vaultUrl, SERVER_CA_FILE: vault.caFile };
  const driver = startDriver({
    command: ["java", "-cp", `${jar}:${dirname(jar)}`, "Driver"],
    cwd: vault.folder(home),
    env: { ...server, ...env },
  });
  drivers.push(driver);
  return driver;
}

describe("the Java client", () => {
  test.each([
    ["2", "secret/app/db"],
    ["1", "kv/app/db"],
  ])("writes, reads, lists and deletes at a mount of version %s", async (version, path) => {
    expect(await client.call("write", version, path, '{"password":"one"}')).toMatchObject({
      result: { status: version === "2" ? 200 : 204 },
    });
    expect(await client.call("read", version, path)).toEqual({ result: { status: 200, data: { password: "one" } } });
    expect(await client.call("list", version, path.replace("/db", ""))).toEqual({ result: ["db"] });
    expect(await client.call("delete", version, path)).toMatchObject({ result: { status: 204 } });
    expect(await client.call("read", version, path)).toMatchObject({ result: { status: 404 } });
  });

  test("reads a version, and destroys one", async () => {
    for (const password of ["one", "two"]) await client.must("write", "2", "secret/app/key", JSON.stringify({ password }));
    expect(await client.call("read version", "secret/app/key", "1")).toMatchObject({ result: { data: { password: "one" } } });
    expect(await client.call("destroy", "secret/app/key", "1")).toMatchObject({ result: { status: 204 } });
    expect(await client.call("read version", "secret/app/key", "1")).toMatchObject({ result: { status: 404 } });
  });

  test("logs in by AppRole, looks itself up, is renewed and ends", async () => {
    const { body: role } = await admin("GET", "auth/approle/role/ci/role-id");
    const { body: made } = await admin("POST", "auth/approle/role/ci/secret-id", {});
    const machine = connect("machine", {});
    const told = JSON.parse(JSON.stringify(await machine.must("login by approle", role.data.role_id, made.data.secret_id)));
    expect(told).toMatchObject({ lease: 600, renewable: true, policies: ["default"] });
    await machine.must("token", told.token);
    expect(await machine.call("look up self")).toMatchObject({ result: { path: "auth/approle/login" } });
    expect(await machine.call("renew self")).toMatchObject({ result: { lease: 600 } });
    expect(await machine.call("revoke self")).toEqual({ result: "revoked" });
    expect(await machine.call("look up self")).toMatchObject({ status: 403 });
    expect(await machine.call("login by approle", role.data.role_id, "wrong")).toMatchObject({
      status: 400,
      error: expect.stringContaining("invalid role or secret ID"),
    });
  });

  test("logs in by a password", async () => {
    const alice = connect("alice", {});
    expect(await alice.call("login by userpass", "alice", "horse-battery")).toMatchObject({
      result: { renewable: true, policies: ["default"] },
    });
    expect(await alice.call("login by userpass", "alice", "wrong")).toMatchObject({ status: 400 });
  });

  test("is told that the server is open", async () => {
    expect(await client.call("health")).toEqual({ result: { sealed: false } });
  });
});
