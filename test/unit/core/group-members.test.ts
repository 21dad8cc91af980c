import { describe, expect, test } from "bun:test";
import { parseRoleId } from "../../../src/model/ids";
import { failureOfWork } from "../../support/failing";
import { createHouse, type House } from "../../support/house";

const readers = parseRoleId("acme:group:team/readers");
const web = parseRoleId("acme:host:web");

async function house(): Promise<House> {
  const made = await createHouse();
  await made.load(`
- !user helper
- !user stranger
- !host web
- !host hidden
- !policy
  id: team
  body:
    - !group readers
    - !group inner
    - !grant { role: !group readers, member: !group inner }
- !permit { role: !user helper, privileges: [ create, update ], resource: !policy team }
- !permit { role: !user helper, privileges: [ read ], resource: !host web }
- !permit { role: !user helper, privileges: [ read ], resource: !group team/readers }
`);
  return made;
}

describe("a member of a group", () => {
  test("is given and taken by the rights on the group's branch", async () => {
    const made = await house();
    const helper = await made.session("user:helper");
    await made.broker.addGroupMember(helper, readers, web);
    expect(made.lastAudit()).toMatchObject({
      operation: "role.add_member",
      allowed: true,
      resource: "acme:policy:team",
      privilege: "create",
    });
    const members = async () => (await made.broker.members(made.admin, readers, {})).items.map(({ member }) => String(member));
    expect(await members()).toContain("acme:host:web");
    expect((await failureOfWork(made.broker.addGroupMember(helper, readers, web))).code).toBe("exists");
    await made.broker.removeGroupMember(helper, readers, web);
    expect(made.lastAudit()).toMatchObject({ operation: "role.remove_member", allowed: true, privilege: "update" });
    expect(await members()).not.toContain("acme:host:web");
    expect((await failureOfWork(made.broker.removeGroupMember(helper, readers, web))).code).toBe("not_found");
  });

  test("must be somebody whom the caller sees, which an absent one is not", async () => {
    const made = await house();
    const helper = await made.session("user:helper");
    for (const member of ["acme:host:hidden", "acme:host:absent", "globex:host:web"].map(parseRoleId)) {
      expect(await failureOfWork(made.broker.addGroupMember(helper, readers, member))).toMatchObject({ code: "malformed", where: "id" });
      expect(made.lastAudit()).toMatchObject({ allowed: false, because: "member_missing" });
    }
  });

  test("is not taken into a group that the caller does not see, or without the right", async () => {
    const made = await house();
    const helper = await made.session("user:helper");
    for (const group of ["acme:group:team/inner", "acme:group:team/absent", "acme:group:absent"].map(parseRoleId)) {
      expect((await failureOfWork(made.broker.addGroupMember(helper, group, web))).code).toBe("not_found");
    }
    expect((await failureOfWork(made.broker.addGroupMember(await made.session("user:stranger"), readers, web))).code).toBe("not_found");
    await made.load("- !deny { role: !user helper, privileges: [ create ], resource: !policy team }", "update");
    expect((await failureOfWork(made.broker.addGroupMember(await made.session("user:helper"), readers, web))).code).toBe("forbidden");
    expect(made.lastAudit()).toMatchObject({ operation: "role.add_member", allowed: false, because: "privilege_missing" });
  });

  test("is never the group itself, nor one that the group belongs to", async () => {
    const made = await house();
    const inner = parseRoleId("acme:group:team/inner");
    for (const [group, member] of [
      [readers, readers],
      [inner, readers],
    ] as const) {
      const failure = await failureOfWork(made.broker.addGroupMember(made.admin, group, member));
      expect(failure).toMatchObject({ code: "malformed", because: "membership_cycle" });
    }
  });

  test("belongs to the group's own policy: a text that replaces it ends the membership", async () => {
    const made = await house();
    await made.broker.addGroupMember(made.admin, readers, parseRoleId("acme:host:hidden"));
    const members = async () =>
      (await made.broker.members(made.admin, readers, {})).items.filter(({ ownership }) => !ownership).map(({ member }) => String(member));
    expect(await members()).toEqual(["acme:group:team/inner", "acme:host:hidden"]);
    await made.load("- !user helper\n- !host hidden\n- !policy { id: team, body: [ !group readers ] }", "replace");
    expect(await members()).toEqual([]);
  });
});
