/** Runs the tables of this folder: as policies in their language, in either order, in one policy and spread over several. */

import { describe, expect, test } from "bun:test";
import type { NamedRules } from "../../../src/core/path-rule-index";
import { createPathRights } from "../../../src/core/path-rules";
import { parsePolicyText } from "../../../src/fronts/vault/policy-text";
import type { PathAccess, PathVerdict } from "../../../src/model/paths";
import { type PrecedenceRow, precedence, unions } from "./precedence";

function stanza(rule: string): string {
  const [path = "", given = ""] = rule.split(" = ");
  const capabilities = given.split(", ").filter((each) => each !== "");
  return `path ${JSON.stringify(path)} { capabilities = ${JSON.stringify(capabilities)} }\n`;
}

const inOne = (rules: readonly string[]): readonly NamedRules[] => [{ name: "p", rules: parsePolicyText(rules.map(stanza).join("")) }];
const spread = (rules: readonly string[]): readonly NamedRules[] =>
  rules.map((rule, index) => ({ name: `p${index}`, rules: parsePolicyText(stanza(rule)) }));

function accessOf(asks: string): PathAccess {
  const [action = "", path = ""] = asks.split(" ");
  for (const known of ["read", "list", "write", "patch", "delete"] as const) if (known === action) return { action: known, path };
  throw new Error(`no action: ${action}`);
}

const decidedBy = (verdict: PathVerdict): string | undefined => {
  const text = verdict.allowed ? verdict.rule : verdict.detail;
  return /^path "([^"]*)" of policy /.exec(text)?.[1];
};

function check({ rules, asks, decides, allowed }: PrecedenceRow, ways: readonly (readonly NamedRules[])[]): void {
  for (const way of ways) {
    const verdict = createPathRights(way).verdict(accessOf(asks), true);
    expect({ rules, asks, allowed: verdict.allowed, decides: decidedBy(verdict) }).toEqual({ rules, asks, allowed, decides });
  }
}

describe("of several rules", () => {
  test.each(precedence)("$rules, asked to $asks: $decides decides", (each) => {
    const turned = [...each.rules].reverse();
    check(each, [inOne(each.rules), inOne(turned), spread(each.rules), spread(turned)]);
  });

  test.each(unions)("$rules for one path, asked to $asks: allowed $allowed", (each) => {
    const turned = [...each.rules].reverse();
    check(each, [inOne(each.rules), inOne(turned), spread(each.rules), spread(turned)]);
  });
});
