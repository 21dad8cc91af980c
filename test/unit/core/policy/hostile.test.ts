import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { PolicyMode } from "../../../../src/core/operations";
import { didYouMean } from "../../../../src/core/policy/problems";
import { createLoads } from "./loads";

/** The problems, and how long they took to find. */
function refusal(text: string): { readonly messages: readonly string[]; readonly ms: number } {
  const loads = createLoads();
  const start = performance.now();
  const problems = loads.refused(text);
  return { messages: problems.map(({ message }) => message), ms: performance.now() - start };
}

describe("a text made to hurt", () => {
  const bomb = (uses: number, levels: number): string =>
    `- &a0 [ ${Array(uses).fill("x").join(", ")} ]\n${Array.from({ length: levels }, (_, n) => `- &a${n + 1} [ ${Array(uses).fill(`*a${n}`).join(", ")} ]\n`).join("")}`;

  test.each([
    ["an alias bomb of nine levels", bomb(9, 9), /more than 1000000 nodes once its aliases are written out/],
    ["an alias bomb of forty levels of two", bomb(2, 40), /more than 1000000 nodes once its aliases/],
    [
      "an alias bomb in an attribute",
      `- !group g\n- !permit\n  role: !group g\n  privilege: &p [ ${"read, ".repeat(2000)} ]\n  resource: [ ${"!group g, ".repeat(10)} ]\n- [ ${"*p, ".repeat(2000)} ]\n`,
      /more than 1000000 nodes|without a tag/,
    ],
    [
      "a chain of aliases",
      `- &a0 [ x ]\n${Array.from({ length: 10_000 }, (_, n) => `- &a${n + 1} [ *a${n} ]\n`).join("")}`,
      /more than 64 levels deep once its aliases/,
    ],
    ["ten thousand open brackets", `- ${"[".repeat(10_000)}`, /more than 64 levels deep/],
    ["ten thousand brackets", `- ${"[".repeat(10_000)}${"]".repeat(10_000)}`, /more than 64 levels deep/],
    ["ten thousand mappings in a line", `- ${"{a: ".repeat(10_000)}`, /more than 64 levels deep/],
    ["ten thousand lists in a line", `${"- ".repeat(10_000)}x`, /more than 64 levels deep/],
    ["ten thousand question marks", `${"? ".repeat(10_000)}x`, /more than 64 levels deep/],
    ["a million lists in a line", `${"- ".repeat(1_000_000)}x`, /more than 64 levels deep/],
    [
      "policies in policies, deeper than the limit",
      Array.from(
        { length: 40 },
        (_, n) => `${"  ".repeat(2 * n)}- !policy\n${"  ".repeat(2 * n + 1)}id: p\n${"  ".repeat(2 * n + 1)}body:\n`,
      ).join(""),
      /more than 64 levels deep/,
    ],
    ["three million brackets side by side", `- [ ${"[], ".repeat(1_500_000)} ]`, /more than 1000000 nodes/],
    ["a text over the limit", `- !group g\n${"#".repeat(16 * 1024 * 1024)}\n`, /larger than 16777216 bytes/],
  ])("is refused within a second: %s", (_what, text, message) => {
    const { messages, ms } = refusal(text);
    expect(messages.join("\n")).toMatch(message);
    // Three million brackets must be counted before they are too many.
    expect(ms).toBeLessThan(/^- \[ \[\]/.test(text) ? 10_000 : 1000);
  });

  test("may nest to the limit", () => {
    const loads = createLoads();
    loads.loaded(`- ${"[ ".repeat(62)}!group deep${" ]".repeat(62)}\n`);
    expect(loads.facts()).toContain("resource group:deep owner user:admin");
  });

  test("may use aliases as ordinary policies do", () => {
    const loads = createLoads();
    const variables = Array.from({ length: 300 }, (_, n) => `  - !variable v${n}\n`).join("");
    loads.loaded(
      `- &vars\n${variables}${Array.from({ length: 100 }, (_, n) => `- !group g${n}\n- !permit { role: !group g${n}, privilege: read, resource: *vars }\n`).join("")}`,
    );
    expect(loads.facts().filter((fact) => fact.startsWith("permit"))).toHaveLength(30_000);
  });

  test("cannot multiply into more rows than the limit", () => {
    const roles = Array.from({ length: 1100 }, (_, n) => `!user u${n}`).join(", ");
    const text = `- [ ${roles} ]\n- !permit\n  roles: [ ${roles} ]\n  privileges: [ ${Array.from({ length: 1100 }, (_, n) => `p${n}`).join(", ")} ]\n  resources: [ ${roles} ]\n`;
    const { messages, ms } = refusal(text);
    expect(messages).toEqual(["The policy asks for more than 1000000 grants and permits"]);
    expect(ms).toBeLessThan(1000);
  });

  test.each(["__proto__", "constructor", "prototype", "toString", "hasOwnProperty"])("finds nothing behind the attribute %s", (word) => {
    expect(refusal(`- !group\n  id: g\n  ${word}:\n    polluted: true\n`).messages).toEqual([`No such attribute '${word}' on type Group`]);
    expect(Reflect.get({}, "polluted")).toBeUndefined();
    expect(refusal(`- !${word} x\n`).messages).toEqual([`Unrecognized data type '!${word}'`]);
  });

  test("does not put its own words raw into messages", () => {
    const { messages } = refusal(`- !group { id: g, "a\\e[2J${"x".repeat(1000)}": y }\n`);
    expect(messages[0]).not.toContain("\u001b");
    expect(messages[0]?.length).toBeLessThan(200);
  });

  test("brings no more than a hundred problems", () => {
    expect(refusal("- !nonsense x\n".repeat(5000)).messages).toHaveLength(100);
  });
});

describe("any text at all", () => {
  const words = [
    ..."- ! & * : [ ] { } , # | > ' \" ? % @ ` ~ \t --- ... << 123 null \u2013 \u201C \uFEFF".split(" "),
    ..."!policy !user !host !group !layer !variable !webservice !host-factory !grant !permit !deny !revoke !delete !member !resource !role !include".split(
      " ",
    ),
    ..."id: owner: body: annotations: role: roles: member: members: privilege: privileges: resource: record: restricted_to: layers: account: kind: admin:".split(
      " ",
    ),
    ..."a b root admin /a ../a a/b __proto__ 10.0.0.0/8 &x *x true".split(" "),
    ...["\n", "\n- ", "\n  ", "\n  - ", "\n    ", "\n    - ", " "],
  ];
  const soup = fc.array(fc.constantFrom(...words), { maxLength: 60 }).map((parts) => parts.join(""));
  const spaced = fc.array(fc.constantFrom(...words), { maxLength: 60 }).map((parts) => parts.join(" "));
  const modes = fc.constantFrom<PolicyMode>("create", "update", "replace");
  const start = "- !policy\n  id: app\n  body:\n    - !group g\n    - !variable v\n- !user u\n";

  function holds(text: string | Uint8Array, mode: PolicyMode, branch: string): void {
    const loads = createLoads();
    loads.loaded(start);
    const before = loads.facts();
    const output = loads.load(text, { mode, branch });
    if (output.ok) {
      // Nothing outside of the branch has changed.
      if (branch === "app") {
        const outside = (fact: string): boolean => /^resource (user:u|policy:app) /.test(fact);
        expect(loads.facts().filter(outside)).toEqual(before.filter(outside));
      }
      return;
    }
    expect(["language", "reference", "deletion", "empty"]).toContain(output.kind);
    for (const { line, column } of output.problems)
      if (output.kind !== "empty") expect(Math.min(line ?? 0, column ?? 0)).toBeGreaterThan(0);
    expect(loads.facts()).toEqual(before);
  }

  const options = { seed: 20251110, numRuns: 800 };

  test("made of the words of the language becomes a plan or a refusal with a place", () => {
    fc.assert(
      fc.property(fc.oneof(soup, spaced), modes, fc.constantFrom("root", "app"), (text, mode, branch) => holds(text, mode, branch)),
      options,
    );
  });

  test("of any characters becomes a plan or a refusal with a place", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 80 }), (text) => holds(text, "update", "root")),
      options,
    );
  });

  test("of any bytes becomes a plan or a refusal with a place", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => holds(bytes, "replace", "root")),
      options,
    );
  });

  test("cut and pasted out of a good one becomes a plan or a refusal with a place", () => {
    const good =
      '- !policy\n  id: p\n  body:\n    - &hosts\n      - !host { id: h, restricted_to: [ 10.0.0.0/8 ], annotations: { a: "b" } }\n    - !group g\n    - !grant\n      role: !group g\n      members: *hosts\n    - !permit { role: !group /p/g, privileges: [ read, execute ], resource: !variable v }\n    - !variable v\n- !delete { record: !user u }\n';
    const at = fc.nat({ max: good.length });
    fc.assert(
      fc.property(at, at, at, fc.constantFrom(...words), (from, to, into, word) => {
        const text = good.slice(0, into) + word + good.slice(Math.min(from, to), Math.max(from, to)) + good.slice(into);
        holds(text, "update", "root");
        holds(good.slice(0, Math.min(from, to)) + word + good.slice(Math.max(from, to)), "update", "root");
      }),
      options,
    );
  });
});

describe("a guess at the word that was meant", () => {
  test("is near to the word, or none", () => {
    expect(didYouMean("role", ["rule", "role"])).toBe("did you mean 'role'?");
    expect(didYouMean("xyz", ["role"])).toBeUndefined();
    expect(didYouMean("", ["id"])).toBeUndefined();
  });
});
