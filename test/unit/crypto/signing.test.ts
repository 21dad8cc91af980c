import { describe, expect, test } from "bun:test";
import { createHash, createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { compactVerify, importSPKI } from "jose";
import {
  createSessionSigner,
  exportPkcs8,
  exportSpki,
  generateEd25519,
  generateP256,
  generateRsa,
  importPkcs8,
  type JwsKey,
  keyIdOf,
  publicJwk,
  publicKeyPem,
  signJws,
  signRs256,
  verifyJws,
} from "../../../src/crypto/signing";
import { PosternError } from "../../../src/model/failures";

const rsa = await generateRsa();
const ed25519 = generateEd25519();
const p256 = generateP256();
const message = Buffer.from("a session");

describe("key pairs", () => {
  test.each([rsa, ed25519, p256])("survive export and import as PKCS#8 ($type)", (pair) => {
    const read = importPkcs8(exportPkcs8(pair));
    expect(read.type).toBe(pair.type);
    expect(keyIdOf(read)).toBe(keyIdOf(pair));
  });

  test("are named by the SHA-256 of the DER public key", () => {
    expect(keyIdOf(rsa)).toBe(createHash("sha256").update(exportSpki(rsa)).digest("hex"));
  });

  test("show no private part when printed", () => {
    const shown = Bun.inspect(ed25519) + JSON.stringify(ed25519);
    expect(shown).not.toContain(Buffer.from(exportPkcs8(ed25519)).toString("base64"));
    expect(shown).not.toContain("PRIVATE");
  });

  test("are refused when they are no PKCS#8, too short, or of a curve nobody asked for", () => {
    expect(() => importPkcs8(Buffer.from("not a key"))).toThrow(PosternError);
    expect(() => generateRsa(1024)).toThrow(PosternError);
    const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey.export({ type: "pkcs8", format: "der" });
    expect(() => importPkcs8(p384)).toThrow(PosternError);
  });

  test("publish a JWK with the members they are given and no private one", () => {
    const jwk = publicJwk(rsa, { kid: "k1", x5c: ["MII"] });
    expect(jwk).toMatchObject({ kty: "RSA", use: "sig", e: "AQAB", kid: "k1", x5c: ["MII"] });
    expect(Object.keys(jwk)).not.toContain("d");
  });
});

describe("a session signer", () => {
  test("signs EdDSA at once, verifiable by the PEM it publishes", () => {
    const signer = createSessionSigner({ privateKey: exportPkcs8(ed25519), algorithm: "EdDSA" });
    const signature = signer.sign(message);
    if (!(signature instanceof Uint8Array)) throw new Error("expected bytes, not a promise");
    expect(signer.keyId).toBe(keyIdOf(ed25519));
    expect(verify(null, message, createPublicKey(signer.publicKeyPem), signature)).toBe(true);
    expect(signer.verify(message, signature)).toBe(true);
    expect(signer.verify(Buffer.from("another session"), signature)).toBe(false);
  });

  test("signs RS256 in the pool, and gives the same bytes through the offloaded task", async () => {
    const privateKey = exportPkcs8(rsa);
    const tasks: string[] = [];
    const offload = {
      run: async (task: string, input: unknown) => {
        tasks.push(task);
        return signRs256(structuredClone(input));
      },
    };
    const here = await createSessionSigner({ privateKey, algorithm: "RS256" }).sign(message);
    const signer = createSessionSigner({ privateKey, algorithm: "RS256", offload });
    const there = await signer.sign(message);
    expect(tasks).toEqual(["sign_rs256"]);
    expect(Buffer.from(there).equals(here)).toBe(true);
    expect(signer.verify(message, there)).toBe(true);
  });

  test("refuses a key of another algorithm", () => {
    expect(() => createSessionSigner({ privateKey: exportPkcs8(ed25519), algorithm: "RS256" })).toThrow(PosternError);
    expect(() => createSessionSigner({ privateKey: exportPkcs8(p256), algorithm: "EdDSA" })).toThrow(PosternError);
  });

  test("does not pass on an offloaded answer that is no signature", async () => {
    const offload = { run: async () => "nothing" };
    const signer = createSessionSigner({ privateKey: exportPkcs8(rsa), algorithm: "RS256", offload });
    expect(async () => await signer.sign(message)).toThrow(PosternError);
    expect(() => signRs256({ data: message })).toThrow(PosternError);
  });
});

describe("a compact JWS", () => {
  const keys: readonly (readonly ["RS256" | "ES256" | "EdDSA", typeof rsa])[] = [
    ["RS256", rsa],
    ["ES256", p256],
    ["EdDSA", ed25519],
  ];

  test.each(keys)("of %s verifies by jose and by verifyJws, and not once changed", async (method, pair) => {
    const token = signJws({ alg: method }, { sub: "me" }, { method, pair });
    const verified = await compactVerify(token, await importSPKI(publicKeyPem(pair), method));
    expect(JSON.parse(Buffer.from(verified.payload).toString())).toEqual({ sub: "me" });
    const [header, , signature] = token.split(".");
    const changed = `${header}.${Buffer.from('{"sub":"you"}').toString("base64url")}.${signature}`;
    expect([token, changed, `${token}.`, "a.b"].map((text) => verifyJws(text, pair, method))).toEqual([true, false, false, false]);
  });

  test("of PS256 verifies by jose", async () => {
    const token = signJws({ alg: "PS256" }, {}, { method: "PS256", pair: rsa });
    expect((await compactVerify(token, await importSPKI(publicKeyPem(rsa), "PS256"))).protectedHeader.alg).toBe("PS256");
  });

  test("takes header and payload as they are, whatever the method", () => {
    const lying: JwsKey = { method: "HS256", secret: Buffer.from(publicKeyPem(rsa)) };
    const token = signJws('{"alg":"RS256","alg":"none"}', '{"a":1,"a":2}', lying);
    expect(
      token
        .split(".")
        .slice(0, 2)
        .map((part) => Buffer.from(part, "base64url").toString()),
    ).toEqual(['{"alg":"RS256","alg":"none"}', '{"a":1,"a":2}']);
    expect(signJws({ alg: "none" }, {}, { method: "none" }).endsWith(".")).toBe(true);
  });

  test("is not made with a pair that does not fit the method", () => {
    expect(() => signJws({}, {}, { method: "RS256", pair: ed25519 })).toThrow(PosternError);
  });
});
