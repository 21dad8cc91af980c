import { describe, expect, test } from "bun:test";
import { createSign, generateKeyPairSync } from "node:crypto";
import { SignJWT } from "jose";
import { hasValidSignature, type JsonObject, judgeTimes, maxTokenBytes, parseJwt, readKeySet, tokenDigest } from "../../../src/crypto/jwt";
import { type CheckList, createCheckList, failureOf } from "../../../src/model/failures";
import { SecretBytes } from "../../../src/model/secret-bytes";
import { jwkOf, noon, part, signingKey, signToken, v1Claims } from "../../support/fake-issuer";

const parse = (text: string) => parseJwt(SecretBytes.ofText(text), ["RS256"], createCheckList());

function refusal(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    const failure = failureOf(error);
    return failure.code === "unauthenticated" ? failure.because : failure.code;
  }
  return undefined;
}

const keyOf = (jwk: Record<string, unknown>) => readKeySet({ keys: [jwk] })?.get("key-a");

describe("a foreign JWT", () => {
  test("signed by an independent implementation is read and verified", async () => {
    const signer = new SignJWT({ oid: "x" }).setProtectedHeader({ alg: "RS256", typ: "JWT", kid: "key-a" });
    const jwt = parse(await signer.sign(signingKey(0).privateKey));
    const key = keyOf(jwkOf(signingKey(0)));
    if (key === undefined) throw new Error("the key is usable");
    expect(jwt.claims).toEqual({ oid: "x" });
    expect(hasValidSignature(jwt, key)).toBe(true);
  });

  test("is refused under another key, and with any byte of it changed", () => {
    const text = signToken(v1Claims());
    const key = keyOf(jwkOf(signingKey(0)));
    const other = keyOf(jwkOf(signingKey(1), { kid: "key-a" }));
    if (key === undefined || other === undefined) throw new Error("the keys are usable");
    expect(hasValidSignature(parse(text), other)).toBe(false);
    const [header = "", payload = "", signature = ""] = text.split(".");
    const changed = part(v1Claims({ oid: "00000000-0000-4000-8000-000000000000" }));
    expect(hasValidSignature(parse(`${header}.${changed}.${signature}`), key)).toBe(false);
    const good = Buffer.from(signature, "base64url");
    for (const bad of [
      Buffer.alloc(3),
      Buffer.alloc(256),
      Buffer.alloc(257),
      good.subarray(1),
      good.subarray(0, 255),
      Buffer.concat([good, good]),
    ]) {
      expect(hasValidSignature(parse(`${header}.${payload}.${bad.toString("base64url")}`), key)).toBe(false);
    }
  });

  test("is refused for its size before anything else", () => {
    expect(refusal(() => parse("x".repeat(maxTokenBytes + 1)))).toBe("token_size");
    expect(refusal(() => parse("x".repeat(maxTokenBytes)))).toBe("token_form");
    const big = new SecretBytes(new Uint8Array(50_000_000).fill(0x2e));
    expect(refusal(() => parseJwt(big, ["RS256"], createCheckList()))).toBe("token_size");
  });

  test("has exactly three parts", () => {
    const [h, p, s] = signToken(v1Claims()).split(".");
    for (const text of [
      "",
      "hello",
      "..",
      ".",
      `${h}.${p}`,
      `${h}.${p}.${s}.`,
      `.${h}.${p}.${s}`,
      `${h}..${s}`,
      ".".repeat(16_000),
      `${h}.${p}.${s}.${s}.${s}`,
    ]) {
      expect(refusal(() => parse(text))).toBe("token_form");
    }
  });

  test("is spelled in one way: no padding, white space, other alphabet or stray bits", () => {
    const [h = "", p = "", s = ""] = signToken(v1Claims()).split(".");
    const stray = `${s.slice(0, -1)}${s.endsWith("w") ? "x" : "B"}`;
    for (const text of [
      `${h}=.${p}.${s}`,
      `${h}.${p}.${s}==`,
      ` ${h}.${p}.${s}`,
      `${h}.${p}.${s}\n`,
      `${h}.${p.slice(0, 4)} ${p.slice(4)}.${s}`,
      `${h}.${p}.${s.slice(0, 4)}+${s.slice(5)}`,
      `${h}.${p}.${s.slice(0, 4)}/${s.slice(5)}`,
      `${h}.${p}.${stray}`,
      `${h}.${p}.${s}AAA`,
      `${h}.${p}.${s.slice(0, 4)}é${s.slice(5)}`,
      `${h}.${p}.${s}\u0000`,
    ]) {
      expect(refusal(() => parse(text))).toBe("token_form");
    }
  });

  test("has a header and claims that are objects without repeated names", () => {
    for (const header of ["[]", "null", "{", '{"alg":"none","alg":"RS256","kid":"key-a"}', "\ufeff{}"]) {
      expect(refusal(() => parse(signToken(v1Claims(), { header })))).toBe("token_header");
    }
    for (const claims of ["[]", '"x"', "{", '{"aud":"a","aud":"b"}', '{"a":{"b":1,"b":2}}']) {
      expect(refusal(() => parse(signToken(claims)))).toBe("token_claims");
    }
  });

  test("names an allowed algorithm, exactly", () => {
    for (const alg of ["none", "None", "HS256", "PS256", "rs256", "RS512", "RS256 ", "", null, 1, ["RS256"], undefined]) {
      expect(refusal(() => parse(signToken(v1Claims(), { header: { typ: "JWT", kid: "key-a", alg } })))).toBe("token_algorithm");
    }
    expect(refusal(() => parseJwt(SecretBytes.ofText(signToken(v1Claims())), [], createCheckList()))).toBe("token_algorithm");
  });

  test("names its key", () => {
    for (const kid of [undefined, "", null, 7, ["key-a"], "k".repeat(257)]) {
      expect(refusal(() => parse(signToken(v1Claims(), { header: { typ: "JWT", alg: "RS256", kid } })))).toBe("token_key_id");
    }
  });

  test("is a JWT and no other kind of token", () => {
    for (const typ of ["at+jwt", "dpop+jwt", "JOSE", "", null, 1]) {
      expect(refusal(() => parse(signToken(v1Claims(), { header: { typ, alg: "RS256", kid: "key-a" } })))).toBe("token_type");
    }
    expect(parse(signToken(v1Claims(), { header: { alg: "RS256", kid: "key-a" } })).keyId).toBe("key-a");
  });

  test("demands no extension and carries no nonce of Microsoft's", () => {
    const header = { typ: "JWT", alg: "RS256", kid: "key-a" };
    for (const crit of [[], ["exp"], ["b64"], null]) {
      expect(refusal(() => parse(signToken(v1Claims(), { header: { ...header, crit } })))).toBe("token_critical");
    }
    expect(refusal(() => parse(signToken(v1Claims(), { header: { ...header, nonce: "x" } })))).toBe("token_nonce");
  });

  test("that brings a key along is verified with the issuer's all the same", () => {
    const attacker = signingKey(2);
    const certificate = Buffer.from("MIID").toString("base64");
    const bait = { jwk: jwkOf(attacker), jku: "https://evil.example/keys", x5u: "https://evil.example/cert", x5c: [certificate] };
    const jwt = parse(signToken(v1Claims(), { key: attacker, header: { typ: "JWT", alg: "RS256", kid: "key-a", ...bait } }));
    const key = keyOf(jwkOf(signingKey(0)));
    if (key === undefined) throw new Error("the key is usable");
    expect(hasValidSignature(jwt, key)).toBe(false);
  });

  test("has a digest of its exact text", () => {
    const text = signToken(v1Claims());
    expect(tokenDigest(SecretBytes.ofText(text))).toBe(tokenDigest(SecretBytes.ofText(text)));
    expect(tokenDigest(SecretBytes.ofText(text))).not.toBe(tokenDigest(SecretBytes.ofText(`${text}=`)));
  });
});

describe("the times of a token", () => {
  const seconds = noon / 1000;
  const rules = { skewSeconds: 60, maxLifetimeSeconds: 108_000 };
  const judge = (claims: JsonObject, checks: CheckList = createCheckList()) => judgeTimes(claims, rules, noon, checks);

  test("give the instant of its end", () => {
    expect(judge({ exp: seconds + 10, nbf: seconds, iat: seconds })).toBe(noon + 10_000);
    expect(judge({ exp: seconds + 10, nbf: seconds })).toBe(noon + 10_000);
  });

  test("may begin a minute from now and no later", () => {
    expect(judge({ exp: seconds + 99, nbf: seconds + 60, iat: seconds + 60 })).toBe(noon + 99_000);
    expect(refusal(() => judge({ exp: seconds + 99, nbf: seconds + 61, iat: seconds }))).toBe("not_before");
    expect(refusal(() => judge({ exp: seconds + 99, nbf: seconds, iat: seconds + 61 }))).toBe("issued_at");
  });

  test("span thirty hours at most, from the start when the issue is not said", () => {
    expect(judge({ exp: seconds + 108_000, nbf: 1, iat: seconds })).toBe(noon + 108_000_000);
    expect(refusal(() => judge({ exp: seconds + 108_001, nbf: seconds, iat: seconds }))).toBe("token_lifetime");
    expect(refusal(() => judge({ exp: seconds + 10, nbf: 1 }))).toBe("token_lifetime");
  });

  test("are positive whole numbers of this age of the world", () => {
    const odd = [
      0,
      -1,
      -0,
      "1",
      String(seconds),
      null,
      true,
      1e308,
      Number.POSITIVE_INFINITY,
      [seconds],
      {},
      seconds + 0.5,
      253_402_300_800,
    ];
    for (const value of odd) {
      for (const name of ["exp", "nbf", "iat"]) {
        expect(refusal(() => judge({ exp: seconds + 10, nbf: seconds, iat: seconds, [name]: value }))).toBe("token_times");
      }
    }
    expect(refusal(() => judge({ nbf: seconds, iat: seconds }))).toBe("token_times");
    expect(refusal(() => judge({ exp: seconds, iat: seconds }))).toBe("token_times");
  });
});

describe("a key set", () => {
  test("holds RSA keys for signatures, by name", () => {
    const keys = readKeySet({
      keys: [jwkOf(signingKey(0), { alg: "RS256", issuer: "https://a" }), jwkOf(signingKey(1), { use: undefined })],
    });
    expect([...(keys?.keys() ?? [])]).toEqual(["key-a", "key-b"]);
    expect(keys?.get("key-a")?.issuer).toBe("https://a");
  });

  test("passes over keys that cannot be used and keeps the others", () => {
    const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({ format: "jwk" });
    const elliptic = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ format: "jwk" });
    const good = jwkOf(signingKey(0));
    const bad = [
      { ...good, kid: "enc", use: "enc" },
      { ...good, kid: "alg", alg: "ES256" },
      { ...good, kid: "hmac", alg: "HS256" },
      { ...elliptic, kid: "ec-alg", alg: "ES384" },
      { ...elliptic, kid: "ec-rsa", alg: "RS256" },
      { ...elliptic, kid: "ec-off", x: elliptic.y },
      { ...elliptic, kid: "ec-y", y: "" },
      { ...elliptic, kid: "ec-curve", crv: "secp256k1" },
      { ...elliptic, kid: "ec-kty", kty: "RSA" },
      { ...good, kid: undefined },
      { ...good, kid: "" },
      { ...good, kid: 7 },
      { ...good, kid: "n", n: "" },
      { ...good, kid: "e", e: "" },
      { ...good, kid: "e1", e: "AQ" },
      { ...good, kid: "even", e: "AQAA" },
      { ...good, kid: "e-huge", e: Buffer.alloc(64, 0xff).toString("base64url") },
      { ...good, kid: "n-type", n: 1 },
      { ...good, kid: "kty", kty: "oct", k: "c2VjcmV0" },
      { ...good, kid: "huge", n: Buffer.alloc(2048, 0xff).toString("base64url") },
      { ...weak, kid: "weak" },
      null,
      "key",
      7,
    ];
    const keys = readKeySet({ keys: [...bad, good] });
    expect([...(keys?.keys() ?? [])]).toEqual(["key-a"]);
    expect([...(readKeySet({ keys: [{ ...elliptic, kid: "ec" }] })?.keys() ?? [])]).toEqual(["ec"]);
  });

  test("keeps the first of two keys with one name", () => {
    const keys = readKeySet({ keys: [jwkOf(signingKey(0)), jwkOf(signingKey(1), { kid: "key-a" })] });
    expect(keys?.get("key-a")?.material).toBe(`${jwkOf(signingKey(0)).n}.AQAB`);
  });

  test("is undefined for another document, and for more than a thousand keys", () => {
    for (const document of [undefined, null, [], {}, { keys: {} }, { keys: "x" }, "x"]) expect(readKeySet(document)).toBeUndefined();
    expect(readKeySet({ keys: Array.from({ length: 1001 }, () => null) })).toBeUndefined();
    const many = Array.from({ length: 1000 }, (_, at) => jwkOf(signingKey(0), { kid: `k${at}` }));
    expect(readKeySet({ keys: many })?.size).toBe(1000);
  });

  test("does not verify a signature over another digest", () => {
    const key = keyOf(jwkOf(signingKey(0)));
    const jwt = parse(signToken(v1Claims()));
    const forged = createSign("sha512").update(jwt.signedBytes).sign(signingKey(0).privateKey);
    if (key === undefined) throw new Error("the key is usable");
    expect(hasValidSignature({ ...jwt, signature: forged }, key)).toBe(false);
  });
});
