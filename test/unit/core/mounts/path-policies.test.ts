import { beforeEach, describe, expect, test } from "bun:test";
import type { PathPolicy } from "../../../../src/core/broker";
import { filledIn, type TemplateValues } from "../../../../src/core/mounts/policy-templates";
import type { Caller } from "../../../../src/model/types";
import { failureOfWork } from "../../../support/failing";
import { createHouse, type House } from "../../../support/house";
import { rightsAt, rootRights, withRights } from "../../../support/path-rights";

let house: House;
let root: Caller;
const policy = (name: string): PathPolicy => ({ name, text: "# text", rules: [{ path: "kv/x", capabilities: ["read"], line: 1 }] });
const at = (action: "read" | "write" | "delete" | "list", name: string) => ({ path: `sys/policies/acl/${name}`, action }) as const;

describe("policies by path", () => {
  beforeEach(async () => {
    house = await createHouse();
    root = withRights(house.admin, rootRights);
  });

  test("are kept as roles of the graph and listed with those that are always there", async () => {
    const { policies } = house.broker.paths;
    await policies.write(root, at("write", "app"), policy("app"));
    expect(await policies.list(root, at("list", ""))).toEqual(["app", "default", "root"]);
    expect(await policies.read(root, at("read", "app"), "app")).toEqual(policy("app"));
    expect(await policies.read(root, at("read", "default"), "default")).toMatchObject({ text: expect.stringContaining("cubbyhole/*") });
    expect(await policies.read(root, at("read", "none"), "none")).toBeUndefined();
    const group = house.id("group:vault/policy/app");
    expect(await house.broker.showResource(house.admin, group)).toMatchObject({ resource: { id: group } });
  });

  test("go when they are removed, and the default one comes back as it was", async () => {
    const { policies } = house.broker.paths;
    await policies.write(root, at("write", "app"), policy("app"));
    await policies.remove(root, at("delete", "app"), "app");
    await policies.remove(root, at("delete", "app"), "app");
    expect(await policies.read(root, at("read", "app"), "app")).toBeUndefined();
    await policies.write(root, at("write", "default"), policy("default"));
    expect(await policies.read(root, at("read", "default"), "default")).toMatchObject({ text: "# text" });
  });

  test.each([
    ["write", "root", 'cannot update "root" policy'],
    ["write", "response-wrapping", 'cannot update "response-wrapping" policy'],
    ["delete", "root", 'cannot delete "root" policy'],
    ["delete", "default", "cannot delete default policy"],
  ] as const)("do not let one %s %s", async (verb, name, says) => {
    const { policies } = house.broker.paths;
    const work = verb === "write" ? policies.write(root, at(verb, name), policy(name)) : policies.remove(root, at(verb, name), name);
    expect(await failureOfWork(work)).toMatchObject({ code: "malformed", says });
  });

  test.each(["", "a\\b", "../x", "a//b", "x\u0000"])("have no name like %p", async (name) => {
    expect(await failureOfWork(house.broker.paths.policies.write(root, at("write", "x"), policy(name)))).toMatchObject({
      code: "malformed",
    });
  });

  test("are refused to those without a rule for them, with a line in the audit", async () => {
    const stranger = withRights(house.admin, rightsAt("kv/"));
    expect(await failureOfWork(house.broker.paths.policies.write(stranger, at("write", "mine"), policy("mine")))).toMatchObject({
      code: "forbidden",
    });
    expect(house.lastAudit()).toMatchObject({ operation: "path_policy.write", allowed: false, path: "sys/policies/acl/mine" });
  });
});

describe("placeholders", () => {
  const values: TemplateValues = {
    key: "e",
    entityId: "e-1",
    entityName: "entity_1",
    entityMetadata: { team: "blue", evil: "a/b", star: "*", dots: "..", empty: "" },
    aliases: { auth_azure_1: { id: "a-1", name: "oid", metadata: { vm_name: "vm1", glob: "x*", plus: "+" } } },
  };
  const paths = (...given: readonly string[]) =>
    filledIn(
      given.map((path) => ({ path, capabilities: ["read"] })),
      values,
    ).map(({ path }) => path);

  test("are filled in with what is known of the caller", () => {
    expect(paths("a/{{identity.entity.id}}/*", "{{ identity.entity.name }}", "b/{{identity.entity.metadata.team}}")).toEqual([
      "a/e-1/*",
      "entity_1",
      "b/blue",
    ]);
    expect(paths("{{identity.entity.aliases.auth_azure_1.metadata.vm_name}}/{{identity.entity.aliases.auth_azure_1.name}}")).toEqual([
      "vm1/oid",
    ]);
  });

  test.each([
    "{{identity.entity.metadata.evil}}",
    "{{identity.entity.metadata.star}}",
    "{{identity.entity.metadata.dots}}",
    "{{identity.entity.metadata.empty}}",
    "{{identity.entity.metadata.constructor}}",
    "{{identity.entity.aliases.auth_azure_1.metadata.glob}}",
    "{{identity.entity.aliases.auth_azure_1.metadata.plus}}",
    "{{identity.entity.aliases.__proto__.name}}",
    "{{identity.entity.aliases.auth_azure_2.name}}",
    "{{identity.groups.names.x.id}}",
    "{{nothing}}",
    "a/{{identity.entity.id",
    "a/{{}}",
  ])("of %p drop the rule", (path) => {
    expect(paths(path, "kept")).toEqual(["kept"]);
  });

  test("of a value that no path may hold keep a rule that denies, whatever the caller is called", () => {
    const denying = (path: string) => filledIn([{ path, capabilities: ["read", "deny"] }], values).map((rule) => rule.path);
    expect(denying("a/{{identity.entity.metadata.evil}}/*")).toEqual(["a/a/b/*"]);
    expect(denying("a/{{identity.entity.metadata.star}}")).toEqual(["a/*"]);
    expect(denying("a/{{identity.entity.metadata.none}}")).toEqual([]);
  });
});
