/**
 * Key pairs and signatures: session tokens are signed here, public keys are published from here, and the Azure simulator makes its tokens of these parts.
 *
 * Everything is synchronous `node:crypto` (EdDSA 23 µs; WebCrypto adds 30) except RSA: generating a key and signing with it take long enough to
 * stall other requests, so both leave the serving thread.
 */

import {
  constants,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  generateKeyPairSync,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes,
} from "node:crypto";
import { PosternError } from "../model/failures";
import type { Offload, SessionSigner } from "../model/ports";

export type KeyType = "ed25519" | "rsa" | "p256";

/** A private key with its public half. Printing one shows no key material; `exportPkcs8` is the only way to it. */
export interface KeyPair {
  readonly type: KeyType;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** How a JWS is made: by a key pair and a method that fits its type, by a shared secret, or (`none`) not at all. */
export type JwsKey =
  | { readonly method: "RS256" | "PS256" | "ES256" | "EdDSA"; readonly pair: KeyPair }
  | { readonly method: "HS256"; readonly secret: Uint8Array }
  | { readonly method: "none" };

/** What the worker's task `sign_rs256` is given. `privateKey` is PKCS#8 DER. */
export interface SignRs256Input {
  readonly privateKey: Uint8Array;
  readonly data: Uint8Array;
}

const minimumRsaBits = 2048;

export function generateEd25519(): KeyPair {
  return { type: "ed25519", ...generateKeyPairSync("ed25519") };
}

export function generateP256(): KeyPair {
  return { type: "p256", ...generateKeyPairSync("ec", { namedCurve: "P-256" }) };
}

/** A fresh RSA pair, made off the serving thread (about 100 ms for 2048 bits). Throws `malformed` below 2048 bits. */
export function generateRsa(bits = minimumRsaBits): Promise<KeyPair> {
  if (!Number.isInteger(bits) || bits < minimumRsaBits) throw malformedKey(`an RSA size of at least ${minimumRsaBits} bits`);
  return new Promise((resolve, reject) => {
    generateKeyPair("rsa", { modulusLength: bits }, (error, publicKey, privateKey) => {
      if (error) return reject(error);
      resolve({ type: "rsa", publicKey, privateKey });
    });
  });
}

/** Reads a private key from PKCS#8 DER. Throws `malformed` unless it is Ed25519, P-256 or RSA of at least 2048 bits. */
export function importPkcs8(der: Uint8Array): KeyPair {
  const privateKey = readPrivateKey(der);
  return { type: keyTypeOf(privateKey), privateKey, publicKey: createPublicKey(privateKey) };
}

/** The private key as PKCS#8 DER. Handle with the care a secret needs. */
export function exportPkcs8(pair: KeyPair): Uint8Array {
  return pair.privateKey.export({ type: "pkcs8", format: "der" });
}

/** The private key as PKCS#8 PEM, for a TLS listener. */
export function privateKeyPem(pair: KeyPair): string {
  return pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

/** The public key as DER SubjectPublicKeyInfo. */
export function exportSpki(pair: KeyPair): Uint8Array {
  return pair.publicKey.export({ type: "spki", format: "der" });
}

export function publicKeyPem(pair: KeyPair): string {
  return pair.publicKey.export({ type: "spki", format: "pem" }).toString();
}

/** Names a public key: lower-case hex SHA-256 of its DER SubjectPublicKeyInfo. */
export function keyIdOf(pair: KeyPair): string {
  return createHash("sha256").update(exportSpki(pair)).digest("hex");
}

/** The public key as a JWK for signatures, with members such as `kid`, `x5t` and `x5c` added as given. */
export function publicJwk(pair: KeyPair, members: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  return { ...pair.publicKey.export({ format: "jwk" }), use: "sig", ...members };
}

/**
 * The signer of session tokens.
 *
 * `privateKey` is PKCS#8 DER and must fit the algorithm: Ed25519 for EdDSA, RSA of at least 2048 bits for RS256; otherwise throws `malformed`.
 * With `offload`, an RS256 signature is its task `sign_rs256`; without, it waits in the runtime's own thread pool.
 */
export function createSessionSigner(options: {
  readonly privateKey: Uint8Array;
  readonly algorithm: "EdDSA" | "RS256";
  readonly offload?: Offload;
}): SessionSigner {
  const pair = importPkcs8(options.privateKey);
  const isRsa = options.algorithm === "RS256";
  if (pair.type !== (isRsa ? "rsa" : "ed25519")) throw malformedKey(`a key for ${options.algorithm}`);
  const digest = isRsa ? "sha256" : null;
  return {
    keyId: keyIdOf(pair),
    algorithm: options.algorithm,
    publicKeyPem: publicKeyPem(pair),
    sign: isRsa ? (data) => signRs256Elsewhere(pair, options, data) : (data) => signBytes(null, data, pair.privateKey),
    verify: (data, signature) => verifyBytes(digest, data, pair.publicKey, signature),
  };
}

/** The worker's task `sign_rs256`: RSASSA-PKCS1-v1_5 with SHA-256 over `data`. Throws `internal` for any other input than a `SignRs256Input`. */
export function signRs256(input: unknown): Uint8Array {
  if (!isSignRs256Input(input)) throw new PosternError({ code: "internal", what: "input of sign_rs256" });
  return signBytes("sha256", input.data, readPrivateKey(input.privateKey));
}

/**
 * A compact JWS: `header.payload.signature`, each part base64url.
 *
 * Header and payload are taken as they are, also as ready JSON text: nothing is added, and the header's `alg` need not name the method, so that a
 * simulator can make tokens no verifier may accept. Throws `malformed` when the method does not fit the pair.
 */
export function signJws(header: object | string, payload: object | string, key: JwsKey): string {
  const signed = `${encodePart(header)}.${encodePart(payload)}`;
  return `${signed}.${Buffer.from(signatureOf(Buffer.from(signed), key)).toString("base64url")}`;
}

/** Whether `token` is three parts and its signature, by this pair and method, holds. Looks at no header or claim. */
export function verifyJws(token: string, pair: KeyPair, method: "RS256" | "ES256" | "EdDSA"): boolean {
  const [header, payload, signature, ...rest] = token.split(".");
  if (header === undefined || payload === undefined || signature === undefined || rest.length > 0) return false;
  requireType(pair, method);
  const digest = method === "EdDSA" ? null : "sha256";
  const key = { key: pair.publicKey, dsaEncoding: "ieee-p1363" } as const;
  return verifyBytes(digest, Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, "base64url"));
}

/** Whether the token's RS256 signature is by this public key (a JWK). Looks at no header or claim; what is no such key verifies nothing. */
export function verifyWithJwk(token: string, jwk: object): boolean {
  const [header, payload, signature, ...rest] = token.split(".");
  if (header === undefined || payload === undefined || signature === undefined || rest.length > 0) return false;
  try {
    const key = createPublicKey({ key: { ...jwk }, format: "jwk" });
    if (keyTypeOf(key) !== "rsa") return false;
    return verifyBytes("sha256", Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, "base64url"));
  } catch {
    return false;
  }
}

function signatureOf(data: Uint8Array, key: JwsKey): Uint8Array {
  if (key.method === "none") return new Uint8Array();
  if (key.method === "HS256") return createHmac("sha256", key.secret).update(data).digest();
  requireType(key.pair, key.method);
  const privateKey = key.pair.privateKey;
  switch (key.method) {
    case "EdDSA":
      return signBytes(null, data, privateKey);
    case "ES256":
      return signBytes("sha256", data, { key: privateKey, dsaEncoding: "ieee-p1363" });
    case "PS256":
      return signBytes("sha256", data, {
        key: privateKey,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
      });
    case "RS256":
      return signBytes("sha256", data, privateKey);
  }
}

async function signRs256Elsewhere(
  pair: KeyPair,
  options: { readonly privateKey: Uint8Array; readonly offload?: Offload },
  data: Uint8Array,
): Promise<Uint8Array> {
  if (options.offload === undefined) {
    return new Promise((resolve, reject) => {
      signBytes("sha256", data, pair.privateKey, (error, signature) => (error ? reject(error) : resolve(signature)));
    });
  }
  const input: SignRs256Input = { privateKey: options.privateKey, data };
  const signature = await options.offload.run("sign_rs256", input);
  if (!(signature instanceof Uint8Array)) throw new PosternError({ code: "internal", what: "answer of sign_rs256" });
  return signature;
}

function readPrivateKey(der: Uint8Array): KeyObject {
  try {
    return createPrivateKey({ key: Buffer.from(der.buffer, der.byteOffset, der.byteLength), format: "der", type: "pkcs8" });
  } catch (cause) {
    throw new PosternError({ code: "malformed", where: "private key", expected: "PKCS#8 DER", kind: "argument" }, { cause });
  }
}

function keyTypeOf(key: KeyObject): KeyType {
  const details = key.asymmetricKeyDetails;
  if (key.asymmetricKeyType === "ed25519") return "ed25519";
  if (key.asymmetricKeyType === "rsa" && (details?.modulusLength ?? 0) >= minimumRsaBits) return "rsa";
  if (key.asymmetricKeyType === "ec" && details?.namedCurve === "prime256v1") return "p256";
  throw malformedKey("an Ed25519, P-256 or RSA key of at least 2048 bits");
}

function requireType(pair: KeyPair, method: "RS256" | "PS256" | "ES256" | "EdDSA"): void {
  const wanted: KeyType = method === "EdDSA" ? "ed25519" : method === "ES256" ? "p256" : "rsa";
  if (pair.type !== wanted) throw malformedKey(`a key for ${method}`);
}

function encodePart(part: object | string): string {
  return Buffer.from(typeof part === "string" ? part : JSON.stringify(part)).toString("base64url");
}

function isSignRs256Input(input: unknown): input is SignRs256Input {
  if (typeof input !== "object" || input === null) return false;
  return "privateKey" in input && input.privateKey instanceof Uint8Array && "data" in input && input.data instanceof Uint8Array;
}

function malformedKey(expected: string): PosternError {
  return new PosternError({ code: "malformed", where: "key", expected, kind: "argument" });
}
