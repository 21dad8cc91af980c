/** node-vault, run by Node: it sends the verb LIST, takes 200 and 204 alone for success, and reads the first of the errors. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { dirname, join } from "node:path";
import { installedFile } from "../support/client";
import { type Driver, startDriver } from "../support/driver";
import { type Row, tellOf } from "../support/rows";
import { rootTokenOf, startVault } from "../support/vault";

setDefaultTimeout(30_000);

const vault = await startVault();
const root = rootTokenOf(vault);
const drivers: Driver[] = [];
const client = connect("root", { SERVER_TOKEN: root });

afterAll(async () => {
  for (const driver of drivers) await driver.stop();
  expect(await vault.stop()).toBe(0);
});

function connect(home: string, env: Readonly<Record<string, string>>): Driver {
  const folder = dirname(installedFile("node-vault", "package.json"));
  const server = { SERVER_URL: vault.vaultUrl, SERVER_CA_FILE: vault.caFile, CLIENT_FOLDER: folder };
  const driver = startDriver({
    command: ["node", join(import.meta.dir, "driver.mjs")],
    cwd: vault.folder(home),
    env: { ...server, ...env },
  });
  drivers.push(driver);
  return driver;
}

const data = (members: object) => ({ result: expect.objectContaining({ data: expect.objectContaining(members) }) });
// The client gives the empty body of a 204 as it came.
const done = { result: "" };
const mounted = { type: "kv", options: { version: "2" } };
const text = 'path "secret/data/*" { capabilities = ["read"] }';

const table: readonly Row[] = [
  { name: "tells that it is open", ask: ["status"], gives: { result: expect.objectContaining({ sealed: false }) } },
  { name: "tells that it is initialised", ask: ["initialized"], gives: { result: { initialized: true } } },
  { name: "tells its health", ask: ["health"], gives: { result: expect.objectContaining({ sealed: false, standby: false }) } },
  { name: "takes a mount", ask: ["mount", { mount_point: "secret", ...mounted }], gives: done },
  { name: "tells the mounts", ask: ["mounts"], gives: { result: expect.objectContaining({ "secret/": expect.any(Object) }) } },
  { name: "takes a method", ask: ["enableAuth", { mount_point: "userpass", type: "userpass" }], gives: done },
  { name: "takes another", ask: ["enableAuth", { mount_point: "approle", type: "approle" }], gives: done },
  { name: "tells the methods", ask: ["auths"], gives: { result: expect.objectContaining({ "userpass/": expect.any(Object) }) } },
  { name: "takes a policy", ask: ["addPolicy", { name: "reader", rules: text }], gives: { result: expect.anything() } },
  { name: "reads a policy", ask: ["getPolicy", { name: "reader" }], gives: data({ rules: text }) },
  { name: "lists policies", ask: ["policies"], gives: data({ policies: expect.arrayContaining(["reader"]) }) },
  { name: "writes", ask: ["write", "secret/data/app/db", { data: { password: "one" } }], gives: data({ version: 1 }) },
  { name: "reads", ask: ["read", "secret/data/app/db"], gives: data({ data: { password: "one" } }) },
  { name: "merges", ask: ["update", "secret/data/app/db", { data: { user: "app" } }], gives: data({ version: 2 }) },
  { name: "reads what was merged", ask: ["read", "secret/data/app/db"], gives: data({ data: { password: "one", user: "app" } }) },
  { name: "lists by LIST", ask: ["list", "secret/metadata/app"], gives: data({ keys: ["db"] }) },
  { name: "deletes", ask: ["delete", "secret/data/app/db"], gives: done },
  { name: "is told what was deleted", ask: ["read", "secret/data/app/db"], gives: { status: 404 } },
  {
    name: "makes a user",
    ask: ["write", "auth/userpass/users/alice", { password: "horse-battery", token_policies: ["reader"] }],
    gives: done,
  },
  { name: "makes a role", ask: ["addApproleRole", { role_name: "ci", token_policies: "reader" }], gives: done },
  { name: "lists roles", ask: ["approleRoles"], gives: data({ keys: ["ci"] }) },
  { name: "looks its token up", ask: ["tokenLookupSelf"], gives: data({ policies: ["root"] }) },
  { name: "lists accessors", ask: ["tokenAccessors"], gives: data({ keys: expect.any(Array) }) },
];

describe("the server, as node-vault sees it,", () => {
  test.each(table.map((row): [string, Row] => [row.name, row]))("%s", async (_name, row) => {
    const { result, ...failure } = await client.call(...row.ask);
    // Of a failure the client keeps the body too, which says what it says.
    const answer = failure.error === undefined ? { result } : failure;
    expect(tellOf(answer, row)).toEqual(tellOf(row.gives, row));
  });
});

describe("node-vault's logins", () => {
  test("by password", async () => {
    const alice = connect("alice", {});
    const login = (password: string) => alice.call("userpassLogin", { username: "alice", password });
    expect(await login("wrong")).toMatchObject({ status: 400, error: "invalid username or password" });
    expect(await login("horse-battery")).toMatchObject({ result: { auth: { policies: ["default", "reader"] } } });
    expect(await alice.call("tokenLookupSelf")).toMatchObject({ result: { data: { display_name: "userpass-alice" } } });
    expect(await alice.call("write", "secret/data/x", { data: {} })).toMatchObject({
      status: 403,
      error: expect.stringContaining("permission denied"),
    });
    expect(await alice.call("tokenRenewSelf", { increment: 60 })).toMatchObject({ result: { auth: { lease_duration: 60 } } });
    expect(await alice.call("tokenRevokeSelf")).toMatchObject({ result: "" });
    expect(await alice.call("tokenLookupSelf")).toMatchObject({ status: 403 });
  });

  test("by AppRole", async () => {
    const { data: role } = JSON.parse(JSON.stringify(await client.must("getApproleRoleId", { role_name: "ci" })));
    const { data: made } = JSON.parse(JSON.stringify(await client.must("getApproleRoleSecret", { role_name: "ci" })));
    const machine = connect("machine", {});
    expect(await machine.call("approleLogin", { role_id: role.role_id, secret_id: made.secret_id })).toMatchObject({
      result: { auth: { metadata: { role_name: "ci" } } },
    });
    expect(await machine.call("approleLogin", { role_id: role.role_id, secret_id: "wrong" })).toMatchObject({
      status: 400,
      error: "invalid role or secret ID",
    });
  });
});

test("node-vault without verbs of its own lists by GET", async () => {
  const plain = connect("plain", { SERVER_TOKEN: root, NO_CUSTOM_VERBS: "yes" });
  expect(await plain.call("list", "secret/metadata/app")).toMatchObject({ result: { data: { keys: ["db"] } } });
});
