import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { readTarget } from "../../../../src/server/intake/target";

const host = "vault.test:8200";
const base = `http://${host}`;

describe("a request's target", () => {
  test.each([
    ["/v1/secret/a", `${base}/v1/secret/a`],
    ["/v1/secret//a%2Fb?list=true&x=../y", `${base}/v1/secret//a%2Fb?list=true&x=../y`],
    ["/v1/a\\..\\b", `${base}/v1/a%5C..%5Cb`],
    ["/v1/...", `${base}/v1/...`],
    ["/v1/.a/..b/c./d..", `${base}/v1/.a/..b/c./d..`],
    ["/v1/%252e%252e/a", `${base}/v1/%252e%252e/a`],
    ["//other.test/v1/a", `${base}//other.test/v1/a`],
    [`http://${host}/v1/a?b`, `${base}/v1/a?b`],
    [`HTTPS://VAULT.test:8200/v1/a`, `${base}/v1/a`],
    [`http://${host}`, `${base}/`],
    [`http://${host}?list=true`, `${base}/?list=true`],
  ])("%s is %s", (target, url) => {
    expect(readTarget(target, host)).toEqual({ url });
  });

  test.each([
    "/v1/a/../b",
    "/v1/..",
    "/..",
    "/.",
    "/v1/./a",
    "/v1/%2e%2e/a",
    "/v1/%2E./a",
    "/v1/.%2e",
    "/v1/%2e",
    "/v1/a%2f..%2Fb",
    "/v1/a%2F%2e%2E%2fb",
    "/v1/a%2f..",
    `http://${host}/v1/../a`,
  ])("%s has dot segments", (target) => {
    expect(readTarget(target, host)).toEqual({ refused: "relative" });
  });

  test.each([
    "*",
    "v1/a",
    "vault.test:8200",
    "/v1/a#b",
    "/v1/a?b#c",
    "/v1/%",
    "/v1/%2",
    "/v1/%zz",
    "/v1/\xe9",
    "http:///v1/a",
    "http://other.test/v1/a",
    `http://user@${host}/v1/a`,
    `ftp://${host}/v1/a`,
    `http:/v1/a`,
    `http:\\\\${host}/v1/a`,
  ])("%s is none", (target) => {
    expect(readTarget(target, host)).toEqual({ refused: "malformed" });
  });

  test("gets a URL without a host that could change it; the header says what is wrong", () => {
    for (const each of [undefined, "", "a/b", "u@v", "a?b", "a b"])
      expect(readTarget("/v1/a", each)).toEqual({ url: "http://host.invalid/v1/a" });
  });

  test("decodes to the same path before and after it is part of a URL", () => {
    const piece = fc.constantFrom(
      "/",
      "//",
      ".",
      "..",
      "%2e",
      "%2F",
      "%2f",
      "%5c",
      "\\",
      "a",
      "é".normalize(),
      "%C3%A9",
      "%20",
      "+",
      ";",
      "|",
      '"',
      "<",
      "^",
      "`",
      "{",
      "}",
      "~",
      ":",
      "@",
      "'",
      "*",
      "%25",
      "&",
      "=",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const path = `/v1/${pieces.join("")}`;
        const target = readTarget(path, host);
        if (!("url" in target)) return;
        expect(decodeURIComponent(new URL(new Request(target.url).url).pathname)).toBe(decodeURIComponent(path));
      }),
      { seed: 20_251, numRuns: 3000 },
    );
  });
});
