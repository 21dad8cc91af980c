import { describe, expect, test } from "bun:test";
import { parseId, parseRoleId } from "../../../src/model/ids";
import type { Caller } from "../../../src/model/types";
import { failureOfWork } from "../../support/failing";
import { createHouse, type House } from "../../support/house";

const id = parseId;

async function house(): Promise<House> {
  const made = await createHouse();
  await made.load(
    `
- !group staff
- !user bob
- !user eve
- !grant { role: !group staff, member: !user bob }
- !policy
  id: app
  body:
    - !variable
      id: db/password
      annotations: { description: The main database }
    - !variable other
    - !layer
    - !host web
    - !grant { role: !layer , member: !host web }
- !permit { role: !group staff, privileges: [ read, execute ], resource: !variable app/db/password }
`.replace("!layer ,", "!layer '',"),
  );
  return made;
}

describe("a list of resources", () => {
  test("holds what the caller sees, sorted, and nothing else", async () => {
    const made = await house();
    const bob = await made.session("user:bob");
    const { items, total } = await made.broker.listResources(bob, {});
    expect(items.map(({ resource }) => String(resource.id))).toEqual(["acme:variable:app/db/password"]);
    expect(total).toBe(1);
    expect((await made.broker.listResources(await made.session("user:eve"), {})).total).toBe(0);
    const all = await made.broker.listResources(made.admin, { account: made.account });
    expect(all.items.map(({ resource }) => String(resource.id))).toEqual(all.items.map(({ resource }) => String(resource.id)).toSorted());
    expect(all.total).toBe(9);
  });

  test.each([
    [{ kind: "variable" as const }, ["acme:variable:app/db/password", "acme:variable:app/other"]],
    [{ search: "DATABASE main" }, ["acme:variable:app/db/password"]],
    [{ search: "db" }, ["acme:variable:app/db/password"]],
    [{ search: "data" }, []],
    [{ kind: "variable" as const, offset: 1, limit: 5 }, ["acme:variable:app/other"]],
    [{ owner: parseRoleId("acme:policy:app"), kind: "host" as const }, ["acme:host:app/web"]],
    [{ actingAs: parseRoleId("acme:group:staff") }, ["acme:variable:app/db/password"]],
  ])("narrowed by %j", async (query, expected) => {
    const made = await house();
    const { items } = await made.broker.listResources(made.admin, query);
    expect(items.map(({ resource }) => String(resource.id))).toEqual(expected);
  });

  test("counts without limit", async () => {
    const made = await house();
    expect(await made.broker.countResources(made.admin, { kind: "variable", limit: 1 })).toBe(2);
  });

  test("is not shown through the eyes of a role the caller does not hold, existing or not", async () => {
    const made = await house();
    const eve = await made.session("user:eve");
    for (const actingAs of ["acme:group:staff", "acme:group:absent"].map(parseRoleId)) {
      expect((await failureOfWork(made.broker.listResources(eve, { actingAs }))).code).toBe("forbidden");
    }
  });
});

describe("a list by owner", () => {
  test("of one who is not there, or owns nothing one sees and is not seen, is not found alike", async () => {
    const made = await house();
    const bob = await made.session("user:bob");
    const listed = (owner: string) => made.broker.listResources(bob, { owner: parseRoleId(`acme:${owner}`) });
    const hidden = await failureOfWork(listed("user:eve"));
    expect(hidden).toMatchObject({ code: "not_found", hidden: true });
    expect(made.lastAudit()).toMatchObject({ operation: "resource.list", allowed: false, because: "owner_missing" });
    expect(await failureOfWork(listed("user:absent"))).toMatchObject({ code: "not_found", hidden: false });
    expect((await failureOfWork(made.broker.countResources(bob, { owner: parseRoleId("acme:user:eve") }))).code).toBe("not_found");
    // One's own name and that of a role one holds are no secrets, nor is who owns what one sees.
    expect((await listed("user:bob")).total).toBe(0);
    expect((await listed("group:staff")).total).toBe(0);
    expect((await listed("policy:app")).items.map(({ resource }) => String(resource.id))).toEqual(["acme:variable:app/db/password"]);
  });
});

describe("a check", () => {
  test("tells what a role can, and false for what the caller cannot see", async () => {
    const made = await house();
    const bob = await made.session("user:bob");
    const eve = await made.session("user:eve");
    const db = id("acme:variable:app/db/password");
    expect(await made.broker.check(bob, db, "execute")).toBe(true);
    expect(await made.broker.check(bob, db, "update")).toBe(false);
    expect(await made.broker.check(eve, db, "execute")).toBe(false);
    expect(await made.broker.check(bob, id("acme:variable:absent"), "execute")).toBe(false);
    expect(await made.broker.check(bob, db, "execute", parseRoleId("acme:group:staff"))).toBe(true);
    expect((await failureOfWork(made.broker.check(bob, db, "execute", parseRoleId("acme:user:eve")))).code).toBe("forbidden");
  });

  test("of who may tells owners, groups and members", async () => {
    const made = await house();
    expect((await made.broker.permittedRoles(made.admin, id("acme:variable:app/db/password"), "execute")).map(String)).toEqual([
      "acme:group:staff",
      "acme:policy:app",
      "acme:user:admin",
      "acme:user:bob",
    ]);
  });
});

describe("roles", () => {
  test("show members, memberships and all they hold to those who see them", async () => {
    const made = await house();
    const members = await made.broker.members(made.admin, parseRoleId("acme:group:staff"), {});
    expect(members.items.map(({ member, ownership }) => [String(member), ownership])).toEqual([
      ["acme:user:admin", true],
      ["acme:user:bob", false],
    ]);
    const held = await made.broker.heldRoles(made.admin, parseRoleId("acme:host:app/web"));
    expect(held.map(String)).toEqual(["acme:host:app/web", "acme:layer:app"]);
    const bob = await made.session("user:bob");
    expect((await failureOfWork(made.broker.members(bob, parseRoleId("acme:group:staff"), {}))).code).toBe("not_found");
  });

  test("show as a graph what is above, beside and below them, as far as the caller sees the parents", async () => {
    const made = await house();
    await made.load("- !group all\n- !grant { role: !group all, members: [ !group staff, !host app/web ] }");
    const edges = async (caller: Caller, role: string) =>
      (await made.broker.roleGraph(caller, parseRoleId(`acme:${role}`)))
        .filter(({ child }) => child !== "acme:user:admin")
        .map(({ parent, child }) => `${parent} ${child}`.replaceAll("acme:", ""));
    expect(await edges(made.admin, "group:staff")).toEqual(["group:all group:staff", "group:all host:app/web", "group:staff user:bob"]);
    expect(await edges(made.admin, "user:bob")).toEqual(["group:all group:staff", "group:all host:app/web", "group:staff user:bob"]);
    await made.load("- !permit { role: !user bob, privileges: [ read ], resource: !group staff }");
    expect(await edges(await made.session("user:bob"), "group:staff")).toEqual(["group:staff user:bob"]);
    expect((await failureOfWork(made.broker.roleGraph(await made.session("user:eve"), parseRoleId("acme:group:staff")))).code).toBe(
      "not_found",
    );
  });

  test("take new members by the right on their policy, once, and no circles", async () => {
    const made = await house();
    const staff = parseRoleId("acme:group:staff");
    const eve = parseRoleId("acme:user:eve");
    await made.broker.addMember(made.admin, staff, eve);
    const before = made.store.commits.length;
    await made.broker.addMember(made.admin, staff, eve);
    expect(made.store.commits).toHaveLength(before);
    expect((await failureOfWork(made.broker.addMember(made.admin, eve, staff))).code).toBe("malformed");
    expect((await failureOfWork(made.broker.addMember(made.admin, staff, parseRoleId("acme:user:absent")))).code).toBe("not_found");
    expect((await failureOfWork(made.broker.addMember(await made.session("user:bob"), staff, eve))).code).toBe("not_found");
    await made.broker.removeMember(made.admin, staff, eve);
    expect((await failureOfWork(made.broker.removeMember(made.admin, staff, eve))).code).toBe("not_found");
  });

  test("take no members from another account", async () => {
    const made = await house();
    await made.operator.createAccount("globex", made.context());
    const failure = await failureOfWork(
      made.broker.addMember(made.admin, parseRoleId("acme:group:staff"), parseRoleId("globex:user:admin")),
    );
    expect(failure.code).toBe("not_found");
  });
});
