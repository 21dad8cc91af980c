import { describe, expect, test } from "bun:test";
import type { PolicyMode } from "../../../../src/core/operations";
import { createLoads, id, type Loads, now, role } from "./loads";

const modes: readonly PolicyMode[] = ["create", "update", "replace"];

/** What is left of `before` after `text` was loaded in each mode. */
function afterEach(before: string, text: string, branch = "root"): Record<PolicyMode, readonly string[]> {
  const run = (mode: PolicyMode): readonly string[] => {
    const loads = createLoads();
    loads.loaded("- !policy app\n");
    loads.loaded(before, { branch });
    loads.loaded(text, { mode, branch });
    return loads.facts();
  };
  return { create: run("create"), update: run("update"), replace: run("replace") };
}

const groups = "- !group a\n- !group b\n";

describe("a load's mode", () => {
  test.each(modes)("%s inserts new records, grants and permits", (mode) => {
    const loads = createLoads();
    loads.loaded(
      `${groups}- !variable v\n- !grant { role: !group a, member: !group b }\n- !permit { role: !group a, privilege: read, resource: !variable v }\n`,
      { mode },
    );
    expect(loads.facts()).toEqual([
      "grant group:a to group:b",
      "grant group:a to user:admin ownership",
      "grant group:b to user:admin ownership",
      "permit read variable:v to group:a",
      "resource group:a owner user:admin",
      "resource group:b owner user:admin",
      "resource variable:v owner user:admin",
    ]);
  });

  test("create leaves the owner of an existing record; update and replace move it, with its membership", () => {
    const left = afterEach(`${groups}`, "- !group a\n- !group { id: b, owner: !group a }\n");
    expect(left.create).toContain("resource group:b owner user:admin");
    expect(left.create).toContain("grant group:b to user:admin ownership");
    for (const facts of [left.update, left.replace]) {
      expect(facts).toContain("resource group:b owner group:a");
      expect(facts).toContain("grant group:b to group:a ownership");
      expect(facts).not.toContain("grant group:b to user:admin ownership");
    }
  });

  test("a record given to another owner keeps its age", () => {
    const loads = createLoads();
    loads.loaded(groups);
    loads.loaded("- !group { id: b, owner: !group a }\n", { mode: "update" });
    expect(loads.graph().resource(id("group:b"))?.createdAt).toBe(now);
  });

  test("annotations: create adds only, update also changes, replace also removes", () => {
    const left = afterEach("- !variable { id: v, annotations: { a: 1, b: 2 } }\n", "- !variable { id: v, annotations: { a: 9, c: 3 } }\n");
    const annotations = (mode: PolicyMode) => left[mode].filter((fact) => fact.startsWith("annotation"));
    expect(annotations("create")).toEqual(["annotation variable:v a=1", "annotation variable:v b=2", "annotation variable:v c=3"]);
    expect(annotations("update")).toEqual(["annotation variable:v a=9", "annotation variable:v b=2", "annotation variable:v c=3"]);
    expect(annotations("replace")).toEqual(["annotation variable:v a=9", "annotation variable:v c=3"]);
  });

  test("networks: create unites, update and replace set", () => {
    const left = afterEach("- !host { id: h, restricted_to: [ 10.0.0.0/8 ] }\n", "- !host { id: h, restricted_to: 192.0.2.1 }\n");
    expect(left.create).toContain("networks host:h 10.0.0.0/8 192.0.2.1/32");
    expect(left.update).toContain("networks host:h 192.0.2.1/32");
    expect(left.replace).toContain("networks host:h 192.0.2.1/32");
  });

  test("networks that the text does not mention stay on create and update; replace lifts them", () => {
    const left = afterEach("- !host { id: h, restricted_to: [ 10.0.0.0/8 ] }\n", "- !host h\n");
    expect(left.create).toContain("networks host:h 10.0.0.0/8");
    expect(left.update).toContain("networks host:h 10.0.0.0/8");
    expect(left.replace.filter((fact) => fact.startsWith("networks"))).toEqual([]);
  });

  test("an empty list of networks lifts the restriction on update and replace, not on create", () => {
    const left = afterEach("- !host { id: h, restricted_to: [ 10.0.0.0/8 ] }\n", "- !host { id: h, restricted_to: [] }\n");
    expect(left.create).toContain("networks host:h 10.0.0.0/8");
    expect(left.update.filter((fact) => fact.startsWith("networks"))).toEqual([]);
    expect(left.replace.filter((fact) => fact.startsWith("networks"))).toEqual([]);
  });

  test("create leaves a grant's admin option; update and replace set it", () => {
    const grant = "- !grant { role: !group a, member: !group b }\n";
    const left = afterEach(groups + grant, `${groups}- !grant { role: !group a, member: !member { role: !group b, admin: true } }\n`);
    expect(left.create).toContain("grant group:a to group:b");
    expect(left.update).toContain("grant group:a to group:b admin");
    expect(left.replace).toContain("grant group:a to group:b admin");
  });

  test("rows that the text lacks stay on create and update; replace removes them with all that depends on them", () => {
    const before = `${groups}- !variable v\n- !grant { role: !group a, member: !group b }\n- !permit { role: !group a, privilege: read, resource: !variable v }\n- !policy { id: p, body: [ !host h, !variable w ] }\n`;
    const left = afterEach(before, "- !policy app\n- !group b\n- !variable v\n");
    expect(left.create).toEqual(left.update);
    expect(left.create).toHaveLength(14);
    expect(left.replace).toEqual([
      "grant group:b to user:admin ownership",
      "grant policy:app to user:admin ownership",
      "resource group:b owner user:admin",
      "resource policy:app owner user:admin",
      "resource variable:v owner user:admin",
    ]);
  });

  test("replace removes a grant and a permit whose records stay", () => {
    const rows =
      "- !variable v\n- !grant { role: !group a, member: !group b }\n- !permit { role: !group a, privileges: [ read, execute ], resource: !variable v }\n";
    const left = afterEach(groups + rows, `${groups}- !variable v\n- !permit { role: !group a, privilege: read, resource: !variable v }\n`);
    expect(left.replace.filter((fact) => /^(permit|grant group:a to group:b)/.test(fact))).toEqual(["permit read variable:v to group:a"]);
  });

  test("replace keeps what another branch loaded, as long as the policy it is in stays", () => {
    const loads = createLoads();
    loads.loaded("- !policy app\n- !policy other\n");
    loads.loaded("- !variable v\n- !host h\n", { branch: "app" });
    loads.loaded("- !policy app\n", { mode: "replace" });
    expect(loads.facts().filter((fact) => fact.startsWith("resource"))).toEqual([
      "resource host:app/h owner policy:app",
      "resource policy:app owner user:admin",
      "resource variable:app/v owner policy:app",
    ]);
    loads.loaded("- !policy other\n", { mode: "replace" });
    expect(loads.facts()).toEqual(["grant policy:other to user:admin ownership", "resource policy:other owner user:admin"]);
  });

  test("replace of an empty document removes all that the branch declared", () => {
    const left = afterEach("- !variable v\n- !group g\n", "---\n", "app");
    expect(left.create).toHaveLength(5);
    expect(left.update).toHaveLength(5);
    expect(left.replace).toEqual(["grant policy:app to user:admin ownership", "resource policy:app owner user:admin"]);
  });

  test.each(modes)("%s leaves rows of another branch alone, and says so", (mode) => {
    const loads = createLoads();
    loads.loaded(
      "- !policy\n  id: app\n  body:\n    - !group a\n    - !group b\n    - !variable { id: v, annotations: { a: 1 } }\n    - !host { id: h, restricted_to: 10.0.0.0/8 }\n    - !grant { role: !group a, member: !group b }\n    - !permit { role: !group a, privilege: read, resource: !variable v }\n",
    );
    const before = loads.facts();
    const text =
      "- !variable { id: v, owner: !group a, annotations: { a: 2 } }\n- !host { id: h, restricted_to: [] }\n- !group a\n- !group b\n" +
      "- !grant { role: !group a, member: !member { role: !group b, admin: true } }\n- !permit { role: !group a, privilege: read, resource: !variable v }\n";
    const { warnings, changes } = loads.loaded(text, { mode, branch: "app" });
    expect(changes).toEqual([]);
    expect(loads.facts()).toEqual(before);
    expect(warnings).toEqual([
      "Line 1: Variable 'app/v' belongs to another policy and is left as it is",
      "Line 1: Annotation 'a' of Variable 'app/v' belongs to another policy and is left as it is",
      "Line 2: Host 'app/h' belongs to another policy and is left as it is",
      "Line 3: Group 'app/a' belongs to another policy and is left as it is",
      "Line 4: Group 'app/b' belongs to another policy and is left as it is",
      "Line 5: The membership of 'app/b' in 'app/a' belongs to another policy and is left as it is",
      "Line 6: The permit of 'read' on 'app/v' to 'app/a' belongs to another policy and is left as it is",
    ]);
  });

  test.each(modes)("%s leaves what an API call made alone", (mode) => {
    const loads = createLoads();
    loads.apply([{ type: "put_resource", resource: { id: id("host:made"), owner: role("user:admin"), createdAt: now } }]);
    const { warnings, createdRoles } = loads.loaded("- !host { id: made, owner: !group g, restricted_to: 10.0.0.1 }\n- !group g\n", {
      mode,
    });
    expect(createdRoles).toEqual([]);
    expect(loads.graph().resource(id("host:made"))?.owner).toBe(role("user:admin"));
    expect(loads.graph().restriction(role("host:made"))).toBeUndefined();
    expect(warnings).toEqual(["Line 1: Host 'made' belongs to no policy and is left as it is"]);
  });

  test.each(modes)("%s of the same text again changes nothing and creates nobody", (mode) => {
    const loads = createLoads();
    const text =
      "- !user alice\n- !host { id: h, restricted_to: 10.0.0.0/8, annotations: { a: 1 } }\n- !group g\n- !grant { role: !group g, members: [ !user alice, !host h ] }\n";
    expect(loads.loaded(text, { mode }).createdRoles).toEqual([role("user:alice"), role("host:h")]);
    expect(loads.loaded(text, { mode })).toMatchObject({ changes: [], createdRoles: [] });
  });
});

describe("removing statements", () => {
  const withRows = (): Loads => {
    const loads = createLoads();
    loads.loaded(
      `${groups}- !variable v\n- !grant { role: !group a, member: !group b }\n- !permit { role: !group a, privileges: [ read, execute ], resource: !variable v }\n`,
    );
    return loads;
  };

  test.each([
    "- !delete { record: !variable v }\n",
    "- !deny { role: !group a, privilege: read, resource: !variable v }\n",
    "- !revoke { role: !group a, member: !group b }\n",
  ])("are refused by create: %s", (text) => {
    const loads = withRows();
    expect(loads.load(text)).toEqual({
      ok: false,
      kind: "deletion",
      problems: [{ message: "policy_text may not contain deletion statements", line: 1, column: 3 }],
    });
  });

  test.each(["update", "replace"] as const)("take away what they name, on %s", (mode) => {
    const loads = withRows();
    const rest =
      "- !permit { role: !group a, privileges: [ read, execute ], resource: !variable v }\n- !grant { role: !group a, member: !group b }\n";
    loads.loaded(
      `${groups}- !variable v\n${rest}- !deny { role: !group a, privilege: read, resource: !variable v }\n- !revoke { role: !group a, member: !group b }\n`,
      { mode },
    );
    const facts = loads.facts();
    expect(facts.filter((fact) => /^permit|to group/.test(fact))).toEqual(["permit execute variable:v to group:a"]);
  });

  test.each([
    ["a grant", "- !revoke { role: !group a, member: !group c }\n", "- !grant { role: !group a, member: !group c }\n", /to group:c/],
    [
      "a permit",
      "- !deny { role: !group c, privilege: use, resource: !variable v }\n",
      "- !permit { role: !group c, privilege: use, resource: !variable v }\n",
      /permit use/,
    ],
    ["a record", "- !delete { record: !variable x }\n", "- !variable x\n", /variable:x/],
  ])("win over %s of the same text, whichever comes first", (_what, removal, addition, pattern) => {
    for (const text of [removal + addition, addition + removal]) {
      const loads = withRows();
      loads.loaded("- !group c\n");
      const { changes } = loads.loaded(text, { mode: "update" });
      expect(changes).toEqual([]);
      expect(loads.facts().filter((fact) => pattern.test(fact))).toEqual([]);
    }
  });

  test("of a record remove all it owns, at any depth, and what hangs on it", () => {
    const loads = createLoads();
    loads.loaded(
      "- !policy\n  id: p\n  body:\n    - !group g\n    - !host { id: h, owner: !group g, restricted_to: 10.0.0.1 }\n    - !variable { id: v, owner: !host h, annotations: { a: 1 } }\n- !group outside\n- !grant { role: !group p/g, member: !group outside }\n- !permit { role: !group outside, privilege: read, resource: !variable p/v }\n",
    );
    const { changes } = loads.loaded("- !delete { record: !policy p }\n", { mode: "update" });
    expect(loads.facts()).toEqual(["grant group:outside to user:admin ownership", "resource group:outside owner user:admin"]);
    expect(changes.every((change) => change.type === "remove_resource")).toBe(true);
    expect(changes.at(-1)).toEqual({ type: "remove_resource", id: id("policy:p") });
  });

  test("of a user take the public keys with it", () => {
    const loads = createLoads();
    loads.loaded("- !user { id: alice, public_keys: [ ssh-ed25519 AAAA laptop ] }\n");
    loads.loaded("- !delete { record: !user alice }\n", { mode: "update" });
    expect(loads.facts()).toEqual([]);
  });

  test("of a new user list no key for it", () => {
    const { createdRoles, publicKeys, changes } = createLoads().loaded(
      "- !user { id: alice, public_keys: [ ssh-ed25519 AAAA laptop ] }\n- !delete { record: !user alice }\n",
      { mode: "update" },
    );
    expect({ createdRoles, publicKeys, changes }).toEqual({ createdRoles: [], publicKeys: [], changes: [] });
  });

  test("that find nothing have no effect, and say so", () => {
    const loads = withRows();
    const { changes, warnings } = loads.loaded(
      "- !delete { record: !variable nope }\n- !deny { role: !group a, privilege: use, resource: !variable v }\n- !revoke { role: !group a, member: !user nobody }\n",
      { mode: "update" },
    );
    expect(changes).toEqual([]);
    expect(warnings).toEqual([
      "Line 1: Variable 'nope' not found in account 'acme'; nothing to remove",
      "Line 3: User 'nobody' not found in account 'acme'; nothing to remove",
    ]);
  });

  test("have no effect on rows of another branch", () => {
    const loads = createLoads();
    loads.loaded(
      "- !policy\n  id: app\n  body:\n    - !group a\n    - !group b\n    - !variable v\n    - !grant { role: !group a, member: !group b }\n    - !permit { role: !group a, privilege: read, resource: !variable v }\n",
    );
    const { changes, warnings } = loads.loaded(
      "- !deny { role: !group a, privilege: read, resource: !variable v }\n- !revoke { role: !group a, member: !group b }\n",
      { mode: "update", branch: "app" },
    );
    expect(changes).toEqual([]);
    expect(warnings).toHaveLength(2);
  });

  test.each([
    ["the loaded branch", "- !delete { record: !policy }\n", "app"],
    ["the administrator", "- !delete { record: !user admin }\n", "root"],
    ["the root policy", "- !delete { record: !policy root }\n", "root"],
    ["the owner of the loaded branch", "- !delete { record: !group keepers }\n", "app"],
  ])("may not reach %s", (_what, text, branch) => {
    const loads = createLoads();
    loads.loaded("- !policy app\n");
    loads.apply([
      { type: "put_resource", resource: { id: id("group:app/keepers"), owner: role("user:admin"), createdAt: now } },
      {
        type: "put_resource",
        resource: { id: id("policy:app"), owner: role("group:app/keepers"), createdAt: now, policy: role("policy:root") },
      },
    ]);
    expect(loads.refused(text, { mode: "update", branch })[0]).toMatchObject({
      message: expect.stringMatching(/on which it depends/),
      line: 1,
    });
  });
});

describe("what a replacing load drops", () => {
  test("may not own what the text keeps", () => {
    const loads = createLoads();
    loads.loaded("- !group ops\n- !variable { id: v, owner: !group ops }\n");
    const before = loads.facts();
    const problems = loads.refused("- !variable { id: v, owner: !group ops }\n", { mode: "replace" });
    expect(problems).toMatchObject([
      { message: "Group 'ops' is no longer declared, and what it owns would be removed with it", line: 1, column: 29 },
    ]);
    expect(loads.facts()).toEqual(before);
  });

  test("may have owned what the text gives to another", () => {
    const loads = createLoads();
    loads.loaded("- !group ops\n- !variable { id: v, owner: !group ops }\n");
    loads.loaded("- !variable v\n", { mode: "replace" });
    expect(loads.facts()).toEqual(["resource variable:v owner user:admin"]);
  });

  test("is warned of where the text still grants to it", () => {
    const loads = createLoads();
    loads.loaded("- !group ops\n- !variable v\n- !permit { role: !group ops, privilege: read, resource: !variable v }\n");
    const { warnings } = loads.loaded("- !variable v\n- !permit { role: !group ops, privileges: [ read, use ], resource: !variable v }\n", {
      mode: "replace",
    });
    expect(loads.facts()).toEqual(["resource variable:v owner user:admin"]);
    expect(warnings).toEqual(["Line 2: group 'ops' is no longer declared and goes with this load; nothing is granted to or by it"]);
  });
});
