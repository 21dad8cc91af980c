/** Conjur's Python API client: the base of Ansible's and Airflow's integrations and of scripts. Unlike the Go client it quotes every character of a path. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { installedFile } from "../support/client";
import { account, startDeployment } from "../support/deployment";
import { type Driver, startDriver } from "../support/driver";
import { administratorOf } from "../support/http";
import { createJwtIssuer } from "../support/jwt-issuer";
import { authenticatorPolicy, azureService, jwtPolicy, jwtService, organisationPolicy } from "../support/policies";
import { type Row, tellOf } from "../support/rows";

setDefaultTimeout(30_000);

const deployment = await startDeployment({ tls: "authority" });
const { adminKey } = deployment;
const id = (rest: string): string => `${account}:${rest}`;
const notThere = { status: 404 };

const home = deployment.folder("python");
const driver: Driver = startDriver({
  command: [installedFile("conjur-api-python", "venv/bin/python"), join(import.meta.dir, "driver.py")],
  cwd: home,
  env: { SERVER_URL: deployment.namedUrl, SERVER_ACCOUNT: account, SERVER_CA_FILE: deployment.caFile },
});

await driver.must("with key", "admin", adminKey);
const keys = JSON.stringify(await driver.must("load", "root", organisationPolicy));
await driver.must("load", "root", authenticatorPolicy);
await driver.must("set", "db/password", "first");
await driver.must("set", "db/url", "postgres://db?a=b&c=d%20e");
await driver.must("set", "db/user name", "Jürgen\n");
const keyOf = (role: string): string => new RegExp(`"${id(role)}", ?"api_key": ?"([^"]+)"`).exec(keys)?.[1] ?? "";
const token = tokenIn(await driver.must("create token", "births", "127.0.0.0/8,10.0.0.0/8", 10));

afterAll(async () => {
  await driver.stop();
  expect(await deployment.stop()).toBe(0);
});

function tokenIn(created: unknown): string {
  return /"token":"([^"]+)"/.exec(JSON.stringify(created))?.[1] ?? "";
}

const rows: readonly Row[] = [
  { name: "knows who it is", ask: ["whoami"], gives: { result: expect.objectContaining({ username: "admin", account }) } },
  { name: "reads the version", ask: ["version"], gives: { result: "1.24.0" } },
  {
    name: "is told that this is not the Enterprise edition",
    ask: ["enterprise"],
    gives: { status: 401 },
  },
  { name: "reads a secret", ask: ["get", "db/password"], gives: { result: "first" } },
  { name: "reads it by a name with a space", ask: ["get", "db/user name"], gives: { result: "Jürgen\n" } },
  { name: "reads a version", ask: ["get", "db/password", "1"], gives: { result: "first" } },
  { name: "reads no version that is not there", ask: ["get", "db/password", "7"], gives: notThere },
  { name: "reads no value that is not there", ask: ["get", "db/empty"], gives: notThere },
  { name: "reads no variable that is not there", ask: ["get", "db/nothing"], gives: notThere },
  {
    name: "reads many",
    ask: ["get many", "db/password", "db/url"],
    gives: { result: { "db/password": "first", "db/url": "postgres://db?a=b&c=d%20e" } },
  },
  { name: "reads all or none", ask: ["get many", "db/password", "db/empty"], gives: notThere },
  { name: "writes no empty value", ask: ["set", "db/empty", " "], gives: { status: 422 } },
  {
    name: "loads a policy",
    ask: ["load", "root", "- !policy\n  id: shop\n  body:\n    - !host till\n"],
    gives: { result: { created_roles: { [id("host:shop/till")]: expect.objectContaining({ api_key: expect.any(String) }) }, version: 3 } },
  },
  { name: "updates a policy", ask: ["update", "shop", "- !variable price\n"], gives: { result: { created_roles: {}, version: 1 } } },
  { name: "replaces a policy", ask: ["replace", "shop", "- !variable discount\n"], gives: { result: { created_roles: {}, version: 2 } } },
  { name: "finds what was replaced gone", ask: ["resource exists", "variable", "shop/price"], gives: { result: false } },
  { name: "is refused a policy with a mistake", ask: ["load", "root", "- !usr carol\n"], gives: { status: 422 } },
  {
    name: "rehearses a load",
    ask: ["load", "root", "- !user carol\n", true],
    gives: { result: expect.objectContaining({ status: "Valid YAML" }) },
  },
  {
    name: "rehearses an update",
    ask: ["update", "shop", "- !variable more\n", true],
    gives: { result: expect.objectContaining({ status: "Valid YAML" }) },
  },
  {
    name: "rehearses a replacement",
    ask: ["replace", "shop", "[]\n", true],
    gives: { result: expect.objectContaining({ status: "Valid YAML" }) },
  },
  { name: "has made nothing in rehearsal", ask: ["role exists", "user", "carol"], gives: { result: false } },
  { name: "lists one kind", ask: ["list", { kind: "host" }], gives: { result: [id("host:shop/till"), id("host:web")] } },
  { name: "lists by words", ask: ["list", { search: "password" }], gives: { result: [id("variable:db/password")] } },
  {
    name: "lists a page of what a role sees",
    ask: ["list", { role: id("host:web"), limit: 2, offset: 2 }],
    gives: { result: [id("variable:db/password"), id("variable:db/url")] },
  },
  { name: "finds a resource by its name alone", ask: ["find", "db/password"], gives: { result: "variable:db/password" } },
  {
    name: "shows a resource",
    ask: ["resource", "variable", "db/password"],
    gives: { result: expect.objectContaining({ id: id("variable:db/password") }) },
  },
  { name: "finds a resource by HEAD", ask: ["resource exists", "variable", "db/password"], gives: { result: true } },
  { name: "does not find one that is not there", ask: ["resource exists", "variable", "db/nothing"], gives: { result: false } },
  { name: "shows a role", ask: ["role", "group", "ops"], gives: { result: expect.objectContaining({ id: id("group:ops") }) } },
  { name: "finds a role by HEAD", ask: ["role exists", "group", "ops"], gives: { result: true } },
  { name: "does not find a role that is not there", ask: ["role exists", "group", "nobody"], gives: { result: false } },
  { name: "lists all roles held", ask: ["memberships", "user", "alice", false], gives: { result: [id("group:ops"), id("user:alice")] } },
  {
    name: "lists direct memberships",
    ask: ["memberships", "user", "alice", true],
    gives: { result: [id("group:ops")] },
  },
  { name: "lists members", ask: ["members", "group", "ops"], gives: { result: [id("user:admin"), id("user:alice")] } },
  { name: "asks what it may itself", ask: ["check", "variable", "db/password", "execute"], gives: { result: true } },
  { name: "asks what another may", ask: ["check", "variable", "db/password", "read", id("user:bob")], gives: { result: true } },
  { name: "asks what another may not", ask: ["check", "variable", "db/password", "execute", id("user:bob")], gives: { result: false } },
  {
    name: "asks who may",
    ask: ["permitted roles", "variable", "db/password", "execute"],
    gives: { result: expect.arrayContaining([id("host:web"), id("policy:db")]) },
  },
  {
    name: "makes a host with a factory's token",
    ask: ["create host", "born/one", token, { rack: "7" }],
    gives: { result: expect.objectContaining({ id: id("host:born/one"), annotations: [{ name: "rack", value: "7" }] }) },
  },
  { name: "revokes the token", ask: ["revoke token", token], gives: { result: 204 } },
  { name: "makes no host with a revoked token", ask: ["create host", "born/two", token, {}], gives: { status: 401 } },
  { name: "switches an authenticator on", ask: ["switch", `authn-azure/${azureService}`, true], gives: { result: expect.anything() } },
  { name: "switches none on that is not there", ask: ["switch", "authn-azure/nothing", true], gives: { status: 401 } },
  {
    name: "rotates a host's key",
    ask: ["rotate other", "host", "shop/till"],
    gives: { result: expect.stringMatching(/^[0-9a-z]{40,64}$/) },
  },
];

describe("the Python client", () => {
  test.each(rows.map((row): [string, Row] => [row.name, row]))("%s", async (_name, row) => {
    expect(tellOf(await driver.call(...row.ask), row)).toEqual(tellOf(row.gives, row));
  });

  test("tells in 406 that a value is no text", async () => {
    const { url, caPem } = deployment;
    const http = await administratorOf({ url, account, adminKey, caPem });
    const path = `/secrets/${account}/variable/db%2Fbinary`;
    const token = `Token token="${btoa(await http.token("admin", adminKey))}"`;
    const bytes = Uint8Array.of(0xff, 0xfe);
    await fetch(`${url}${path}`, { method: "POST", body: bytes, headers: { authorization: token }, tls: { ca: caPem } });
    expect(await driver.call("get many", "db/binary")).toMatchObject({ status: 406 });
  });

  test("logs in by a JWT of an issuer whose keys are in the policy", async () => {
    const issuer = await createJwtIssuer();
    await driver.must("load", "root", jwtPolicy);
    for (const [variable, value] of issuer.variables) await driver.must("set", variable, value);
    await driver.must("switch", `authn-jwt/${jwtService}`, true);
    await driver.must("with jwt", jwtService, issuer.token());
    expect(await driver.must("whoami")).toMatchObject({ username: "host/pipeline" });
    await driver.must("with jwt", jwtService, issuer.forged());
    expect(await driver.call("whoami")).toMatchObject({ status: 401 });
  });

  test("logs in by password, changes it, and rotates its own key", async () => {
    const key = keyOf("user:alice");
    await driver.must("change password", "alice", key, "Str0ng!Pass-Word");
    await driver.must("with password", "alice", "Str0ng!Pass-Word");
    expect(await driver.must("login")).toBe(key);
    const rotated = String(await driver.must("rotate own", "alice", "Str0ng!Pass-Word"));
    expect(rotated).not.toBe(key);
    await driver.must("with key", "alice", key);
    expect(await driver.call("whoami")).toMatchObject({ status: 401 });
    await driver.must("with key", "alice", rotated);
    expect(await driver.must("whoami")).toMatchObject({ username: "alice" });
    expect(await driver.call("get", "db/password")).toMatchObject({ status: 404 });
  });
});
