import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { type ClaimRules, claimAt, matchesGlob, stillHolds, timeProblem } from "../../../../src/core/mounts/jwt-claims";

const rules: ClaimRules = {
  boundAudiences: [],
  boundSubject: "",
  boundClaims: {},
  globs: false,
  userClaim: "sub",
  userClaimIsPointer: false,
  groupsClaim: "",
  mappings: {},
  clockSkewSeconds: 0,
  expirationSeconds: 0,
  notBeforeSeconds: 0,
};

describe("globs of bound claims", () => {
  test.each([
    ["main", "main", true],
    ["main", "maine", false],
    ["*", "", true],
    ["release/*", "release/1", true],
    ["release/*", "prerelease/1", false],
    ["*/till", "shop/till", true],
    ["a*b*c", "a--b--c", true],
    ["a*b*c", "a--c--b", false],
    ["ab*ba", "aba", false],
    ["a*a*a", "aa", false],
    ["**", "anything", true],
    ["a.c", "abc", false],
  ])("%j fits %j: %p", (pattern, text, fits) => {
    expect(matchesGlob(pattern, text)).toBe(fits);
  });

  test("agree with the same pattern written as an expression", () => {
    const short = fc.string({ unit: fc.constantFrom("a", "b", "*"), maxLength: 6 });
    const text = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 8 });
    fc.assert(
      fc.property(short, text, (pattern, word) => {
        expect(matchesGlob(pattern, word)).toBe(new RegExp(`^${pattern.replaceAll("*", ".*")}$`).test(word));
      }),
      { seed: 7, numRuns: 2000 },
    );
  });
});

describe("claims by their pointers", () => {
  const claims = JSON.parse('{"a":{"b/c":["x",{"~d":1}],"n":null},"a/b":2,"":{"":3}}');
  test.each<[string, unknown]>([
    ["a/b", 2],
    ["/a/b~1c/0", "x"],
    ["/a/b~1c/1/~0d", 1],
    ["/a/n", undefined],
    ["/a/b~1c/01", undefined],
    ["/a/b~1c/-1", undefined],
    ["/a/constructor", undefined],
    ["constructor", undefined],
    ["/a/b~1c/length", undefined],
    ["//", 3],
  ])("%j is %p", (name, value) => {
    expect(claimAt(claims, name)).toBe(value);
  });
});

describe("the times of a token", () => {
  const now = 1_000_000_000_000;
  const at = now / 1000;
  const expired = "invalid expiration time (exp) claim: token is expired";
  test.each<[string, object, object, string | undefined]>([
    ["an end in a moment", { exp: at + 1 }, {}, undefined],
    ["an end within the skew", { exp: at - 59 }, {}, undefined],
    ["an end beyond the skew", { exp: at - 60 }, {}, expired],
    ["an end just past, without skew", { exp: at - 1 }, { clockSkewSeconds: -1 }, expired],
    ["a beginning alone, within the usual leeway", { iat: at - 149 }, {}, undefined],
    ["a beginning alone, of a while ago", { iat: at - 211 }, {}, expired],
    ["a beginning alone, with a longer leeway", { iat: at - 211 }, { expirationSeconds: 3600 }, undefined],
    ["a beginning alone, with none", { iat: at - 61 }, { expirationSeconds: -1 }, expired],
    ["an issue to come", { exp: at + 900, nbf: at, iat: at + 61 }, {}, "invalid issued at (iat) claim: token issued in the future"],
    ["parts of a second", { exp: at + 0.5 }, { clockSkewSeconds: -1 }, undefined],
    ["an end of zero", { exp: 0, iat: at }, {}, "invalid time in the exp claim"],
    ["an end after all time", { exp: 1e300 }, {}, "invalid time in the exp claim"],
  ])("%s", (_title, claims, more, problem) => {
    expect(timeProblem({ ...claims }, { ...rules, ...more }, now)).toBe(problem);
  });
});

test("what was proven at a login holds for as long as the role asks for nothing else", () => {
  const evidence = { "claim ref": ["main"], subject: ["job"], audiences: ["postern"] };
  const holds = (more: Partial<ClaimRules>): boolean => stillHolds(evidence, { ...rules, ...more });
  expect(holds({ boundClaims: { ref: ["main", "next"] }, boundSubject: "job", boundAudiences: ["postern"] })).toBe(true);
  expect(holds({ boundClaims: { ref: ["ma*"] }, globs: true })).toBe(true);
  expect(holds({ boundClaims: { ref: ["ma*"] } })).toBe(false);
  expect(holds({ boundClaims: { project: ["shop"] } })).toBe(false);
  expect(holds({ boundSubject: "other" })).toBe(false);
  expect(holds({ boundAudiences: ["other"] })).toBe(false);
});
