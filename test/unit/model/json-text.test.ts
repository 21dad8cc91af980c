import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isObjectText, membersOf, objectTextOf } from "../../../src/model/json-text";

describe("members of a JSON object", () => {
  test("are the texts they are written in", () => {
    const text = ' { "a" : 1.0 , "b":9007199254740993,"c":1e3, "d": {"x" : [1.50, "}"]}, "e": "\\"},", "f":[ ] ,"g":null }\n';
    expect([...(membersOf(text) ?? [])]).toEqual([
      ["a", "1.0"],
      ["b", "9007199254740993"],
      ["c", "1e3"],
      ["d", '{"x" : [1.50, "}"]}'],
      ["e", '"\\"},"'],
      ["f", "[ ]"],
      ["g", "null"],
    ]);
  });

  test("bear the names that escapes spell, whatever they are", () => {
    expect([...(membersOf('{"\\u006awt":1,"__proto__":2,"":3}') ?? [])]).toEqual([
      ["jwt", "1"],
      ["__proto__", "2"],
      ["", "3"],
    ]);
  });

  test.each(["", "[]", "1", '"{}"', "{", '{"a":1}x', '{"a":01}', "{'a':1}"])("are none of what is no object (%#)", (text) => {
    expect(membersOf(text)).toBeUndefined();
    expect(isObjectText(text)).toBe(false);
  });

  test("put together again are the same object, of any", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(0, 2), (object, indent) => {
        const members = membersOf(JSON.stringify(object, undefined, indent));
        const again: unknown = JSON.parse(objectTextOf(members ?? new Map()));
        expect(again).toEqual(JSON.parse(JSON.stringify(object)));
      }),
      { seed: 11, numRuns: 300 },
    );
  });
});
