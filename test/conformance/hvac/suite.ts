/** hvac, Vault's Python client: it sends the verb LIST, tells statuses apart by exceptions, and reads errors from answers of exactly `application/json` alone. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { installedFile } from "../support/client";
import { type Driver, startDriver } from "../support/driver";
import { type Row, tellOf } from "../support/rows";
import { rootTokenOf, startVault } from "../support/vault";

setDefaultTimeout(30_000);

const vault = await startVault();
const root = rootTokenOf(vault);
const drivers: Driver[] = [];
const client = connect("root", { SERVER_TOKEN: root });
const strict = connect("strict", { SERVER_TOKEN: root, STRICT_HTTP: "yes" });

afterAll(async () => {
  for (const driver of drivers) await driver.stop();
  expect(await vault.stop()).toBe(0);
});

function connect(home: string, env: Readonly<Record<string, string>>): Driver {
  const command = [installedFile("hvac", "venv/bin/python"), join(import.meta.dir, "driver.py")];
  const server = { SERVER_URL: vault.vaultUrl, SERVER_CA_FILE: vault.caFile };
  const driver = startDriver({ command, cwd: vault.folder(home), env: { ...server, ...env } });
  drivers.push(driver);
  return driver;
}

function rows(title: string, table: readonly Row[], by: Driver = client): void {
  describe(title, () => {
    test.each(table.map((row): [string, Row] => [row.name, row]))("%s", async (_name, row) => {
      const { result, ...failure } = await by.call(...row.ask);
      // Of a failure the client keeps the body too, which says what it says.
      const answer = failure.error === undefined ? { result } : failure;
      expect(tellOf(answer, row)).toEqual(tellOf(row.gives, row));
    });
  });
}

const data = (members: object) => ({ result: expect.objectContaining({ data: expect.objectContaining(members) }) });
const done = { result: { status: 204, content_type: expect.any(String), body: "" } };
const failed = (exception: string, text = "") => ({ error: expect.stringMatching(new RegExp(`^${exception}: .*${text}`, "s")) });

rows("the server, as hvac sees it,", [
  { name: "is healthy", ask: ["sys.read_health_status", { method: "GET" }], gives: { result: expect.objectContaining({ sealed: false }) } },
  {
    name: "is healthy by a head alone",
    ask: ["sys.read_health_status"],
    gives: { result: expect.objectContaining({ status: 200, body: "" }) },
  },
  { name: "is initialised", ask: ["sys.is_initialized"], gives: { result: true } },
  { name: "is not sealed", ask: ["sys.is_sealed"], gives: { result: false } },
  { name: "knows its leader", ask: ["sys.read_leader_status"], gives: { result: expect.objectContaining({ ha_enabled: false }) } },
  { name: "knows the token", ask: ["is_authenticated"], gives: { result: true } },
  {
    name: "takes a mount",
    ask: ["sys.enable_secrets_engine", { backend_type: "kv", path: "secret", options: { version: "2" } }],
    gives: done,
  },
  { name: "takes another", ask: ["sys.enable_secrets_engine", { backend_type: "kv", path: "kv" }], gives: done },
  {
    name: "lists mounts beside the envelope",
    ask: ["sys.list_mounted_secrets_engines"],
    gives: { result: expect.objectContaining({ "kv/": expect.any(Object), data: expect.any(Object) }) },
  },
  {
    name: "tells how a mount is tuned",
    ask: ["sys.read_mount_configuration", { path: "kv" }],
    gives: data({ default_lease_ttl: 2764800 }),
  },
  {
    name: "takes a policy",
    ask: ["sys.create_or_update_policy", { name: "reader", policy: 'path "secret/data/*" { capabilities = ["read"] }' }],
    gives: done,
  },
  {
    name: "reads a policy by the older route",
    ask: ["sys.read_policy", { name: "reader" }],
    gives: data({ rules: 'path "secret/data/*" { capabilities = ["read"] }' }),
  },
  { name: "lists policies by the older route", ask: ["sys.list_policies"], gives: data({ policies: expect.arrayContaining(["reader"]) }) },
  { name: "lists policies by LIST", ask: ["sys.list_acl_policies"], gives: data({ keys: expect.arrayContaining(["default", "root"]) }) },
]);

rows("keys and values of the second version", [
  {
    name: "are written",
    ask: ["secrets.kv.v2.create_or_update_secret", { path: "app/db", secret: { password: "one" } }],
    gives: data({ version: 1 }),
  },
  {
    name: "are read",
    ask: ["secrets.kv.v2.read_secret_version", { path: "app/db", raise_on_deleted_version: true }],
    gives: data({ data: { password: "one" } }),
  },
  {
    name: "are written over what was expected",
    ask: ["secrets.kv.v2.create_or_update_secret", { path: "app/db", secret: { password: "two" }, cas: 1 }],
    gives: data({ version: 2 }),
  },
  {
    name: "are not written over something else",
    ask: ["secrets.kv.v2.create_or_update_secret", { path: "app/db", secret: {}, cas: 1 }],
    gives: failed("InvalidRequest", "check-and-set parameter did not match"),
  },
  { name: "are merged", ask: ["secrets.kv.v2.patch", { path: "app/db", secret: { user: "app" } }], gives: data({ version: 3 }) },
  { name: "are listed by LIST", ask: ["secrets.kv.v2.list_secrets", { path: "" }], gives: data({ keys: ["app/"] }) },
  { name: "are listed in a folder", ask: ["secrets.kv.v2.list_secrets", { path: "app" }], gives: data({ keys: ["db"] }) },
  { name: "are not listed where there is nothing", ask: ["secrets.kv.v2.list_secrets", { path: "none" }], gives: failed("InvalidPath") },
  { name: "are deleted", ask: ["secrets.kv.v2.delete_latest_version_of_secret", { path: "app/db" }], gives: done },
  {
    name: "are then not there",
    ask: ["secrets.kv.v2.read_secret_version", { path: "app/db", raise_on_deleted_version: true }],
    gives: failed("InvalidPath"),
  },
  {
    name: "are told as deleted to who asks for that",
    ask: ["secrets.kv.v2.read_secret_version", { path: "app/db", raise_on_deleted_version: false }],
    gives: data({ data: null, metadata: expect.objectContaining({ version: 3, deletion_time: expect.stringMatching(/Z$/) }) }),
  },
  { name: "are put back", ask: ["secrets.kv.v2.undelete_secret_versions", { path: "app/db", versions: [3] }], gives: done },
  {
    name: "are there again",
    ask: ["secrets.kv.v2.read_secret_version", { path: "app/db", raise_on_deleted_version: true }],
    gives: data({ data: { password: "two", user: "app" } }),
  },
  { name: "are destroyed", ask: ["secrets.kv.v2.destroy_secret_versions", { path: "app/db", versions: [1] }], gives: done },
  { name: "tell their metadata", ask: ["secrets.kv.v2.read_secret_metadata", { path: "app/db" }], gives: data({ current_version: 3 }) },
  {
    name: "take metadata",
    ask: ["secrets.kv.v2.update_metadata", { path: "app/db", max_versions: 5, custom_metadata: { owner: "shop" } }],
    gives: done,
  },
  { name: "have a configuration", ask: ["secrets.kv.v2.configure", { max_versions: 7, mount_point: "secret" }], gives: done },
  {
    name: "tell it",
    ask: ["secrets.kv.v2.read_configuration", { mount_point: "secret" }],
    gives: data({ max_versions: 7, cas_required: false }),
  },
  { name: "are forgotten", ask: ["secrets.kv.v2.delete_metadata_and_all_versions", { path: "app/db" }], gives: done },
  { name: "are then never known", ask: ["secrets.kv.v2.read_secret_metadata", { path: "app/db" }], gives: failed("InvalidPath") },
]);

rows("keys and values of the first version", [
  {
    name: "are written",
    ask: ["secrets.kv.v1.create_or_update_secret", { path: "a/b", secret: { x: "y" }, mount_point: "kv" }],
    gives: done,
  },
  { name: "are read", ask: ["secrets.kv.v1.read_secret", { path: "a/b", mount_point: "kv" }], gives: data({ x: "y" }) },
  { name: "are listed", ask: ["secrets.kv.v1.list_secrets", { path: "a", mount_point: "kv" }], gives: data({ keys: ["b"] }) },
  { name: "are deleted", ask: ["secrets.kv.v1.delete_secret", { path: "a/b", mount_point: "kv" }], gives: done },
  { name: "are then not there", ask: ["secrets.kv.v1.read_secret", { path: "a/b", mount_point: "kv" }], gives: failed("InvalidPath") },
]);

describe("AppRole, by hvac,", () => {
  test("is enabled, has roles and secret-ids, and logs in", async () => {
    await client.must("sys.enable_auth_method", { method_type: "approle" });
    await client.must("auth.approle.create_or_update_approle", { role_name: "ci", token_policies: ["reader"], token_ttl: "20m" });
    expect(await client.must("auth.approle.list_roles")).toMatchObject({ data: { keys: ["ci"] } });
    expect(await client.must("auth.approle.read_role", { role_name: "ci" })).toMatchObject({
      data: { token_ttl: 1200, bind_secret_id: true },
    });
    const { data: role } = JSON.parse(JSON.stringify(await client.must("auth.approle.read_role_id", { role_name: "ci" })));
    const { data: made } = JSON.parse(
      JSON.stringify(await client.must("auth.approle.generate_secret_id", { role_name: "ci", metadata: { build: "7" } })),
    );
    expect(await client.must("auth.approle.list_secret_id_accessors", { role_name: "ci" })).toMatchObject({
      data: { keys: [made.secret_id_accessor] },
    });
    expect(await client.must("auth.approle.read_secret_id", { role_name: "ci", secret_id: made.secret_id })).toMatchObject({
      data: { metadata: { build: "7" } },
    });
    expect(
      await client.must("auth.approle.read_secret_id_accessor", { role_name: "ci", secret_id_accessor: made.secret_id_accessor }),
    ).toMatchObject({ data: { secret_id_num_uses: 0 } });
    const machine = connect("machine", {});
    expect(await machine.must("auth.approle.login", { role_id: role.role_id, secret_id: made.secret_id })).toMatchObject({
      auth: { policies: ["default", "reader"], metadata: { build: "7", role_name: "ci" } },
    });
    expect(await machine.must("is_authenticated")).toBe(true);
    await client.must("auth.approle.destroy_secret_id", { role_name: "ci", secret_id: made.secret_id });
    expect(await machine.call("auth.approle.login", { role_id: role.role_id, secret_id: made.secret_id })).toMatchObject(
      failed("InvalidRequest", "invalid role or secret ID"),
    );
  });
});

describe("userpass and jwt, by hvac,", () => {
  test("make users, who log in", async () => {
    await client.must("sys.enable_auth_method", { method_type: "userpass" });
    await client.must("auth.userpass.create_or_update_user", { username: "alice", password: "horse-battery", policies: "reader" });
    expect(await client.must("auth.userpass.list_user")).toMatchObject({ data: { keys: ["alice"] } });
    const alice = connect("alice", {});
    expect(await alice.must("auth.userpass.login", { username: "alice", password: "horse-battery" })).toMatchObject({
      auth: { policies: ["default", "reader"] },
    });
    expect(await alice.call("auth.userpass.login", { username: "alice", password: "wrong" })).toMatchObject(
      failed("InvalidRequest", "invalid username or password"),
    );
    await client.must("auth.userpass.delete_user", { username: "alice" });
  });
});

describe("tokens, by hvac,", () => {
  test("are created, looked up, renewed and revoked", async () => {
    const made = JSON.parse(JSON.stringify(await client.must("auth.token.create", { policies: ["reader"], ttl: "10m", meta: { a: "b" } })));
    const { client_token: token, accessor } = made.auth;
    expect(await client.must("auth.token.lookup", { token })).toMatchObject({ data: { id: token, meta: { a: "b" } } });
    expect(await client.must("auth.token.lookup_accessor", { accessor })).toMatchObject({ data: { accessor } });
    expect(await client.must("auth.token.list_accessors")).toMatchObject({ data: { keys: expect.arrayContaining([accessor]) } });
    expect(await client.must("auth.token.renew", { token, increment: "5m" })).toMatchObject({ auth: { lease_duration: 300 } });
    const holder = connect("holder", { SERVER_TOKEN: token });
    expect(await holder.call("secrets.kv.v2.create_or_update_secret", { path: "x", secret: {} })).toMatchObject(
      failed("Forbidden", "permission denied"),
    );
    await client.must("auth.token.revoke_accessor", { accessor });
    expect(await holder.must("is_authenticated")).toBe(false);
    expect(await client.call("auth.token.lookup", { token })).toMatchObject(failed("Forbidden", "bad token"));
  });

  test("wrap answers, which are unwrapped once", async () => {
    await client.must("secrets.kv.v2.create_or_update_secret", { path: "wrapped", secret: { a: "b" } });
    const wrapped = JSON.parse(JSON.stringify(await client.must("read", { path: "secret/data/wrapped", wrap_ttl: "60s" })));
    expect(await client.must("sys.unwrap", { token: wrapped.wrap_info.token })).toMatchObject({ data: { data: { a: "b" } } });
    expect(await client.call("sys.unwrap", { token: wrapped.wrap_info.token })).toMatchObject(failed("InvalidRequest"));
  });
});

rows(
  "the same client told to send known verbs alone",
  [
    { name: "lists by GET", ask: ["secrets.kv.v2.list_secrets", { path: "" }], gives: data({ keys: ["wrapped"] }) },
    { name: "lists roles", ask: ["auth.approle.list_roles"], gives: data({ keys: ["ci"] }) },
    { name: "is told of nothing in the same way", ask: ["secrets.kv.v2.list_secrets", { path: "none" }], gives: failed("InvalidPath") },
  ],
  strict,
);
