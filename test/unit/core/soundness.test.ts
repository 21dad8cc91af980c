/** Whatever is made and removed by requests and by policy, in any order, no fact names something that is not there. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { emptyGraph } from "../../../src/core/graph";
import { isRoleId, parseRoleId } from "../../../src/model/ids";
import type { SecretBytes } from "../../../src/model/secret-bytes";
import { createHouse, type House } from "../../support/house";

const names = ["a", "b", "c"] as const;
const paths = ["root", "a", "b", "a/b", "a/b/c"] as const;
const none = new Map<string, string>();
const policy = (path: string) => parseRoleId(`acme:policy:${path}`);
const below = (path: string, name: string) => (path === "root" ? name : `${path}/${name}`);
const name = fc.constantFrom(...names);
const path = fc.constantFrom(...paths);

type Step = (made: House, tokens: SecretBytes[]) => Promise<unknown>;

const text = fc.constantFrom(
  "- !variable v\n- !host h\n- !group g\n- !grant { role: !group g, member: !host h }",
  "- !user u\n- !permit { role: !user u, privileges: [ read ], resource: !variable v }\n- !variable v",
  "- !layer l\n- !host-factory { id: f, layers: [ !layer l ] }",
  "- !policy { id: b, body: [ !variable { id: w, owner: !user /u } ] }\n- !user u",
  "- !variable { id: taken, owner: !policy /a }",
  "[]",
);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(path, name).map(
    ([parent, child]): Step =>
      (made) =>
        made.broker.createBranch(made.admin, { parent: policy(parent), name: child, annotations: new Map([["k", "v"]]) }),
  ),
  path.map(
    (each): Step =>
      (made) =>
        made.broker.removeBranch(made.admin, policy(each)),
  ),
  fc.tuple(path, path).map(
    ([each, owner]): Step =>
      (made) =>
        made.broker.updateBranch(made.admin, policy(each), { owner: policy(owner), annotations: none }),
  ),
  fc.tuple(path, text, fc.constantFrom("create", "update", "replace")).map(
    ([branch, content, mode]): Step =>
      (made) =>
        made.load(content, mode, branch),
  ),
  path.map(
    (each): Step =>
      async (made, tokens) => {
        const factory = parseRoleId(`acme:host_factory:${below(each, "f")}`);
        const expiresAt = made.clock.now() + 1000;
        tokens.push(
          ...(await made.broker.createHostFactoryTokens(made.admin, { factory, expiresAt, count: 1, networks: [] })).map(
            (one) => one.token,
          ),
        );
      },
  ),
  fc.tuple(path, name).map(
    ([each, id]): Step =>
      (made, tokens) =>
        made.broker.createHost({ token: tokens.at(-1), id: below(each, id), annotations: none }, made.context()),
  ),
  fc.tuple(path, path).map(
    ([group, member]): Step =>
      (made) =>
        made.broker.addGroupMember(
          made.admin,
          parseRoleId(`acme:group:${below(group, "g")}`),
          parseRoleId(`acme:host:${below(member, "h")}`),
        ),
  ),
);

/** Facts whose ends are missing. */
function dangling(made: House): readonly string[] {
  const graph = emptyGraph().withAll(made.store.commits);
  const isThere = (id: Parameters<typeof graph.resource>[0]): boolean => graph.resource(id) !== undefined;
  const found: string[] = [];
  for (const { id, owner } of graph.resources(made.account)) {
    if (!isThere(owner)) found.push(`${id} is owned by ${owner}`);
    for (const permit of graph.permitsOn(id)) if (!isThere(permit.role)) found.push(`a permit to ${permit.role}`);
    if (!isRoleId(id)) continue;
    for (const grant of graph.memberships(id)) if (!isThere(grant.role)) found.push(`${id} is a member of ${grant.role}`);
    for (const grant of graph.members(id)) if (!isThere(grant.member)) found.push(`${grant.member} is a member of ${id}`);
    const holdsIt = id === owner || graph.grant(id, owner, true) !== undefined;
    if (!holdsIt) found.push(`${owner} owns ${id} and does not hold it`);
    for (const { ownership, member } of graph.members(id))
      if (ownership && member !== owner) found.push(`${member} holds ${id} as its owner was`);
  }
  for (const change of made.store.commits.flatMap(({ changes }) => changes)) {
    if (change.type !== "put_host_factory_token" || graph.hostFactoryToken(change.token.digest) === undefined) continue;
    if (!isThere(change.token.factory)) found.push(`a token of ${change.token.factory}`);
  }
  return found;
}

const start = "- !policy { id: a, body: [ !policy { id: b, body: [ !policy c ] } ] }\n- !policy b\n- !user u";

describe("facts", () => {
  test("name nothing that is not there, after any steps", async () => {
    let done = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 20 }), async (steps) => {
        const made = await createHouse();
        await made.load(start);
        const tokens: SecretBytes[] = [];
        for (const each of steps) {
          const outcome = await each(made, tokens).then(
            () => "done",
            (error: unknown) => error,
          );
          if (outcome === "done") done += 1;
          else expect(outcome).toMatchObject({ name: "PosternError", failure: { code: expect.not.stringMatching("internal") } });
        }
        expect(dangling(made)).toEqual([]);
      }),
      { seed: 5, numRuns: 150 },
    );
    // Most steps ask for what is not there; enough of them do something.
    expect(done).toBeGreaterThan(300);
  }, 30_000);
});
