import { describe, expect, test } from "bun:test";
import { parseRoleId } from "../../../src/model/ids";
import type { Caller } from "../../../src/model/types";
import { accessCases } from "../../matrix/policy/access";
import { goodPolicy } from "../../matrix/policy/mutations";
import { failureOfWork } from "../../support/failing";
import { createHouse, type House } from "../../support/house";
import { randomPolicy } from "../../support/random-policy";

interface Asked {
  readonly branch?: string;
  readonly depth?: number;
  readonly limit?: number;
  readonly format?: "yaml" | "json";
  readonly as?: Caller;
}

function fetch(
  house: House,
  { branch = "root", depth = 64, limit = 1000, format = "yaml", as = house.admin }: Asked = {},
): Promise<string> {
  return house.broker.fetchPolicy(
    { ...as, context: house.context() },
    { policy: parseRoleId(`acme:policy:${branch}`), depth, limit, format },
  );
}

describe("an effective policy", () => {
  test("is the text that makes the branch, in the order of kinds, with what is said by default left out", async () => {
    const house = await createHouse();
    await house.load(
      "- !policy\n  id: app\n  annotations: { description: 'All: of it' }\n  body:\n    - !group ops\n    - !variable { id: db/pw, kind: password, mime_type: text/plain, annotations: { rotate: 'no' } }\n    - !host { id: web, restricted_to: 10.0.0.7 }\n    - !permit { role: !group ops, privileges: [ read, execute ], resource: !variable db/pw }\n    - !grant { role: !group ops, member: !host web }\n- !user alice\n- !grant { role: !group app/ops, member: !member { role: !user alice, admin: true } }\n- !group { id: owned, owner: !user alice }",
    );
    expect(await fetch(house)).toBe(`---
- !user alice
- !policy
  id: app
  annotations:
    description: "All: of it"
  body:
  - !variable
    id: db/pw
    kind: password
    mime_type: text/plain
    annotations:
      rotate: "no"
  - !host
    id: web
    restricted_to: ["10.0.0.7/32"]
  - !group ops
  - !grant
    role: !group ops
    members:
    - !host web
    - !member
      role: !user /alice
      admin: "true"
  - !permit
    role: !group ops
    privileges: [execute, read]
    resource: !variable db/pw
- !group
  id: owned
  owner: !user /alice
`);
    expect(await fetch(house, { branch: "app", depth: 0, format: "json" })).toStartWith('[{"policy":{"id":"app","annotations":');
    expect(house.lastAudit()).toMatchObject({ operation: "policy.read", allowed: true, resource: "acme:policy:app" });
  });

  test("of a branch with one host has the shape that clients compare with", async () => {
    const house = await createHouse();
    await house.load("- !policy test");
    await house.load("- !host bob", "replace", "test");
    expect(await fetch(house, { branch: "test" })).toBe("---\n- !policy\n  id: test\n  body:\n  - !host bob\n");
    expect(await fetch(house, { branch: "test", format: "json" })).toBe('[{"policy":{"id":"test","body":[{"host":{"id":"bob"}}]}}]');
  });

  test("opens as many levels as asked, and counts what it would tell", async () => {
    const house = await createHouse();
    await house.load("- !policy { id: a, body: [ !variable x, !policy { id: b, body: [ !variable deep ] } ] }");
    expect(await fetch(house, { depth: 0 })).toBe("---\n- !policy a\n");
    expect(await fetch(house, { depth: 1 })).toBe("---\n- !policy\n  id: a\n  body:\n  - !policy b\n  - !variable x\n");
    expect(await fetch(house, { limit: 4 })).toContain("!variable deep");
    expect(await failureOfWork(fetch(house, { limit: 3 }))).toMatchObject({ code: "malformed", where: "limit", kind: "argument" });
  });

  test("is for those who hold the owner of the policy, however much else they may", async () => {
    const house = await createHouse();
    await house.load(
      "- !host web\n- !host boss\n- !policy { id: app, owner: !host boss, body: [ !variable x ] }\n- !permit { role: !host web, privileges: [ read, create, update ], resource: !policy app }",
    );
    expect(await failureOfWork(fetch(house, { branch: "app", as: await house.session("host:web") }))).toMatchObject({ code: "forbidden" });
    expect(house.lastAudit()).toMatchObject({ operation: "policy.read", allowed: false, because: "policy_owner" });
    expect(await failureOfWork(fetch(house, { as: await house.session("host:web") }))).toMatchObject({ code: "not_found" });
    expect(await fetch(house, { branch: "app", as: await house.session("host:boss") })).toContain("!variable x");
  });

  test("leaves out what its reader does not see", async () => {
    const house = await createHouse();
    await house.load(
      "- !host boss\n- !group hidden\n- !policy { id: app, owner: !host boss, body: [ !variable { id: y, owner: !group /hidden }, !variable x ] }\n- !permit { role: !group hidden, privilege: read, resource: !variable app/x }",
    );
    expect(await fetch(house, { branch: "app", as: await house.session("host:boss") })).toBe(
      "---\n- !policy\n  id: app\n  owner: !host /boss\n  body:\n  - !variable x\n",
    );
  });

  const awkward =
    "- !policy\n  id: 'yes'\n  body:\n    - !variable '123'\n    - !variable 'a: b'\n    - !variable \"quote\\\"d # not a comment\"\n    - !variable ümläut\n    - !variable '- dash'\n    - !user bob@desk\n    - !policy { id: sub, body: [ !user carol, !host-factory { id: f, layers: [ !layer l ] }, !layer l ] }\n    - !grant { role: !layer sub/l, member: !user sub/x }\n- !group '~'\n";
  const texts: readonly (readonly [
    string,
    readonly { readonly text: string; readonly mode?: "create" | "update" | "replace"; readonly branch?: string }[],
  ])[] = [
    ...accessCases.map(({ what, loads }) => [what, loads] as const),
    ["a good policy", [{ text: goodPolicy.filter((line) => !/public_keys|ssh-/u.test(line)).join("\n") }]],
    ["awkward names", [{ text: awkward.replace("    - !grant { role: !layer sub/l, member: !user sub/x }\n", "") }]],
    ...[1, 2, 3, 4, 5, 6, 7, 8].map((seed) => [`a random policy (${seed})`, [{ text: randomPolicy(seed) }]] as const),
  ];

  test.each(texts)("loaded into an empty account makes the same graph, and is fetched as the same text: %s", async (_what, loads) => {
    const house = await createHouse();
    for (const { text, mode = "create", branch = "root" } of loads) await house.load(text, mode, branch);
    const text = await fetch(house);
    const copy = await createHouse();
    await copy.load(text, "replace");
    expect(await fetch(copy)).toBe(text);
    expect(await rights(copy)).toEqual(await rights(house));
  });
});

/** Who may do what, on everything. */
async function rights(house: House): Promise<readonly string[]> {
  const asked = { ...house.admin, context: house.context() };
  const { items } = await house.broker.listResources(asked, {});
  const rows = items
    .filter(({ resource }) => !String(resource.id).startsWith("acme:public_key:"))
    .map(async ({ resource }) => {
      const permitted = await Promise.all(
        ["read", "execute", "update"].map((privilege) => house.broker.permittedRoles(asked, resource.id, privilege)),
      );
      return `${resource.id} of ${resource.owner}: ${JSON.stringify(permitted)}`;
    });
  return Promise.all(rows);
}
