/**
 * OpenBao's command line, which is Vault's but for its name: the commands of its `--help`, as somebody types them, and what they print. Output as JSON is compared
 * member by member, and what people read where scripts match on it.
 */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { installedFile } from "../support/client";
import { createShell, type Shell } from "../support/shell";
import { rootTokenOf, startVault } from "../support/vault";

setDefaultTimeout(30_000);

const vault = await startVault();
const root = rootTokenOf(vault);
const bao = shell("root", { BAO_TOKEN: root });

afterAll(async () => {
  expect(await vault.stop()).toBe(0);
});

function shell(home: string, env: Readonly<Record<string, string>>): Shell {
  const server = { BAO_ADDR: vault.vaultUrl, BAO_CACERT: vault.caFile };
  return createShell(installedFile("bao-cli", "driver"), vault.folder(home), { ...server, ...env });
}

async function json(words: string, of: Shell = bao): Promise<ReturnType<typeof JSON.parse>> {
  const [command = "", ...rest] = words.split(" ");
  const second = ["kv", "token", "auth", "secrets", "policy"].includes(command) ? [rest.shift() ?? ""] : [];
  const third = command === "kv" && second[0] === "metadata" ? [rest.shift() ?? ""] : [];
  return JSON.parse(await of.must([command, ...second, ...third, "-format=json", ...rest]));
}

const run = (words: string, of: Shell = bao, input = "") => of.run(words.split(" "), input);
const must = (words: string, of: Shell = bao, input = "") => of.must(words.split(" "), input);

describe("status", () => {
  test("tells a server that is open, by its exit code too", async () => {
    const { code, out } = await run("status -format=json");
    expect([code, JSON.parse(out)]).toMatchObject([
      0,
      { initialized: true, sealed: false, version: expect.stringMatching(/^1\.19\.\d+$/) },
    ]);
    expect((await run("status")).out).toMatch(/^Sealed +false$/m);
  });

  test("tells a server that cannot be reached by another", async () => {
    expect((await run("status", shell("lost", { BAO_ADDR: "https://127.0.0.1:1" }))).code).toBe(1);
  });
});

describe("login", () => {
  test("takes a token, keeps it, and goes on with it", async () => {
    const person = shell("person", {});
    const { out } = await run("login -", person, root);
    expect(out).toMatch(/^token_policies +\["root"\]$/m);
    expect(await json("token lookup", person)).toMatchObject({ data: { policies: ["root"], path: "auth/token/root" } });
    expect(await run("login -", shell("stranger", {}), "hvs.nobody")).toMatchObject({
      code: 2,
      err: expect.stringContaining("permission denied"),
    });
  });

  test("takes a name and a password, and nothing else in their place", async () => {
    await must("auth enable userpass");
    await must("write auth/userpass/users/alice password=horse-battery token_policies=staff token_ttl=30m");
    const alice = shell("alice", {});
    const login = "login -method=userpass username=alice";
    expect(
      JSON.parse(
        await must(
          `${login} -format=json password=horse-battery`.replace("username=alice -format=json", "-format=json username=alice"),
          alice,
        ),
      ),
    ).toMatchObject({
      auth: { lease_duration: 1800, renewable: true, policies: ["default", "staff"], metadata: { username: "alice" } },
    });
    expect(await json("token lookup", alice)).toMatchObject({ data: { display_name: "userpass-alice", type: "service" } });
    expect(await must("login -method=userpass -token-only username=alice password=horse-battery", shell("token-only", {}))).toMatch(
      /^hvs\.\w{43}$/,
    );
    expect(await run(`${login} password=wrong`, shell("wrong", {}))).toMatchObject({
      code: 2,
      err: expect.stringContaining("* invalid username or password"),
    });
  });

  test("knows no method azure, as the reference does not: one writes to its path", async () => {
    expect(await run("login -method=azure role=x", shell("azure", {}))).toMatchObject({
      err: expect.stringContaining("Unknown auth method: azure"),
    });
  });
});

describe("auth", () => {
  test("lists, tunes and disables methods", async () => {
    await must("auth enable -path=machines/ci -description=builds approle");
    expect(await json("auth list")).toMatchObject({
      "machines/ci/": { type: "approle", description: "builds", accessor: expect.stringMatching(/^auth_approle_[0-9a-f]{8}$/) },
      "token/": { type: "token" },
    });
    await must("auth tune -max-lease-ttl=2h machines/ci");
    expect(await json("read sys/auth/machines/ci/tune")).toMatchObject({ data: { max_lease_ttl: 7200, description: "builds" } });
    expect(await run("auth enable -path=machines approle")).toMatchObject({
      code: 2,
      err: expect.stringContaining("path is already in use at"),
    });
    await must("auth disable machines/ci");
    expect(Object.keys(await json("auth list"))).not.toContain("machines/ci/");
    expect(await run("auth enable magic")).toMatchObject({
      code: 2,
      err: expect.stringContaining("plugin not found in the catalog: magic"),
    });
  });

  test("has a machine log in by role and secret-id, wrapped on its way", async () => {
    await must("auth enable approle");
    await must("write auth/approle/role/ci token_policies=staff token_ttl=20m secret_id_num_uses=1");
    const roleId = (await must("read -field=role_id auth/approle/role/ci/role-id")).trim();
    const wrapped = await json("write -wrap-ttl=60s -f auth/approle/role/ci/secret-id");
    expect(wrapped.wrap_info).toMatchObject({ ttl: 60, creation_path: "auth/approle/role/ci/secret-id" });
    const machine = shell("machine", {});
    const secretId = (await must(`unwrap -field=secret_id ${wrapped.wrap_info.token}`, machine)).trim();
    expect((await run(`unwrap ${wrapped.wrap_info.token}`, machine)).code).toBe(2);
    const login = `write auth/approle/login role_id=${roleId} secret_id=${secretId}`;
    expect((await must(login.replace("write", "write -field=token"), machine)).trim()).toMatch(/^hvs\./);
    expect(await run(login, machine)).toMatchObject({ code: 2, err: expect.stringContaining("* invalid role or secret ID") });
  });
});

describe("secrets", () => {
  test("enables, lists, tunes, upgrades and disables mounts", async () => {
    await must("secrets enable -path=teams/one -version=1 kv");
    expect(await json("secrets list")).toMatchObject({
      "teams/one/": { type: "kv", options: { version: "1" } },
      "cubbyhole/": { type: "cubbyhole" },
      "sys/": { type: "system" },
    });
    await must("kv put teams/one/db password=first");
    await must("kv enable-versioning teams/one");
    expect(await json("kv get teams/one/db")).toMatchObject({ data: { data: { password: "first" }, metadata: { version: 1 } } });
    await must("secrets tune -default-lease-ttl=1h -description=first teams/one");
    expect(await json("read sys/mounts/teams/one/tune")).toMatchObject({ data: { default_lease_ttl: 3600, description: "first" } });
    await must("secrets disable teams/one");
    expect(Object.keys(await json("secrets list"))).not.toContain("teams/one/");
    expect(await run("secrets enable -path=sys kv")).toMatchObject({ code: 2 });
  });
});

describe("kv of the second version", () => {
  const key = "secret/shop/db";

  test("puts, gets, patches, lists, rolls back", async () => {
    await must("secrets enable -path=secret -version=2 kv");
    expect(await json(`kv put ${key} password=one user=app`)).toMatchObject({ data: { version: 1, destroyed: false, deletion_time: "" } });
    expect(await json(`kv get ${key}`)).toMatchObject({
      data: { data: { password: "one", user: "app" }, metadata: { version: 1, destroyed: false, custom_metadata: null } },
    });
    expect(await must(`kv get -field=password ${key}`)).toBe("one");
    expect(await json(`kv patch ${key} password=two`)).toMatchObject({ data: { version: 2 } });
    expect(await json(`kv patch -method=rw ${key} user=other`)).toMatchObject({ data: { version: 3 } });
    expect(await json(`kv get ${key}`)).toMatchObject({ data: { data: { password: "two", user: "other" } } });
    expect(await json(`kv get -version=1 ${key}`)).toMatchObject({ data: { data: { password: "one" }, metadata: { version: 1 } } });
    expect(await json(`kv rollback -version=1 ${key}`)).toMatchObject({ data: { version: 4 } });
    expect(await json(`kv get ${key}`)).toMatchObject({ data: { data: { password: "one", user: "app" } } });
    expect(await json("kv list secret/")).toEqual(["shop/"]);
    expect(await json("kv list secret/shop")).toEqual(["db"]);
    expect(await json(`kv get -mount=secret shop/db`)).toMatchObject({ data: { metadata: { version: 4 } } });
  });

  test("writes only over the version that it names", async () => {
    expect(await run(`kv put -cas=1 ${key} password=x`)).toMatchObject({
      code: 2,
      err: expect.stringContaining("* check-and-set parameter did not match the current version"),
    });
    expect(await json(`kv put -cas=4 ${key} password=five`)).toMatchObject({ data: { version: 5 } });
    expect((await run("kv put -cas=0 secret/shop/new a=b")).code).toBe(0);
    expect((await run("kv put -cas=0 secret/shop/new a=b")).code).toBe(2);
  });

  test("deletes, puts back, destroys, and tells of it", async () => {
    await must(`kv delete ${key}`);
    // The client itself takes an answer of 404 with metadata in it for a good one.
    const gone = await run(`kv get -format=json ${key}`);
    expect([gone.code, JSON.parse(gone.out)]).toMatchObject([0, { data: { data: null, metadata: { version: 5, destroyed: false } } }]);
    await must(`kv undelete -versions=5 ${key}`);
    expect(await must(`kv get -field=password ${key}`)).toBe("five");
    await must(`kv delete -versions=1,2 ${key}`);
    await must(`kv destroy -versions=1 ${key}`);
    const { data } = await json(`kv metadata get ${key}`);
    expect(data).toMatchObject({
      current_version: 5,
      oldest_version: 0,
      versions: { "1": { destroyed: true }, "2": { destroyed: false }, "5": { deletion_time: "" } },
    });
    expect(data.versions["2"].deletion_time).not.toBe("");
    expect(await run("kv get secret/shop/nothing")).toMatchObject({
      code: 2,
      err: expect.stringContaining("No value found at secret/data/shop/nothing"),
    });
  });

  test("keeps metadata of the operator's own, and forgets a key with all of it", async () => {
    await must(`kv metadata put -max-versions=3 -custom-metadata=owner=shop -custom-metadata=tier=1 ${key}`);
    expect(await json(`kv metadata get ${key}`)).toMatchObject({
      data: { max_versions: 3, custom_metadata: { owner: "shop", tier: "1" } },
    });
    await must(`kv metadata patch -remove-custom-metadata=tier -cas-required ${key}`);
    expect(await json(`kv metadata get ${key}`)).toMatchObject({ data: { cas_required: true, custom_metadata: { owner: "shop" } } });
    expect((await run(`kv put ${key} a=b`)).code).toBe(2);
    await must(`kv metadata delete ${key}`);
    expect((await run(`kv metadata get ${key}`)).code).toBe(2);
    expect((await run("kv list secret/nothing")).code).toBe(2);
  });

  test("keeps JSON of any shape, and numbers to the last digit", async () => {
    await must("kv put secret/shop/json -", bao, '{"big":12345678901234567890,"exact":1.10,"list":[1,{"a":null}],"ä":"\\u20ac"}');
    const { out } = await run("read -format=json secret/data/shop/json");
    expect(out).toContain("12345678901234567890");
    expect(out).toContain("1.10");
    expect(JSON.parse(out).data.data).toMatchObject({ list: [1, { a: null }], ä: "€" });
  });

  test("says where to ask when the path lacks what the second version adds", async () => {
    expect((await run("read secret/shop/db")).err + (await run("read secret/shop/db")).out).toContain(
      "Invalid path for a versioned K/V secrets engine",
    );
  });
});

describe("kv of the first version", () => {
  test("puts, gets, lists and deletes", async () => {
    await must("secrets enable -path=plain -version=1 kv");
    await must("kv put plain/a/b user=app password=one");
    expect(await json("kv get plain/a/b")).toMatchObject({ data: { user: "app", password: "one" }, lease_duration: 2764800 });
    expect(await json("kv list plain")).toEqual(["a/"]);
    await must("kv delete plain/a/b");
    expect((await run("kv get plain/a/b")).code).toBe(2);
    expect(await run("kv metadata get plain/a/b")).toMatchObject({
      code: 1,
      err: expect.stringContaining("Metadata not supported on KV Version 1"),
    });
  });
});

describe("policy and token", () => {
  const text = 'path "secret/data/shop/*" {\n  capabilities = ["read"]\n}\npath "secret/metadata/shop/*" {\n  capabilities = ["list"]\n}\n';

  test("writes, reads, lists and deletes policies; tells what is wrong with one", async () => {
    await must("policy write reader -", bao, text);
    expect(await must("policy read reader")).toBe(text);
    expect(await json("policy list")).toEqual(expect.arrayContaining(["default", "reader", "root"]));
    expect(await run("policy write bad -", bao, 'path "x" { capabilities = ["fly"] }')).toMatchObject({
      code: 2,
      err: expect.stringContaining('path "x": invalid capability "fly"'),
    });
    await must("policy write other -", bao, text);
    await must("policy delete other");
    expect((await run("policy read other")).code).toBe(2);
  });

  test("creates tokens that may what their policies say, and no more", async () => {
    await must("kv put secret/shop/till pin=1");
    const { auth } = await json("token create -policy=reader -ttl=10m -display-name=till -metadata=user=bob");
    expect(auth).toMatchObject({ policies: ["default", "reader"], lease_duration: 600, renewable: true, metadata: { user: "bob" } });
    const till = shell("till", { BAO_TOKEN: auth.client_token });
    expect(await must("kv get -field=pin secret/shop/till", till)).toBe("1");
    expect(await run("kv put secret/shop/till pin=2", till)).toMatchObject({ code: 2, err: expect.stringContaining("permission denied") });
    expect(await run("kv get secret/other", till)).toMatchObject({ code: 2, err: expect.stringContaining("permission denied") });
    expect((await must("token capabilities secret/data/shop/till", till)).trim()).toBe("read");
    expect((await must(`token capabilities ${auth.client_token} secret/data/other`)).trim()).toBe("deny");
    expect((await must("token capabilities secret/data/other")).trim()).toBe("root");
    expect(await json("token lookup", till)).toMatchObject({
      data: { display_name: "token-till", meta: { user: "bob" }, path: "auth/token/create" },
    });
    expect(await json(`token lookup -accessor ${auth.accessor}`)).toMatchObject({ data: { id: "", accessor: auth.accessor } });
    expect(await json("token renew -increment=5m", till)).toMatchObject({ auth: { lease_duration: 300 } });
    await must(`token revoke -accessor ${auth.accessor}`);
    expect(await run("token lookup", till)).toMatchObject({ code: 2, err: expect.stringContaining("permission denied") });
  });

  test("creates tokens of every kind", async () => {
    expect((await json("token create -type=batch -policy=reader -ttl=5m")).auth).toMatchObject({ accessor: "", renewable: false });
    expect((await json("token create -period=1h -policy=reader")).auth).toMatchObject({ lease_duration: 3600 });
    expect((await json("token create -orphan -policy=reader")).auth).toMatchObject({ orphan: true });
    const { auth } = await json("token create -use-limit=2 -policy=reader");
    const twice = shell("twice", { BAO_TOKEN: auth.client_token });
    expect((await run("token lookup", twice)).code).toBe(0);
    expect((await run("token lookup", twice)).code).toBe(0);
    expect((await run("token lookup", twice)).code).toBe(2);
    await must("write auth/token/roles/ci allowed_policies=reader orphan=true token_period=30m");
    expect((await json("token create -role=ci")).auth).toMatchObject({
      policies: ["default", "reader"],
      orphan: true,
      lease_duration: 1800,
    });
  });

  test("wraps an answer for one who unwraps it once", async () => {
    const wrapped = await json("kv get -wrap-ttl=5m secret/shop/till");
    expect(wrapped.wrap_info).toMatchObject({ ttl: 300, creation_path: "secret/data/shop/till" });
    expect(await json(`write sys/wrapping/lookup token=${wrapped.wrap_info.token}`)).toMatchObject({
      data: { creation_ttl: 300, creation_path: "secret/data/shop/till" },
    });
    expect(await json(`unwrap ${wrapped.wrap_info.token}`)).toMatchObject({ data: { data: { pin: "1" } } });
    expect(await run(`unwrap ${wrapped.wrap_info.token}`)).toMatchObject({
      code: 2,
      err: expect.stringContaining("wrapping token is not valid or does not exist"),
    });
  });
});
