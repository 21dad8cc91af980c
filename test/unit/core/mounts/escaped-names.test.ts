import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { escapedName, nameOfSegment } from "../../../../src/core/mounts/escaped-names";
import { PosternError } from "../../../../src/model/failures";
import { identifierProblem } from "../../../../src/model/ids";

const nameOf = (identifier: string) => identifier.split("/").map(nameOfSegment).join("/");

describe("an escaped name", () => {
  test.each([
    ["app/db", "app/db"],
    ["Grüße/一:二", "Grüße/一:二"],
    ["50%", "50%"],
    ["a%zz", "a%zz"],
    ["a%41", "a%2541"],
    ["a%5Cb", "a%255Cb"],
    ["a\\b", "a%5Cb"],
    ["a/ b ", "a/%20b%20"],
    ["e\u0301", "e%CC%81"],
    ["\uFFFD", "%EF%BF%BD"],
    ["tab\there", "tab%09here"],
    ["..%2f", "..%2f"],
    ["a%2F..%2Fb", "a%252F..%252Fb"],
  ])("of %j is %j, and back", (name, identifier) => {
    expect(escapedName(name)).toBe(identifier);
    expect(identifierProblem(identifier)).toBeUndefined();
    expect(nameOf(identifier)).toBe(name);
  });

  test.each(["", ".", "..", "a/../b", "a//b", "/a", "a/", "\ud800", "x".repeat(1025)])("does not come of %j", (name) => {
    expect(() => escapedName(name)).toThrow(PosternError);
  });

  test.each(["%41", "%2F", "%5c%5C%41", "%FF", "%C3"])("is not %j, which no name leads to", (identifier) => {
    expect(nameOfSegment(identifier)).toBeUndefined();
  });

  test("is legal, another for every name, and leads back to it", () => {
    const piece = fc.constantFrom(
      "%",
      "2",
      "5",
      "C",
      "%5C",
      "%25",
      "\\",
      "e",
      "\u0301",
      "é",
      " ",
      "\u0000",
      "\uFFFD",
      "\u00a0",
      "一",
      ".",
      "𐍈",
    );
    const segment = fc.array(piece, { minLength: 1, maxLength: 8 }).map((pieces) => pieces.join(""));
    const name = fc
      .array(segment, { minLength: 1, maxLength: 3 })
      .filter((segments) => segments.every((each) => each !== "." && each !== ".."))
      .map((segments) => segments.join("/"));
    fc.assert(
      fc.property(name, name, (one, other) => {
        const escaped = escapedName(one);
        expect(identifierProblem(escaped)).toBeUndefined();
        expect(nameOf(escaped)).toBe(one);
        if (one !== other) expect(escapedName(other)).not.toBe(escaped);
      }),
      { seed: 3, numRuns: 2000 },
    );
  });
});
