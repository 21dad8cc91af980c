import { describe, expect, test } from "bun:test";
import { emptyGraph, type Graph } from "../../../src/core/graph";
import { parseAccount, parseId, parseRoleId } from "../../../src/model/ids";
import type { Change, Commit } from "../../../src/model/types";

const at = 1_700_000_000_000;
const id = parseId;
const role = parseRoleId;

const resource = (text: string, owner: string): Change => ({
  type: "put_resource",
  resource: { id: id(text), owner: role(owner), createdAt: at },
});
const grant = (of: string, member: string, ownership = false): Change => ({
  type: "put_grant",
  grant: { role: role(of), member: role(member), adminOption: ownership, ownership },
});
const permit = (to: string, privilege: string, on: string): Change => ({
  type: "put_permit",
  permit: { role: role(to), privilege, resource: id(on) },
});

let revision = 0;
function fold(graph: Graph, ...changes: Change[]): Graph {
  revision += 1;
  return graph.with({ revision, account: parseAccount("a"), at, changes });
}

const base = fold(
  emptyGraph(),
  resource("a:user:admin", "a:user:admin"),
  resource("a:policy:root", "a:user:admin"),
  grant("a:policy:root", "a:user:admin", true),
  resource("a:group:readers", "a:policy:root"),
  resource("a:group:staff", "a:policy:root"),
  resource("a:host:web", "a:policy:root"),
  resource("a:host:lone", "a:policy:root"),
  resource("a:variable:db", "a:policy:root"),
  resource("a:variable:other", "a:policy:root"),
  grant("a:group:readers", "a:group:staff"),
  grant("a:group:staff", "a:host:web"),
  permit("a:group:readers", "execute", "a:variable:db"),
);

describe("rights", () => {
  test("reach a member of a member of the permitted group", () => {
    expect(base.permits(role("a:host:web"), "execute", id("a:variable:db"))).toMatchObject({ by: "permit" });
  });

  test("do not imply each other", () => {
    expect(base.permits(role("a:host:web"), "read", id("a:variable:db"))).toBeUndefined();
    expect(base.permits(role("a:host:web"), "update", id("a:variable:db"))).toBeUndefined();
  });

  test("come whole with ownership, held through any membership", () => {
    expect(base.permits(role("a:user:admin"), "whatever", id("a:variable:db"))).toEqual({ by: "owner", role: role("a:policy:root") });
  });

  test("are nobody's on a resource that does not exist, its owner's included", () => {
    expect(base.permits(role("a:user:admin"), "read", id("a:variable:absent"))).toBeUndefined();
  });

  test("do not flow from a role to its members' other roles", () => {
    expect(base.permits(role("a:host:lone"), "execute", id("a:variable:db"))).toBeUndefined();
  });
});

describe("visibility", () => {
  test("comes with any privilege at all", () => {
    expect(base.sees(role("a:host:web"), id("a:variable:db"))).toBe(true);
    expect([...base.seenBy(role("a:host:web"))]).toEqual([id("a:variable:db")]);
  });

  test("does not extend to neighbours", () => {
    expect(base.sees(role("a:host:web"), id("a:variable:other"))).toBe(false);
    expect(base.sees(role("a:host:lone"), id("a:variable:db"))).toBe(false);
  });

  test("hides a role that owns itself, from itself too", () => {
    expect(base.sees(role("a:user:admin"), id("a:user:admin"))).toBe(false);
    expect([...base.seenBy(role("a:user:admin"))]).not.toContain(id("a:user:admin"));
  });
});

describe("a later graph", () => {
  test("leaves the earlier one as it was", () => {
    const next = fold(base, { type: "remove_permit", role: role("a:group:readers"), privilege: "execute", resource: id("a:variable:db") });
    expect(next.permits(role("a:host:web"), "execute", id("a:variable:db"))).toBeUndefined();
    expect(base.permits(role("a:host:web"), "execute", id("a:variable:db"))).toBeDefined();
  });

  test("forgets remembered memberships when one ends", () => {
    expect(base.held(role("a:host:web")).has(role("a:group:readers"))).toBe(true);
    const next = fold(base, { type: "remove_grant", role: role("a:group:readers"), member: role("a:group:staff"), ownership: false });
    expect(next.held(role("a:host:web")).has(role("a:group:readers"))).toBe(false);
  });

  test("has nothing left of a removed role: grants and permits both ways, credential, restriction", () => {
    const withMore = fold(
      base,
      permit("a:host:web", "update", "a:variable:other"),
      permit("a:host:lone", "read", "a:host:web"),
      { type: "put_restriction", restriction: { role: role("a:host:web"), networks: ["10.0.0.0/8"] } },
      { type: "put_credential", credential: { role: role("a:host:web"), apiKeyDigest: "00", rotatedAt: at } },
      { type: "put_annotation", annotation: { resource: id("a:host:web"), name: "n", value: "v" } },
    );
    const next = fold(withMore, { type: "remove_resource", id: id("a:host:web") });
    expect([...next.permitsOn(id("a:variable:other"))]).toEqual([]);
    expect([...next.permitsTo(role("a:host:lone"))]).toEqual([]);
    expect([...next.members(role("a:group:staff"))]).toEqual([]);
    expect([...next.annotations(id("a:host:web"))]).toEqual([]);
    expect(next.credential(role("a:host:web"))).toBeUndefined();
    expect(next.restriction(role("a:host:web"))).toBeUndefined();
    expect([...next.ownedBy(role("a:policy:root"))]).not.toContain(id("a:host:web"));
  });

  test("moves what a resource's new owner owns", () => {
    const next = fold(base, resource("a:variable:db", "a:group:staff"));
    expect([...next.ownedBy(role("a:policy:root"))]).not.toContain(id("a:variable:db"));
    expect(next.permits(role("a:host:web"), "update", id("a:variable:db"))).toEqual({ by: "owner", role: role("a:group:staff") });
  });

  test("keeps an explicit grant beside the one that comes with ownership", () => {
    const both = fold(base, grant("a:policy:root", "a:user:admin", false));
    const next = fold(both, { type: "remove_grant", role: role("a:policy:root"), member: role("a:user:admin"), ownership: false });
    expect(next.held(role("a:user:admin")).has(role("a:policy:root"))).toBe(true);
  });
});

describe("commits folded together", () => {
  const commits: readonly Commit[] = [
    [resource("a:user:admin", "a:user:admin"), resource("a:group:readers", "a:user:admin"), resource("a:host:web", "a:user:admin")],
    [
      grant("a:group:readers", "a:host:web"),
      resource("a:variable:db", "a:user:admin"),
      permit("a:group:readers", "execute", "a:variable:db"),
    ],
    [{ type: "remove_resource", id: id("a:group:readers") } satisfies Change],
    [resource("a:group:readers", "a:host:web"), permit("a:group:readers", "read", "a:variable:db")],
  ].map((changes, index) => ({ revision: index + 1, account: parseAccount("a"), at, changes }));
  const together = emptyGraph().withAll(commits);
  const apart = commits.reduce((graph, commit) => graph.with(commit), emptyGraph());

  test("give the graph that they give one by one", () => {
    const described = (graph: Graph) => ({
      revision: graph.revision,
      resources: [...graph.resources(parseAccount("a"))].map((each) => ({ ...each, permits: [...graph.permitsOn(each.id)] })),
      held: [...graph.held(role("a:host:web"))],
      seen: [...graph.seenBy(role("a:host:web"))].sort(),
    });
    expect(described(together)).toEqual(described(apart));
  });

  test("carry over nothing of what was removed between them", () => {
    expect(together.permits(role("a:host:web"), "execute", id("a:variable:db"))).toBeUndefined();
    expect(together.held(role("a:host:web"))).toEqual(new Set([role("a:host:web")]));
  });

  test("that are none leave the graph as it is", () => {
    expect(together.withAll([]).revision).toBe(4);
  });
});

describe("memberships", () => {
  test("in a circle end", () => {
    const circle = fold(base, grant("a:group:staff", "a:group:readers"));
    expect([...circle.held(role("a:group:readers"))].sort()).toEqual([role("a:group:readers"), role("a:group:staff")]);
  });

  test("of everyone who may are told with owners, groups and their members", () => {
    expect([...base.permittedRoles("execute", id("a:variable:db"))].sort()).toEqual(
      ["a:group:readers", "a:group:staff", "a:host:web", "a:policy:root", "a:user:admin"].map(role),
    );
  });

  test("with separators inside names never share a key", () => {
    const tricky = fold(base, permit("a:group:readers", "ex", "a:variable:db"), permit("a:group:readers", "e", "a:variable:db"));
    expect([...tricky.permitsOn(id("a:variable:db"))].map((each) => each.privilege).sort()).toEqual(["e", "ex", "execute"]);
  });
});

describe("a large group", () => {
  const many = Array.from({ length: 3000 }, (_, index) => `a:variable:v/${index}`);
  const large = fold(
    base,
    ...many.map((text) => resource(text, "a:policy:root")),
    ...many.map((text) => permit("a:host:lone", "execute", text)),
  );

  test("keeps every member through growth and change", () => {
    expect([...large.seenBy(role("a:host:lone"))]).toHaveLength(3000);
    const next = fold(large, ...many.slice(0, 2995).map((text): Change => ({ type: "remove_resource", id: id(text) })));
    expect([...next.seenBy(role("a:host:lone"))].sort()).toEqual(many.slice(2995).map(id).sort());
    expect([...large.seenBy(role("a:host:lone"))]).toHaveLength(3000);
  });
});

describe("versions of a secret", () => {
  const version = (text: string, number: number): Change => ({
    type: "put_secret_version",
    resource: id(text),
    version: number,
    createdAt: at,
    revision: 1,
  });
  const state = (text: string, number: number, what: { readonly deletesAt?: number; readonly destroyed?: true }): Change => ({
    type: "put_version_state",
    resource: id(text),
    version: number,
    ...what,
  });
  const key = "a:variable:secret/app/db";
  const two = fold(base, resource(key, "a:policy:root"), version(key, 1), version(key, 2));

  test("have the state said last, and once destroyed no other", () => {
    const info = (graph: Graph) => graph.secretVersions(id(key)).map(({ version: n, deletesAt, destroyed }) => [n, deletesAt, destroyed]);
    const deleted = fold(two, state(key, 1, { deletesAt: at }), state(key, 3, { deletesAt: at }));
    expect(info(deleted)).toEqual([
      [1, at, undefined],
      [2, undefined, undefined],
    ]);
    expect(info(fold(deleted, state(key, 1, {})))).toEqual(info(two));
    const destroyed = fold(deleted, state(key, 1, { deletesAt: at, destroyed: true }), state(key, 1, {}));
    expect(info(destroyed)[0]).toEqual([1, at, true]);
    expect(info(fold(destroyed, version(key, 1)))).toEqual(info(two));
  });

  test("lie in folders that come with the first key and go with the last", () => {
    const entries = (graph: Graph, folder: string) =>
      [...graph.folder(folder)].map((each) => (each.isFolder ? `${each.name}/` : each.name)).sort();
    const more = fold(two, version("a:variable:secret/app", 1), version("a:variable:secret/app/x/y", 1), version("a:variable:top", 1));
    expect(entries(more, "a:variable:")).toEqual(["secret/", "top"]);
    expect(entries(more, "a:variable:secret")).toEqual(["app", "app/"]);
    expect(entries(more, "a:variable:secret/app")).toEqual(["db", "x/"]);
    const fewer = fold(more, { type: "remove_secret_version", resource: id("a:variable:secret/app/x/y"), version: 1 });
    expect(entries(fewer, "a:variable:secret/app")).toEqual(["db"]);
    expect(entries(fold(fewer, { type: "remove_resource", id: id(key) }), "a:variable:secret")).toEqual(["app"]);
    expect(entries(more, "a:variable:secret/app")).toEqual(["db", "x/"]);
  });

  test("and rules each keep a key in its folder", () => {
    const rules: Change = { type: "put_secret_rules", rules: { resource: id(key), createdAt: at, updatedAt: at, versionsKept: 2 } };
    const ruled = fold(base, resource(key, "a:policy:root"), rules);
    expect([...ruled.folder("a:variable:secret/app")]).toEqual([{ name: "db", isFolder: false }]);
    const without = fold(fold(ruled, version(key, 1)), { type: "remove_secret_rules", resource: id(key) });
    expect(without.secretRules(id(key))).toBeUndefined();
    expect([...without.folder("a:variable:secret/app")]).toEqual([{ name: "db", isFolder: false }]);
    const removed = fold(ruled, { type: "remove_resource", id: id(key) });
    expect([...removed.folder("a:variable:")]).toEqual([]);
    expect(removed.secretRules(id(key))).toBeUndefined();
  });

  test("of configurations and public keys are in no folder", () => {
    expect([...fold(base, version("a:configuration:vault/mount/secret", 1)).folder("a:variable:")]).toEqual([]);
  });
});

describe("the frame of a graph", () => {
  const written: Change = { type: "put_secret_version", resource: id("a:variable:db"), version: 1, createdAt: at };

  test("stays the same value while commits are about variables and what they hold", () => {
    const next = fold(fold(base, written), resource("a:variable:third", "a:policy:root"), {
      type: "put_secret_rules",
      rules: { resource: id("a:variable:db"), createdAt: at, updatedAt: at, casRequired: true },
    });
    expect(next.frame).toBe(base.frame);
    expect(fold(next, { type: "remove_resource", id: id("a:variable:db") }).frame).toBe(base.frame);
  });

  test.each<[string, Change]>([
    ["a grant", grant("a:group:readers", "a:host:lone")],
    ["a permit, also on a variable", permit("a:host:lone", "read", "a:variable:db")],
    ["a role", resource("a:host:next", "a:policy:root")],
    ["a role that goes", { type: "remove_resource", id: id("a:host:lone") }],
    ["a document", { ...written, resource: id("a:configuration:vault/mount/secret") }],
    ["a document that goes", { type: "remove_secret_version", resource: id("a:group:vault/policy/app"), version: 1 }],
    ["an account that goes", { type: "remove_account", account: parseAccount("a") }],
  ])("is another after %s", (_, change) => {
    expect(fold(base, written, change).frame).not.toBe(base.frame);
    expect(base.withAll([{ revision: 900, account: parseAccount("a"), at, changes: [change] }]).frame).not.toBe(base.frame);
  });

  test("is another on each of two ways that a graph could go on", () => {
    expect(fold(base, grant("a:group:readers", "a:host:lone")).frame).not.toBe(fold(base, grant("a:group:readers", "a:host:web")).frame);
  });
});
