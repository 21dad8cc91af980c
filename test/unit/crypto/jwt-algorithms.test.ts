import { describe, expect, test } from "bun:test";
import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { SignJWT } from "jose";
import { hasValidSignature, type JwtAlgorithm, jwtAlgorithms, parseJwt, readKeySet, type VerificationKey } from "../../../src/crypto/jwt";
import { createCheckList } from "../../../src/model/failures";
import { SecretBytes } from "../../../src/model/secret-bytes";
import { part, signingKey } from "../../support/fake-issuer";

interface Pair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const pairs: Readonly<Record<string, Pair>> = {
  RSA: signingKey(0),
  "P-256": generateKeyPairSync("ec", { namedCurve: "P-256" }),
  "P-384": generateKeyPairSync("ec", { namedCurve: "P-384" }),
  "P-521": generateKeyPairSync("ec", { namedCurve: "P-521" }),
};
const familyOf = (algorithm: JwtAlgorithm): string => ({ ES256: "P-256", ES384: "P-384", ES512: "P-521" })[algorithm as string] ?? "RSA";

function pairOf(family: string): Pair {
  const pair = pairs[family];
  if (pair === undefined) throw new Error(family);
  return pair;
}

function keyOf(family: string, members: Readonly<Record<string, unknown>> = {}): VerificationKey {
  const key = readKeySet({ keys: [{ ...pairOf(family).publicKey.export({ format: "jwk" }), kid: "k", ...members }] })?.get("k");
  if (key === undefined) throw new Error("the key is usable");
  return key;
}

const parse = (text: string) => parseJwt(SecretBytes.ofText(text), jwtAlgorithms, createCheckList());

async function signed(algorithm: JwtAlgorithm): Promise<string> {
  return await new SignJWT({ sub: "x" })
    .setProtectedHeader({ alg: algorithm, typ: "JWT", kid: "k" })
    .sign(pairOf(familyOf(algorithm)).privateKey);
}

describe.each([...jwtAlgorithms])("a signature by %s", (algorithm) => {
  test("of an independent implementation verifies, under its own key alone", async () => {
    const jwt = parse(await signed(algorithm));
    for (const family of Object.keys(pairs))
      expect([family, hasValidSignature(jwt, keyOf(family))]).toEqual([family, family === familyOf(algorithm)]);
  });

  test("does not verify under another algorithm's name", async () => {
    const [, payload = "", signature = ""] = (await signed(algorithm)).split(".");
    for (const other of jwtAlgorithms.filter((each) => each !== algorithm)) {
      const jwt = parse(`${part({ alg: other, typ: "JWT", kid: "k" })}.${payload}.${signature}`);
      for (const family of Object.keys(pairs)) expect(hasValidSignature(jwt, keyOf(family))).toBe(false);
    }
  });

  test("does not verify when the key is for another one", async () => {
    const jwt = parse(await signed(algorithm));
    const family = familyOf(algorithm);
    expect(hasValidSignature(jwt, keyOf(family, { alg: algorithm }))).toBe(true);
    for (const other of jwtAlgorithms.filter((each) => each !== algorithm && familyOf(each) === family))
      expect(hasValidSignature(jwt, keyOf(family, { alg: other }))).toBe(false);
  });

  test("does not verify empty, as zeros, cut, extended or in another encoding", async () => {
    const text = await signed(algorithm);
    const [header = "", payload = "", signature = ""] = text.split(".");
    const good = Buffer.from(signature, "base64url");
    const key = keyOf(familyOf(algorithm));
    const der = sign("sha256", Buffer.from(`${header}.${payload}`), pairOf("P-256").privateKey);
    for (const bad of [Buffer.alloc(good.length), Buffer.alloc(1), good.subarray(1), Buffer.concat([good, good]), der])
      expect(hasValidSignature(parse(`${header}.${payload}.${bad.toString("base64url")}`), key)).toBe(false);
  });
});

test("no symmetric algorithm is read, whoever allows it", () => {
  const body = `${part({ alg: "HS256", typ: "JWT", kid: "k" })}.${part({ sub: "x" })}`;
  const text = `${body}.${createHmac("sha256", "secret").update(body).digest("base64url")}`;
  expect(() => parse(text)).toThrow("token_algorithm");
});
