/** What is wrong with a request is nobody's to know who may not make it. */

import { beforeEach, describe, expect, test } from "bun:test";
import { createDesk, type Desk } from "./desk";

let desk: Desk;
let stranger: string;
const refused = { status: 403, body: { errors: ["1 error occurred:\n\t* permission denied\n\n"] } };

beforeEach(async () => {
  desk = await createDesk();
  for (const method of ["approle", "userpass", "jwt", "azure"]) await desk.ask(`POST sys/auth/${method}`, { type: method });
  stranger = (await desk.ask("POST auth/token/create", { policies: ["nothing"], no_default_policy: true })).body.auth.client_token;
});

const wrong: readonly (readonly [question: string, body?: unknown])[] = [
  ["POST secret/data/a", {}],
  ["POST secret/data/a", "{"],
  ["POST secret/data/a", "[]"],
  ["POST secret/data/a", { data: "text" }],
  ["POST secret/data/a", { data: {}, options: { cas: "x" } }],
  [`POST secret/data/${"a".repeat(600)}`, { data: {} }],
  ["PATCH secret/data/a", { data: 1 }],
  ["GET secret/data/a?version=x"],
  ["GET secret/subkeys/a?depth=-1"],
  ["POST secret/delete/a", {}],
  ["POST secret/destroy/a", { versions: ["x"] }],
  ["POST secret/metadata/a", { max_versions: -1 }],
  ["POST secret/metadata/a", { custom_metadata: { a: 1 } }],
  ["POST secret/config", { cas_required: "perhaps" }],
  ["POST old/a", {}],
  ["POST old", { a: 1 }],
  ["POST conjur/a", {}],
  ["POST cubbyhole/a", {}],
  ["POST auth/token/create", { ttl: "soon" }],
  ["POST auth/token/create", { policies: [{}] }],
  ["POST auth/token/lookup-accessor", {}],
  ["POST auth/token/renew-accessor", {}],
  ["POST auth/token/revoke", {}],
  ["POST auth/token/revoke-accessor", {}],
  ["POST auth/token/roles/a", { orphan: "perhaps" }],
  ["POST sys/mounts/new", {}],
  ["POST sys/mounts/new", { type: "nothing" }],
  ["POST sys/mounts/auth/new", { type: "kv" }],
  ["DELETE sys/mounts/auth/approle"],
  ["POST sys/auth/new", { type: 7 }],
  ["PUT sys/policies/acl/a", { policy: "nothing of the kind" }],
  ["POST sys/capabilities", { paths: ["a"] }],
  ["POST sys/capabilities-self", {}],
  ["POST sys/tools/random/x", {}],
  ["POST sys/tools/hash", { input: "%" }],
  ["POST sys/wrapping/wrap", {}],
  ["POST auth/approle/role/a", { token_ttl: "soon" }],
  ["POST auth/approle/role/-", {}],
  ["POST auth/userpass/users/a", { token_ttl: [] }],
  ["POST auth/jwt/role/a", { bound_claims: 1 }],
  ["POST auth/azure/role/a", { bound_locations: {} }],
];

describe("a request that is wrong", () => {
  test.each(wrong)("%s with %j is refused to who may not make it, with a line in the audit", async (question, body) => {
    const before = desk.house.audit.length;
    expect(await desk.with(stranger).ask(question, body)).toMatchObject(refused);
    const lines = desk.house.audit.slice(before);
    expect(lines.map(({ allowed }) => allowed)).toEqual([false]);
    const { status } = await desk.ask(question, body);
    expect([400, 404]).toContain(status);
  });

  test("is told to who may create and not update as well", async () => {
    await desk.ask("PUT sys/policies/acl/creator", { policy: 'path "secret/data/*" { capabilities = ["create"] }' });
    const token = (await desk.ask("POST auth/token/create", { policies: ["creator"] })).body.auth.client_token;
    expect((await desk.with(token).ask("POST secret/data/a", {})).body.errors).toEqual(["no data provided"]);
  });

  test("shows nothing of what it holds in the audit", async () => {
    await desk.with(stranger).ask("POST secret/data/a", '{"data":{"password":"canary-7f3a"');
    await desk.ask("POST secret/data/a", { data: "canary-7f3a" });
    expect(JSON.stringify(desk.house.audit)).not.toContain("canary-7f3a");
  });
});

describe("times that are too long for any clock", () => {
  test.each([9_007_199_254_740_991, 9_223_372_037, "999999999999999", "99999999d", 1e308, "-99999999999s"])(
    "%p are refused wherever a time is taken, and leave nothing half done",
    async (time) => {
      const wanted: readonly (readonly [string, object])[] = [
        ["POST secret/metadata/a", { delete_version_after: time }],
        ["PATCH secret/metadata/a", { delete_version_after: time }],
        ["POST secret/config", { delete_version_after: time }],
        ["POST auth/token/create", { ttl: time }],
        ["POST auth/token/create", { period: time }],
        ["POST auth/token/create", { explicit_max_ttl: time }],
        ["POST auth/token/renew-self", { increment: time }],
        ["POST auth/token/roles/a", { token_period: time }],
        ["POST sys/mounts/secret/tune", { max_lease_ttl: time }],
        ["POST auth/approle/role/a", { token_max_ttl: time }],
      ];
      for (const [question, body] of wanted) expect([question, (await desk.ask(question, body)).status]).toEqual([question, 400]);
      expect((await desk.ask("GET secret/metadata/a")).status).toBe(404);
      expect((await desk.ask("POST secret/data/a", { data: { a: 1 } })).status).toBe(200);
      expect((await desk.ask("GET secret/data/a")).status).toBe(200);
    },
  );

  test("that are just short enough do what they say", async () => {
    expect((await desk.ask("POST secret/metadata/a", { delete_version_after: 9_223_372_036 })).status).toBe(204);
    expect((await desk.ask("POST secret/data/a", { data: { a: 1 } })).body.data.deletion_time).toMatch(/^23\d\d-/);
    expect((await desk.ask("GET secret/metadata/a")).body.data.versions["1"].deletion_time).toMatch(/^23\d\d-/);
  });
});

describe("an answer that says that nothing is there", () => {
  test("is not wrapped, also where it tells of a version", async () => {
    await desk.ask("POST secret/data/a", { data: { a: 1 } });
    await desk.ask("DELETE secret/data/a");
    const { status, body } = await desk.ask("GET secret/data/a", undefined, { "x-vault-wrap-ttl": "60s" });
    expect([status, body.wrap_info, body.data.metadata.version]).toEqual([404, null, 1]);
  });
});
