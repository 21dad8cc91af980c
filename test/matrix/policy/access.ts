/** Policies, and who may do what by them. */

export interface AccessCase {
  readonly what: string;
  readonly loads: readonly { readonly text: string; readonly mode?: "create" | "update" | "replace"; readonly branch?: string }[];
  /** `who` · privilege · `what` · whether. `sees` asks whether the resource shows at all. */
  readonly table: readonly (readonly [who: string, privilege: string, what: string, allowed: boolean])[];
}

const people = "- !user alice\n- !host web\n- !group ops\n- !variable pw\n";

export const accessCases: readonly AccessCase[] = [
  {
    what: "a permit allows its privilege and no other, and shows the resource",
    loads: [{ text: `${people}- !permit { role: !host web, privilege: execute, resource: !variable pw }\n` }],
    table: [
      ["host:web", "execute", "variable:pw", true],
      ["host:web", "read", "variable:pw", false],
      ["host:web", "update", "variable:pw", false],
      ["host:web", "sees", "variable:pw", true],
      ["user:alice", "execute", "variable:pw", false],
      ["user:alice", "sees", "variable:pw", false],
      ["user:admin", "execute", "variable:pw", true],
    ],
  },
  {
    what: "members of members hold what the group holds; the group's owner too",
    loads: [
      {
        text: `${people}- !group { id: owned, owner: !user alice }\n- !grant { role: !group ops, member: !group owned }\n- !grant { role: !group owned, member: !host web }\n- !permit { role: !group ops, privileges: [ read, execute ], resource: !variable pw }\n`,
      },
    ],
    table: [
      ["host:web", "execute", "variable:pw", true],
      ["user:alice", "execute", "variable:pw", true],
      ["user:alice", "update", "variable:pw", false],
      ["host:web", "update", "group:owned", false],
      ["user:alice", "update", "group:owned", true],
    ],
  },
  {
    what: "an owner may do anything with what it owns, also through a policy",
    loads: [
      {
        text: "- !group admins\n- !user alice\n- !grant { role: !group admins, member: !user alice }\n- !policy\n  id: app\n  owner: !group admins\n  body:\n    - !variable pw\n    - !policy { id: sub, body: [ !variable deep ] }\n",
      },
    ],
    table: [
      ["user:alice", "execute", "variable:app/pw", true],
      ["user:alice", "whatever", "variable:app/sub/deep", true],
      ["user:alice", "update", "policy:app/sub", true],
      ["user:alice", "update", "policy:root", false],
      ["user:alice", "sees", "policy:root", false],
      ["user:admin", "execute", "variable:app/pw", true],
    ],
  },
  {
    what: "a denial and a revocation count from their load on",
    loads: [
      {
        text: `${people}- !permit { roles: [ !group ops, !user alice ], privileges: [ read, execute ], resource: !variable pw }\n- !grant { role: !group ops, member: !host web }\n`,
      },
      {
        text: "- !deny { role: !user alice, privilege: execute, resource: !variable pw }\n- !revoke { role: !group ops, member: !host web }\n",
        mode: "update",
      },
    ],
    table: [
      ["user:alice", "execute", "variable:pw", false],
      ["user:alice", "read", "variable:pw", true],
      ["host:web", "read", "variable:pw", false],
      ["host:web", "sees", "variable:pw", false],
      ["group:ops", "execute", "variable:pw", true],
    ],
  },
  {
    what: "a branch gives its own away, also to roles outside, and nothing else",
    loads: [
      { text: "- !policy app\n- !policy other\n- !group ops\n- !variable pw\n" },
      { text: "- !variable pw\n- !permit { role: !group /ops, privilege: execute, resource: !variable pw }\n", branch: "app" },
    ],
    table: [
      ["group:ops", "execute", "variable:app/pw", true],
      ["policy:app", "execute", "variable:app/pw", true],
      ["policy:app", "execute", "variable:pw", false],
      ["policy:other", "execute", "variable:app/pw", false],
      ["group:ops", "execute", "variable:pw", false],
    ],
  },
  {
    what: "a replaced policy leaves nothing of what it no longer says",
    loads: [
      { text: `${people}- !permit { role: !host web, privilege: execute, resource: !variable pw }\n` },
      { text: "- !host web\n- !variable pw\n", mode: "replace" },
    ],
    table: [
      ["host:web", "execute", "variable:pw", false],
      ["host:web", "sees", "variable:pw", false],
      ["user:admin", "update", "host:web", true],
    ],
  },
  {
    what: "an owner that gives a record away has it no longer",
    loads: [
      { text: people },
      { text: "- !variable { id: pw, owner: !user alice }\n- !group { id: ops, owner: !user alice }\n", mode: "update" },
    ],
    table: [
      ["user:alice", "execute", "variable:pw", true],
      ["user:admin", "execute", "variable:pw", true],
      ["user:alice", "update", "group:ops", true],
      ["host:web", "execute", "variable:pw", false],
    ],
  },
];
