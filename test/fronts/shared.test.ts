import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formOf, queryOf } from "../../src/fronts/form";
import { jsonOf } from "../../src/fronts/json";
import { fronts } from "../../src/fronts/registry";
import { isoTime } from "../../src/fronts/timestamp";
import { PosternError } from "../../src/model/failures";

const seed = 20251110;
const bytes = (text: string): Uint8Array => Buffer.from(text, "utf8");

describe("a form", () => {
  test("decodes each member once, plus being a blank", () => {
    const form = queryOf("http://h/x?a=1+2%2B&b=%252F&c&d=#a=9");
    expect([form.one("a"), form.one("b"), form.one("c"), form.one("d"), form.one("e")]).toEqual(["1 2+", "%2F", "", "", undefined]);
    expect([form.has("c"), form.has("e")]).toEqual([true, false]);
  });

  test("refuses a second member of the same name, however it is spelled", () => {
    expect(() => queryOf("http://h/?jwt=a&%6Awt=b").one("jwt")).toThrow(PosternError);
    expect(queryOf("http://h/?filter=a&filter[]=b&filter%5B%5D=c").all("filter")).toEqual(["a", "b", "c"]);
  });

  test.each(["a=%", "a=%ff", "%zz=1", "a=%c3%28", "a=%ed%a0%80"])("refuses %p, which is no text", (query) => {
    expect(() => queryOf(`http://h/?${query}`)).toThrow("malformed");
  });

  test("refuses a body that is not UTF-8, and one of very many members", () => {
    expect(() => formOf(Buffer.from([0x61, 0x3d, 0xff]))).toThrow("malformed");
    expect(() => formOf(bytes("a&".repeat(5000)))).toThrow("malformed");
  });

  test("gives no special meaning to the names of object members", () => {
    const form = queryOf("http://h/?x=1");
    expect([form.one("__proto__"), form.one("constructor"), form.has("toString")]).toEqual([undefined, undefined, false]);
  });

  test("reads back what URLSearchParams writes", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(fc.string({ minLength: 1 }), fc.string({ unit: "grapheme" })), {
          selector: ([name]) => name,
          maxLength: 8,
        }),
        (pairs) => {
          const form = queryOf(`http://h/?${new URLSearchParams(pairs)}`);
          for (const [name, value] of pairs) expect(form.one(name)).toBe(value);
        },
      ),
      { seed, numRuns: 200 },
    );
  });
});

describe("JSON from outside", () => {
  test("reads whatever JSON writes", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        expect<unknown>(jsonOf(bytes(JSON.stringify(value)))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
      { seed, numRuns: 300 },
    );
  });

  test.each([
    ['{"jwt":"a","jwt":"b"}'],
    ['{"jwt":"a","\\u006awt":"b"}'],
    ['{"a":{"b":1,"b":2}}'],
    ['[{"b":1},{"b":2,"c":"\\"","b":3}]'],
    ['{"a" : 1 , "a"\t:2}'],
  ])("refuses %p, which names a member twice", (text) => {
    expect(() => jsonOf(bytes(text))).toThrow("malformed");
  });

  test.each(['{"a":{"b":1},"c":{"b":2}}', '[{"b":1},{"b":2}]', '{"a":"\\"b\\":1","b":"a"}', '"a:b"'])(
    "takes %p, which does not",
    (text) => {
      expect(jsonOf(bytes(text))).toEqual(JSON.parse(text));
    },
  );

  test.each([
    ["depth", "[".repeat(1000)],
    ["width", `[${"1,".repeat(20_000)}1]`],
    ["escapes", `"${'\\"'.repeat(500_000)}`],
    ["quotes", '"'.repeat(1_000_000)],
    ["names", `{${'"a":'.repeat(300_000)}`],
  ])("refuses %s beyond bounds at once", (_what, text) => {
    const started = Bun.nanoseconds();
    expect(() => jsonOf(bytes(text))).toThrow("malformed");
    expect((Bun.nanoseconds() - started) / 1e6).toBeLessThan(500);
  });

  test("quotes nothing of what it refuses", () => {
    try {
      jsonOf(bytes('{"jwt": canary'));
      throw new Error("was taken");
    } catch (error) {
      expect(Bun.inspect(error)).not.toContain("canary");
    }
  });
});

describe("a point in time", () => {
  test("is written in milliseconds and with an offset", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_102_444_800_000 }), (instant) => {
        expect(isoTime(instant)).toBe(new Date(instant).toISOString().replace("Z", "+00:00"));
      }),
      { seed, numRuns: 200 },
    );
  });
});

describe("the registry of fronts", () => {
  test("names each once", () => {
    expect(fronts.map((front) => front.name)).toEqual(["conjur", "vault", "keyvault"]);
  });
});
