import { beforeEach, describe, expect, test } from "bun:test";
import type { PathQuestion } from "../../../src/core/broker";
import { presentRights } from "../../../src/server/path-report";
import { failureOfWork } from "../../support/failing";
import { createDesk, type Desk } from "./desk";

let desk: Desk;
const rule = (path: string, ...capabilities: readonly string[]) =>
  `path ${JSON.stringify(path)} { capabilities = ${JSON.stringify(capabilities)} }\n`;

beforeEach(async () => {
  desk = await createDesk();
  await desk.ask("PUT sys/policies/acl/app", { policy: rule("secret/data/app", "list") + rule("secret/other", "read") });
  await desk.ask("PUT sys/policies/acl/db", { policy: rule("secret/data/*", "read") });
  await desk.ask("POST sys/auth/approle", { type: "approle" });
  await desk.ask("POST auth/approle/role/ci", { token_policies: "app,gone", bind_secret_id: false, token_bound_cidrs: "0.0.0.0/0" });
  await desk.house.load(
    "- !group vault/policy/db\n- !layer machines\n- !host vault/role/approle/ci\n- !grant\n  role: !group vault/policy/db\n  member: !layer machines\n- !grant\n  role: !layer machines\n  member: !host vault/role/approle/ci\n",
    "update",
  );
});

const explain = (question: Partial<PathQuestion> & Pick<PathQuestion, "about">) =>
  desk.house.operator.explainPath({ path: "secret/data/app", capability: "read", ...question }, desk.house.clock.now());
const ofRole = { by: "role", role: "auth/approle/role/ci" } as const;

describe("why something is allowed at a path", () => {
  test("is told of a role: its policies with the way to each, the rule that decides, and what it kept from counting", () => {
    expect(explain({ about: ofRole })).toMatchObject({
      allowed: false,
      because: "path_capability",
      role: "acme:host:vault/role/approle/ci",
      mount: "secret/ (kv, version 2)",
      policies: [
        { name: "app", exists: true, via: "of the role's tokens" },
        { name: "default", exists: true, via: "of the role's tokens" },
        { name: "gone", exists: false },
        { name: "db", via: "acme:host:vault/role/approle/ci → acme:layer:machines → acme:group:vault/policy/db" },
      ],
      rule: { path: "secret/data/app", from: "app line 1", allows: false },
      passedOver: [{ path: "secret/data/*", from: "db line 1", allows: true, reason: "that one has no wildcard" }],
    });
  });

  test("is told of a token by its accessor, and of a role of the graph, alike", async () => {
    const { body } = await desk.with(null).ask("POST auth/approle/login", { role_id: await roleId() });
    const ofToken = explain({ about: { by: "accessor", accessor: body.auth.accessor } });
    const ofGraph = explain({ about: { by: "role", role: "acme:host:vault/role/approle/ci" } });
    expect(ofToken.policies.map(({ name }) => name)).toEqual(ofGraph.policies.map(({ name }) => name));
    expect(ofToken.policies[0]?.via).toBe("of the token, made at auth/approle/login");
    expect(ofToken.rule).toEqual(ofGraph.rule);
    expect(ofToken.notes).toEqual([]);
    expect(ofGraph.notes).toEqual([expect.stringContaining("does not count: its placeholders are filled in for a token alone")]);
  });

  test("says that a rule misses what a mount with versions puts in between", () => {
    expect(explain({ about: { by: "policies", names: ["app"] }, path: "/v1/secret/data/other" })).toMatchObject({
      because: "no_path_rule",
      path: "secret/data/other",
      nearest: { path: "secret/other", hint: expect.stringContaining("KV version 2") },
    });
  });

  test("is everything for root, and nothing for a policy that is not there", () => {
    expect(explain({ about: { by: "policies", names: ["root"] } })).toMatchObject({ allowed: true });
    expect(explain({ about: { by: "policies", names: ["gone"] } })).toMatchObject({ allowed: false, because: "no_path_rule" });
  });

  test.each<[string, Partial<PathQuestion> & Pick<PathQuestion, "about">, string]>([
    ["a token that is none", { about: { by: "accessor", accessor: "hvs.canary" } }, "not_found"],
    ["a role that is none", { about: { by: "role", role: "auth/approle/role/none" } }, "not_found"],
    ["a path that is no role's", { about: { by: "role", role: "auth/approle/config" } }, "not_found"],
    ["a method that is none", { about: { by: "role", role: "auth/none/role/x" } }, "not_found"],
    ["text", { about: { by: "role", role: "ci" } }, "malformed"],
    ["a path upwards", { about: ofRole, path: "secret/../sys" }, "malformed"],
    ["no path", { about: ofRole, path: "/" }, "malformed"],
  ])("is not told of %s", async (_, question, code) => {
    const failure = await failureOfWork((async () => explain(question))());
    expect<string>(failure.code).toBe(code);
    expect(JSON.stringify(failure)).not.toContain("canary");
  });

  test("is told again of a decision that was made, as things are since", async () => {
    const { body } = await desk.with(null).ask("POST auth/approle/login", { role_id: await roleId() });
    expect((await desk.with(body.auth.client_token).ask("GET secret/data/app")).status).toBe(403);
    const record = desk.house.lastAudit();
    expect(record).toMatchObject({ privilege: "read", path: "secret/data/app", because: "path_capability" });
    const now = desk.house.clock.now();
    expect(presentRights(desk.house.operator, record, now)).toMatchObject({ allowed: false, rule: { path: "secret/data/app" } });
    await desk.ask("PUT sys/policies/acl/app", { policy: rule("secret/data/app", "read") });
    expect(presentRights(desk.house.operator, record, now)).toMatchObject({ allowed: true });
    await desk.ask("POST auth/token/revoke-accessor", { accessor: body.auth.accessor });
    expect(presentRights(desk.house.operator, record, now)?.policies[0]?.via).toBe("of the role's tokens");
  });
});

async function roleId(): Promise<string> {
  return (await desk.ask("GET auth/approle/role/ci/role-id")).body.data.role_id;
}
