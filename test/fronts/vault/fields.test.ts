import { describe, expect, test } from "bun:test";
import { fieldsOf } from "../../../src/fronts/vault/fields";
import { jsonText, rawJson } from "../../../src/fronts/vault/wire";
import { durationText, secondsOf } from "../../../src/model/durations";
import { PosternError } from "../../../src/model/failures";

describe("a field", () => {
  const fields = fieldsOf({
    text: "a",
    number: 5,
    digits: "5",
    yes: "TRUE",
    no: 0,
    nothing: null,
    list: ["a", " b ", 3],
    commas: "a, b,,c",
    time: "1h30m",
    pairs: ["a=1", "b=x=y"],
    object: { a: 1, b: true },
  });

  test("is read as what it is asked as", () => {
    expect([fields.text("text"), fields.text("number"), fields.text("absent")]).toEqual(["a", "5", undefined]);
    expect([fields.whole("number"), fields.whole("digits"), fields.whole("absent")]).toEqual([5, 5, undefined]);
    expect([fields.flag("yes"), fields.flag("no"), fields.flag("absent")]).toEqual([true, false, undefined]);
    expect([fields.list("list"), fields.list("commas"), fields.list("text")]).toEqual([["a", "b", "3"], ["a", "b", "c"], ["a"]]);
    expect([fields.wholes("digits"), fields.seconds("time"), fields.seconds("number")]).toEqual([[5], 5400, 5]);
    expect([fields.pairs("pairs"), fields.pairs("object")]).toEqual([
      { a: "1", b: "x=y" },
      { a: "1", b: "true" },
    ]);
    expect(fields.map("object")).toEqual({ a: 1, b: true });
  });

  test("of null is empty, but for a duration, which is absent", () => {
    expect([fields.text("nothing"), fields.whole("nothing"), fields.flag("nothing")]).toEqual(["", 0, false]);
    expect([fields.list("nothing"), fields.map("nothing"), fields.pairs("nothing")]).toEqual([[], {}, {}]);
    expect(fields.seconds("nothing")).toBeUndefined();
  });

  test.each([
    () => fields.whole("text"),
    () => fields.flag("text"),
    () => fields.text("object"),
    () => fields.seconds("text"),
    () => fields.map("list"),
    () => fields.pairs("commas"),
    () => fieldsOf({ ttl: -5 }).seconds("ttl"),
    () => fieldsOf({ ttl: 1e300 }).seconds("ttl"),
  ])("of another kind is refused, without showing what was sent (%#)", (read) => {
    expect(read).toThrow(PosternError);
    try {
      read();
    } catch (error) {
      const says = error instanceof PosternError ? error.failure.says : "";
      expect(says).toStartWith("Field validation failed: error converting input");
    }
  });

  test("has no members of every object's", () => {
    const empty = fieldsOf({});
    expect([empty.has("constructor"), empty.text("toString"), empty.raw("__proto__")]).toEqual([false, undefined, undefined]);
  });
});

test.each([
  ["90", 90],
  ["1h30m", 5400],
  ["90s", 90],
  ["2d", 172_800],
  ["1.5h", 5400],
  ["1500ms", 1],
  ["-5s", -5],
  ["0", 0],
  ["", undefined],
  ["5x", undefined],
  ["h", undefined],
  ["1h30", undefined],
  ["1e5s", undefined],
  [" 7 ", 7],
])("the duration %p is %p seconds", (text, seconds) => {
  expect(secondsOf(text)).toBe(seconds);
});

test.each([
  [0, "0s"],
  [59, "59s"],
  [61, "1m1s"],
  [12_319, "3h25m19s"],
  [2_764_800, "768h0m0s"],
  [-90, "-1m30s"],
])("%p seconds are written %p", (seconds, text) => {
  expect(durationText(seconds)).toBe(text);
});

test("JSON texts stand in answers as they came, and everything else as JSON writes it", () => {
  const value = { a: rawJson('{"big":12345678901234567890,"f":1.0}'), b: [rawJson("1e3"), null, "x\n", undefined], c: undefined, d: 1 };
  expect(jsonText(value)).toBe('{"a":{"big":12345678901234567890,"f":1.0},"b":[1e3,null,"x\\n",null],"d":1}');
});
