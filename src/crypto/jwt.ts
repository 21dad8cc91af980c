/**
 * Reads and verifies JWTs that others signed.
 *
 * Everything here is pure over the token, the key set and `now`. Verification is synchronous `node:crypto` on keys imported once per key set: an
 * asynchronous one waits for a single pool thread and takes two to three times as long. Only what is named here is looked at in a header: a key or
 * address of a key that a token brings along (`jwk`, `jku`, `x5u`, `x5c`) is ignored.
 */

import { constants, createPublicKey, hash, type KeyObject, verify } from "node:crypto";
import * as v from "valibot";
import type { CheckList } from "../model/failures";
import type { SecretBytes } from "../model/secret-bytes";
import type { Instant } from "../model/types";
import { isObject, type JsonObject, readJsonObject } from "./strict-json";

export { isObject, type JsonObject };

/** How a signature may be made (RFC 7518, 3.1). Symmetric ones and none are not among them, whatever a caller allows. */
export const jwtAlgorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"] as const;
export type JwtAlgorithm = (typeof jwtAlgorithms)[number];

/** What a key can be used with: RSA, or the one elliptic curve it is on. */
export type KeyFamily = "RSA" | "P-256" | "P-384" | "P-521";

/** A token in its parts, well-formed and not yet believed. */
export interface Jwt {
  /** Empty where it names none and need not. */
  readonly keyId: string;
  readonly algorithm: JwtAlgorithm;
  readonly claims: JsonObject;
  readonly signedBytes: Uint8Array;
  readonly signature: Uint8Array;
}

/** A public key that signs tokens. `material` is equal for equal keys. */
export interface VerificationKey {
  readonly keyId: string;
  /** The only issuer the key may sign for, when its set says one; `{tenantid}` stands for any tenant. */
  readonly issuer?: string;
  /** The only algorithm it may be used with, when its set says one. */
  readonly algorithm?: JwtAlgorithm;
  readonly family: KeyFamily;
  readonly material: string;
  readonly key: KeyObject;
}

/** By key id. */
export type KeySet = ReadonlyMap<string, VerificationKey>;

/** `skewSeconds` is granted to `nbf` and `iat`, never to `exp`. */
export interface TimeRules {
  readonly skewSeconds: number;
  /** Absent: how long a token lives is its issuer's business. */
  readonly maxLifetimeSeconds?: number;
  /** Whether a token may do without `nbf`. Default false. */
  readonly mayLackNotBefore?: boolean;
}

export const maxTokenBytes = 16_384;
export const maxKeys = 1000;
const maxKeyIdLength = 256;
const minModulusBits = 2048;
// Larger ones make a single verification slow; no issuer uses them.
const maxModulusBits = 8192;
// With the exponent 1 every message is its own signature; nobody uses more than 32 bits.
const maxExponent = 0xffff_ffffn;
const shownLength = 64;
// The end of the year 9999: what is later is no time, and seconds up to here stay exact as milliseconds.
const lastSecond = 253_402_300_799;

const common = {
  kid: v.pipe(v.string(), v.minLength(1), v.maxLength(maxKeyIdLength)),
  use: v.optional(v.literal("sig")),
  alg: v.optional(v.picklist(jwtAlgorithms)),
  issuer: v.optional(v.string()),
};
const Jwk = v.variant("kty", [
  v.object({ kty: v.literal("RSA"), n: v.string(), e: v.string(), ...common }),
  v.object({ kty: v.literal("EC"), crv: v.picklist(["P-256", "P-384", "P-521"]), x: v.string(), y: v.string(), ...common }),
]);
const Jwks = v.object({ keys: v.pipe(v.array(v.unknown()), v.maxLength(maxKeys)) });

/**
 * Takes a token apart. Its size and its two dots are judged before anything is copied out of it.
 *
 * Fails the checks `token_size`, `token_form` (not three canonical base64url parts), `token_header`, `token_algorithm`, `token_key_id`, `token_type`,
 * `token_critical`, `token_nonce` (Microsoft's mark of tokens whose signature does not verify as sent) and `token_claims`.
 */
export function parseJwt(
  token: SecretBytes,
  algorithms: readonly JwtAlgorithm[],
  checks: CheckList,
  { mayLackKeyId = false }: { readonly mayLackKeyId?: boolean } = {},
): Jwt {
  checks.expect(token.byteLength <= maxTokenBytes, "token_size", `${token.byteLength} bytes; at most ${maxTokenBytes}`);
  const bytes = token.reveal();
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  const first = text.indexOf(".");
  const second = text.indexOf(".", first + 1);
  const hasTwoDots = first > 0 && second > first + 1 && text.indexOf(".", second + 1) < 0;
  if (!hasTwoDots) checks.fail("token_form", "not three parts");
  const header = decodePart(text.slice(0, first));
  const payload = decodePart(text.slice(first + 1, second));
  const signature = decodePart(text.slice(second + 1));
  if (header === undefined || payload === undefined || signature === undefined) checks.fail("token_form", "a part is not base64url");
  checks.pass("token_form");

  const protectedHeader = readPart(header, "token_header", checks);
  const { keyId, algorithm } = judgeHeader(protectedHeader, { algorithms, mayLackKeyId }, checks);
  const claims = readPart(payload, "token_claims", checks);
  return { keyId, algorithm, claims, signedBytes: bytes.subarray(0, second), signature };
}

/** Whether the key signed the token. A key is used with the algorithms of its own family alone, and where its set names one, with that one. */
export function hasValidSignature(jwt: Jwt, key: VerificationKey): boolean {
  const { family, digest, options } = methods[jwt.algorithm];
  if (key.family !== family || (key.algorithm !== undefined && key.algorithm !== jwt.algorithm)) return false;
  return verify(digest, jwt.signedBytes, { key: key.key, ...options }, jwt.signature);
}

interface Method {
  readonly family: KeyFamily;
  readonly digest: string;
  readonly options: { readonly padding: number; readonly saltLength?: number } | { readonly dsaEncoding: "ieee-p1363" };
}

const pkcs1 = { padding: constants.RSA_PKCS1_PADDING };
// The salt is as long as the digest, no shorter (RFC 7518, 3.5).
const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
const ecdsa = { dsaEncoding: "ieee-p1363" } as const;
const methods: Readonly<Record<JwtAlgorithm, Method>> = {
  RS256: { family: "RSA", digest: "sha256", options: pkcs1 },
  RS384: { family: "RSA", digest: "sha384", options: pkcs1 },
  RS512: { family: "RSA", digest: "sha512", options: pkcs1 },
  PS256: { family: "RSA", digest: "sha256", options: pss },
  PS384: { family: "RSA", digest: "sha384", options: pss },
  PS512: { family: "RSA", digest: "sha512", options: pss },
  ES256: { family: "P-256", digest: "sha256", options: ecdsa },
  ES384: { family: "P-384", digest: "sha384", options: ecdsa },
  ES512: { family: "P-521", digest: "sha512", options: ecdsa },
};

/**
 * Judges `nbf`, `iat` and the span to `exp`, and returns the instant of `exp`, which the caller compares with its clock: an expired token may fail on
 * that alone only after everything else held.
 *
 * Fails `token_times` for values that are no positive whole seconds (`exp` must be there, and `nbf` unless the rules say otherwise), `not_before`, `issued_at` and `token_lifetime`.
 */
export function judgeTimes(claims: JsonObject, rules: TimeRules, now: Instant, checks: CheckList): Instant {
  const { exp, nbf, iat } = claims;
  if (!isTime(exp)) checks.fail("token_times", "exp is not a time");
  const isNotBeforeFine = nbf === undefined ? rules.mayLackNotBefore === true : isTime(nbf);
  if (!isNotBeforeFine) checks.fail("token_times", "nbf is not a time");
  if (iat !== undefined && !isTime(iat)) checks.fail("token_times", "iat is not a time");
  const starts = { nbf: isTime(nbf) ? nbf : undefined, iat: isTime(iat) ? iat : undefined };
  checks.pass("token_times", `nbf ${starts.nbf ?? "absent"}, iat ${starts.iat ?? "absent"}, exp ${exp}`);
  const latestStart = now / 1000 + rules.skewSeconds;
  if (starts.nbf !== undefined)
    checks.expect(starts.nbf <= latestStart, "not_before", `nbf ${starts.nbf}; valid since then at the latest ${Math.floor(latestStart)}`);
  const begin = starts.iat ?? starts.nbf ?? Math.floor(now / 1000);
  checks.expect(begin <= latestStart, "issued_at", `issued ${begin}; at the latest ${Math.floor(latestStart)}`);
  const lifetime = exp - begin;
  const { maxLifetimeSeconds } = rules;
  if (maxLifetimeSeconds !== undefined)
    checks.expect(lifetime <= maxLifetimeSeconds, "token_lifetime", `${lifetime} seconds; at most ${maxLifetimeSeconds}`);
  return exp * 1000;
}

/**
 * The usable keys of a JWK set: RSA of 2048 to 8192 bits or a point on P-256, P-384 or P-521, named, for signatures. Others are passed over, so the
 * result may be empty; of two with one name the first counts. Undefined when the document is no key set or holds more than 1000 keys. Reads the public
 * numbers alone: a certificate in `x5c` wraps the same key and proves nothing.
 */
export function readKeySet(document: unknown): KeySet | undefined {
  const parsed = v.safeParse(Jwks, document);
  if (!parsed.success) return undefined;
  const keys = new Map<string, VerificationKey>();
  for (const candidate of parsed.output.keys) {
    const key = importKey(candidate);
    if (key !== undefined && !keys.has(key.keyId)) keys.set(key.keyId, key);
  }
  return keys;
}

const familyOfCurve: Readonly<Record<string, KeyFamily>> = { prime256v1: "P-256", secp384r1: "P-384", secp521r1: "P-521" };

/** The public key of a PEM text, or of the certificate in one, under a name of the caller's. Undefined for what is none, or is too weak or too large. */
export function readPublicKey(pem: string, keyId: string): VerificationKey | undefined {
  const key = fromPem(pem);
  if (key === undefined) return undefined;
  const family = key.asymmetricKeyType === "ec" ? familyOfCurve[key.asymmetricKeyDetails?.namedCurve ?? ""] : "RSA";
  if (family === undefined || (family === "RSA" && (key.asymmetricKeyType !== "rsa" || !isStrong(key)))) return undefined;
  return { keyId, family, material: key.export({ format: "der", type: "spki" }).toString("base64url"), key };
}

function fromPem(pem: string): KeyObject | undefined {
  // A private key would give its public half: who pastes one here must hear of it.
  if (!/^\s*-----BEGIN (?:RSA )?(?:PUBLIC KEY|CERTIFICATE)-----/.test(pem)) return undefined;
  try {
    return createPublicKey(pem);
  } catch {
    return undefined;
  }
}

/** SHA-256 of the token's exact text: for remembering that this text was verified, never for recognising an identity. */
export function tokenDigest(token: SecretBytes): string {
  return hash("sha256", token.reveal(), "base64url");
}

function importKey(candidate: unknown): VerificationKey | undefined {
  const parsed = v.safeParse(Jwk, candidate);
  if (!parsed.success) return undefined;
  const jwk = parsed.output;
  const { kid, issuer, alg } = jwk;
  const family = jwk.kty === "EC" ? jwk.crv : "RSA";
  if (alg !== undefined && methods[alg].family !== family) return undefined;
  const key = imported(jwk.kty === "EC" ? { kty: "EC", crv: jwk.crv, x: jwk.x, y: jwk.y } : { kty: "RSA", n: jwk.n, e: jwk.e });
  if (key === undefined || (family === "RSA" && !isStrong(key))) return undefined;
  const material = jwk.kty === "EC" ? `${jwk.crv}.${jwk.x}.${jwk.y}` : `${jwk.n}.${jwk.e}`;
  const said = { ...(issuer === undefined ? {} : { issuer }), ...(alg === undefined ? {} : { algorithm: alg }) };
  return { keyId: kid, family, material, key, ...said };
}

function isStrong(key: KeyObject): boolean {
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  const isOddExponent = publicExponent >= 3n && publicExponent <= maxExponent && publicExponent % 2n === 1n;
  return isOddExponent && modulusLength >= minModulusBits && modulusLength <= maxModulusBits;
}

function imported(jwk: Readonly<Record<string, string>>): KeyObject | undefined {
  try {
    return createPublicKey({ key: { ...jwk }, format: "jwk" });
  } catch {
    // One broken key must not take the good ones of its set away.
    return undefined;
  }
}

function judgeHeader(
  header: JsonObject,
  { algorithms, mayLackKeyId }: { readonly algorithms: readonly JwtAlgorithm[]; readonly mayLackKeyId: boolean },
  checks: CheckList,
): { keyId: string; algorithm: JwtAlgorithm } {
  const algorithm = algorithms.find((allowed) => allowed === header.alg);
  if (algorithm === undefined) checks.fail("token_algorithm", `${shown(header.alg)}; allowed: ${algorithms.join(", ")}`);
  checks.pass("token_algorithm", algorithm);
  const keyId = header.kid === undefined && mayLackKeyId ? "" : header.kid;
  const isName = typeof keyId === "string" && (keyId !== "" || header.kid === undefined) && keyId.length <= maxKeyIdLength;
  if (!isName) checks.fail("token_key_id", "kid is not a name");
  checks.pass("token_key_id", keyId);
  checks.expect(isJwtType(header.typ), "token_type", `typ ${shown(header.typ)}`);
  if (Object.hasOwn(header, "crit")) checks.fail("token_critical", "demands extensions by crit");
  if (Object.hasOwn(header, "nonce")) checks.fail("token_nonce", "the header carries a nonce: a token for Microsoft's own services");
  return { keyId, algorithm };
}

function isJwtType(type: unknown): boolean {
  return type === undefined || (typeof type === "string" && type.toUpperCase() === "JWT");
}

function readPart(bytes: Uint8Array, check: string, checks: CheckList): JsonObject {
  const read = readJsonObject(bytes);
  if ("problem" in read) checks.fail(check, read.problem);
  checks.pass(check);
  return read.object;
}

/** Undefined unless the text is the one canonical spelling of its bytes: the decoder itself takes padding, white space and stray bits. */
function decodePart(part: string): Uint8Array | undefined {
  const bytes = Buffer.from(part, "base64url");
  return bytes.toString("base64url") === part ? bytes : undefined;
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value <= lastSecond;
}

function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, shownLength));
  return isObject(value) || Array.isArray(value) ? "not a string" : String(value);
}
