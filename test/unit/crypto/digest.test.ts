import { describe, expect, test } from "bun:test";
import { keyBytes, symmetricKey } from "../../../src/crypto/aead";
import {
  apiKeyDigest,
  constantTimeEqual,
  deriveKey,
  hashPassword,
  hmacOfParts,
  matchesApiKey,
  sha256Hex,
  verifyPassword,
} from "../../../src/crypto/digest";
import { SecretBytes } from "../../../src/model/secret-bytes";
import { failureFrom } from "../../contract/authenticator";

const key = symmetricKey(Buffer.alloc(32, 1));

describe("a MAC over parts", () => {
  test("covers where one part ends and the next begins", () => {
    const splits = [["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["", "abc"]];
    const macs = splits.map((parts) =>
      hmacOfParts(
        key,
        parts.map((part) => Buffer.from(part)),
      ).toString("hex"),
    );
    expect(new Set(macs).size).toBe(splits.length);
  });

  test("does not depend on how long the parts are together", () => {
    const long = Buffer.alloc(10_000, 3);
    const prefixed = (part: Buffer): Buffer => Buffer.concat([Buffer.from([0, 0, part.byteLength >> 8, part.byteLength & 0xff]), part]);
    const expected = new Bun.CryptoHasher("sha256", Buffer.alloc(32, 1))
      .update(Buffer.concat([prefixed(long), prefixed(Buffer.from("x"))]))
      .digest("hex");
    expect(hmacOfParts(key, [long, Buffer.from("x")]).toString("hex")).toBe(expected);
  });
});

describe("a derived key", () => {
  test("is HKDF-SHA-256 of the key and the label, and another for every label", () => {
    // By the two HMACs of RFC 5869, written out in Python: prk = HMAC(32 zeros, 32 ones), okm = HMAC(prk, label + 01).
    expect(keyBytes(deriveKey(key, "postern/v1 wrap")).toString("hex")).toBe(
      "6d960af577da247b3876637e796da08927affe25b55df54f25ce4a8c9bedd424",
    );
    expect(deriveKey(key, "a").equals(deriveKey(key, "a"))).toBe(true);
    expect(deriveKey(key, "a").equals(deriveKey(key, "b"))).toBe(false);
    expect(deriveKey(key, "a").equals(deriveKey(symmetricKey(Buffer.alloc(32, 2)), "a"))).toBe(false);
  });
});

describe("comparing secrets", () => {
  test("is equality, and unequal lengths are unequal and no error", () => {
    const bytes = (text: string): Uint8Array => Buffer.from(text);
    expect(constantTimeEqual(bytes("same"), bytes("same"))).toBe(true);
    expect(constantTimeEqual(bytes(""), bytes(""))).toBe(true);
    for (const other of ["", "sam", "samf", "same ", "same\0"]) expect(constantTimeEqual(bytes("same"), bytes(other))).toBe(false);
  });
});

describe("an API key", () => {
  const apiKey = SecretBytes.ofText("1vgw6v2a7dkvr4");

  test("is kept as lower-case hex of its SHA-256, and matches that alone", () => {
    expect(apiKeyDigest(apiKey)).toBe(sha256Hex("1vgw6v2a7dkvr4"));
    expect(matchesApiKey(apiKey, apiKeyDigest(apiKey))).toBe(true);
    for (const digest of [apiKeyDigest(apiKey).toUpperCase(), apiKeyDigest(apiKey).slice(1), "", "0".repeat(64), undefined]) {
      expect(matchesApiKey(apiKey, digest)).toBe(false);
    }
  });
});

describe("a password", () => {
  test("is hashed with Argon2id, 19 MiB and two passes, and salted", async () => {
    const [first, second] = await Promise.all([hashPassword(SecretBytes.ofText("pw")), hashPassword(SecretBytes.ofText("pw"))]);
    expect(first).toStartWith("$argon2id$v=19$m=19456,t=2,p=1$");
    expect(first).not.toBe(second);
    expect(await verifyPassword(SecretBytes.ofText("pw"), first)).toBe(true);
    expect(await verifyPassword(SecretBytes.ofText("pW"), first)).toBe(false);
  });

  test("may hold any bytes", async () => {
    const password = new SecretBytes(Uint8Array.from([0xff, 0, 0xfe, 0x80]));
    expect(await verifyPassword(password, await hashPassword(password))).toBe(true);
    expect(await verifyPassword(new SecretBytes(Uint8Array.from([0xff, 0, 0xfe, 0x81])), await hashPassword(password))).toBe(false);
  });

  test("matches nothing when there is none to match, or the hash cannot be read", async () => {
    expect(await verifyPassword(SecretBytes.ofText("pw"), undefined)).toBe(false);
    for (const hash of ["", "plain", "$argon2id$v=19$m=19456,t=2,p=1$", "$2b$10$abcdefghijklmnopqrstuv"]) {
      expect(await verifyPassword(SecretBytes.ofText("pw"), hash)).toBe(false);
    }
  });

  test("is never empty", async () => {
    expect(await failureFrom(() => hashPassword(SecretBytes.ofText("")))).toMatchObject({ code: "malformed" });
    expect(await verifyPassword(SecretBytes.ofText(""), await hashPassword(SecretBytes.ofText("\0")))).toBe(false);
  });

  test("of nobody costs as much as of somebody", async () => {
    const hash = await hashPassword(SecretBytes.ofText("pw"));
    const times = { known: [0], unknown: [0], empty: [0] };
    async function time(into: number[], work: () => Promise<boolean>): Promise<void> {
      const started = performance.now();
      await work();
      into.push(performance.now() - started);
    }
    for (let round = 0; round < 12; round += 1) {
      await time(times.known, () => verifyPassword(SecretBytes.ofText("no"), hash));
      await time(times.unknown, () => verifyPassword(SecretBytes.ofText("no"), undefined));
      await time(times.empty, () => verifyPassword(SecretBytes.ofText(""), undefined));
    }
    const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
    // A wide margin: what must not happen is that one of them is answered at once.
    expect(median(times.unknown)).toBeGreaterThan(median(times.known) / 3);
    expect(median(times.empty)).toBeGreaterThan(median(times.known) / 3);
  });
});
