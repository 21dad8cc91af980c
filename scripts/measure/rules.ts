/** What a decision by path rules costs, by how many rules the caller's policies have: in this process, from the text of the policy on. */

import { createPathRights } from "../../src/core/path-rules";
import { parsePolicyText } from "../../src/fronts/vault/policy-text";
import { median } from "./median";
import type { Plan } from "./plan";

export interface RuleRow {
  readonly rules: number;
  /** Once for each text; once for each set of policies that some token has, until one of them changes. */
  readonly parseMs: number;
  readonly readyMs: number;
  /** A decision by a rule without wildcards, by one with a `*`, by one with a `+`, and where none is for the path. */
  readonly exactUs: number;
  readonly prefixUs: number;
  readonly plusUs: number;
  readonly noneUs: number;
}

const sizes = [10, 100, 1000, 10_000] as const;
const rounds = 5;

export function measureRules({ steps }: Pick<Plan, "steps">): readonly RuleRow[] {
  return sizes.map((rules) => {
    const text = policyOf(rules);
    const runs = Array.from({ length: rounds }, () => timed(() => parsePolicyText(text)));
    const parsed = parsePolicyText(text);
    const ready = Array.from({ length: rounds }, () => timed(() => createPathRights([{ name: "measured", rules: parsed }])));
    const rights = createPathRights([{ name: "measured", rules: parsed }]);
    const third = Math.ceil(rules / 3);
    const decide = (pathOf: (index: number) => string): number => {
      const paths = Array.from({ length: third }, (_, index) => pathOf(index));
      const elapsedMs = timed(() => {
        for (let count = 0; count < steps; count += 1) rights.verdict({ path: paths[count % third] ?? "", action: "read" }, true);
      });
      return (elapsedMs * 1000) / steps;
    };
    return {
      rules,
      parseMs: median(runs),
      readyMs: median(ready),
      exactUs: decide((index) => `secret/data/app${index}/db`),
      prefixUs: decide((index) => `secret/data/team${index}/some/key`),
      plusUs: decide((index) => `secret/data/any/role${index}`),
      noneUs: decide((index) => `other/data/app${index}/db`),
    };
  });
}

/** A third of each kind. */
function policyOf(rules: number): string {
  const kinds = [(at: number) => `app${at}/db`, (at: number) => `team${at}/*`, (at: number) => `+/role${at}`];
  return Array.from({ length: rules }, (_, index) => {
    const path = kinds[index % kinds.length]?.(Math.floor(index / kinds.length)) ?? "";
    return `path "secret/data/${path}" {\n  capabilities = ["read", "list"]\n}\n`;
  }).join("");
}

function timed(work: () => unknown): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}
