import { describe, expect, test } from "bun:test";
import { createLoads, id, role } from "./loads";

/** `line:column message` of each problem. */
function told(text: string | Uint8Array): readonly string[] {
  return createLoads()
    .refused(text)
    .map(({ line, column, message }) => `${line}:${column} ${message}`);
}

describe("a policy document", () => {
  test.each(["---\n", "# nothing\n", "[]\n", "--- []\n", "~\n"])("may be empty: %j", (text) => {
    expect(createLoads().loaded(text)).toEqual({ ok: true, changes: [], createdRoles: [], publicKeys: [], warnings: [], findings: [] });
  });

  test("without a byte is no document", () => {
    expect(createLoads().load("")).toEqual({ ok: false, kind: "empty", problems: [{ message: "policy_text is not present" }] });
  });

  test("may begin with a byte order mark and end lines as Windows does", () => {
    const loads = createLoads();
    loads.loaded("\uFEFF- !group\r\n  id: g\r\n  annotations:\r\n    a: b\r\n- !group h\r\n");
    expect(loads.graph().annotation(id("group:g"), "a")?.value).toBe("b");
  });

  test.each([
    ["- !group a\n---\n- !group b\n", ["2:1 A policy is one document; a second one begins here"]],
    ["- !group a\n...\n---\n- !group b\n", ["3:1 A policy is one document; a second one begins here"]],
    ["%TAG ! tag:x,\n---\n- !group a\n", ["1:1 Directives such as %TAG are not part of the policy language"]],
    ["a: b\n", ["1:1 A policy is a list of statements, each beginning with '- !'"]],
    ["hello\n", ["1:1 A policy is a list of statements, each beginning with '- !'"]],
    ["!policy\nid: x\n", ["1:1 A policy is a list of statements, each beginning with '- !'"]],
    ["- user alice\n", ["1:3 Expected a statement such as '!policy', got text without a tag"]],
    ["-\n", ["1:2 Expected a statement such as '!policy', got nothing"]],
    ["- !group &a x\n- !group &a y\n", ["2:10 Duplicate anchor a"]],
    ["- !group g\n- !grant\n  role: !group g\n  members: *nobody\n", ["4:12 Unknown alias: nobody"]],
    ["- &a [ *a ]\n", ["1:8 Alias a stands within its own anchor"]],
    ["- !group\n  <<: { id: x }\n", ["1:3 group has a blank id", "2:3 No such attribute '<<' on type Group"]],
    ["- !group\n  ? [ a ]\n  : b\n", ["2:5 The name of an attribute must be plain text"]],
    ["- !!str x\n- !!map { a: b }\n", ["1:3 Unrecognized data type '!!str'", "2:3 Unrecognized data type '!!map'"]],
    ["- !include /etc/passwd\n", ["1:3 Unrecognized data type '!include'"]],
    ["- !automatic-role x\n", ["1:3 Unrecognized data type '!automatic-role'"]],
    ["- !member { role: !group g }\n", ["1:3 Expected a statement, got Member"]],
    ["- !policy [ !group g ]\n", ["1:3 Expected attributes for type Policy, got List"]],
    ["- !permit read\n", ["1:3 Permit has no attributes"]],
    ["- !policy { id: p, body: !group g }\n", ["1:26 Expected a list of statements for field 'body'"]],
  ])("is refused with the place: %j", (text, problems) => {
    expect(told(text)).toEqual(problems);
  });

  test("is refused where it is not UTF-8, and where it has a control character", () => {
    expect(told(Uint8Array.from([...new TextEncoder().encode("- !group a\n- !group "), 0xff, 0x0a]))).toEqual([
      "2:10 The policy is not valid UTF-8",
    ]);
    expect(told("- !group a\n- !group b\u0007\n")).toEqual(["2:11 The policy contains a control character"]);
  });

  test("may nest lists of statements, and name a list once for all its uses", () => {
    const loads = createLoads();
    loads.loaded(
      "- [ !group g, [ !group h ] ]\n- &vars\n  - !variable a\n  - !variable b\n- *vars\n- !permit { role: [ !group g, [ !group h ] ], privileges: [ read ], resources: *vars }\n- !permit { role: !group g, privilege: &p [ update, use ], resource: *vars }\n- !permit { role: !group h, privilege: *p, resource: !variable a }\n",
    );
    expect(loads.facts().filter((fact) => /^(permit|resource variable)/.test(fact))).toHaveLength(4 + 4 + 2 + 2);
  });

  test("an alias stands for the very record of its anchor, also in another policy", () => {
    const loads = createLoads();
    loads.loaded(
      "- !policy\n  id: p\n  body:\n    - &h !host { id: h, annotations: { a: 1 } }\n- !group g\n- !policy\n  id: q\n  body:\n    - !group g\n    - !grant { role: !group g, member: *h }\n",
    );
    expect(loads.facts()).toContain("grant group:q/g to host:p/h");
  });
});

describe("statements", () => {
  test.each([
    ["- !group { id: a, id: b }\n", ["1:19 Duplicate attribute: id"]],
    ["- !group { id: { a: b } }\n", ["1:16 Attribute 'id' can't be a mapping"]],
    ["- !group { id: [ a ] }\n", ["1:16 Attribute 'id' can't be a sequence"]],
    ["- !group { id: !group a }\n", ["1:16 Expected a string for field 'id', got Group"]],
    ["- !group { id: g, body: [] }\n", ["1:19 No such attribute 'body' on type Group"]],
    ["- !host { id: h, annotations: { a: { b: c } } }\n", ["1:36 Attribute 'a' can't be a mapping"]],
    ["- !host { id: h, annotations: { a: [ b ] } }\n", ["1:36 Attribute 'a' can't be a sequence"]],
    ["- !host { id: h, annotations: { a: b, a: c } }\n", ["1:39 Duplicate attribute: a"]],
    ["- !host { id: h, annotations: x }\n", ["1:31 Expected a mapping for field 'annotations', got String"]],
    [
      '- !host { id: h, annotations: { "a\\nauthn-azure/x": b } }\n',
      [`1:33 Invalid annotation 'a\\u{a}authn-azure/x': its name contains a control character`],
    ],
    ["- !grant { role: !group g }\n", ["1:3 Grant has no 'member'"]],
    ["- !group g\n- !grant { roles: !group g, role: !group g, member: !group g }\n", ["2:29 Duplicate attribute: role"]],
    [
      "- !group g\n- !grant { role: !group g, member: !permit { role: !group g } }\n",
      ["2:36 Expected a Role for field 'member', got Permit"],
    ],
    [
      "- !group g\n- !variable v\n- !grant { role: !group g, member: !variable v }\n",
      ["3:36 Expected a Role for field 'member', got Variable"],
    ],
    ["- !group g\n- !grant { role: g, member: !group g }\n", ["2:18 Expected a Role for field 'role', got String"]],
    ["- !group g\n- !grant { role: group g, member: !group g }\n", ["2:18 Expected a Role for field 'role', got String"]],
    [
      "- !group g\n- !grant { role: !group g, member: { role: !group g, admin: maybe } }\n",
      ["2:61 Expected a boolean for field 'admin', got 'maybe'"],
    ],
    ["- !group g\n- !grant { role: !group g, member: { admin: true } }\n", ["2:36 Member has no 'role'"]],
    [
      "- !group g\n- !permit { role: !group g, privilege: { a: b }, resource: !group g }\n",
      ["2:40 Attribute 'privilege' can't be a mapping"],
    ],
    ["- !group g\n- !permit { role: !group g, privilege: read, resource: !user }\n", ["2:56 user has a blank id"]],
    ["- !delete { record: [ !group a, !group b ] }\n", ["1:13 Expected one Record for field 'record', got 2"]],
    ["- !delete\n", ["1:3 Delete has no attributes"]],
    ["- !user { id: u, uidnumber: 1.5 }\n", ["1:29 Expected an integer for field 'uidnumber', got '1.5'"]],
    ["- !user { id: u, public_keys: [ ssh-rsa AAAA ] }\n", ["1:33 A public key has three parts: type, key and name"]],
    ["- !user { id: u, public_key: ssh-rsa AA*A me }\n", ["1:30 Invalid public key 'me': the key is not base64 after its type"]],
    ["- !user { id: u, public_key: ssh-rsa AAAA a/b }\n", ["1:30 Invalid public key: its name 'a/b' contains a slash"]],
    ["- !user { id: u, public_key: [ ssh-rsa AAAA k, ssh-rsa BBBB k ] }\n", ["1:48 Public key 'user/u/k' is declared more than once"]],
    ["- !host-factory f\n", ["1:3 Host factory 'f' does not include any layers"]],
    ["- !host-factory { id: f, layers: [] }\n", ["1:26 Host factory 'f' does not include any layers"]],
    ["- !group g\n- !host-factory { id: f, layers: !group g }\n", ["2:34 Expected a Layer for field 'layers', got Group"]],
    ["- !variable { id: v, kind: x, annotations: { conjur/kind: y } }\n", ["1:22 Duplicate attribute: conjur/kind"]],
    ["- !group\n- !layer\n", ["1:3 group has a blank id", "2:3 layer has a blank id"]],
    ["- !group a\n- !policy b\n- !group a\n", ["3:3 Group 'a' is declared more than once"]],
    ["- !resource { kind: secret, id: x }\n", ["1:21 Resource has no 'kind' that can be declared"]],
    ["- !role { kind: variable, id: x }\n", ["1:17 Role has no 'kind' that can be declared"]],
    [
      "- !host { id: h, restricted_to: 10.0.0.1/8 }\n",
      ["1:33 Invalid IP address or CIDR range '10.0.0.1/8': Value has bits set to right of mask. Did you mean '10.0.0.0/8'?"],
    ],
  ])("of a wrong shape are refused with the place: %j", (text, problems) => {
    expect(told(text)).toEqual(problems);
  });

  test.each([
    ["- !grop x\n", "did you mean '!group'?"],
    ["- !Policy x\n", "did you mean '!policy'?"],
    ["- !host_factory x\n", "did you mean '!host-factory'?"],
    ["- !host { id: h, anotations: {} }\n", "did you mean 'annotations'?"],
    ["- !host { id: h, restricted-to: 10.0.0.1 }\n", "did you mean 'restricted_to'?"],
    ["- !variable { id: v, description: x }\n", "is the line 'annotations:' missing above?"],
    ["- !group g\n- !permit { role: !group g, privelege: read, resource: !group g }\n", "did you mean 'privilege'?"],
    ["- !group operators\n- !grant { role: !group operators, member: !group opertaors }\n", "did you mean 'operators'?"],
    ["- !grant { role: group g, member: !group g }\n", "did you mean '!group g'?"],
  ])("with a slip of the fingers are told the word that was meant: %j", (text, advice) => {
    expect(
      createLoads()
        .refused(text)
        .map((problem) => problem.advice),
    ).toContain(advice);
  });

  test("take singular and plural, one value and a list, alike", () => {
    const facts = [
      "role: !group g, privilege: read, resource: !variable v",
      "roles: [ !group g ], privileges: [ read ], resources: [ !variable v ]",
    ].map((text) => {
      const loads = createLoads();
      loads.loaded(`- !group g\n- !variable v\n- !permit { ${text} }\n`);
      return loads.facts();
    });
    expect(facts[0]).toEqual(facts[1] ?? []);
  });

  test("make the full product of roles, privileges and resources", () => {
    const loads = createLoads();
    loads.loaded(
      "- !group g\n- !layer l\n- !variable v\n- !webservice w\n- !permit { roles: [ !group g, !layer l ], privileges: [ read, use, my own ], resources: [ !variable v, !webservice w ] }\n",
    );
    expect(loads.facts().filter((fact) => fact.startsWith("permit"))).toHaveLength(12);
  });

  test("keep what has no table of its own as annotations", () => {
    const loads = createLoads();
    loads.loaded(
      "- !variable { id: v, kind: password, mime_type: text/plain }\n- !user { id: u, uidnumber: 01000 }\n- !group { id: g, gidnumber: 12 }\n",
    );
    expect(loads.facts().filter((fact) => fact.startsWith("annotation"))).toEqual([
      "annotation group:g conjur/gidnumber=12",
      "annotation user:u conjur/uidnumber=1000",
      "annotation variable:v conjur/kind=password",
      "annotation variable:v conjur/mime_type=text/plain",
    ]);
  });

  test("make a resource of each public key and hand its line on", () => {
    const loads = createLoads();
    const text = "- !policy\n  id: p\n  body:\n    - !user { id: u, public_keys: [ ssh-ed25519 AAAAC3Nz u@laptop, ssh-rsa AAAB3 desk ] }\n";
    const { publicKeys } = loads.loaded(text);
    expect(publicKeys).toEqual([
      { resource: id("public_key:user/u@p/u@laptop"), line: "ssh-ed25519 AAAAC3Nz u@laptop" },
      { resource: id("public_key:user/u@p/desk"), line: "ssh-rsa AAAB3 desk" },
    ]);
    expect(loads.graph().resource(id("public_key:user/u@p/desk"))?.owner).toBe(role("policy:p"));
    expect(loads.loaded(text).publicKeys).toEqual([]);
    expect(loads.loaded(text, { mode: "update" }).publicKeys).toHaveLength(2);
    loads.loaded(text.replace(", ssh-rsa AAAB3 desk", ""), { mode: "replace" });
    expect(loads.graph().resource(id("public_key:user/u@p/desk"))).toBeUndefined();
  });

  test("make a host factory a member of its layers", () => {
    const loads = createLoads();
    loads.loaded(
      "- !policy\n  id: p\n  body:\n    - !host-factory { id: f, layers: [ !layer a, !layer b ] }\n    - !layer a\n    - !layer b\n",
    );
    expect(loads.facts().filter((fact) => fact.endsWith("to host_factory:p/f"))).toEqual([
      "grant layer:p/a to host_factory:p/f",
      "grant layer:p/b to host_factory:p/f",
    ]);
  });

  test("have generic forms for records and for references", () => {
    const loads = createLoads();
    loads.loaded(
      "- !resource { kind: variable, id: v }\n- !role { kind: group, id: g }\n- !permit { role: !role { kind: group, id: g }, privilege: read, resource: !resource { kind: variable, id: v } }\n",
    );
    expect(loads.facts()).toContain("permit read variable:v to group:g");
  });
});

describe("owners", () => {
  test("are, by default, the administrator at the root and the policy around elsewhere", () => {
    const loads = createLoads();
    loads.loaded("- !policy { id: p, body: [ !variable v, !policy { id: q, body: [ !host h ] } ] }\n- !variable w\n");
    const owners = ["policy:p", "variable:p/v", "policy:p/q", "host:p/q/h", "variable:w"].map(
      (name) => loads.graph().resource(id(name))?.owner,
    );
    expect(owners).toEqual(["user:admin", "policy:p", "policy:p", "policy:p/q", "user:admin"].map(role));
  });

  test("come before what they own, wherever the text has them", () => {
    const { changes } = createLoads().loaded(
      "- !variable { id: v, owner: !group c }\n- !group { id: c, owner: !group b }\n- !group { id: b, owner: !group a }\n- !group a\n",
    );
    const ids = changes.flatMap((change) => (change.type === "put_resource" ? [change.resource.id] : []));
    expect(ids).toEqual(["group:a", "group:b", "group:c", "variable:v"].map(id));
  });

  test.each([
    [
      "- !group { id: a, owner: !group b }\n- !group { id: b, owner: !group a }\n",
      "1:26 Dependency cycle encountered between group 'a' and group 'b'",
    ],
    ["- !group { id: a, owner: !group a }\n", "1:26 Dependency cycle encountered between group 'a' and group 'a'"],
    [
      "- !policy { id: p, owner: !group p/g, body: [ !group g ] }\n",
      "1:27 Dependency cycle encountered between policy 'p' and group 'p/g'",
    ],
  ])("may not own each other: %j", (text, problem) => {
    expect(told(text)).toEqual([problem]);
  });
});

describe("references", () => {
  test.each([
    ["- !group g\n- !grant { role: !group g, member: !user bob }\n", "2:36 User 'bob' not found in account 'acme'"],
    ["- !group { id: g, owner: !user bob }\n", "1:26 User 'bob' not found in account 'acme'"],
    ["- !permit { role: !group /a/b, privilege: read, resource: !host-factory f }\n", "1:19 Group 'a/b' not found in account 'acme'"],
  ])("to nothing are refused with the place: %j", (text, problem) => {
    const output = createLoads().load(text);
    expect(output).toMatchObject({ ok: false, kind: "reference" });
    expect(told(text)[0]).toBe(problem);
  });

  test("to nothing count less than a wrong language", () => {
    expect(createLoads().load("- !group { id: g, owner: !user bob, x: y }\n")).toMatchObject({ ok: false, kind: "language" });
  });

  test("may lead to what earlier loads made, and to what comes later in the text", () => {
    const loads = createLoads();
    loads.loaded("- !group before\n");
    loads.loaded("- !grant { role: !group before, member: !group after }\n- !group after\n");
    expect(loads.facts()).toContain("grant group:before to group:after");
  });
});

describe("memberships", () => {
  test.each([
    ["- !group a\n- !grant { role: !group a, member: !group a }\n", 2],
    ["- !group a\n- !group b\n- !grant { role: !group a, member: !group b }\n- !grant { role: !group b, member: !group a }\n", 3],
    ["- !policy { id: p, body: [ !group g ] }\n- !grant { role: !policy p, member: !group p/g }\n", 1],
  ])("in a ring are refused: %j", (text, line) => {
    const problems = createLoads().refused(text);
    expect(problems[0]?.message).toMatch(/^Membership cycle/);
    expect(problems[0]?.line).toBe(line);
  });

  test("in a ring over several loads are refused by the load that closes it", () => {
    const loads = createLoads();
    loads.loaded(
      "- !group a\n- !group b\n- !group c\n- !grant { role: !group a, member: !group b }\n- !grant { role: !group b, member: !group c }\n",
    );
    expect(loads.refused("- !grant { role: !group c, member: !group a }\n")[0]).toEqual({
      message: "Membership cycle: group 'a' would be a member of group 'c', which is a member of it",
      line: 1,
      column: 3,
    });
    loads.loaded("- !grant { role: !group c, member: !group a }\n- !revoke { role: !group a, member: !group b }\n", { mode: "update" });
    expect(loads.facts()).toContain("grant group:c to group:a");
  });

  test("in a ring that stands already do not stop other loads", () => {
    const loads = createLoads();
    loads.loaded("- !group a\n- !group b\n- !grant { role: !group a, member: !group b }\n");
    loads.apply([{ type: "put_grant", grant: { role: role("group:b"), member: role("group:a"), adminOption: false, ownership: false } }]);
    loads.loaded("- !user u\n- !grant { role: !group a, member: !user u }\n");
    expect(loads.facts()).toContain("grant group:a to user:u");
  });

  test("of a chain of ten thousand groups are followed to the end", () => {
    const loads = createLoads();
    const count = 10_000;
    const groups = Array.from({ length: count }, (_, n) => `- !group g${n}\n`).join("");
    const chain = Array.from({ length: count - 1 }, (_, n) => `- !grant { role: !group g${n}, member: !group g${n + 1} }\n`).join("");
    loads.loaded(groups + chain);
    expect(loads.refused(`- !grant { role: !group g${count - 1}, member: !group g0 }\n`)[0]?.message).toMatch(/^Membership cycle/);
  });
});

describe("keys of new roles", () => {
  const text =
    "- !host plain\n- !user alice\n- !host { id: wants, annotations: { authn/api-key: true } }\n- !host { id: not, annotations: { authn/api-key: no } }\n";

  test("are for every new user and host, in the order of the text", () => {
    expect(createLoads().loaded(text).createdRoles).toEqual(["host:plain", "user:alice", "host:wants", "host:not"].map(role));
  });

  test("are, where hosts must ask for them, for those that do", () => {
    expect(createLoads().loaded(text, { settings: { apiKeysByDefault: false } }).createdRoles).toEqual(
      ["user:alice", "host:wants"].map(role),
    );
  });

  test("users are refused outside of the root policy where only that may have them", () => {
    const settings = { usersInRootPolicyOnly: true };
    createLoads().loaded("- !user alice\n", { settings });
    expect(createLoads().refused("- !policy { id: p, body: [ !user alice ] }\n", { settings })[0]?.message).toMatch(
      /not in the root policy/,
    );
  });
});
