import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createClosures } from "../../../src/core/closures";
import { emptyGraph, type Graph } from "../../../src/core/graph";
import { emptyGrouped } from "../../../src/core/grouped";
import { parseAccount, parseRoleId, type RoleId } from "../../../src/model/ids";
import type { Change, Grant } from "../../../src/model/types";

const account = parseAccount("a");
const roles = ["a", "b", "c", "d", "e", "f"].map((name) => parseRoleId(`a:group:${name}`));
const anyRole = fc.constantFrom(...roles);
const putRole = (id: RoleId): Change => ({ type: "put_resource", resource: { id, owner: id, createdAt: 0 } });
const putGrant = (role: RoleId, member: RoleId, ownership = false): Change => ({
  type: "put_grant",
  grant: { role, member, adminOption: false, ownership },
});
const anyChange: fc.Arbitrary<Change> = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(anyRole, anyRole, fc.boolean()).map((each) => putGrant(...each)) },
  fc.tuple(anyRole, anyRole, fc.boolean()).map(([role, member, ownership]): Change => ({ type: "remove_grant", role, member, ownership })),
  anyRole.map((id): Change => ({ type: "remove_resource", id })),
  anyRole.map(putRole),
  anyRole.map((resource): Change => ({ type: "put_annotation", annotation: { resource, name: "n", value: "v" } })),
);

const commitTo = (graph: Graph, changes: readonly Change[]): Graph => graph.with({ revision: graph.revision + 1, account, at: 0, changes });
const heldIn = (graph: Graph) => roles.map((role) => [...graph.held(role)].sort());

/** The same without any memory. */
function walked(graph: Graph, role: RoleId): readonly RoleId[] {
  const reached = new Set([role]);
  for (const each of reached) for (const grant of graph.memberships(each)) reached.add(grant.role);
  return [...reached].sort();
}

describe("remembered closures", () => {
  test("are those of a graph without a memory, after any changes, and the old graph keeps its own", () => {
    const start = commitTo(emptyGraph(), roles.map(putRole));
    fc.assert(
      fc.property(fc.array(fc.array(anyChange, { minLength: 1, maxLength: 4 }), { maxLength: 25 }), (commits) => {
        let graph = start;
        for (const changes of commits) {
          const before = heldIn(graph);
          const next = commitTo(graph, changes);
          expect(heldIn(next)).toEqual(roles.map((role) => [...walked(next, role)]));
          expect(heldIn(graph)).toEqual(before);
          for (const role of roles) for (const each of roles) expect(next.held(role).has(each)).toBe(walked(next, role).includes(each));
          graph = next;
        }
      }),
      { seed: 9, numRuns: 200 },
    );
  });

  test("stay the same object for roles that a change does not concern, also when others grow", () => {
    const [a, b, c, d] = roles;
    if (a === undefined || b === undefined || c === undefined || d === undefined) throw new Error("there are six");
    const graph = commitTo(emptyGraph(), [...roles.map(putRole), putGrant(a, b), putGrant(c, d)]);
    const before = graph.held(d);
    graph.held(b);
    const next = commitTo(graph, [putGrant(c, b)]);
    expect(next.held(d)).toBe(before);
    expect([...next.held(b)].sort()).toEqual([a, b, c]);
  });

  test("are walked anew after they grew a thousand times", () => {
    const owner = parseRoleId("a:user:owner");
    let graph = commitTo(emptyGraph(), [putRole(owner)]);
    for (let index = 0; index < 3000; index += 1) {
      const host = parseRoleId(`a:host:h${index}`);
      graph = commitTo(graph, [putRole(host), putGrant(host, owner, true)]);
      if (index % 500 === 0) expect([...graph.held(owner)]).toHaveLength(index + 2);
    }
    expect(graph.held(owner).has(parseRoleId("a:host:h2999"))).toBe(true);
    expect([...graph.held(owner)]).toHaveLength(3001);
  });

  test("of a commit with very many grants are not looked for one by one", () => {
    const grants = emptyGrouped<Grant>((grant) => `${grant.role} ${grant.member}`);
    const [a, b] = roles;
    if (a === undefined || b === undefined) throw new Error("there are six");
    const closures = createClosures(grants);
    expect([...closures.of(a)]).toEqual([a]);
    const many = Array.from({ length: 100 }, (_, index): Change => putGrant(parseRoleId(`a:group:g${index}`), a));
    const draft = grants.draft();
    for (const change of many) if (change.type === "put_grant") draft.set(change.grant.member, change.grant);
    expect([...closures.after(many, draft.done()).of(a)]).toHaveLength(101);
  });
});
