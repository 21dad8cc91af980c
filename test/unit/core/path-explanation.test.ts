import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { explainPath } from "../../../src/core/path-explanation";
import type { NamedRules } from "../../../src/core/path-rule-index";
import { createPathRights } from "../../../src/core/path-rules";
import type { Capability, PathAccess, PathRule } from "../../../src/model/paths";

type Rule = readonly [path: string, ...capabilities: Capability[]];
const policy = (name: string, ...rules: readonly Rule[]): NamedRules => ({
  name,
  rules: rules.map(([path, ...capabilities], index) => ({ path, capabilities, line: index + 1 })),
});
const to = (action: PathAccess["action"], path: string): PathAccess => ({ action, path });
const versioned = { path: "secret", isVersioned: true };
const explained = (access: PathAccess, ...rules: readonly Rule[]) => explainPath([policy("p", ...rules)], access, true, versioned);

describe("an explanation of path rules", () => {
  test("names the rule that decides, and those that it keeps from counting with the reason of each", () => {
    const { allowed, because, rule, passedOver, remedy } = explained(
      to("read", "secret/data/a/x"),
      ["secret/data/a/x", "list"],
      ["secret/data/a/*", "read"],
      ["secret/data/+/x", "read"],
      ["secret/data/*", "deny"],
    );
    expect({ allowed, because, remedy }).toEqual({
      allowed: false,
      because: "path_capability",
      remedy: 'path "secret/data/a/x" { capabilities = ["read"] }',
    });
    expect(rule).toEqual({ path: "secret/data/a/x", capabilities: ["list"], from: "p line 1", allows: false });
    expect(passedOver.map(({ path, allows, reason }) => [path, allows, reason])).toEqual([
      ["secret/data/a/*", true, "that one has no wildcard"],
      ["secret/data/+/x", true, "that one has no wildcard"],
      ["secret/data/*", false, "that one has no wildcard"],
    ]);
  });

  test.each<[readonly Rule[], string, string]>([
    [
      [
        ["a/b*", "deny"],
        ["a/*", "read"],
      ],
      "a/bc",
      "the first wildcard of that one stands later",
    ],
    [
      [
        ["a/+/c", "deny"],
        ["a/*", "read"],
      ],
      "a/b/c",
      'that one does not end in "*"',
    ],
    [
      [
        ["a/+/c", "deny"],
        ["a/+/+", "read"],
      ],
      "a/b/c",
      'that one has fewer "+"',
    ],
    [
      [
        ["a/+/cc*", "deny"],
        ["a/+/c*", "read"],
      ],
      "a/b/ccc",
      "that one is longer",
    ],
    [
      [
        ["a/+/c/+/e", "deny"],
        ["a/+/+/d/e", "read"],
      ],
      "a/b/c/d/e",
      "that one comes later in the order of letters",
    ],
  ])("of %j about %p says that %s", (rules, path, reason) => {
    const { rule, passedOver } = explained(to("read", path), ...rules);
    expect([rule?.path, passedOver[0]?.path, passedOver[0]?.reason]).toEqual([rules[0]?.[0], rules[1]?.[0], reason]);
  });

  test("of a list tells the rule for its path without the slash as passed over", () => {
    const { passedOver } = explained(to("list", "secret/metadata/a/"), ["secret/metadata/a/", "list"], ["secret/metadata/a", "deny"]);
    expect(passedOver).toMatchObject([{ path: "secret/metadata/a", reason: "that one is for the list itself" }]);
  });

  test.each<[string, PathAccess, Rule, string]>([
    [
      "without data/",
      to("read", "secret/data/app"),
      ["secret/app", "read"],
      "need what stands between mount and key, as in secret/data/app",
    ],
    ["with data/, asked without", to("read", "secret/app"), ["secret/data/app", "read"], "a request for secret/app means nothing there"],
    ["of the values, asked for a list", to("list", "secret/metadata/app/"), ["secret/data/app/*", "list"], "another thing of the same key"],
    ["of one path", to("read", "secret/data/app/db"), ["secret/data/app", "read"], '"secret/data/app/*" would be for what is below it'],
    ["of what is below", to("read", "secret/data/app"), ["secret/data/app/*", "read"], "not for the path itself"],
    ["of a neighbour", to("read", "secret/data/ap"), ["secret/data/app", "read"], 'the path goes on with "ap", the rule with "app"'],
  ])("where no rule is for the path tells the nearest one: one %s", (_, access, rule, hint) => {
    const { because, nearest } = explained(access, rule);
    expect(because).toBe("no_path_rule");
    expect(nearest).toMatchObject({ path: rule[0], hint: expect.stringContaining(hint) });
  });

  test("knows no nearest rule where none begins alike, and no versions of a mount that keeps none", () => {
    expect(explained(to("read", "secret/data/app"), ["kv/app", "read"]).nearest).toBeUndefined();
    const plain = explainPath([policy("p", ["old/app", "read"])], to("read", "old/data/app"), true, { path: "old", isVersioned: false });
    expect(plain.nearest?.hint).toBe('it begins with the same segment; the path goes on with "data", the rule with "app"');
  });

  test("tells what the rule demands of a request and does not judge it", () => {
    const rule: PathRule = {
      path: "kv/x",
      capabilities: ["update"],
      requiredParameters: ["a"],
      deniedParameters: { b: [] },
      minWrappingSeconds: 5,
    };
    expect(explainPath([{ name: "p", rules: [rule] }], to("write", "kv/x"), true, undefined)).toMatchObject({
      allowed: true,
      demands: "the members a; not the members b with the values that it denies; that the answer is wrapped, for as long as it says",
    });
  });

  test("agrees with the verdict about whatever rules and path", () => {
    const path = fc
      .array(fc.constantFrom("secret", "data", "a", "+", "b*"), { minLength: 1, maxLength: 4 })
      .map((parts) => parts.join("/"));
    const ruled = fc.tuple(path, fc.constantFrom<Capability>("read", "list", "deny", "sudo"));
    fc.assert(
      fc.property(fc.array(ruled, { maxLength: 6 }), path, fc.boolean(), (rules, asked, sudo) => {
        const access = { ...to("read", asked), sudo };
        const named = [policy("p", ...rules)];
        const verdict = createPathRights(named).verdict(access, true);
        const { allowed, rule, nearest, passedOver } = explainPath(named, access, true, versioned);
        expect(allowed).toBe(verdict.allowed);
        expect(rule?.allows ?? false).toBe(allowed);
        expect(rule === undefined || nearest === undefined).toBe(true);
        expect(new Set([rule?.path, ...passedOver.map((each) => each.path)]).size).toBe(passedOver.length + 1);
      }),
      { seed: 20261127, numRuns: 2000 },
    );
  });
});
