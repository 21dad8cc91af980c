import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { NamedRules } from "../../../src/core/path-rule-index";
import { createPathRights } from "../../../src/core/path-rules";
import type { Capability, PathAccess, PathRule } from "../../../src/model/paths";

const seed = 20261126;
type Rule = readonly [path: string, ...capabilities: Capability[]];

const policy = (name: string, ...rules: readonly Rule[]): NamedRules => ({
  name,
  rules: rules.map(([path, ...capabilities], index) => ({ path, capabilities, line: index + 1 })),
});
const one = (...rules: readonly Rule[]) => createPathRights([policy("p", ...rules)]);
const to = (action: PathAccess["action"], path: string): PathAccess => ({ action, path });

describe("which rule decides", () => {
  test("a denial in one policy cancels what another gives the same path, and sudo with it", () => {
    const rights = createPathRights([policy("a", ["kv/x", "read", "sudo"]), policy("b", ["kv/x", "deny"])]);
    expect(rights.verdict(to("read", "kv/x"), true)).toMatchObject({ allowed: false, because: "path_denied" });
    expect(rights.capabilities("kv/x")).toEqual(["deny"]);
  });

  test("rules of one path give together what each gives", () => {
    const rights = createPathRights([policy("a", ["kv/x", "read"]), policy("b", ["kv/x", "update"])]);
    expect(rights.capabilities("kv/x")).toEqual(["read", "update"]);
    expect(rights.verdict(to("write", "kv/x"), true)).toEqual({ allowed: true, rule: 'path "kv/x" of policy a line 1, b line 1: update' });
  });

  test("a path that is written again and again is told with the first of its places", () => {
    const again = createPathRights([policy("p", ...Array.from({ length: 5000 }, (): Rule => ["kv/x", "read"]))]);
    const places = [1, 2, 3, 4, 5, 6, 7, 8].map((line) => `p line ${line}`).join(", ");
    expect(again.verdict(to("read", "kv/x"), true)).toEqual({
      allowed: true,
      rule: `path "kv/x" of policy ${places} and 4992 more: read`,
    });
  });

  test("a write needs create where there is nothing yet, and update where there is", () => {
    const rights = one(["kv/*", "create"]);
    expect([rights.verdict(to("write", "kv/x"), false).allowed, rights.verdict(to("write", "kv/x"), true).allowed]).toEqual([true, false]);
  });

  test("sudo is asked for beside the capability", () => {
    const asked = { ...to("read", "sys/audit"), sudo: true };
    expect(one(["sys/*", "read"]).verdict(asked, true)).toMatchObject({
      because: "path_sudo",
      remedy: 'path "sys/audit" { capabilities = ["read", "sudo"] }',
    });
    expect(one(["sys/*", "read", "sudo"]).verdict(asked, true).allowed).toBe(true);
  });

  test("says which rule refused, and what would allow it", () => {
    expect(one(["kv/*", "list"]).verdict(to("read", "kv/x"), true)).toEqual({
      allowed: false,
      because: "path_capability",
      detail: 'path "kv/*" of policy p line 1 gives list, not read',
      remedy: 'path "kv/x" { capabilities = ["read"] }',
    });
    expect(one(["kv/*", "list"]).verdict(to("read", "other"), true)).toMatchObject({
      because: "no_path_rule",
      detail: "no rule of p is for other",
    });
  });

  test("decides as a plain reading of the order does", () => {
    const segment = fc.constantFrom("a", "b", "ab", "+", "+a", "a*", "");
    const path = fc.array(segment, { minLength: 1, maxLength: 5 }).map((parts) => parts.join("/"));
    const ruled = fc.tuple(path, fc.boolean()).map(([text, isPrefix]) => `${text}${isPrefix && !text.endsWith("+") ? "*" : ""}`);
    const given = fc.uniqueArray(fc.constantFrom<Capability>("read", "list", "update", "create", "sudo", "deny"), { maxLength: 3 });
    const rules = fc.array(fc.tuple(ruled, given), { minLength: 1, maxLength: 8 });
    const asked = fc.record({ path, action: fc.constantFrom<PathAccess["action"]>("read", "list", "write"), sudo: fc.boolean() });
    fc.assert(
      fc.property(rules, fc.nat(3), asked, fc.boolean(), (drawn, share, want, exists) => {
        const access = { ...want, path: want.action === "list" ? `${want.path}/` : want.path };
        const policies = [0, 1, 2].map((index) =>
          policy(`p${index}`, ...drawn.filter((_, at) => (at + share) % 3 === index).map(([text, own]): Rule => [text, ...own])),
        );
        const rights = createPathRights(policies);
        const chosen = plainChoice([...new Set(drawn.map(([text]) => text))], access.path);
        const united = new Set(drawn.filter(([text]) => text === chosen).flatMap(([, own]) => own));
        const needed = access.action === "write" ? (exists ? "update" : "create") : access.action;
        const allowed = !united.has("deny") && united.has(needed) && (!access.sudo || united.has("sudo"));
        const verdict = rights.verdict(access, exists);
        expect({ chosen, allowed: verdict.allowed }).toEqual({ chosen, allowed });
        expect(verdict.allowed ? verdict.rule : verdict.detail).toStartWith(
          chosen === undefined ? "no rule of" : `path "${chosen}" of policy`,
        );
        // The same when some of the rules were made ready before, for others too.
        const [first = policy("p0"), ...more] = policies;
        const added = createPathRights(more, createPathRights([first]));
        expect(added.verdict(access, exists).allowed).toBe(allowed);
        expect([...added.matching(access.path)].map((rule) => rule.path)).toEqual(
          [...rights.matching(access.path)].map((rule) => rule.path),
        );
        expect([added.capabilities(access.path), added.reaches("a/")]).toEqual([rights.capabilities(access.path), rights.reaches("a/")]);
        expect([...added.index.rules()].map((rule) => rule.path).sort()).toEqual([...rights.index.rules()].map((rule) => rule.path).sort());
        const isNothing = united.has("deny") || united.size === 0;
        expect(rights.capabilities(access.path)).toEqual(isNothing ? ["deny"] : [...united].sort());
      }),
      { seed, numRuns: 5000 },
    );
  });
});

/** The order written down once more, with regular expressions and a sort. */
function plainChoice(rules: readonly string[], path: string): string | undefined {
  const direct = rules.find((rule) => rule === path && !rule.endsWith("*") && !rule.split("/").includes("+"));
  if (direct !== undefined) return direct;
  const bare = path.endsWith("/") ? path.slice(0, -1) : undefined;
  const bareRule = rules.find((rule) => rule === bare && !rule.endsWith("*") && !rule.split("/").includes("+"));
  if (bareRule !== undefined) return bareRule;
  const matching = (asked: string): string[] =>
    rules.filter((rule) => {
      const isGlob = rule.endsWith("*");
      const isSegmented = rule.split("/").includes("+");
      if (!isGlob && !isSegmented) return false;
      const source = (isGlob ? rule.slice(0, -1) : rule)
        .split("/")
        .map((part) => (part === "+" ? "[^/]*" : part.replace(/[+*]/g, "\\$&")))
        .join("/");
      return new RegExp(`^${source}${isGlob ? ".*" : "$"}`).test(asked);
    });
  const rank = (asked: string): string | undefined => {
    const first = (rule: string): number => {
      const plus = rule.split("/").indexOf("+");
      const at = plus < 0 ? rule.length : rule.split("/").slice(0, plus).join("/").length + (plus === 0 ? 0 : 1);
      return Math.min(at, rule.endsWith("*") ? rule.length - 1 : rule.length);
    };
    const pluses = (rule: string): number => rule.split("/").filter((part) => part === "+").length;
    return matching(asked).sort(
      (left, right) =>
        first(right) - first(left) ||
        Number(left.endsWith("*")) - Number(right.endsWith("*")) ||
        pluses(left) - pluses(right) ||
        right.length - left.length ||
        (left > right ? -1 : 1),
    )[0];
  };
  return rank(path) ?? (bare === undefined ? undefined : rank(bare));
}

describe("bounds on what a request says", () => {
  const rights = (rule: Partial<PathRule>) =>
    createPathRights([{ name: "p", rules: [{ path: "x", capabilities: ["update", "read", "list"], ...rule }] }]);
  const write = (parameters?: Record<string, unknown>, wrapSeconds?: number): PathAccess => ({
    ...to("write", "x"),
    ...(parameters === undefined ? {} : { parameters }),
    ...(wrapSeconds === undefined ? {} : { wrapSeconds }),
  });

  test.each<[Partial<PathRule>, PathAccess, boolean]>([
    [{ requiredParameters: ["data"] }, write({ data: 1 }), true],
    [{ requiredParameters: ["data"] }, write({ other: 1 }), false],
    [{ requiredParameters: ["data"] }, write(), false],
    [{ deniedParameters: { debug: [] } }, write({ debug: 1 }), false],
    [{ deniedParameters: { debug: ["true"] } }, write({ DEBUG: "true" }), false],
    [{ deniedParameters: { debug: ["true"] } }, write({ debug: "false" }), true],
    [{ deniedParameters: { "*": [] } }, write({ a: 1 }), false],
    [{ deniedParameters: { "*": [] } }, write(), true],
    [{ allowedParameters: { a: [] } }, write({ a: "anything" }), true],
    [{ allowedParameters: { a: [] } }, write({ b: 1 }), false],
    [{ allowedParameters: { a: ["x*", "*y"] } }, write({ a: "xx" }), true],
    [{ allowedParameters: { a: ["x*", "*y"] } }, write({ a: "ay" }), true],
    [{ allowedParameters: { a: ["x*", "*y"] } }, write({ a: "ab" }), false],
    [{ allowedParameters: { a: ["1"], "*": [] } }, write({ a: "1", b: 2 }), true],
    [{ allowedParameters: { a: ["1"], "*": [] } }, write({ a: "2", b: 2 }), false],
    [{ allowedParameters: { a: [1] } }, write({ a: "1" }), true],
    [{ allowedParameters: { a: ["1*"] } }, write({ a: 12 }), true],
    [{ allowedParameters: { a: ["x"] } }, write({ a: ["x"] }), false],
    // Whatever one and the same thing is written as, what is denied stays denied.
    [{ deniedParameters: { debug: ["true"] } }, write({ debug: "true", DEBUG: "false" }), false],
    [{ deniedParameters: { debug: ["true"] } }, write({ DEBUG: "false", debug: true }), false],
    [{ allowedParameters: { a: ["1"] } }, write({ a: "2", A: "1" }), false],
    [{ deniedParameters: { ttl: ["1*"] } }, write({ ttl: 12 }), false],
    [{ deniedParameters: { policies: ["adm*"] } }, write({ policies: ["app", "admin"] }), false],
    [{ deniedParameters: { policies: ["adm*"] } }, write({ policies: ["app"] }), true],
    [{ deniedParameters: { constructor: [] } }, write({ constructor: 1 }), false],
    [{ requiredParameters: ["constructor"] }, write({ a: 1 }), false],
    [{ allowedParameters: { a: [] } }, { ...to("list", "x"), parameters: { b: 1 } }, true],
    [{ minWrappingSeconds: 10 }, write(), false],
    [{ minWrappingSeconds: 10 }, write({}, 9), false],
    [{ minWrappingSeconds: 10, maxWrappingSeconds: 20 }, write({}, 15), true],
    [{ maxWrappingSeconds: 20 }, write({}, 21), false],
  ])("%j lets %j pass: %p", (rule, access, allowed) => {
    expect(rights(rule).verdict(access, true).allowed).toBe(allowed);
  });

  test("of several rules for one path: the smaller times, the union of lists, any value over some", () => {
    const both = createPathRights([
      { name: "a", rules: [{ path: "x", capabilities: ["update"], minWrappingSeconds: 10, allowedParameters: { a: ["1"], b: ["2"] } }] },
      { name: "b", rules: [{ path: "x", capabilities: ["update"], minWrappingSeconds: 5, allowedParameters: { a: [] } }] },
    ]);
    expect(both.verdict(write({ a: "9", b: "2" }, 5), true).allowed).toBe(true);
    expect(both.verdict(write({ a: "9", b: "3" }, 5), true).allowed).toBe(false);
    expect(both.verdict(write({ a: "9" }, 4), true).allowed).toBe(false);
  });
});

describe("how far rules reach", () => {
  test.each<[Rule, string, boolean]>([
    [["secret/data/app", "read"], "secret/", true],
    [["secret", "read"], "secret/", true],
    [["sec*", "read"], "secret/", true],
    [["*", "read"], "secret/", true],
    [["secret/*", "deny"], "secret/", false],
    [["secrets/x", "read"], "secret/", false],
    [["+/data/x", "read"], "secret/", true],
    [["+/x", "read"], "teams/a/", false],
    [["+/a/x", "read"], "teams/a/", true],
    [["+/*", "read"], "teams/a/", true],
    [["kv/+/x", "read"], "secret/", false],
    [["secret/x"], "secret/", false],
  ])("%j into %p: %p", (rule, prefix, reached) => {
    expect(one(rule).reaches(prefix)).toBe(reached);
  });
});
