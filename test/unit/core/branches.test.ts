import { describe, expect, test } from "bun:test";
import { parseId, parseRoleId } from "../../../src/model/ids";
import type { Caller } from "../../../src/model/types";
import { failureOfWork } from "../../support/failing";
import { createHouse, type House, secret } from "../../support/house";

const policy = (path: string) => parseRoleId(`acme:policy:${path}`);
const none = new Map<string, string>();

/** A team's branch with what it holds, its lead who owns it, a helper with single rights on it, and a stranger. */
async function house(): Promise<House> {
  const made = await createHouse();
  await made.load(`
- !user lead
- !user helper
- !user stranger
- !group ops
- !policy
  id: team
  owner: !user lead
  annotations: { purpose: payments }
  body:
    - !variable db
    - !user ann
    - !group readers
    - !host web
    - !policy { id: sub, body: [ !variable deep ] }
- !permit { role: !user helper, privileges: [ read, create ], resource: !policy team }
`);
  return made;
}

const create = (made: House, caller: Caller, name: string, more = {}) =>
  made.broker.createBranch(caller, { parent: policy("team"), name, annotations: none, ...more });
const ids = (made: House) =>
  made.broker
    .listResources(made.admin, { account: made.account })
    .then(({ items }) => items.map(({ resource }) => String(resource.id).slice("acme:".length)));

describe("a new branch", () => {
  test("is owned by the branch above, carries annotations, and takes policy of its own", async () => {
    const made = await house();
    const lead = await made.session("user:lead");
    const branch = await create(made, lead, "new", { annotations: new Map([["a", "b"]]) });
    expect(branch).toMatchObject({ id: "acme:policy:team/new", owner: "acme:policy:team", annotations: [{ name: "a", value: "b" }] });
    expect(made.lastAudit()).toMatchObject({
      operation: "branch.create",
      allowed: true,
      resource: "acme:policy:team",
      privilege: "create",
      role: "acme:user:lead",
    });
    await made.broker.loadPolicy(lead, { policy: policy("team/new"), mode: "create", text: Buffer.from("- !variable x") });
    await made.broker.writeSecret(lead, parseId("acme:variable:team/new/x"), secret("v"));
  });

  test("at the top is owned by the administrator, and goes with a text that replaces the root and does not name it", async () => {
    const made = await house();
    const branch = await made.broker.createBranch(made.admin, { parent: policy("root"), name: "top", annotations: none });
    expect(branch).toMatchObject({ id: "acme:policy:top", owner: "acme:user:admin" });
    await made.load("- !user lead\n- !policy { id: team, owner: !user lead }\n- !policy top", "replace");
    expect(await ids(made)).toContain("policy:top");
    await made.load("- !user lead\n- !policy { id: team, owner: !user lead }", "replace");
    expect(await ids(made)).not.toContain("policy:top");
  });

  test("may be given another owner, whom its maker sees", async () => {
    const made = await house();
    const lead = await made.session("user:lead");
    expect(await create(made, lead, "a", { owner: parseRoleId("acme:group:team/readers") })).toMatchObject({
      owner: "acme:group:team/readers",
    });
    expect(await create(made, lead, "b", { owner: lead.role })).toMatchObject({ owner: "acme:user:lead" });
    const owners = ["acme:user:stranger", "acme:user:absent"].map(parseRoleId);
    const failures = await Promise.all(owners.map((owner) => failureOfWork(create(made, lead, "c", { owner }))));
    expect(failures.map(({ code }) => code)).toEqual(["not_found", "not_found"]);
    expect(made.audit.filter(({ because }) => because === "owner_missing")).toHaveLength(2);
  });

  test("takes `create` on the branch above; who does not see that one learns nothing", async () => {
    const made = await house();
    await create(made, await made.session("user:helper"), "x");
    await made.load("- !deny { role: !user helper, privileges: [ create ], resource: !policy team }", "update");
    expect((await failureOfWork(create(made, await made.session("user:helper"), "y"))).code).toBe("forbidden");
    expect(made.lastAudit()).toMatchObject({ operation: "branch.create", allowed: false, because: "privilege_missing" });
    const stranger = await made.session("user:stranger");
    expect((await failureOfWork(create(made, stranger, "x"))).code).toBe("not_found");
    const absent = made.broker.createBranch(stranger, { parent: policy("absent"), name: "x", annotations: none });
    expect((await failureOfWork(absent)).code).toBe("not_found");
  });

  test("is made once, however many ask at the same time", async () => {
    const made = await house();
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, () =>
        create(made, made.admin, "same").then(
          () => "made",
          () => "refused",
        ),
      ),
    );
    expect(outcomes.filter((each) => each === "made")).toHaveLength(1);
    expect((await failureOfWork(create(made, made.admin, "same"))).code).toBe("exists");
  });

  test.each(["", "a/b", ".", "..", " a", "a\u0000", "a\\b"])("cannot be called %j", async (name) => {
    const made = await house();
    expect(await failureOfWork(create(made, made.admin, name))).toMatchObject({ code: "malformed", where: "name" });
  });

  test.each(["ROOT", "ｒｏｏｔ", "Conjur"])("cannot have the look of a reserved name, as %j has", async (name) => {
    const made = await house();
    const work = made.broker.createBranch(made.admin, { parent: policy("root"), name, annotations: none });
    expect((await failureOfWork(work)).code).toBe("malformed");
  });
});

describe("the branches that are shown", () => {
  test("are those one may read, a page at a time", async () => {
    const made = await house();
    const all = await made.broker.listBranches(made.admin, { account: made.account, limit: 10, offset: 0 });
    expect(all.items.map(({ id }) => String(id))).toEqual(["acme:policy:team", "acme:policy:team/sub"]);
    const second = await made.broker.listBranches(made.admin, { account: made.account, limit: 1, offset: 1 });
    expect([second.items.map(({ id }) => String(id)), second.total]).toEqual([["acme:policy:team/sub"], 2]);
    const helper = await made.broker.listBranches(await made.session("user:helper"), { account: made.account, limit: 10, offset: 0 });
    expect(helper.items).toMatchObject([{ id: "acme:policy:team", owner: "acme:user:lead", annotations: [{ name: "purpose" }] }]);
    const stranger = await made.broker.listBranches(await made.session("user:stranger"), { account: made.account, limit: 10, offset: 0 });
    expect(stranger.total).toBe(0);
  });

  test("take `read` one by one", async () => {
    const made = await house();
    expect((await made.broker.showBranch(await made.session("user:helper"), policy("team"))).owner).toBe(made.id("user:lead"));
    await made.load("- !deny { role: !user helper, privileges: [ read ], resource: !policy team }", "update");
    expect((await failureOfWork(made.broker.showBranch(await made.session("user:helper"), policy("team")))).code).toBe("forbidden");
    expect((await failureOfWork(made.broker.showBranch(await made.session("user:stranger"), policy("team")))).code).toBe("not_found");
    expect((await failureOfWork(made.broker.showBranch(made.admin, policy("absent")))).code).toBe("not_found");
  });
});

describe("a changed branch", () => {
  test("keeps the annotations that are not named", async () => {
    const made = await house();
    const changed = await made.broker.updateBranch(made.admin, policy("team"), { annotations: new Map([["b", "c"]]) });
    expect(changed.annotations.map(({ name, value }) => [name, value])).toEqual([
      ["purpose", "payments"],
      ["b", "c"],
    ]);
    const again = await made.broker.updateBranch(made.admin, policy("team"), { annotations: new Map([["purpose", "none"]]) });
    expect(again.annotations.find(({ name }) => name === "purpose")?.value).toBe("none");
  });

  test("obeys its new owner and no longer the old one", async () => {
    const made = await house();
    const lead = await made.session("user:lead");
    await made.load(
      "- !permit { role: !user lead, privileges: [ read ], resource: !group ops }\n- !grant { role: !group ops, member: !user helper }",
    );
    await made.broker.updateBranch(lead, policy("team"), { owner: parseRoleId("acme:group:ops"), annotations: none });
    expect((await failureOfWork(made.broker.writeSecret(lead, parseId("acme:variable:team/db"), secret("v")))).code).toBe("not_found");
    await made.broker.writeSecret(await made.session("user:helper"), parseId("acme:variable:team/db"), secret("v"));
  });

  test("is not taken over by the right to change it", async () => {
    const made = await house();
    await made.load("- !permit { role: !user helper, privileges: [ update ], resource: !policy team }");
    const helper = await made.session("user:helper");
    await made.broker.updateBranch(helper, policy("team"), { annotations: new Map([["fine", "yes"]]) });
    const takeover = made.broker.updateBranch(helper, policy("team"), { owner: helper.role, annotations: new Map([["taken", "yes"]]) });
    expect((await failureOfWork(takeover)).code).toBe("forbidden");
    expect(made.lastAudit()).toMatchObject({ operation: "branch.update", allowed: false, because: "owner_of_branch" });
    const { owner, annotations } = await made.broker.showBranch(made.admin, policy("team"));
    expect([String(owner), annotations.some(({ name }) => name === "taken")]).toEqual(["acme:user:lead", false]);
  });

  test("does not come to own itself", async () => {
    const made = await house();
    for (const owner of ["team", "team/sub"].map(policy)) {
      const ring = made.broker.updateBranch(made.admin, policy("team"), { owner, annotations: none });
      expect(await failureOfWork(ring)).toMatchObject({ code: "malformed", where: "owner" });
    }
    const root = made.broker.updateBranch(made.admin, policy("root"), { owner: parseRoleId("acme:group:ops"), annotations: none });
    expect(await failureOfWork(root)).toMatchObject({ code: "malformed", where: "owner" });
  });
});

describe("a removed branch", () => {
  test("goes with all below it and all that those own, and leaves the rest", async () => {
    const made = await house();
    await made.broker.writeSecret(made.admin, parseId("acme:variable:team/sub/deep"), secret("v"));
    await made.broker.removeBranch(await made.session("user:lead"), policy("team"));
    expect(made.lastAudit()).toMatchObject({
      operation: "branch.remove",
      allowed: true,
      resource: "acme:policy:team",
      privilege: "delete",
    });
    expect(await ids(made)).toEqual(["group:ops", "policy:root", "user:helper", "user:lead", "user:stranger"]);
    await made.load("- !policy { id: team, body: [ !policy { id: sub, body: [ !variable deep ] } ] }");
    expect((await failureOfWork(made.broker.read(made.admin, { id: parseId("acme:variable:team/sub/deep") }))).code).toBe("not_found");
  });

  test("takes `delete` on it and `update` on everything below", async () => {
    const made = await house();
    const helper = await made.session("user:helper");
    const removal = () => failureOfWork(made.broker.removeBranch(helper, policy("team")));
    expect((await removal()).code).toBe("forbidden");
    await made.load("- !permit { role: !user helper, privileges: [ delete, update ], resource: !policy team }");
    expect((await removal()).code).toBe("forbidden");
    expect(made.lastAudit()).toMatchObject({ operation: "branch.remove", allowed: false, because: "update_on_children" });
    expect((await failureOfWork(made.broker.removeBranch(await made.session("user:stranger"), policy("team")))).code).toBe("not_found");
    expect(await ids(made)).toContain("variable:team/sub/deep");
  });

  test("stays while it owns something elsewhere, and the root stays at all times", async () => {
    const made = await house();
    await made.load("- !variable { id: shared, owner: !policy team }");
    expect(await failureOfWork(made.broker.removeBranch(made.admin, policy("team")))).toMatchObject({ code: "conflict" });
    expect(await failureOfWork(made.broker.removeBranch(made.admin, policy("root")))).toMatchObject({ code: "malformed" });
    expect(await ids(made)).toContain("variable:team/db");
  });

  test("takes hosts of its factories with it, and no namesake's", async () => {
    const made = await house();
    await made.load("- !policy { id: teams, body: [ !variable other ] }");
    await made.load("- !layer l\n- !host-factory { id: f, layers: [ !layer l ] }", "create", "team");
    const factory = parseRoleId("acme:host_factory:team/f");
    const expiresAt = made.clock.now() + 60_000;
    const [issued] = await made.broker.createHostFactoryTokens(made.admin, { factory, expiresAt, count: 1, networks: [] });
    await made.broker.createHost({ token: issued?.token, id: "born", annotations: none }, made.context());
    await made.broker.removeBranch(made.admin, policy("team"));
    expect(await ids(made)).not.toContain("host:born");
    expect(await ids(made)).toContain("variable:teams/other");
    const late = made.broker.createHost({ token: issued?.token, id: "late", annotations: none }, made.context());
    expect((await failureOfWork(late)).code).toBe("unauthenticated");
  });
});
