/** Vault's Go API client: Terraform's provider, the secrets operators of Kubernetes and Vault's own agent are built on it. It lists by `GET ?list=true`. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { installedFile } from "../support/client";
import { type Driver, startDriver } from "../support/driver";
import { type Row, tellOf } from "../support/rows";
import { rootTokenOf, startVault } from "../support/vault";

setDefaultTimeout(30_000);

const vault = await startVault();
const root = rootTokenOf(vault);
const drivers: Driver[] = [];
const client = connect("root", { VAULT_TOKEN: root });

afterAll(async () => {
  for (const driver of drivers) await driver.stop();
  expect(await vault.stop()).toBe(0);
});

function connect(home: string, env: Readonly<Record<string, string>>): Driver {
  const command = [installedFile("vault-api-go", "driver")];
  const driver = startDriver({ command, cwd: vault.folder(home), env: { VAULT_ADDR: vault.vaultUrl, VAULT_CACERT: vault.caFile, ...env } });
  drivers.push(driver);
  return driver;
}

function rows(title: string, table: readonly Row[]): void {
  describe(title, () => {
    test.each(table.map((row): [string, Row] => [row.name, row]))("%s", async (_name, row) => {
      expect(tellOf(await client.call(...row.ask), row)).toEqual(tellOf(row.gives, row));
    });
  });
}

const some = (members: object) => ({ result: expect.objectContaining(members) });
const done = { result: "done" };
const nothing = { result: "nothing" };
const version = (number: number, more: object = {}) => expect.objectContaining({ Version: number, Destroyed: false, ...more });
const kept = (data: object, number: number) => some({ Data: data, VersionMetadata: version(number) });

rows("the server, as the Go client sees it,", [
  { name: "is healthy", ask: ["health"], gives: some({ initialized: true, sealed: false, standby: false }) },
  { name: "is open", ask: ["seal status"], gives: some({ sealed: false, initialized: true, version: expect.stringMatching(/^1\.19\./) }) },
  { name: "is one of one", ask: ["leader"], gives: some({ ha_enabled: false, is_self: false }) },
  { name: "has mounts", ask: ["mounts"], gives: some({ "sys/": expect.objectContaining({ type: "system" }) }) },
  { name: "has methods", ask: ["methods"], gives: some({ "token/": expect.objectContaining({ type: "token" }) }) },
  { name: "takes a mount", ask: ["mount", "secret", "2"], gives: done },
  { name: "takes another", ask: ["mount", "kv", "1"], gives: done },
  {
    name: "takes each path once",
    ask: ["mount", "kv", "1"],
    gives: { status: 400, error: expect.stringContaining("path is already in use at kv/") },
  },
  { name: "says how long things live there", ask: ["tuned", "kv"], gives: some({ default_lease_ttl: 2764800, max_lease_ttl: 2764800 }) },
]);

rows("keys and values of the second version", [
  { name: "are put", ask: ["put", "app/db", '{"password":"one","user":"app"}'], gives: some({ VersionMetadata: version(1) }) },
  { name: "are got", ask: ["get", "app/db"], gives: kept({ password: "one", user: "app" }, 1) },
  { name: "are put again", ask: ["put", "app/db", '{"password":"two"}'], gives: some({ VersionMetadata: version(2) }) },
  { name: "are got as they were", ask: ["get version", "app/db", "1"], gives: kept({ password: "one", user: "app" }, 1) },
  {
    name: "are put over what was expected",
    ask: ["put expecting", "app/db", '{"password":"three"}', "2"],
    gives: some({ VersionMetadata: version(3) }),
  },
  {
    name: "are not put over something else",
    ask: ["put expecting", "app/db", '{"password":"x"}', "2"],
    gives: { status: 400, error: expect.stringContaining("check-and-set parameter did not match the current version") },
  },
  { name: "are merged by the server", ask: ["patch", "app/db", '{"user":"app"}', "patch"], gives: some({ VersionMetadata: version(4) }) },
  { name: "are merged by the client", ask: ["patch", "app/db", '{"port":5432}', "rw"], gives: some({ VersionMetadata: version(5) }) },
  { name: "are then all there", ask: ["get", "app/db"], gives: kept({ password: "three", user: "app", port: 5432 }, 5) },
  { name: "lose what is merged away", ask: ["patch", "app/db", '{"port":null}', "patch"], gives: some({ VersionMetadata: version(6) }) },
  {
    name: "are not merged with nothing",
    ask: ["patch", "app/none", '{"a":1}', "patch"],
    gives: { error: expect.stringContaining("secret not found") },
  },
  { name: "are listed by folder", ask: ["list", "secret/metadata/"], gives: some({ data: { keys: ["app/"] } }) },
  { name: "are listed in a folder", ask: ["list", "secret/metadata/app"], gives: some({ data: { keys: ["db"] } }) },
  { name: "are not listed where there is nothing", ask: ["list", "secret/metadata/none"], gives: nothing },
  { name: "are deleted", ask: ["delete latest", "app/db"], gives: done },
  {
    name: "are then told as deleted",
    ask: ["get", "app/db"],
    gives: some({ Data: null, VersionMetadata: version(6, { DeletionTime: expect.stringMatching(/^20/) }) }),
  },
  { name: "are put back", ask: ["undelete", "app/db", "6"], gives: done },
  { name: "are there again", ask: ["get", "app/db"], gives: kept({ password: "three", user: "app" }, 6) },
  { name: "are deleted by version", ask: ["delete versions", "app/db", "1", "2"], gives: done },
  { name: "are destroyed", ask: ["destroy", "app/db", "1"], gives: done },
  {
    name: "tell their versions",
    ask: ["versions", "app/db"],
    gives: { result: expect.arrayContaining([expect.objectContaining({ Version: 1, Destroyed: true }), version(6)]) },
  },
  { name: "are rolled back", ask: ["rollback", "app/db", "3"], gives: some({ VersionMetadata: version(7) }) },
  { name: "take metadata", ask: ["put metadata", "app/db", "4", '{"owner":"shop","tier":"1"}'], gives: done },
  { name: "merge metadata", ask: ["patch metadata", "app/db", '{"tier":null}'], gives: done },
  {
    name: "tell metadata",
    ask: ["metadata", "app/db"],
    gives: some({ CurrentVersion: 7, MaxVersions: 4, CustomMetadata: { owner: "shop" } }),
  },
  { name: "are forgotten", ask: ["delete all", "app/db"], gives: done },
  { name: "are then never known", ask: ["metadata", "app/db"], gives: { error: expect.stringContaining("secret not found") } },
  {
    name: "are told where they are when asked for without what the second version adds",
    ask: ["read", "secret/app/db"],
    gives: some({ warnings: [expect.stringContaining("Invalid path for a versioned K/V secrets engine")] }),
  },
]);

rows("keys and values of the first version", [
  { name: "are put", ask: ["put of v1", "a/b", '{"x":"y"}'], gives: done },
  { name: "are got", ask: ["get of v1", "a/b"], gives: some({ Data: { x: "y" } }) },
  { name: "say when to ask again", ask: ["read", "kv/a/b"], gives: some({ lease_duration: 2764800, data: { x: "y" } }) },
  { name: "are listed", ask: ["list", "kv/"], gives: some({ data: { keys: ["a/"] } }) },
  { name: "are deleted", ask: ["delete of v1", "a/b"], gives: done },
  { name: "are then not found", ask: ["get of v1", "a/b"], gives: { error: expect.stringContaining("secret not found") } },
]);

rows("policies", [
  { name: "are put", ask: ["put policy", "reader", 'path "secret/data/*" { capabilities = ["read"] }'], gives: done },
  { name: "are read", ask: ["policy", "reader"], gives: { result: 'path "secret/data/*" { capabilities = ["read"] }' } },
  { name: "are listed", ask: ["policies"], gives: { result: expect.arrayContaining(["default", "reader", "root"]) } },
  {
    name: "are not put when they are wrong",
    ask: ["put policy", "bad", "path {"],
    gives: { status: 400, error: expect.stringContaining("failed to parse policy") },
  },
  { name: "give root everything", ask: ["capabilities", "secret/data/x"], gives: { result: ["root"] } },
  { name: "are deleted", ask: ["delete policy", "none"], gives: done },
]);

describe("tokens, as the Go client makes them,", () => {
  const create = async (wanted: object) => JSON.parse(JSON.stringify(await client.must("create token", JSON.stringify(wanted))));

  test("may what their policies say, look themselves up, are renewed and revoked", async () => {
    await client.must("put", "team/x", '{"a":"b"}');
    const auth = await create({ policies: ["reader"], ttl: "10m", display_name: "ci", meta: { job: "7" } });
    const holder = connect("holder", { VAULT_TOKEN: auth.client_token });
    expect(await holder.call("get", "team/x")).toMatchObject({ result: { Data: { a: "b" } } });
    expect(await holder.call("put", "team/x", "{}")).toMatchObject({ status: 403, error: expect.stringContaining("permission denied") });
    expect(await holder.call("look up self")).toMatchObject({
      result: { policies: ["default", "reader"], meta: { job: "7" }, display_name: "token-ci" },
    });
    expect(await holder.call("renew self", "300")).toMatchObject({ result: { lease_duration: 300 } });
    expect(await client.call("look up accessor", auth.accessor)).toMatchObject({ result: { accessor: auth.accessor, id: "" } });
    await client.must("revoke accessor", auth.accessor);
    expect(await holder.call("look up self")).toMatchObject({ status: 403, error: expect.stringContaining("invalid token") });
  });

  test("end with the token that made them", async () => {
    const { client_token: parent } = await create({ policies: ["root"], ttl: "10m" });
    const maker = connect("maker", { VAULT_TOKEN: parent });
    const child = JSON.parse(JSON.stringify(await maker.must("create token", '{"policies":["reader"]}')));
    await client.must("revoke", parent);
    expect(await client.call("look up", child.client_token)).toMatchObject({ status: 403 });
  });

  test("are kept alive by the client's own watcher, three times in a row", async () => {
    const { client_token: token } = await create({ policies: ["reader"], period: "3s" });
    const watched = connect("watched", { VAULT_TOKEN: token });
    expect(await watched.call("renewals of lifetime watcher", "3")).toEqual({ result: 3 });
  });

  test("are told as unknown when they are none", async () => {
    expect(await connect("nobody", { VAULT_TOKEN: "hvs.nobody" }).call("look up self")).toMatchObject({ status: 403 });
    expect(await connect("without", {}).call("read", "secret/data/team/x")).toMatchObject({ status: 403 });
  });
});

test("answers, as the Go client has them wrapped, are unwrapped once", async () => {
  await client.must("put", "wrapped", '{"a":"b"}');
  const wrapper = connect("wrapper", { VAULT_TOKEN: root, VAULT_WRAP_TTL: "60s" });
  const wrapped = JSON.parse(JSON.stringify(await wrapper.must("read", "secret/data/wrapped")));
  expect(wrapped.wrap_info).toMatchObject({ ttl: 60, creation_path: "secret/data/wrapped" });
  expect(await client.call("unwrap", wrapped.wrap_info.token)).toMatchObject({ result: { data: { data: { a: "b" } } } });
  expect(await client.call("unwrap", wrapped.wrap_info.token)).toMatchObject({
    status: 400,
    error: expect.stringContaining("wrapping token is not valid"),
  });
});
