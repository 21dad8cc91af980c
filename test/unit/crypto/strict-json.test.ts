import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { readJsonObject } from "../../../src/crypto/strict-json";

const read = (text: string) => readJsonObject(Buffer.from(text));

describe("a strict JSON object", () => {
  test("is read whatever its spelling", () => {
    const text = ' { "b" : [ {"a":1}, {"a":"}{\\"a\\":"} ], "2": 0, "1": {"b": "\\u0061\\/"} } ';
    expect(read(text)).toEqual({ object: { 1: { b: "a/" }, 2: 0, b: [{ a: 1 }, { a: '}{"a":' }] } });
  });

  test("names no member twice, at any depth, in any spelling", () => {
    for (const text of [
      '{"iss":"a","iss":"b"}',
      '{"iss":"a","iss":"a"}',
      '{"a":{"b":1,"c":{},"b":1}}',
      '{"a":[{"b":1},{"b":1,"b":2}]}',
      '{"iss":"a","\\u0069ss":"b"}',
      '{"a\\"":1,"a\\"":1}',
      '{"__proto__":1,"__proto__":2}',
    ]) {
      expect(read(text)).toEqual({ problem: "names a member twice" });
    }
  });

  test("may repeat a name in another object, and a value that looks like a name", () => {
    for (const text of ['{"a":{"a":{"a":1} } }', '{ "a":[{"b":1},{"b":1}]}', '{"a":"b","b":"a" }', '{"a":"\\"a\\":1", "b":["a","a"]}']) {
      expect(read(text)).toHaveProperty("object");
    }
  });

  test("is an object and nothing else", () => {
    for (const text of ["[]", "null", "1", '"a"', "true"]) expect(read(text)).toEqual({ problem: "is not a JSON object" });
    for (const text of ["", "{", "{}x", "{'a':1}", '{"a":1,}', "\ufeff{}", '{"a":NaN}', "{}{}"]) {
      expect(read(text)).toEqual({ problem: "is not JSON" });
    }
  });

  test("is UTF-8", () => {
    expect(readJsonObject(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toEqual({ problem: "is not UTF-8" });
    expect(readJsonObject(Buffer.from('{"é":"日本"}'))).toEqual({ object: { é: "日本" } });
  });

  test("does not run the stack out", () => {
    const deep = `{"a":${"[".repeat(8000)}${"]".repeat(8000)}}`;
    expect(Object.keys(read(deep))).toHaveLength(1);
  });

  test("survives any value, printed with or without spaces", () => {
    const check = fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(0, 2), (value, spaces) => {
      expect(read(JSON.stringify(value, undefined, spaces))).toEqual({ object: JSON.parse(JSON.stringify(value)) });
    });
    fc.assert(check, { seed: 7, numRuns: 300 });
  });
});
