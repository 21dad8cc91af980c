import { describe, expect, test } from "bun:test";
import { mergePatched, namesAlone } from "../../../../src/core/mounts/json-merge";

describe("a merge patch", () => {
  // RFC 7386, appendix A: those whose patch is an object.
  test.each([
    ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
    ['{"a":"b"}', '{"a":null}', "{}"],
    ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
    ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
    ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
    ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
    ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
    ["[1,2]", '{"a":"b","c":null}', '{"a":"b"}'],
    ["{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
  ])("on %s of %s gives %s", (target, patch, expected) => {
    expect(mergePatched(target, patch)).toBe(expected);
  });

  test("leaves the digits of numbers alone, on both sides", () => {
    expect(mergePatched('{"n":12345678901234567890,"m":{"k":1.0}}', '{"m":{"l":1e3}}')).toBe(
      '{"n":12345678901234567890,"m":{"k":1.0,"l":1e3}}',
    );
  });
});

describe("names alone", () => {
  const text = '{"a":1,"b":{"c":{"d":"x"},"e":{}},"f":[{"g":1}],"h":{ }}';
  test.each([
    [0, '{"a":null,"b":{"c":{"d":null},"e":null},"f":null,"h":null}'],
    [1, '{"a":null,"b":null,"f":null,"h":null}'],
    [2, '{"a":null,"b":{"c":null,"e":null},"f":null,"h":null}'],
  ])("to depth %p", (depth, expected) => {
    expect(namesAlone(text, depth)).toBe(expected);
  });

  test("end in an object of any depth", () => {
    const deep = `${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`;
    expect(namesAlone(deep, 0).length).toBeLessThan(1000);
  });
});
