import { beforeEach, describe, expect, test } from "bun:test";
import { SecretBytes } from "../../../src/model/secret-bytes";
import { createVaultClient, type VaultClient } from "./client";

let vault: VaultClient;
const errors = (...texts: readonly string[]) => ({ errors: texts });

async function create(body: object, token?: string): Promise<string> {
  const { body: answer, status } = await vault.as("POST", "auth/token/create", { body, ...(token === undefined ? {} : { token }) });
  expect([status, answer]).toMatchObject([200, { auth: { token_type: expect.any(String) } }]);
  return String(answer.auth?.client_token);
}

async function policy(name: string, path: string, ...capabilities: readonly string[]): Promise<void> {
  const { paths } = vault.house.broker;
  const caller = await paths.tokens.identify(
    (await vault.house.operator.createRootToken(0, vault.house.context())).token,
    vault.house.context(),
  );
  await paths.policies.write(
    caller,
    { path: "x", action: "write" },
    { name, text: "", rules: [{ path, capabilities: capabilities.map(capability) }] },
  );
}

function capability(word: string) {
  const known = (["create", "read", "update", "patch", "delete", "list", "sudo", "deny"] as const).find((each) => each === word);
  if (known === undefined) throw new Error(word);
  return known;
}

beforeEach(async () => {
  vault = await createVaultClient();
});

describe("the root token", () => {
  test("looks itself up as root's does", async () => {
    const { status, body } = await vault.as("GET", "auth/token/lookup-self");
    expect(status).toBe(200);
    expect(body.data).toMatchObject({
      id: vault.root,
      policies: ["root"],
      path: "auth/token/root",
      display_name: "root",
      ttl: 0,
      expire_time: null,
      orphan: true,
      num_uses: 0,
      type: "service",
    });
    expect(body.data).not.toHaveProperty("renewable");
  });

  test("lists mounts and methods, in the envelope and beside it", async () => {
    const { body } = await vault.as("GET", "sys/mounts");
    expect(Object.keys(body.data ?? {})).toEqual(["conjur/", "cubbyhole/", "identity/", "sys/"]);
    expect(body["sys/"]).toEqual(body.data?.["sys/"]);
    expect((await vault.as("GET", "sys/auth")).body.data).toHaveProperty("token/");
  });
});

describe("a new token", () => {
  test("has its parent's policies unless others are asked for, and default with them", async () => {
    const app = await create({ policies: ["app", " APP "], ttl: "1h", display_name: "web/1", meta: { a: "b" } });
    const { body } = await vault.as("GET", "auth/token/lookup-self", { token: app });
    expect(body.data).toMatchObject({
      policies: ["app", "default"],
      creation_ttl: 3600,
      ttl: 3600,
      renewable: true,
      orphan: false,
      display_name: "token-web-1",
      meta: { a: "b" },
      path: "auth/token/create",
    });
  });

  test("warns of policies that are not there", async () => {
    const { body } = await vault.as("POST", "auth/token/create", { body: { policies: ["nope"] } });
    expect(body.warnings).toEqual(['Policy "nope" does not exist']);
  });

  test("is refused what its parent may not give", async () => {
    await policy("maker", "auth/token/create", "update");
    const maker = await create({ policies: ["maker"], no_default_policy: true });
    const ask = async (body: object) => (await vault.as("POST", "auth/token/create", { token: maker, body })).body;
    expect(await ask({ policies: ["other"] })).toEqual(errors("child policies must be subset of parent"));
    expect(await ask({ policies: ["root"] })).toEqual(errors("child policies must be subset of parent"));
    expect(await ask({ no_parent: true })).toEqual(errors("root or sudo privileges required to create orphan token"));
    expect(await ask({ period: "1h" })).toEqual(errors("root or sudo privileges required to create periodic token"));
    expect(await ask({ id: "mine" })).toEqual(errors("root or sudo privileges required to specify token id"));
    expect(await ask({ entity_alias: "x" })).toEqual(errors("'entity_alias' is only allowed in combination with token role"));
    expect((await ask({})).auth).toMatchObject({ policies: ["maker"], orphan: false });
  });

  test("with sudo may be anything but root", async () => {
    await policy("maker", "auth/token/create", "update", "sudo");
    const maker = await create({ policies: ["maker"] });
    const ask = async (body: object) => (await vault.as("POST", "auth/token/create", { token: maker, body })).body;
    expect(await ask({ policies: ["root"] })).toEqual(errors("root tokens may not be created without parent token being root"));
    expect((await ask({ policies: ["other"], no_parent: true })).auth).toMatchObject({ policies: ["default", "other"], orphan: true });
    expect(await ask({ policies: ["response-wrapping"] })).toEqual(errors('cannot assign policy "response-wrapping"'));
  });

  test("of a kind, with uses and with an id of its own", async () => {
    const ask = async (body: object) => (await vault.as("POST", "auth/token/create", { body })).body;
    expect((await ask({ type: "batch", policies: ["a"] })).auth).toMatchObject({ token_type: "batch", accessor: "", renewable: false });
    expect(await ask({ type: "batch", policies: ["a"], num_uses: 1 })).toEqual(errors('batch tokens cannot have "num_uses" set'));
    expect(await ask({ type: "batch" })).toEqual(errors("batch tokens cannot be root tokens"));
    expect(await ask({ type: "strange" })).toEqual(errors("invalid 'token_type' value"));
    expect(await ask({ num_uses: -1 })).toEqual(errors("number of uses cannot be negative"));
    expect(await ask({ id: "hvs.mine" })).toEqual(errors("custom token ID cannot have the 'hvs.' prefix"));
    expect(await ask({ id: "a.b" })).toEqual(errors("custom token ID cannot have a '.' in the value"));
    expect((await ask({ id: "mine" })).auth?.client_token).toBe("mine");
    expect(await ask({ id: "mine" })).toEqual(errors("cannot create a token with a duplicate ID"));
    expect((await vault.as("GET", "auth/token/lookup-self", { token: "mine" })).status).toBe(200);
  });

  test("never gets the administrator's rights in the graph from root", async () => {
    await vault.house.load("- !variable db");
    const app = await create({ policies: ["conjur-reader"] });
    await policy("conjur-reader", "conjur/*", "read");
    const { data } = (await vault.as("GET", "auth/token/lookup-self", { token: app })).body;
    expect(data).not.toHaveProperty("identity_policies");
    const token = SecretBytes.ofText(app);
    const caller = await vault.house.broker.paths.tokens.identify(token, vault.house.context());
    expect(caller).toMatchObject({ role: `${vault.house.account}:host:vault/token` });
    expect((await vault.as("GET", "conjur/db", { token: app })).status).toBeGreaterThan(399);
  });
});

describe("a token", () => {
  test("that is none, ended, or used up is refused in the words that agents wait for", async () => {
    const invalid = errors("2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n");
    expect(await vault.as("GET", "auth/token/lookup-self", { token: "hvs.none" })).toMatchObject({ status: 403, body: invalid });
    const short = await create({ policies: ["a"], ttl: 60 });
    const once = await create({ policies: ["a"], num_uses: 1 });
    expect((await vault.as("GET", "auth/token/lookup-self", { token: once })).status).toBe(200);
    expect(await vault.as("GET", "auth/token/lookup-self", { token: once })).toMatchObject({ status: 403, body: invalid });
    vault.house.clock.advance(59_999);
    expect((await vault.as("GET", "auth/token/lookup-self", { token: short })).status).toBe(200);
    vault.house.clock.advance(1);
    expect(await vault.as("GET", "auth/token/lookup-self", { token: short })).toMatchObject({ status: 403, body: invalid });
  });

  test("of one use serves one of fifty who show it at once", async () => {
    const once = await create({ policies: ["a"], num_uses: 1 });
    const answers = await Promise.all(Array.from({ length: 50 }, () => vault.as("GET", "auth/token/lookup-self", { token: once })));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  test("is renewed for what is asked, up to its maximum, and may be shortened", async () => {
    const token = await create({ policies: ["a"], ttl: "1h", explicit_max_ttl: "2h" });
    const renew = async (increment: number) => (await vault.as("PUT", "auth/token/renew-self", { token, body: { increment } })).body;
    expect((await renew(60)).auth).toMatchObject({ lease_duration: 60, client_token: token, renewable: true });
    expect((await renew(7200)).auth).toMatchObject({ lease_duration: 7200 });
    vault.house.clock.advance(3_600_000);
    expect((await renew(7200)).auth).toMatchObject({ lease_duration: 3600 });
    vault.house.clock.advance(3_599_500);
    expect(await renew(10)).toEqual(errors("past the max TTL, cannot renew"));
  });

  test("with a period is renewed for it again and again", async () => {
    const token = await create({ policies: ["a"], period: "1h" });
    for (let time = 0; time < 1000; time += 1) {
      vault.house.clock.advance(3_500_000);
      expect((await vault.as("PUT", "auth/token/renew-self", { token })).body.auth?.lease_duration).toBe(3600);
    }
  });

  test("takes with it what it made, however deep, but not orphans", async () => {
    await policy("maker", "auth/token/*", "update", "sudo");
    const parent = await create({ policies: ["maker"] });
    const child = await create({ policies: ["maker"] }, parent);
    const grandchild = await create({ policies: ["maker"] }, child);
    const orphan = await create({ policies: ["maker"], no_parent: true }, parent);
    expect((await vault.as("PUT", "auth/token/revoke", { body: { token: parent } })).status).toBe(204);
    const statuses = await Promise.all(
      [parent, child, grandchild, orphan].map(async (token) => (await vault.as("GET", "auth/token/lookup-self", { token })).status),
    );
    expect(statuses).toEqual([403, 403, 403, 200]);
    expect((await vault.as("PUT", "auth/token/revoke", { body: { token: parent } })).status).toBe(204);
    expect((await vault.as("PUT", "auth/token/revoke", { body: {} })).body).toEqual(errors("missing token ID"));
  });

  test("ends with its parent's time, whatever its own", async () => {
    await policy("maker", "auth/token/*", "update");
    const parent = await create({ policies: ["maker"], ttl: 60 });
    const child = await create({ ttl: "10h" }, parent);
    const batch = await create({ ttl: "10h", type: "batch" }, parent);
    vault.house.clock.advance(60_000);
    for (const token of [child, batch]) expect((await vault.as("GET", "auth/token/lookup-self", { token })).status).toBe(403);
  });

  test("goes alone when it is to orphan what it made", async () => {
    const parent = await create({ policies: ["default"] });
    await policy("default", "auth/token/*", "update", "read", "sudo");
    const child = await create({}, parent);
    expect((await vault.as("PUT", "auth/token/revoke-orphan", { body: { token: parent } })).status).toBe(204);
    expect((await vault.as("GET", "auth/token/lookup-self", { token: child })).body.data).toMatchObject({ orphan: true });
  });

  test("is looked up and ended by its accessor, without being told", async () => {
    const token = await create({ policies: ["a"] });
    const accessor = (await vault.as("GET", "auth/token/lookup-self", { token })).body.data?.accessor;
    expect(accessor).toMatch(/^[0-9A-Za-z]{24}$/);
    const { body } = await vault.as("POST", "auth/token/lookup-accessor", { body: { accessor } });
    expect(body.data).toMatchObject({ id: "", accessor, policies: ["a", "default"] });
    expect((await vault.as("LIST", "auth/token/accessors")).body.data?.keys).toContain(accessor);
    expect((await vault.as("POST", "auth/token/lookup-accessor", { body: {} })).body).toEqual(errors("missing accessor"));
    expect((await vault.as("POST", "auth/token/lookup-accessor", { body: { accessor: "x" } })).body).toEqual(errors("invalid accessor"));
    expect((await vault.as("PUT", "auth/token/revoke-accessor", { body: { accessor } })).status).toBe(204);
    expect((await vault.as("PUT", "auth/token/revoke-accessor", { body: { accessor } })).body.warnings).toEqual([
      "No token found with this accessor",
    ]);
    expect((await vault.as("POST", "auth/token/lookup", { body: { token } })).body).toEqual(errors("bad token"));
  });

  test("is worth nothing when a letter of a batch token is another", async () => {
    const batch = await create({ policies: ["a"], type: "batch" });
    for (const at of [5, 20, batch.length - 1]) {
      const other = batch.slice(0, at) + (batch[at] === "A" ? "B" : "A") + batch.slice(at + 1);
      expect((await vault.as("GET", "auth/token/lookup-self", { token: other })).status).toBe(403);
    }
    expect((await vault.as("GET", "auth/token/lookup-self", { token: batch })).status).toBe(200);
  });

  test("is a line in the audit that names its accessor and never itself", async () => {
    const token = await create({ policies: ["a"] });
    await vault.as("GET", "sys/mounts", { token });
    const line = vault.house.lastAudit();
    expect(line).toMatchObject({
      operation: "mount.list",
      allowed: false,
      path: "sys/mounts",
      accessor: expect.stringMatching(/^\w{24}$/),
    });
    expect(JSON.stringify(vault.house.audit)).not.toContain(token);
  });
});

describe("a token role", () => {
  test("says what its tokens are", async () => {
    await vault.as("POST", "auth/token/roles/ci", {
      body: { allowed_policies: "a,b", orphan: true, token_period: "1h", token_num_uses: 5 },
    });
    const { body } = await vault.as("POST", "auth/token/create/ci", { body: { policies: ["a"] } });
    expect(body.auth).toMatchObject({ policies: ["a", "default"], orphan: true, lease_duration: 3600, num_uses: 5 });
    expect((await vault.as("POST", "auth/token/create/ci", { body: { policies: ["x"] } })).body).toEqual(
      errors(`token policies (["x"]) must be subset of the role's allowed policies (["a" "b" "default"]) or glob policies ([])`),
    );
    expect((await vault.as("LIST", "auth/token/roles")).body.data?.keys).toEqual(["ci"]);
    expect((await vault.as("GET", "auth/token/roles/ci")).body.data).toMatchObject({
      name: "ci",
      token_type: "default-service",
      renewable: true,
    });
    expect((await vault.as("DELETE", "auth/token/roles/ci")).status).toBe(204);
    expect((await vault.as("GET", "auth/token/roles/ci")).status).toBe(404);
  });

  test.each([
    [{ disallowed_policies: "secret" }, { policies: ["secret"] }, 'token policy "secret" is disallowed by this role'],
    [{ disallowed_policies_glob: "se*" }, { policies: ["secret"] }, 'token policy "secret" is disallowed by this role'],
  ])("%j refuses %j", async (role, body, says) => {
    await vault.as("POST", "auth/token/roles/ci", { body: role });
    expect((await vault.as("POST", "auth/token/create/ci", { body })).body).toEqual(errors(says));
  });

  test("lets by globs what they stand for", async () => {
    await vault.as("POST", "auth/token/roles/ci", { body: { allowed_policies_glob: ["team-*-ro"] } });
    expect((await vault.as("POST", "auth/token/create/ci", { body: { policies: ["team-a-ro"] } })).status).toBe(200);
    expect((await vault.as("POST", "auth/token/create/ci", { body: { policies: ["team-ro"] } })).status).toBe(400);
  });
});

test("tokens outlive the process that made them, but not their end", async () => {
  const kept = await create({ policies: ["a"], ttl: "1h" });
  const again = await createVaultClient({ store: vault.house.store });
  expect((await again.as("GET", "auth/token/lookup-self", { token: kept })).status).toBe(200);
});
