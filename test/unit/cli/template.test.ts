import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseTemplate, renderTemplate } from "../../../src/cli/template";
import { PosternError } from "../../../src/model/failures";

const values: Readonly<Record<string, Uint8Array>> = {
  "db/password": Buffer.from('p"w\n{{ secret "other" }}'),
  binary: new Uint8Array([0xff, 0]),
};

function render(text: string): string {
  const bytes = renderTemplate(parseTemplate(text, "app.tmpl"), (name) => values[name] ?? Buffer.from(`<${name}>`));
  return Buffer.from(bytes).toString("latin1");
}

function problem(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof PosternError && error.failure.code === "malformed") return error.failure.where;
    throw error;
  }
  return "rendered";
}

describe("a template", () => {
  test.each([
    ["no braces at all { } }}", "no braces at all { } }}"],
    ['a={{ secret "x" }};', "a=<x>;"],
    ['{{secret "a b/c"}}{{json "x"}}{{ base64 "x" }}', '<a b/c>"<x>"PHg+'],
    ['{{ "{{" }} x }}{{ secret "x" }}', "{{ x }}<x>"],
    ["", ""],
    ['{{ base64 "binary" }}', "/wA="],
    ['{{ secret "binary" }}', "\xff\0"],
  ])("makes of '%s'", (text, expected) => {
    expect(render(text)).toBe(expected);
  });

  test("puts a value in once: what looks like a placeholder in it stays as it is", () => {
    expect(render('[{{ secret "db/password" }}]')).toBe('[p"w\n{{ secret "other" }}]');
  });

  test("keeps quotes and line breaks of a value within a JSON string", () => {
    expect(render('pw: {{ json "db/password" }}')).toBe('pw: "p\\"w\\n{{ secret \\"other\\" }}"');
  });

  test.each([
    ["a\n  {{ secret x }}", "app.tmpl:2:3"],
    ['{{ Secret "x" }}', "app.tmpl:1:1"],
    ['{{ secret "x" | trim }}', "app.tmpl:1:1"],
    ['ok {{ secret "x" }} {{ secret "x"', "app.tmpl:1:21"],
    ["{{ }}", "app.tmpl:1:1"],
    ["{{{", "app.tmpl:1:1"],
    ['{{ secret "" }}', "app.tmpl:1:1"],
    ['{{ secret "a\nb" }}', "app.tmpl:1:1"],
    ['{{ range "x" }}', "app.tmpl:1:1"],
    ["\r\n\n{{ if }}", "app.tmpl:3:1"],
  ])("says where '%s' is wrong, before anything is read", (text, expected) => {
    expect(problem(() => parseTemplate(text, "app.tmpl"))).toBe(expected);
  });

  test("has no JSON string for bytes that are no text", () => {
    expect(problem(() => render('x\n{{ json "binary" }}'))).toBe("app.tmpl:2:1");
  });

  test("has every byte of its text and of its values in their order, or is refused (seeded)", () => {
    const piece = fc.constantFrom("{{", "}}", " ", '"', "secret", 'secret "x"', "json", "base64", "{", "}", "text", "\n");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join("");
        try {
          const parts = parseTemplate(text, "app.tmpl");
          const literal = parts.map((part) => ("text" in part ? part.text : "")).join("");
          if (!text.includes("{{")) expect(literal).toBe(text);
          for (const part of parts) if (!("text" in part)) expect(part.name).not.toMatch(/["\n]/u);
        } catch (error) {
          expect(error).toMatchObject({ failure: { code: "malformed", where: expect.stringMatching(/^app\.tmpl:\d+:\d+$/u) } });
          expect(text).toContain("{{");
        }
      }),
      { seed: 7, numRuns: 2000 },
    );
  });

  test("of a mebibyte of braces is judged at once", () => {
    expect(problem(() => parseTemplate("{".repeat(2 ** 20), "app.tmpl"))).toBe("app.tmpl:1:1");
    expect(parseTemplate('{{ "{{" }}'.repeat(50_000), "app.tmpl")).toHaveLength(100_001);
  });
});
