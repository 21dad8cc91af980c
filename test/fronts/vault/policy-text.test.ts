import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parsePolicyText } from "../../../src/fronts/vault/policy-text";
import { PosternError } from "../../../src/model/failures";

const seed = 20261126;

function refusal(text: string): string {
  try {
    parsePolicyText(text);
  } catch (error) {
    if (error instanceof PosternError && error.failure.code === "malformed") return error.failure.says ?? "";
    throw error;
  }
  throw new Error("it was taken");
}

describe("a policy's text", () => {
  test("says everything that a rule may", () => {
    const text = `# comment
// and another
/* and a
   third */
path "/secret/data/app/*" {
  capabilities        = ["create", "read", "update", "patch", "delete", "list",]
  required_parameters = ["data"]
  allowed_parameters  = { "options" = [], data = [1, "x", true, { a = 2 }] }
  denied_parameters   = { "Debug" = ["true"] }
  min_wrapping_ttl    = "1s"
  max_wrapping_ttl    = "90m"
  comment             = "why"
}
name = "app"
path "sys/+/x" { policy = "write" }
`;
    expect(parsePolicyText(text)).toEqual([
      {
        path: "secret/data/app/*",
        line: 5,
        capabilities: ["create", "read", "update", "patch", "delete", "list"],
        requiredParameters: ["data"],
        allowedParameters: { options: [], data: [1, "x", true, { a: 2 }] },
        deniedParameters: { debug: ["true"] },
        minWrappingSeconds: 1,
        maxWrappingSeconds: 5400,
      },
      { path: "sys/+/x", line: 15, capabilities: ["create", "read", "update", "delete", "list"] },
    ]);
  });

  test.each([
    ['path "a" = { capabilities = ["read"] }', 1],
    ['path = { "a" = { capabilities = ["read"] } }', 1],
    ['path = { a { capabilities = ["read"] } }', 1],
    ['path "a" { capabilities = ["re\\u0061d"] }', 1],
    ['path "a" { capabilities = "read" }', 1],
    ['{"path":{"a":{"capabilities":["read"]}}}', undefined],
    ['{"path":[{"a":[{"capabilities":["read"]}]}]}', undefined],
    ['  {"path":{"/a":{"capabilities":["read"],"capabilities ":1}}}'.replace(',"capabilities ":1', ""), undefined],
  ])("is the same rule written %p", (text, line) => {
    expect(parsePolicyText(text)).toEqual([{ path: "a", capabilities: ["read"], ...(line === undefined ? {} : { line }) }]);
  });

  test("may hold heredocs, and stanzas that give nothing but still match", () => {
    expect(parsePolicyText('path "a" {\n  comment = <<-EOF\n    } text "\n    EOF\n}\npath "b" {}')).toEqual([
      { path: "a", capabilities: [], line: 1 },
      { path: "b", capabilities: [], line: 6 },
    ]);
    expect(parsePolicyText("")).toEqual([]);
  });

  test("gives nothing for what other servers have and this one has not", () => {
    expect(parsePolicyText('path "a" { capabilities = ["read", "subscribe", "scan"] }')[0]?.capabilities).toEqual(["read"]);
  });

  test.each([
    ["x = 1", 'failed to parse policy: 1 error occurred:\n\t* invalid key "x" on line 1\n\n'],
    ['path "a" {\n  nope = 1\n}', 'failed to parse policy: path "a": invalid key "nope" on line 2'],
    ['path "a" { capabilities = ["fly"] }', 'failed to parse policy: path "a": invalid capability "fly"'],
    ['path "a/+*" { capabilities = ["read"] }', `failed to parse policy: path "a/+*": invalid use of wildcards ('+*' is forbidden)`],
    [
      'path "a" { min_wrapping_ttl = "2s"\n max_wrapping_ttl = "1s" }',
      'failed to parse policy: path "a": max_wrapping_ttl cannot be less than min_wrapping_ttl',
    ],
    ['path "a" { policy = "sometimes" }', "failed to parse policy: path \"a\": invalid policy 'sometimes'"],
    ['path "a" { policy = "constructor" }', "failed to parse policy: path \"a\": invalid policy 'constructor'"],
    [
      'path "a" {\n denied_parameters = { "Debug" = [] }\n denied_parameters = { "debug" = ["x"] }\n}',
      'failed to parse policy: path "a": denied_parameters: the member "debug" is named twice',
    ],
    [
      '{"path":{"a":{"allowed_parameters":{"X":[],"x":["1"]}}}}',
      'failed to parse policy: path "a": allowed_parameters: the member "x" is named twice',
    ],
    ['path "a" { expiration = "2027-01-01T00:00:00Z" }', 'failed to parse policy: path "a": invalid key "expiration" on line 1'],
    ['path "a" {\n  capabilities = ["read"\n', "failed to parse policy: At 3:1: expected a comma or the end of the list"],
    ['path "a', "failed to parse policy: At 1:6: expected the end of the text"],
    ['path "a" "b" { capabilities = ["read"] }', 'failed to parse policy: path "a": one label is allowed, on line 1'],
    ["/* open", "failed to parse policy: At 1:1: expected the end of the comment"],
    ["path", "failed to parse policy: At 1:5: expected '=' or '{'"],
    ["path <", "failed to parse policy: At 1:6: expected '=' or '{'"],
    ['path "a" { comment = <<EOF\n', "failed to parse policy: At 1:22: expected the end of the heredoc"],
    ['{"path":', "failed to parse policy: failed to decode JSON input: expected JSON"],
    ['{"path":{"a":{"capabilities":null}}}', "failed to parse policy: expected no null"],
    ['{"path":{"a":{},"a":{}}}', "failed to parse policy: failed to decode JSON input: expected JSON without repeated members"],
  ])("is refused when it is %p", (text, says) => {
    expect(refusal(text)).toBe(says);
  });

  test.each([
    ["lists", `path "a" { x = ${"[".repeat(100_000)} }`],
    ["blocks", "path ".repeat(5) + "{ a ".repeat(100_000)],
    ["JSON", `{"path":${'{"a":'.repeat(100_000)}`],
    ["labels", `path ${'"a" '.repeat(200_000)}`],
    ["comments", `${"/**/".repeat(200_000)}x`],
    ["values", `path "a" { allowed_parameters = { a = [${"1,".repeat(500_000)}] } }`],
    ["keys that come again", `path "a" { ${'capabilities = ["read"]\n'.repeat(40_000)} }`],
    ["members", `path "a" { ${Array.from({ length: 40_000 }, (_, at) => `denied_parameters = { a${at} = [] }\n`).join("")} }`],
    ["escapes", `path "${"\\n".repeat(300_000)}`],
  ])("of endless %s is refused in bounded time", (_, text) => {
    const startedMs = performance.now();
    expect(refusal(text)).toStartWith("failed to parse policy:");
    expect(performance.now() - startedMs).toBeLessThan(2000);
  });

  test("is rules or a refusal, whatever it is made of", () => {
    const piece = fc.constantFrom(
      'path "a" {',
      "}",
      "{",
      "[",
      "]",
      "=",
      ",",
      '"x"',
      "capabilities",
      '["read"]',
      "\n",
      "#",
      "/*",
      "*/",
      "<<E\n",
      "E\n",
      "\\",
      '"',
      "1e9",
      "-",
      "é",
      "\u0000",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        try {
          for (const rule of parsePolicyText(pieces.join(" "))) expect(rule.path).toBeString();
        } catch (error) {
          expect(error).toBeInstanceOf(PosternError);
          expect(error instanceof PosternError && error.failure.code).toBe("malformed");
        }
      }),
      { seed, numRuns: 5000 },
    );
  });

  test("is rules or a refusal that says where, however a policy is damaged", () => {
    const whole = [
      `# c\npath "secret/data/+/app/*" {\n capabilities = ["create", "read",]\n allowed_parameters = { "a" = [], b = [1, "x*", { c = 2 }] }\n}\n`,
      'path "x" {\n comment = <<-EOF\n text\n EOF\n max_wrapping_ttl = "1h" // end\n policy = "write"\n}\nname = "n"\n',
      '{"path":{"a/*":{"capabilities":["read"],"denied_parameters":{"x":[]}},"b":[{"policy":"read"}]},"name":"n"}',
    ];
    const put = fc.constantFrom(
      "{",
      "}",
      "[",
      '"',
      "=",
      "<<E\n",
      "/*",
      "\\",
      "\\U00110000",
      "\ud800",
      "\u0000",
      "+*",
      "constructor",
      "null",
      ":",
      ",",
    );
    const edit = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), gone: fc.nat(12), put: fc.option(put, { nil: "" }) });
    const damaged = fc.tuple(fc.constantFrom(...whole), fc.array(edit, { minLength: 1, maxLength: 5 })).map(([text, edits]) =>
      edits.reduce((before, { at, gone, put: added }) => {
        const place = Math.floor(at * before.length);
        return before.slice(0, place) + added + before.slice(place + gone);
      }, text),
    );
    fc.assert(
      fc.property(damaged, (text) => {
        try {
          for (const rule of parsePolicyText(text)) expect(rule.path).toBeString();
        } catch (error) {
          if (!(error instanceof PosternError) || error.failure.code !== "malformed") throw error;
          // By line and column, by line, or by the path of the stanza; of JSON that is none its parser knows no place.
          expect(error.failure.says).toMatch(/ At \d+:\d+: | on line \d+|path "|JSON|expected (?:no null|an object)/);
        }
      }),
      { seed, numRuns: 5000 },
    );
  });
});
