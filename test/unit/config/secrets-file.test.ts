import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { readSecretsFile, type SecretEntry } from "../../../src/config/secrets-file";
import { PosternError } from "../../../src/model/failures";

interface Options {
  readonly section?: string;
  readonly substitutions?: Readonly<Record<string, string>>;
}

function read(text: string, { section, substitutions = {} }: Options = {}): readonly SecretEntry[] {
  return readSecretsFile(text, {
    file: "secrets.yml",
    substitutions: new Map(Object.entries(substitutions)),
    ...(section === undefined ? {} : { section }),
  });
}

/** `NAME kind content` and what else is said. */
function told(text: string, options: Options = {}): readonly string[] {
  return read(text, options).map(({ name, kind, content, isFile, fallback }) =>
    [name, kind, content, ...(isFile ? ["file"] : []), ...(fallback === undefined ? [] : [`default ${fallback}`])].join(" "),
  );
}

function problem(text: string, options: Options = {}): string {
  try {
    read(text, options);
  } catch (error) {
    if (error instanceof PosternError && error.failure.code === "malformed") return `${error.failure.where}: ${error.failure.expected}`;
    throw error;
  }
  return "read";
}

describe("secrets.yml", () => {
  test.each([
    ["A: !var a/b", "A variable a/b"],
    ["A: !var:file a/b", "A variable a/b file"],
    ["A: !file:var a/b", "A variable a/b file"],
    ["A: !file hello", "A text hello file"],
    ["A: !str 0123", "A text 0123"],
    ["A: 0123", "A text 0123"],
    ["A: yes", "A text yes"],
    ["A: 1.0", "A text 1.0"],
    ["A:", "A text "],
    ["A: !int 5", "A text 5"],
    ["A: !!str text", "A text text"],
    ["A: !var:default='plain' a/b", "A variable a/b default plain"],
    ["A: !<var:default='x:y'> a/b", "A variable a/b default x:y"],
    ["A: !default='x' text", "A text text default x"],
    ["A: !var:file:default='x' a/b", "A variable a/b file default x"],
    ["__proto__: !var a", "__proto__ variable a"],
    ["A: |\n  one\n  two\n", "A text one\ntwo\n"],
    ["'A': \"x # y\"", "A text x # y"],
  ])("reads '%s'", (text, expected) => {
    expect(told(text)).toEqual([expected]);
  });

  test("reads an alias as what it stands for, and an empty file as nothing", () => {
    expect(told("A: &a !var x\nB: *a")).toEqual(["A variable x", "B variable x"]);
    expect(told("# nothing\n")).toEqual([]);
  });

  test("puts given texts in the place of their names, and a dollar sign for two", () => {
    const substitutions = { environment: "prod", n: "$x" };
    expect(told("A: !var $environment/db\nB: cost $$5 $n", { substitutions })).toEqual(["A variable prod/db", "B text cost $5 $x"]);
  });

  test("takes the entries of a section, and those of 'common' that it has not", () => {
    const text = "common:\n  A: !var c/a\n  B: !var c/b\nprod:\n  A: !var p/a\nstaging: &s\n  C: s\nother: *s\n";
    expect(told(text, { section: "prod" })).toEqual(["A variable p/a", "B variable c/b"]);
    expect(told(text, { section: "common" })).toEqual(["A variable c/a", "B variable c/b"]);
    expect(told(text, { section: "other" })).toEqual(["C text s", "A variable c/a", "B variable c/b"]);
    expect(told("default:\n  A: d\nx:\n  B: b\n", { section: "x" })).toEqual(["B text b", "A text d"]);
  });

  test.each<[string, string, Options?]>([
    ["A: !vars a", "secrets.yml:1: a tag of !var, !file, !str, !int, !bool, !float; did you mean '!var'?"],
    ["A: !var:trim a", "secrets.yml:1: a tag of"],
    ["A: !variable a", "secrets.yml:1: a tag of"],
    ["A: 1\nA: 2", "secrets.yml:2:1: each name once"],
    ["A: 1\n---\nB: 2", "secrets.yml:2:1: one YAML mapping"],
    ["- A", "secrets.yml:1: a mapping of names"],
    ["A: 'x", "secrets.yml:1:6: one YAML mapping"],
    ["A:\n  B: !var c", "secrets.yml:1: a value; where 'A' is a section, name it with -e A"],
    ["A: [x]", "secrets.yml:1: a text"],
    ["B: b\n<<: { A: 1 }", "secrets.yml:2: no merge"],
    ["summon.files: []", "secrets.yml:1: no 'summon.files'"],
    ["? [x]\n: y", "secrets.yml:1: a name"],
    ["'A=B': x", "secrets.yml:1: the name of an environment variable"],
    ["'': x", "secrets.yml:1: the name of an environment variable"],
    ["A: *nothing", "secrets.yml:1: an alias of what"],
    ["A: !var", "secrets.yml:1: the name of a variable"],
    ["B: b\nA: !var $env/x", "secrets.yml:2: -D env="],
    ["A: x", "secrets.yml: a section 'prod'; it has none", { section: "prod" }],
    ["a:\n  A: x\nb:\n  A: x", "secrets.yml: a section 'prod'; it has a, b", { section: "prod" }],
    ["prod: x", "secrets.yml:1: a section", { section: "prod" }],
    [`A: ${"[".repeat(100_000)}`, "secrets.yml"],
    ["x".repeat(300_000), "secrets.yml: at most 262144 bytes"],
    [Array.from({ length: 1001 }, (_, at) => `A${at}: x`).join("\n"), "secrets.yml: at most 1000 entries"],
  ])("says what is wrong, and where (case %#)", (text, expected, options = {}) => {
    expect(problem(text, options)).toContain(expected);
  });

  test("is read or refused as a whole, whatever it says (seeded)", () => {
    const piece = fc.constantFrom(
      "A",
      ": ",
      "!var ",
      "!<",
      "default='",
      "'",
      '"',
      "&a ",
      "*a",
      "{",
      "[",
      "\n",
      "  ",
      "- ",
      "$x",
      "$$",
      "|",
      "<<",
      "#",
      "\t",
      "\0",
      "é",
      "!",
      ":",
      "~",
    );
    const text = fc.oneof(
      fc.array(piece, { maxLength: 24 }).map((pieces) => pieces.join("")),
      fc.string({ unit: "grapheme", maxLength: 40 }),
    );
    fc.assert(
      fc.property(text, fc.option(fc.constantFrom("A", "common"), { nil: undefined }), (yaml, section) => {
        try {
          for (const { name, content, where } of read(yaml, section === undefined ? {} : { section })) {
            expect(name).not.toMatch(/[=\0]/u);
            expect([typeof content, where.startsWith("secrets.yml:")]).toEqual(["string", true]);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(PosternError);
          expect(error).toMatchObject({ failure: { code: "malformed", because: "usage" } });
        }
      }),
      { seed: 4, numRuns: 2000 },
    );
  });

  test("quotes no text of the file where it is no YAML: it may be a secret", () => {
    expect(problem("password: 'canary\nnext: [canary")).not.toContain("canary");
  });
});
