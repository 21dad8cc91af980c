import { describe, expect, test } from "bun:test";
import { createSharedParts } from "../../../../src/core/mounts/shared-parts";
import type { StoredToken } from "../../../../src/core/mounts/token-document";
import { parseRoleId } from "../../../../src/model/ids";

const login = () => ({
  mountAccessor: "auth_azure_1",
  mountPath: "auth/azure",
  mountType: "azure",
  roleName: "dev",
  alias: { name: "oid-1", metadata: { role: "dev" } },
  entityId: "e1",
  evidence: { subscription: ["s1"] },
});

const token = (digest: string, changes: Partial<StoredToken> = {}): StoredToken => ({
  digest,
  accessor: `accessor of ${digest}`,
  role: parseRoleId("acme:host:vault/role/azure/dev"),
  policies: ["default", "dev"],
  path: "auth/azure/login",
  meta: { role: "dev" },
  displayName: "azure-oid-1",
  uses: 0,
  usesLeft: 0,
  isOrphan: true,
  createdAt: 1,
  creationTtlSeconds: 60,
  expiresAt: 60_001,
  explicitMaxSeconds: 0,
  periodSeconds: 0,
  isRenewable: true,
  boundCidrs: ["10.0.0.0/8"],
  login: login(),
  ...changes,
});

describe("the parts that tokens share", () => {
  const { parent: _, login: __, ...bare } = token("bare", { meta: null });
  test.each<[string, StoredToken]>([
    ["of a login", token("a")],
    ["that another made", token("b", { parent: "a", isOrphan: false })],
    ["that was renewed, by a role for tokens", token("c", { renewedAt: 5, tokenRole: "ci" })],
    ["of no login", bare],
    [
      "that is who its parent is",
      { ...bare, identity: { mountAccessor: "a", mountPath: "b", mountType: "c", alias: login().alias, entityId: "e1" } },
    ],
    [
      "with names that objects have of their own",
      token("d", {
        meta: Object.fromEntries([
          ["__proto__", "x"],
          ["constructor", "y"],
        ]),
      }),
    ],
  ])("leave a token %s as it was", (_case, whole) => {
    const compact = createSharedParts();
    compact(token("other"));
    expect(compact(whole)).toStrictEqual(whole);
    expect(JSON.stringify(compact(whole).meta)).toBe(JSON.stringify(whole.meta));
  });

  test("are the same values in tokens of the same login", () => {
    const compact = createSharedParts();
    const [first, second] = [compact(token("a")), compact(token("b"))];
    expect(second.login).toBe(first.login);
    expect(second.policies).toBe(first.policies);
    expect(second.meta).toBe(first.meta);
    expect(second.boundCidrs).toBe(first.boundCidrs);
  });

  test("are never those of a token that differs in them, nor of another kind of part", () => {
    const compact = createSharedParts();
    compact(token("a"));
    const other = token("b", { login: { ...login(), entityId: "e2" }, policies: ["dev"], meta: { role: "ops" }, boundCidrs: [] });
    expect(compact(other)).toStrictEqual(other);
    // A text that reads like the JSON of something else.
    const odd = token("c", { displayName: '["dev"]', path: '{"role":"ops"}', policies: ["dev"], meta: { role: "ops" } });
    expect(compact(odd)).toStrictEqual(odd);
  });

  test("are forgotten when there are many, and nothing comes of it", () => {
    const compact = createSharedParts();
    for (let index = 0; index < 10_000; index += 1) {
      const each = token(String(index), { displayName: `azure-${index}`, meta: { name: String(index) } });
      expect(compact(each)).toStrictEqual(each);
    }
  });
});
