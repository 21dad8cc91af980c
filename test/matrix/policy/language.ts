/** What the policy language takes and refuses, as Conjur documents it: texts with the facts they make, or with the problems they are refused for. */

import type { PolicyMode } from "../../../src/core/broker";

interface Case {
  readonly what: string;
  readonly text: string;
  /** Loaded before, into the root policy. */
  readonly before?: string;
  readonly mode?: PolicyMode;
  readonly branch?: string;
}

export interface AcceptedCase extends Case {
  /** All facts of the account afterwards, without the owners' memberships; sorted. */
  readonly facts: readonly string[];
  /** Nothing else is warned of. */
  readonly warns?: RegExp;
}

export interface RefusedCase extends Case {
  /** `line:column message` of every problem. */
  readonly problems: readonly string[];
  readonly kind?: "language" | "reference" | "deletion";
}

const appOwned = "resource policy:app owner user:admin";

export const accepted: readonly AcceptedCase[] = [
  { what: "an empty document", text: "---\n", facts: [] },
  { what: "a document of comments", text: "# nothing yet\n", facts: [] },
  {
    what: "nested lists, flattened",
    text: "- [ !group a, [ !group b ] ]\n",
    facts: ["resource group:a owner user:admin", "resource group:b owner user:admin"],
  },
  {
    what: "a blank id, which in a policy is the policy's",
    text: "- !policy\n  id: app\n  body:\n    - !layer\n    - !webservice\n",
    facts: ["resource layer:app owner policy:app", appOwned, "resource webservice:app owner policy:app"],
  },
  {
    what: "an id that looks like a number",
    text: "- !variable 123\n- !variable\n  id: 007\n",
    facts: ["resource variable:007 owner user:admin", "resource variable:123 owner user:admin"],
  },
  {
    what: "scalars, kept as they are written; nothing, ~ and null are empty",
    text: "- !group\n  id: g\n  annotations:\n    version: 1.10\n    flag: yes\n    hex: 0x10\n    day: 2020-01-01\n    tilde: ~\n    word: null\n    nothing:\n",
    facts: [
      "annotation group:g day=2020-01-01",
      "annotation group:g flag=yes",
      "annotation group:g hex=0x10",
      "annotation group:g nothing=",
      "annotation group:g tilde=",
      "annotation group:g version=1.10",
      "annotation group:g word=",
      "resource group:g owner user:admin",
    ],
  },
  {
    what: "an alias, which is the same records again and declares them once",
    text: "- &all [ !variable a, !variable b ]\n- !group g\n- !permit { role: !group g, privilege: read, resource: *all }\n- !permit { role: !group g, privilege: execute, resource: *all }\n",
    facts: [
      "permit execute variable:a to group:g",
      "permit execute variable:b to group:g",
      "permit read variable:a to group:g",
      "permit read variable:b to group:g",
      "resource group:g owner user:admin",
      "resource variable:a owner user:admin",
      "resource variable:b owner user:admin",
    ],
  },
  {
    what: "singular and plural spellings, one value or a list",
    text: "- !group a\n- !group b\n- !variable v\n- !permit { roles: !group a, privileges: read, resources: [ !variable v ] }\n- !grant { roles: [ !group a ], members: !group b }\n",
    facts: [
      "grant group:a to group:b",
      "permit read variable:v to group:a",
      "resource group:a owner user:admin",
      "resource group:b owner user:admin",
      "resource variable:v owner user:admin",
    ],
  },
  {
    what: "relations that stand before the records they name",
    text: "- !grant { role: !group g, member: !host h }\n- !host h\n- !group g\n",
    facts: ["grant group:g to host:h", "resource group:g owner user:admin", "resource host:h owner user:admin"],
  },
  {
    what: "members with the admin option, tagged or not",
    text: "- !group g\n- !user a\n- !user b\n- !grant\n  role: !group g\n  members:\n    - !member { role: !user a, admin: true }\n    - { role: !user b, admin: true }\n",
    facts: [
      "grant group:g to user:a admin",
      "grant group:g to user:b admin",
      "resource group:g owner user:admin",
      "resource user:a owner user:admin",
      "resource user:b owner user:admin",
    ],
  },
  {
    what: "user names, which carry their policy behind an @",
    text: "- !user bob\n- !policy\n  id: app/prod\n  body:\n    - !user alice\n    - !group g\n    - !grant { role: !group g, members: [ !user alice, !user /bob ] }\n",
    facts: [
      "grant group:app/prod/g to user:alice@app-prod",
      "grant group:app/prod/g to user:bob",
      "resource group:app/prod/g owner policy:app/prod",
      "resource policy:app/prod owner user:admin",
      "resource user:alice@app-prod owner policy:app/prod",
      "resource user:bob owner user:admin",
    ],
  },
  {
    what: "absolute and climbing names where they are allowed: owners, members, the roles of permits",
    text: "- !group ops\n- !policy\n  id: app\n  owner: !group /ops\n  body:\n    - !group g\n    - !variable v\n    - !permit { role: !group ../ops, privilege: read, resource: !variable v }\n    - !grant { role: !group g, member: !group /ops }\n",
    facts: [
      "grant group:app/g to group:ops",
      "permit read variable:app/v to group:ops",
      "resource group:app/g owner policy:app",
      "resource group:ops owner user:admin",
      "resource policy:app owner group:ops",
      "resource variable:app/v owner policy:app",
    ],
  },
  {
    what: "annotation values with a climbing segment, rewritten from the record on",
    text: "- !policy\n  id: app\n  body:\n    - !group\n      id: g\n      annotations: { up: ../v, plain: a..b }\n",
    facts: ["annotation group:app/g plain=a..b", "annotation group:app/g up=app/v", "resource group:app/g owner policy:app", appOwned],
  },
  {
    what: "the account that is loaded anyway",
    text: "- !variable { id: v, account: acme }\n",
    facts: ["resource variable:v owner user:admin"],
  },
  {
    what: "attributes that are kept as annotations",
    text: "- !user { id: u, uidnumber: 12 }\n- !group { id: g, gidnumber: 3 }\n- !variable { id: v, kind: password, mime_type: text/plain }\n",
    facts: [
      "annotation group:g conjur/gidnumber=3",
      "annotation user:u conjur/uidnumber=12",
      "annotation variable:v conjur/kind=password",
      "annotation variable:v conjur/mime_type=text/plain",
      "resource group:g owner user:admin",
      "resource user:u owner user:admin",
      "resource variable:v owner user:admin",
    ],
  },
  {
    what: "a host factory, whose role is granted its layers",
    text: "- !layer l\n- !host-factory { id: f, layer: !layer l }\n",
    facts: ["grant layer:l to host_factory:f", "resource host_factory:f owner user:admin", "resource layer:l owner user:admin"],
  },
  {
    what: "networks, one or many, v4 and v6",
    text: "- !host { id: a, restricted_to: 10.0.0.0/8 }\n- !user { id: b, restricted_to: [ 192.0.2.1, 2001:db8::/32 ] }\n",
    facts: [
      "networks host:a 10.0.0.0/8",
      "networks user:b 192.0.2.1/32 2001:db8::/32",
      "resource host:a owner user:admin",
      "resource user:b owner user:admin",
    ],
  },
  {
    what: "generic forms",
    text: "- !role { kind: group, id: g }\n- !resource { kind: variable, id: v }\n",
    facts: ["resource group:g owner user:admin", "resource variable:v owner user:admin"],
  },
  {
    what: "two privileges without a comma, which are one, with a warning",
    text: "- !group g\n- !permit { role: !group g, privilege: [ read authenticate ], resource: !group g }\n",
    facts: ["permit read authenticate group:g to group:g", "resource group:g owner user:admin"],
    warns: /one privilege with white space in it. Is a comma missing\?/,
  },
  {
    what: "an annotation named like an attribute, with Conjur's warning",
    text: "- !group { id: g, annotations: { body: x } }\n",
    facts: ["annotation group:g body=x", "resource group:g owner user:admin"],
    warns: /^Annotation 'body' matches a known policy attribute\./,
  },
  {
    what: "a branch's records, owned by its policy",
    before: "- !policy app\n",
    branch: "app",
    text: "- !variable v\n",
    facts: [appOwned, "resource variable:app/v owner policy:app"],
  },
  {
    what: "a declaration and its deletion in one text: the deletion wins",
    mode: "update",
    text: "- !delete { record: !group g }\n- !group g\n",
    facts: [],
  },
  {
    what: "a permit and its denial: the denial wins",
    mode: "update",
    text: "- !deny { role: !group g, privilege: read, resource: !variable v }\n- !group g\n- !variable v\n- !permit { role: !group g, privileges: [ read, execute ], resource: !variable v }\n",
    facts: ["permit execute variable:v to group:g", "resource group:g owner user:admin", "resource variable:v owner user:admin"],
  },
  {
    what: "a grant and its revocation: the revocation wins",
    mode: "update",
    text: "- !grant { role: !group g, member: !host h }\n- !revoke { role: !group g, member: !host h }\n- !group g\n- !host h\n",
    facts: ["resource group:g owner user:admin", "resource host:h owner user:admin"],
  },
  {
    what: "the deletion of what is not there, with a warning",
    mode: "update",
    text: "- !delete { record: !group gone }\n",
    facts: [],
    warns: /Group 'gone' not found in account 'acme'; nothing to remove/,
  },
  {
    what: "a replacing text, which keeps what another branch loaded into a policy it still declares",
    before: "- !policy app\n- !variable old\n",
    mode: "replace",
    text: "- !policy app\n",
    facts: [appOwned],
  },
];

export const refused: readonly RefusedCase[] = [
  { what: "a mapping at the root", text: "a: b\n", problems: ["1:1 A policy is a list of statements, each beginning with '- !'"] },
  { what: "a blank id at the root", text: "- !layer\n", problems: ["1:3 layer has a blank id"] },
  {
    what: "a record without a tag",
    text: "- id: x\n",
    problems: ["1:3 Expected a statement such as '!policy', got attributes without a tag"],
  },
  {
    what: "a tag that there is not",
    text: "- !public-key x\n- !managed-role y\n",
    problems: ["1:3 Unrecognized data type '!public-key'", "2:3 Unrecognized data type '!managed-role'"],
  },
  { what: "a file to include", text: "- !include other.yml\n", problems: ["1:3 Unrecognized data type '!include'"] },
  {
    what: "an attribute of another type",
    text: "- !permit { role: !group g, privilege: read, resource: !group g, replace: true }\n- !group g\n",
    problems: ["1:66 No such attribute 'replace' on type Permit"],
  },
  { what: "an attribute given twice", text: "- !host { id: a, id: b }\n", problems: ["1:18 Duplicate attribute: id"] },
  { what: "an anchor given twice", text: "- !group &a x\n- !group &a y\n", problems: ["2:10 Duplicate anchor a"] },
  {
    what: "a mapping for a text",
    text: "- !group g\n- !permit\n  role: !group g\n  privilege:\n    a: b\n  resource: !group g\n",
    problems: ["5:5 Attribute 'privilege' can't be a mapping"],
  },
  {
    what: "a statement for a role",
    text: "- !group g\n- !grant\n  role: !group g\n  member: !permit { role: !group g, privilege: x, resource: !group g }\n",
    problems: ["4:11 Expected a Role for field 'member', got Permit"],
  },
  {
    what: "a list for annotations",
    text: "- !host\n  id: h\n  annotations: [ a: b ]\n",
    problems: ["3:16 Expected a mapping for field 'annotations', got List"],
  },
  { what: "an absolute id of a record", text: "- !variable /v\n", problems: ["1:3 Illegal absolute id: /v"] },
  {
    what: "an absolute resource of a permit",
    text: "- !policy\n  id: app\n  body:\n    - !group g\n    - !permit { role: !group g, privilege: read, resource: !variable /other }\n",
    problems: ["5:60 Illegal absolute id: /other"],
  },
  {
    what: "a user that climbs",
    text: "- !policy\n  id: app\n  body:\n    - !group g\n    - !grant { role: !group g, member: !user ../bob }\n",
    problems: ["5:40 Invalid relative reference: ../bob"],
  },
  {
    what: "a climb above the root",
    text: "- !group\n  id: g\n  annotations: { up: ../../x }\n",
    problems: ["3:18 Invalid relative reference: ../../x"],
  },
  {
    what: "another account",
    text: "- !variable\n  id: v\n  account: other\n",
    problems: ["3:12 Invalid account 'other': only records of account 'acme' can be named here"],
  },
  {
    what: "host bits in a network",
    text: "- !host\n  id: h\n  restricted_to: 10.0.0.1/8\n",
    problems: ["3:18 Invalid IP address or CIDR range '10.0.0.1/8': Value has bits set to right of mask. Did you mean '10.0.0.0/8'?"],
  },
  { what: "a host factory without layers", text: "- !host-factory f\n", problems: ["1:3 Host factory 'f' does not include any layers"] },
  {
    what: "a public key of two parts",
    text: "- !user\n  id: u\n  public_keys: [ 'ssh-rsa AAAA' ]\n",
    problems: ["3:18 A public key has three parts: type, key and name"],
  },
  { what: "a record declared twice", text: "- !group g\n- !group g\n", problems: ["2:3 Group 'g' is declared more than once"] },
  {
    what: "two users of one name, out of different policies",
    text: "- !policy { id: a/b, body: [ !user x ] }\n- !policy { id: a-b, body: [ !user x ] }\n",
    problems: ["2:30 User 'x@a-b' is declared more than once"],
  },
  {
    what: "owners in a circle",
    text: "- !group\n  id: a\n  owner: !group b\n- !group\n  id: b\n  owner: !group a\n",
    problems: ["3:10 Dependency cycle encountered between group 'a' and group 'b'"],
  },
  {
    what: "members in a circle",
    text: "- !group a\n- !group b\n- !grant { role: !group a, member: !group b }\n- !grant { role: !group b, member: !group a }\n",
    problems: [
      "3:3 Membership cycle: group 'b' would be a member of group 'a', which is a member of it",
      "4:3 Membership cycle: group 'a' would be a member of group 'b', which is a member of it",
    ],
  },
  {
    what: "an owner that is nowhere",
    text: "- !group\n  id: g\n  owner: !user bob\n",
    kind: "reference",
    problems: ["3:10 User 'bob' not found in account 'acme'"],
  },
  {
    what: "a member that is nowhere",
    text: "- !group g\n- !grant { role: !group g, member: !user bob }\n",
    kind: "reference",
    problems: ["2:36 User 'bob' not found in account 'acme'"],
  },
  {
    what: "a deletion where records are only created",
    text: "- !delete { record: !group g }\n- !group g\n",
    kind: "deletion",
    problems: ["1:3 policy_text may not contain deletion statements"],
  },
  {
    what: "more than one record to delete",
    mode: "update",
    text: "- !delete\n  record: [ !group a, !group b ]\n",
    problems: ["2:3 Expected one Record for field 'record', got 2"],
  },
  {
    what: "the gift of a role outside of the branch",
    before: "- !policy app\n- !group ops\n",
    branch: "app",
    text: "- !grant { role: !group /ops, member: !group /ops }\n",
    problems: ["1:18 Illegal absolute id: /ops"],
  },
  { what: "indentation by a tab", text: "- !group\n\tid: g\n", problems: ["2:2 YAML: a tab cannot indent a line"] },
];
