import { describe, expect, test } from "bun:test";
import { createDecipheriv } from "node:crypto";
import { type AeadContext, encodeContext, openAead, sealAead, symmetricKey } from "../../../src/crypto/aead";
import { PosternError } from "../../../src/model/failures";

const key = symmetricKey(Buffer.alloc(32, 7));
const nonce = Buffer.alloc(12, 9);
const context: AeadContext = {
  purpose: "secret",
  deployment: "d-1",
  account: "acme",
  kind: "variable",
  id: "apps/db:password",
  version: 3,
  scopeKey: "k-1",
  generation: 2,
  revision: 77,
};
const plain = Buffer.from("the value");

describe("the bound context", () => {
  test("is the fixed encoding: lengths before texts, numbers big-endian", () => {
    const lp = (text: string) => `${Buffer.byteLength(text).toString(16).padStart(8, "0")}${Buffer.from(text).toString("hex")}`;
    const expected =
      Buffer.from("postern/v1\0").toString("hex") +
      ["secret", "d-1", "acme", "variable", "apps/db:password"].map(lp).join("") +
      "0000000000000003" +
      lp("k-1") +
      "00000002" +
      "000000000000004d";
    expect(encodeContext(context).toString("hex")).toBe(expected);
  });

  test("counts bytes, not letters", () => {
    expect(encodeContext({ ...context, id: "ü€𝄞" }).includes(Buffer.from([0, 0, 0, 9, 0xc3, 0xbc]))).toBe(true);
  });

  test("tells apart what a joined string would not", () => {
    const variants = [
      { purpose: "a", deployment: "bc" },
      { purpose: "ab", deployment: "c" },
      { purpose: "abc", deployment: "" },
      { purpose: "", deployment: "abc" },
    ];
    const encoded = variants.map((variant) => encodeContext({ ...context, ...variant }).toString("hex"));
    expect(new Set(encoded).size).toBe(variants.length);
  });

  test.each([-1, 1.5, Number.NaN, 2 ** 53])("refuses the version %p, which could not be bound exactly", (version) => {
    expect(() => encodeContext({ ...context, version })).toThrow(PosternError);
  });
});

describe("a seal", () => {
  test("opens under its key and context, and is plain AES-256-GCM: nonce, ciphertext, tag", () => {
    const sealed = sealAead(key, nonce, plain, context);
    expect(openAead(key, sealed, context)).toEqual(plain);
    expect(sealed.subarray(0, 12)).toEqual(nonce);
    const decipher = createDecipheriv("aes-256-gcm", Buffer.alloc(32, 7), nonce);
    decipher.setAAD(encodeContext(context));
    decipher.setAuthTag(sealed.subarray(-16));
    expect(Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()])).toEqual(plain);
  });

  test("of nothing opens to nothing", () => {
    expect(openAead(key, sealAead(key, nonce, Buffer.alloc(0), context), context)).toEqual(Buffer.alloc(0));
  });

  const others: readonly Partial<AeadContext>[] = [
    { purpose: "api_key" },
    { deployment: "d-2" },
    { account: "acmf" },
    { kind: "webservice" },
    { id: "apps/db:passwore" },
    { version: 4 },
    { scopeKey: "k-2" },
    { generation: 3 },
    { revision: 78 },
    { account: "acmevariable", kind: "" },
  ];
  test.each(others)("does not open as %p", (other) => {
    expect(openAead(key, sealAead(key, nonce, plain, context), { ...context, ...other })).toBeUndefined();
  });

  test("does not open under another key", () => {
    expect(openAead(symmetricKey(Buffer.alloc(32, 8)), sealAead(key, nonce, plain, context), context)).toBeUndefined();
  });

  test("does not open with any one bit changed, nor cut, nor extended", () => {
    const sealed = sealAead(key, nonce, plain, context);
    for (let bit = 0; bit < 8 * sealed.byteLength; bit += 1) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(openAead(key, changed, context)).toBeUndefined();
    }
    for (let length = 0; length < sealed.byteLength; length += 1)
      expect(openAead(key, sealed.subarray(0, length), context)).toBeUndefined();
    expect(openAead(key, Buffer.concat([sealed, Buffer.from([0])]), context)).toBeUndefined();
  });

  test.each([0, 11, 13, 16])("is not made with a nonce of %d bytes", (length) => {
    expect(() => sealAead(key, Buffer.alloc(length), plain, context)).toThrow(PosternError);
  });

  test.each([0, 16, 31, 33])("has no key of %d bytes", (length) => {
    expect(() => symmetricKey(Buffer.alloc(length))).toThrow(PosternError);
  });

  // NIST SP 800-38D test case 13 (The Galois/Counter Mode of Operation, McGrew and Viega): zero key, zero nonce, no text; the tag without our context.
  test("rests on a GCM that gives the published tag", () => {
    const decipher = createDecipheriv("aes-256-gcm", Buffer.alloc(32), Buffer.alloc(12));
    decipher.setAuthTag(Buffer.from("530f8afbc74536b9a963b4f1c4cb738b", "hex"));
    expect(decipher.final()).toHaveLength(0);
  });
});
