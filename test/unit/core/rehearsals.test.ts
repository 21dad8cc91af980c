import { describe, expect, test } from "bun:test";
import type { PolicyMode, PolicyRehearsal } from "../../../src/core/broker";
import { parseRoleId } from "../../../src/model/ids";
import type { Caller } from "../../../src/model/types";
import { accessCases } from "../../matrix/policy/access";
import { goodPolicy } from "../../matrix/policy/mutations";
import { failureOfWork } from "../../support/failing";
import { createHouse, type House } from "../../support/house";
import { randomPolicy } from "../../support/random-policy";

const root = parseRoleId("acme:policy:root");

function rehearse(
  house: House,
  text: string,
  mode: PolicyMode = "create",
  branch = root,
  caller: Caller = house.admin,
): Promise<PolicyRehearsal> {
  return house.broker.rehearsePolicy({ ...caller, context: house.context() }, { policy: branch, mode, text: Buffer.from(text) });
}

/** Everything that shows of an account to its administrator, by id. */
async function everything(house: House): Promise<ReadonlyMap<string, string>> {
  const { items } = await house.broker.listResources({ ...house.admin, context: house.context() }, {});
  const views = await Promise.all(
    items.map(async ({ resource, permits, annotations, restrictedTo }): Promise<[string, string]> => {
      const id = String(resource.id);
      const isRole = !/^acme:(variable|webservice|public_key):/u.test(id);
      const members = isRole ? (await house.broker.showRole({ ...house.admin, context: house.context() }, parseRoleId(id))).members : [];
      return [id, JSON.stringify([resource.owner, permits, annotations, restrictedTo, members])];
    }),
  );
  return new Map(views);
}

const idsOf = (records: readonly { readonly id: string }[]): readonly string[] => records.map(({ id }) => String(id));

describe("a rehearsal", () => {
  test("tells what comes, what goes and what changes, and stores nothing", async () => {
    const house = await createHouse();
    await house.load("- !group ops\n- !variable a\n- !variable b\n- !permit { role: !group ops, privilege: read, resource: !variable a }");
    const before = house.store.commits.length;
    const outcome = await rehearse(
      house,
      "- !group ops\n- !host web\n- !variable b\n- !grant { role: !group ops, member: !host web }\n- !permit { role: !group ops, privilege: execute, resource: !variable b }",
      "replace",
    );
    expect(idsOf(outcome.created)).toEqual(["acme:host:web"]);
    expect(idsOf(outcome.deleted)).toEqual(["acme:variable:a"]);
    expect(outcome.updated.map(({ before: { id } }) => String(id))).toEqual(["acme:group:ops", "acme:user:admin", "acme:variable:b"]);
    const [ops] = outcome.updated;
    expect(ops?.before.permissions.map(({ privilege, resource }) => `${privilege} ${resource}`)).toEqual(["read acme:variable:a"]);
    expect(ops?.after.permissions.map(({ privilege, resource }) => `${privilege} ${resource}`)).toEqual(["execute acme:variable:b"]);
    expect(ops?.after.members.map(String)).toEqual(["acme:host:web", "acme:user:admin"]);
    expect(house.store.commits).toHaveLength(before);
    expect(house.lastAudit()).toMatchObject({ operation: "policy.validate", allowed: true, resource: root });
  });

  test("of the very first load works as that load would", async () => {
    const house = await createHouse();
    const { created } = await rehearse(house, "- !group ops");
    expect(idsOf(created)).toEqual(["acme:group:ops"]);
    expect(await house.broker.countResources(house.admin, {})).toBe(0);
  });

  test("of a text with mistakes tells them all, as the load does", async () => {
    const house = await createHouse();
    const text = "- !hots a\n- !user\n  id: b\n  colour: red";
    expect(await failureOfWork(rehearse(house, text))).toMatchObject(await problemsOf(house.load(text)));
    expect(house.audit.at(-3)).toMatchObject({ operation: "policy.validate", allowed: false, because: "policy_invalid" });
  });

  test("takes the rights of the load", async () => {
    const house = await createHouse();
    await house.load(
      "- !host web\n- !policy { id: app, body: [ !variable x ] }\n- !permit { role: !host web, privilege: create, resource: !policy app }",
    );
    const web = await house.session("host:web");
    const app = parseRoleId("acme:policy:app");
    expect(idsOf((await rehearse(house, "- !variable y", "create", app, web)).created)).toEqual(["acme:variable:app/y"]);
    expect(await failureOfWork(rehearse(house, "- !variable y", "update", app, web))).toMatchObject({ code: "forbidden" });
    expect(await failureOfWork(rehearse(house, "- !variable y", "create", root, web))).toMatchObject({ code: "not_found", hidden: true });
  });

  test("tells a caller nothing of records that it does not see, but that there are some", async () => {
    const house = await createHouse();
    await house.load(
      "- !host web\n- !group secret\n- !policy { id: app, body: [ !variable x ] }\n- !permit { role: !host web, privileges: [ create, update ], resource: !policy app }\n- !permit { role: !group secret, privilege: read, resource: !variable app/x }",
    );
    const web = await house.session("host:web");
    const outcome = await rehearse(
      house,
      "- !permit { role: !group /secret, privilege: execute, resource: !variable x }",
      "update",
      parseRoleId("acme:policy:app"),
      web,
    );
    expect(outcome.updated.map(({ after }) => String(after.id))).toEqual(["acme:group:secret", "acme:variable:app/x"]);
    expect([...outcome.hidden].map(String)).toContain("acme:group:secret");
    expect([...outcome.hidden].map(String)).toContain("acme:variable:app/x");
    for (const { before, after } of outcome.updated)
      for (const record of [before, after]) expect([...record.permissions, ...record.permitted]).toEqual([]);
  });

  interface Step {
    readonly text: string;
    readonly mode?: PolicyMode;
    readonly branch?: string;
  }
  const texts: readonly { readonly what: string; readonly loads: readonly Step[] }[] = [
    ...accessCases.map(({ what, loads }) => ({ what, loads })),
    // The names of one random policy come again in the next with other kinds, owners and permits: much is moved, dropped and left.
    ...Array.from({ length: 12 }, (_, seed) => ({
      what: `random policies (${seed})`,
      loads: (["create", "update", "replace", "create", "replace"] as const).map((mode, step) => ({
        text: randomPolicy(seed * 5 + step),
        mode,
      })),
    })),
    { what: "a good policy", loads: [{ text: `${goodPolicy.join("\n")}\n` }] },
  ];

  test.each(texts.map((each) => [each.what, each.loads] as const))("says of each load what it then does: %s", async (_what, loads) => {
    const house = await createHouse();
    for (const { text, mode = "create", branch = "root" } of loads) {
      const outcome = await rehearse(house, text, mode, parseRoleId(`acme:policy:${branch}`));
      const before = await everything(house);
      await house.load(text, mode, branch);
      const after = await everything(house);
      const created = [...after.keys()].filter((id) => !before.has(id) && id !== root);
      expect(idsOf(outcome.created)).toEqual(created.sort());
      expect(idsOf(outcome.deleted)).toEqual([...before.keys()].filter((id) => !after.has(id)).sort());
      const changed = [...after].filter(([id, view]) => before.has(id) && before.get(id) !== view).map(([id]) => id);
      const told = outcome.updated.map(({ after: { id } }) => String(id));
      expect(told).toEqual(expect.arrayContaining(changed));
    }
  });
});

async function problemsOf(work: Promise<unknown>): Promise<object> {
  const failure = await failureOfWork(work);
  return failure.code === "policy_invalid" ? { code: failure.code, kind: failure.kind, problems: failure.problems } : failure;
}
