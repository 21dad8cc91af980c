import { describe, expect, test } from "bun:test";
import { createLoads, id, type Loads, now, role } from "./loads";

/** Two branches side by side, each with its people; `acme:group:other/ops` is what no load of `app` may touch. */
function twoBranches(): Loads {
  const loads = createLoads();
  loads.loaded("- !policy\n  id: app\n  body:\n    - !policy prod\n- !policy other\n- !group top\n- !user alice\n");
  loads.loaded("- !group ops\n- !variable pw\n- !layer web\n- !user bob\n", { branch: "other" });
  loads.loaded("- !group ops\n- !variable pw\n", { branch: "app" });
  return loads;
}

describe("names in a policy", () => {
  test("are relative to the policy around them", () => {
    const loads = createLoads();
    loads.loaded(
      "- !policy\n  id: app\n  body:\n    - !policy\n      id: prod\n      body:\n        - !layer\n        - !webservice\n        - !user alice\n        - !variable db/pw\n        - !host-factory { id: f, layers: !layer }\n    - !user bob\n- !user carol\n",
    );
    expect(loads.facts().filter((fact) => fact.startsWith("resource"))).toEqual([
      "resource host_factory:app/prod/f owner policy:app/prod",
      "resource layer:app/prod owner policy:app/prod",
      "resource policy:app owner user:admin",
      "resource policy:app/prod owner policy:app",
      "resource user:alice@app-prod owner policy:app/prod",
      "resource user:bob@app owner policy:app",
      "resource user:carol owner user:admin",
      "resource variable:app/prod/db/pw owner policy:app/prod",
      "resource webservice:app/prod owner policy:app/prod",
    ]);
  });

  test("are the same in a load of the branch itself, and users keep their suffix", () => {
    const loads = twoBranches();
    loads.loaded("- !layer\n- !user alice\n- !variable db/pw\n", { branch: "app/prod" });
    for (const name of ["layer:app/prod", "user:alice@app-prod", "variable:app/prod/db/pw"]) {
      expect(loads.graph().resource(id(name))).toMatchObject({ owner: role("policy:app/prod"), policy: role("policy:app/prod") });
    }
  });

  test("may be absolute or climb as owner, member and role of a permit", () => {
    const loads = twoBranches();
    loads.loaded(
      "- !group { id: a, owner: !group /top }\n- !group { id: b, owner: !user /alice }\n- !grant { role: !group a, members: [ !group /other/ops, !group ../other/ops, !user /alice, !group ops ] }\n" +
        "- !permit { role: [ !group /top, !group ../top, !user /bob@other ], privilege: read, resource: !variable pw }\n",
      { branch: "app" },
    );
    expect(loads.facts().filter((fact) => /^(permit|grant group:app\/a |resource group:app\/[ab] )/.test(fact))).toEqual([
      "grant group:app/a to group:app/ops",
      "grant group:app/a to group:other/ops",
      "grant group:app/a to group:top ownership",
      "grant group:app/a to user:alice",
      "permit read variable:app/pw to group:top",
      "permit read variable:app/pw to user:bob@other",
      "resource group:app/a owner group:top",
      "resource group:app/b owner user:alice",
    ]);
  });

  test("are texts whatever they look like", () => {
    const loads = createLoads();
    const names = [
      "123",
      "0123",
      "1e3",
      "no",
      "1.10",
      "0x1f",
      "true",
      "2025-11-10",
      "12:30:45",
      "__proto__",
      "constructor",
      "prototype",
      "toString",
    ];
    loads.loaded(names.map((name) => `- !variable ${name}\n- !group\n  id: ${name}\n  annotations:\n    ${name}: ${name}\n`).join(""));
    for (const name of names) {
      expect(loads.graph().resource(id(`variable:${name}`))).toBeDefined();
      expect(loads.graph().annotation(id(`group:${name}`), name)?.value).toBe(name);
    }
  });

  test("an annotation's value is empty for nothing, ~ and null, and the text for anything else", () => {
    const loads = createLoads();
    loads.loaded(
      '- !group\n  id: g\n  annotations:\n    a: ~\n    b: null\n    c:\n    d: "~"\n    e: Null\n    f: |\n      two\n      lines\n    g: <%= x %> {{z}} $(z)\n',
    );
    const values = ["a", "b", "c", "d", "e", "f", "g"].map((name) => loads.graph().annotation(id("group:g"), name)?.value);
    expect(values).toEqual(["", "", "", "~", "Null", "two\nlines\n", "<%= x %> {{z}} $(z)"]);
  });

  test("an annotation's value with '..' is written out relative to its record", () => {
    const loads = createLoads();
    loads.loaded("- !policy\n  id: app\n  body:\n    - !host\n      id: h\n      annotations: { peer: ../other, near: a..b, here: a/b }\n");
    expect(loads.graph().annotation(id("host:app/h"), "peer")?.value).toBe("app/other");
    expect(loads.graph().annotation(id("host:app/h"), "near")?.value).toBe("a..b");
    expect(loads.graph().annotation(id("host:app/h"), "here")?.value).toBe("a/b");
    expect(createLoads().refused("- !host { id: h, annotations: { peer: ../../x } }\n")[0]?.message).toMatch(/Invalid relative reference/);
  });
});

describe("a load of one branch", () => {
  const attacks: readonly [string, string, RegExp][] = [
    ["declares an absolute id", "- !group /other/evil\n", /Illegal absolute id/],
    ["declares a climbing id", "- !group ../other/evil\n", /Illegal relative id/],
    ["declares a climbing id in the middle", "- !group x/../../other/evil\n", /Illegal relative id/],
    ["declares a policy that climbs", "- !policy\n  id: ../other\n  body:\n    - !group evil\n", /Illegal relative id/],
    ["declares an absolute policy", "- !policy\n  id: /other\n  body:\n    - !group evil\n", /Illegal absolute id/],
    ["declares an id of dots", "- !group ./x\n", /path segment '\.'/],
    ["declares an id with an empty segment", "- !group a//b\n", /empty path segment/],
    ["declares an id that ends in a slash", "- !group a/\n", /empty path segment/],
    ["declares an id with a backslash", "- !group '..\\other\\evil'\n", /backslash/],
    ["declares an id with a NUL", '- !group "a\\0b"\n', /control character/],
    ["declares an id with a line break", '- !group "a\\nb"\n', /control character/],
    ["declares an id in decomposed form", "- !group cafe\u0301\n", /normal form C/],
    ["declares an id with outer white space", "- !group ' ops'\n", /white space/],
    ["declares a climbing user", "- !user ../alice\n", /Invalid relative reference/],
    ["declares an absolute user", "- !user /alice\n", /Illegal absolute id/],
    ["declares a record of another account", "- !group { id: g, account: other }\n", /Invalid account 'other'/],
    ["declares a policy of another account", "- !policy { id: g, account: other, body: [ !group x ] }\n", /Invalid account 'other'/],
    [
      "refers to another account",
      "- !permit { role: !user { id: /alice, account: other }, privilege: read, resource: !variable pw }\n",
      /Invalid account 'other'/,
    ],
    [
      "permits an absolute resource",
      "- !permit { role: !group ops, privilege: execute, resource: !variable /other/pw }\n",
      /Illegal absolute id/,
    ],
    [
      "permits a climbing resource",
      "- !permit { role: !group ops, privilege: execute, resource: !variable ../other/pw }\n",
      /Illegal relative id/,
    ],
    ["grants an absolute role", "- !grant { role: !group /other/ops, member: !group ops }\n", /Illegal absolute id/],
    ["grants a climbing role", "- !grant { role: !group ../other/ops, member: !group ops }\n", /Illegal relative id/],
    ["revokes in another branch", "- !revoke { role: !group /other/ops, member: !group ops }\n", /Illegal absolute id/],
    ["denies in another branch", "- !deny { role: !group ops, privilege: read, resource: !variable ../other/pw }\n", /Illegal relative id/],
    ["deletes in another branch", "- !delete { record: !variable /other/pw }\n", /Illegal absolute id/],
    ["deletes by climbing", "- !delete { record: !variable ../other/pw }\n", /Illegal relative id/],
    ["takes a foreign layer into a factory", "- !host-factory { id: f, layers: [ !layer /other/web ] }\n", /Illegal absolute id/],
    [
      "carries a foreign role by an alias to where it may not stand",
      "- !group x\n- !grant { role: !group x, member: &far !group /other/ops }\n- !grant { role: *far, member: !group x }\n",
      /Illegal absolute id/,
    ],
    [
      "carries a foreign role by an alias in the shape of a mapping",
      "- !group x\n- !grant\n  role: !group x\n  member: &far !group\n    id: ../other/ops\n- !grant { role: *far, member: !group x }\n",
      /Illegal relative id/,
    ],
    [
      "permits a foreign resource by its generic form",
      "- !permit { role: !group ops, privilege: read, resource: !resource { kind: variable, id: /other/pw } }\n",
      /Illegal absolute id/,
    ],
    [
      "grants a user of another branch by the shape of the name",
      "- !policy\n  id: x\n  body:\n    - !grant { role: !user bob, member: !group /app/ops }\n",
      /not found/,
    ],
  ];

  test.each(attacks)("is refused when it %s", (_what, text, message) => {
    const loads = twoBranches();
    const before = loads.facts();
    const problems = loads.refused(text, { branch: "app", mode: "update" });
    expect(problems.map((problem) => problem.message).join("\n")).toMatch(message);
    for (const problem of problems) expect(problem.line).toBeGreaterThan(0);
    expect(loads.facts()).toEqual(before);
  });

  test("cannot act on the user of a twin branch whose names read the same", () => {
    const loads = createLoads();
    loads.loaded("- !policy app\n- !policy app-x\n");
    loads.loaded("- !user bob\n- !group g\n", { branch: "app-x" });
    loads.loaded("- !group mine\n", { branch: "app" });
    for (const text of [
      "- !policy\n  id: x\n  body:\n    - !grant { role: !user bob, member: !group /app/mine }\n",
      "- !policy\n  id: x\n  body:\n    - !permit { role: !group /app/mine, privilege: update, resource: !user bob }\n",
    ]) {
      expect(loads.refused(text, { branch: "app", mode: "update" })[0]?.message).toBe("User 'bob@app-x' not found in account 'acme'");
    }
    expect(loads.refused("- !policy\n  id: x\n  body:\n    - !user bob\n", { branch: "app" })[0]?.message).toBe(
      "User 'bob@app-x' already exists under another policy",
    );
    loads.loaded("- !policy\n  id: x\n  body:\n    - !delete { record: !user bob }\n", { branch: "app", mode: "update" });
    expect(loads.graph().resource(id("user:bob@app-x"))).toBeDefined();
  });

  test("cannot remove what lies outside by removing its owner", () => {
    const loads = twoBranches();
    loads.loaded("- !host h\n", { branch: "app" });
    loads.loaded("- !variable { id: theirs, owner: !host app/h }\n");
    expect(loads.refused("- !delete { record: !host h }\n", { branch: "app", mode: "update" })[0]?.message).toMatch(
      /outside of policy 'app'/,
    );
    expect(loads.refused("- !group ops\n- !variable pw\n", { branch: "app", mode: "replace" })[0]?.message).toMatch(
      /outside of policy 'app'/,
    );
    loads.loaded("- !delete { record: !host app/h }\n", { mode: "update" });
    expect(loads.graph().resource(id("variable:theirs"))).toBeUndefined();
  });

  test("removes a factory with the hosts it made, wherever they are", () => {
    const loads = twoBranches();
    loads.loaded("- !layer l\n- !host-factory { id: f, layers: !layer l }\n", { branch: "app" });
    loads.apply([{ type: "put_resource", resource: { id: id("host:elsewhere/made"), owner: role("host_factory:app/f"), createdAt: now } }]);
    loads.loaded("- !delete { record: !host-factory f }\n", { branch: "app", mode: "update" });
    expect(loads.graph().resource(id("host:elsewhere/made"))).toBeUndefined();
  });
});

describe("reserved names", () => {
  test.each([
    ["- !policy root\n", /'root' is reserved/],
    ["- !policy Root\n", /'root' is reserved/],
    ["- !policy { id: ROOT, body: [ !group x ] }\n", /'root' is reserved/],
    ["- !policy \uFF52\uFF4F\uFF4F\uFF54\n", /'root' is reserved/],
    ["- !policy ro\u200Bot\n", /'root' is reserved/],
    ["- !policy ' root'\n", /white space/],
    ["- !user Admin\n", /looks like the reserved name 'admin'/],
    ["- !user ADMIN\n", /looks like the reserved name 'admin'/],
    ["- !user \uFF41dmin\n", /looks like the reserved name 'admin'/],
    ["- !user ad\u00ADmin\n", /looks like the reserved name 'admin'/],
    ["- !policy Conjur\n", /looks like the reserved name 'conjur'/],
    ["- !policy CONJUR/authn-azure/x\n", /looks like the reserved name 'conjur'/],
    ["- !webservice conjur\u200B/authn-azure/x\n", /looks like the reserved name 'conjur'/],
    ["- !policy { id: conjuR, body: [ !webservice authn-azure/x ] }\n", /looks like the reserved name 'conjur'/],
  ])("have no look-alikes: %j", (text, message) => {
    expect(createLoads().refused(text)[0]?.message).toMatch(message);
  });

  test("leave ordinary names alone", () => {
    const loads = createLoads();
    loads.loaded(
      "- !group admin\n- !variable root/password\n- !policy { id: app, body: [ !user admin, !policy root, !group conjurors ] }\n- !group conjurors\n- !policy { id: conjur, body: [ !webservice authn-azure/x ] }\n",
    );
    expect(loads.facts().filter((fact) => fact.startsWith("resource"))).toHaveLength(9);
  });

  test("admin may be named, and is left as it is when declared", () => {
    const loads = createLoads();
    const { warnings, createdRoles } = loads.loaded(
      "- !user admin\n- !group { id: g, owner: !user admin }\n- !policy { id: p, body: [ !group { id: h, owner: !user /admin } ] }\n",
    );
    expect(createdRoles).toEqual([]);
    expect(warnings).toEqual(["Line 1: User 'admin' belongs to no policy and is left as it is"]);
    expect(createLoads().refused("- !policy { id: p, body: [ !group { id: h, owner: !user admin } ] }\n")).toEqual([
      { message: "User 'admin@p' not found in account 'acme'", line: 1, column: 51, advice: "did you mean '/admin'?" },
    ]);
  });
});

describe("users of policies whose names read the same", () => {
  test("collide within a text", () => {
    const text = "- !policy { id: a/b, body: [ !user x ] }\n- !policy { id: a-b, body: [ !user x ] }\n";
    expect(createLoads().refused(text)).toEqual([
      { message: "User 'x@a-b' is declared more than once", line: 2, column: 30, advice: "line 1 declares it too" },
    ]);
  });

  test("collide across loads of one branch", () => {
    const loads = createLoads();
    loads.loaded("- !policy { id: a/b, body: [ !user x ] }\n");
    for (const mode of ["create", "update"] as const) {
      expect(loads.refused("- !policy { id: a-b, body: [ !user x ] }\n", { mode })[0]?.message).toBe(
        "User 'x@a-b' already exists under another policy",
      );
    }
  });

  test("may pass from one policy to the other when the first goes", () => {
    const loads = createLoads();
    loads.loaded("- !policy { id: a/b, body: [ !user x ] }\n");
    const { createdRoles } = loads.loaded("- !policy { id: a-b, body: [ !user x ] }\n", { mode: "replace" });
    expect(createdRoles).toEqual([]);
    expect(loads.graph().resource(id("user:x@a-b"))?.owner).toBe(role("policy:a-b"));
  });

  test("collide across branches", () => {
    const loads = createLoads();
    loads.loaded("- !policy a-b\n- !policy { id: a, body: [ !policy b ] }\n");
    loads.loaded("- !user x\n", { branch: "a-b" });
    expect(loads.refused("- !user x\n", { branch: "a/b" })[0]?.message).toBe("User 'x@a-b' already exists under another policy");
  });
});
