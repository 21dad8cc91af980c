import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseRoleId } from "../../../src/model/ids";
import type { Change } from "../../../src/model/types";
import { surviving } from "../../../src/store/fold";
import { acme, now, putAccount, putCredential, putVariable, role, variable } from "./fixture";

const names = ["a", "b", "c"] as const;
const roles = names.map((name) => role(`host:${name}`));
const anyRole = fc.constantFrom(...roles);
const anyId = fc.constantFrom(...roles, ...names.map((name) => variable(name)));

const anyChange: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 6,
    arbitrary: anyId.map(
      (id): Change => ({ type: "put_resource", resource: { id, owner: parseRoleId("acme:user:admin"), createdAt: now } }),
    ),
  },
  { weight: 2, arbitrary: anyId.map((id): Change => ({ type: "remove_resource", id })) },
  fc
    .tuple(anyRole, anyRole, fc.boolean(), fc.boolean())
    .map(([r, member, adminOption, ownership]): Change => ({ type: "put_grant", grant: { role: r, member, adminOption, ownership } })),
  fc.tuple(anyRole, anyRole, fc.boolean()).map(([r, member, ownership]): Change => ({ type: "remove_grant", role: r, member, ownership })),
  fc
    .tuple(anyRole, fc.constantFrom("read", "execute"), anyId)
    .map(([r, privilege, resource]): Change => ({ type: "put_permit", permit: { role: r, privilege, resource } })),
  fc
    .tuple(anyRole, fc.constantFrom("read", "execute"), anyId)
    .map(([r, privilege, resource]): Change => ({ type: "remove_permit", role: r, privilege, resource })),
  fc
    .tuple(anyId, fc.constantFrom("n", "m"), fc.string())
    .map(([resource, name, value]): Change => ({ type: "put_annotation", annotation: { resource, name, value } })),
  fc.tuple(anyRole, fc.constantFrom("d1", "d2")).map(
    ([factory, digest]): Change => ({
      type: "put_host_factory_token",
      token: { factory, digest: `${digest} ${factory}`, createdAt: now, expiresAt: now, networks: [] },
    }),
  ),
  fc
    .tuple(anyRole, fc.constantFrom("d1", "d2"))
    .map(([factory, digest]): Change => ({ type: "remove_host_factory_token", factory, digest: `${digest} ${factory}` })),
  anyRole.map((each): Change => ({ type: "put_restriction", restriction: { role: each, networks: ["10.0.0.0/8"] } })),
  fc
    .tuple(anyId, fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 50 }))
    .map(([resource, version, revision]): Change => ({ type: "put_secret_version", resource, version, createdAt: now, revision })),
  fc
    .tuple(anyId, fc.integer({ min: 1, max: 3 }))
    .map(([resource, version]): Change => ({ type: "remove_secret_version", resource, version })),
  fc
    .tuple(anyId, fc.integer({ min: 1, max: 3 }), fc.constantFrom({ deletesAt: now }, { destroyed: true } as const, {}))
    .map(([resource, version, state]): Change => ({ type: "put_version_state", resource, version, ...state })),
  anyId.map((resource): Change => ({ type: "put_secret_rules", rules: { resource, createdAt: now, updatedAt: now } })),
  anyId.map((resource): Change => ({ type: "remove_secret_rules", resource })),
);

/** The same, told slowly: facts in a list, and every removal a pass over it. */
function slowly(changes: readonly Change[]): ReadonlySet<string> {
  let facts: { readonly key: string; readonly names: readonly string[]; readonly change: Change }[] = [];
  for (const change of changes) {
    const described = describeFact(change);
    const isDestroyed = facts.some(
      ({ key, change: known }) => key === described.key && known.type === "put_version_state" && known.destroyed,
    );
    if (change.type === "put_version_state" && isDestroyed) continue;
    if (change.type === "remove_resource") facts = facts.filter(({ names: each }) => !each.includes(change.id));
    else facts = facts.filter(({ key }) => key !== described.key);
    if (described.ends !== undefined) facts = facts.filter(({ key }) => key !== described.ends);
    if (change.type.startsWith("put_")) facts.push({ ...described, change });
  }
  return new Set(facts.map(({ change }) => JSON.stringify(change)));
}

/** `ends`: the fact that ends with this one. */
function describeFact(change: Change): { readonly key: string; readonly names: readonly string[]; readonly ends?: string } {
  const fact = (kind: string, ...parts: readonly (string | number | boolean)[]) => ({
    key: JSON.stringify([kind, parts]),
    names: parts.map(String),
  });
  if (change.type === "put_resource") return fact("resource", change.resource.id);
  if (change.type === "put_grant") return fact("grant", change.grant.role, change.grant.member, change.grant.ownership);
  if (change.type === "remove_grant") return fact("grant", change.role, change.member, change.ownership);
  if (change.type === "put_permit") return fact("permit", change.permit.role, change.permit.resource, change.permit.privilege);
  if (change.type === "remove_permit") return fact("permit", change.role, change.resource, change.privilege);
  if (change.type === "put_annotation") return fact("annotation", change.annotation.resource, change.annotation.name);
  if (change.type === "put_restriction") return fact("restriction", change.restriction.role);
  if (change.type === "put_host_factory_token") return fact("token", change.token.digest, change.token.factory);
  if (change.type === "remove_host_factory_token") return fact("token", change.digest, change.factory);
  if (change.type === "put_secret_version" || change.type === "remove_secret_version")
    return { ...fact("version", change.resource, change.version), ends: fact("state", change.resource, change.version).key };
  if (change.type === "put_version_state") return fact("state", change.resource, change.version);
  if (change.type === "put_secret_rules") return fact("rules", change.rules.resource);
  if (change.type === "remove_secret_rules") return fact("rules", change.resource);
  return fact("none");
}

describe("what survives of a log", () => {
  test("is what a slow replay leaves, whatever the changes", () => {
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 60 }), (changes) => {
        expect<unknown>(new Set(surviving(changes).map((change) => JSON.stringify(change)))).toEqual(slowly(changes));
      }),
      { seed: 4, numRuns: 300 },
    );
  });

  test("survives again as it is", () => {
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 60 }), (changes) => {
        const once = surviving(changes);
        expect(surviving(once)).toEqual([...once]);
      }),
      { seed: 5, numRuns: 100 },
    );
  });

  test("keeps a replaced fact before what was put after it", () => {
    const replaced: Change = { type: "put_resource", resource: { id: variable("a"), owner: role("user:eve"), createdAt: now } };
    const annotation: Change = { type: "put_annotation", annotation: { resource: variable("a"), name: "n", value: "v" } };
    expect(surviving([putVariable("a"), annotation, replaced])).toEqual([replaced, annotation]);
  });

  test("is nothing after the account was removed, and begins anew", () => {
    const removal: Change = { type: "remove_account", account: acme };
    expect(surviving([putAccount(), putVariable("a"), putCredential("host:a"), removal])).toEqual([]);
    expect(surviving([putAccount(), putVariable("a"), removal, putAccount()])).toEqual([putAccount()]);
  });

  test("of forty thousand changes is found within a second", () => {
    const puts = Array.from({ length: 20_000 }, (_, index) => putVariable(`v${index}`));
    const removals = puts.map((_, index): Change => ({ type: "remove_resource", id: variable(`v${index}`) }));
    const started = performance.now();
    expect(surviving([...puts, ...removals])).toEqual([]);
    expect(performance.now() - started).toBeLessThan(1000);
  });
});
