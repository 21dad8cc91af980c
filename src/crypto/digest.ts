/** Digests, MACs, derived keys and password hashes, and the one comparison that secrets are compared with. */

import { createHash, createHmac, hash, hkdfSync, timingSafeEqual } from "node:crypto";
import { PosternError } from "../model/failures";
import type { SecretBytes } from "../model/secret-bytes";
import { keyBytes, type SymmetricKey, symmetricKey, symmetricKeyBytes } from "./aead";

export function sha256(bytes: Uint8Array | string): Buffer {
  return createHash("sha256").update(bytes).digest();
}

export type Sha2 = "sha224" | "sha256" | "sha384" | "sha512";

export function sha2(algorithm: Sha2, bytes: Uint8Array): Uint8Array {
  return createHash(algorithm).update(bytes).digest();
}

/** Lower-case hex. */
export function sha256Hex(bytes: Uint8Array | string): string {
  return hash("sha256", bytes, "hex");
}

/** HMAC-SHA-256 over the parts, each with its length in four bytes before it: the border between two parts is part of what is signed. */
export function hmacOfParts(key: SymmetricKey | Uint8Array, parts: readonly Uint8Array[]): Buffer {
  let total = 0;
  for (const part of parts) total += 4 + part.byteLength;
  // One update of a copy is quicker than two for each part, until the copy itself is what takes the time.
  if (total > mostCopiedBytes) return hmacInSteps(key, parts);
  const all = Buffer.allocUnsafe(total);
  let at = 0;
  for (const part of parts) {
    at = all.writeUInt32BE(part.byteLength, at);
    all.set(part, at);
    at += part.byteLength;
  }
  return createHmac("sha256", key).update(all).digest();
}

const mostCopiedBytes = 4096;

function hmacInSteps(key: SymmetricKey | Uint8Array, parts: readonly Uint8Array[]): Buffer {
  const mac = createHmac("sha256", key);
  for (const part of parts) {
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32BE(part.byteLength);
    mac.update(length).update(part);
  }
  return mac.digest();
}

/** A key of 32 bytes made of another by HKDF-SHA-256 (RFC 5869) without salt; `label` says what for. */
export function deriveKey(key: SymmetricKey, label: string): SymmetricKey {
  const material = keyBytes(key);
  const derived = Buffer.from(hkdfSync("sha256", material, new Uint8Array(0), Buffer.from(label, "utf8"), symmetricKeyBytes));
  const result = symmetricKey(derived);
  material.fill(0);
  derived.fill(0);
  return result;
}

/** Whether both are the same bytes, in a time that tells nothing about where they differ. Unequal lengths are unequal; they do not throw. */
export function constantTimeEqual(left: Uint8Array, right: Uint8Array): boolean {
  // Digests first: `timingSafeEqual` throws on unequal lengths, and an early return would tell the length of the expected one.
  const sameBytes = timingSafeEqual(sha256(left), sha256(right));
  return sameBytes && left.byteLength === right.byteLength;
}

/** The form an API key is kept in (`Credential.apiKeyDigest`): lower-case hex SHA-256. Enough for 256 random bits; not for a password. */
export function apiKeyDigest(apiKey: SecretBytes): string {
  return sha256Hex(apiKey.reveal());
}

/** Whether the key has this digest. Without a digest the same work is done for nothing and the answer is false, so that time does not tell. */
export function matchesApiKey(apiKey: SecretBytes, digest: string | undefined): boolean {
  const presented = Buffer.from(apiKeyDigest(apiKey), "utf8");
  const equal = constantTimeEqual(presented, Buffer.from(digest ?? noDigest, "utf8"));
  return equal && digest !== undefined;
}

/** Hashes a password with Argon2id (19 MiB, two passes; about 30 ms, off the event loop). Throws `malformed` for an empty one. */
export async function hashPassword(password: SecretBytes): Promise<string> {
  if (password.byteLength === 0) throw new PosternError({ code: "malformed", where: "password", expected: "a password", kind: "missing" });
  return Bun.password.hash(password.reveal(), argon2);
}

/**
 * Whether the password has this hash. Without a hash (no such role, or one without a password) a dummy is checked and the answer is false, in the same
 * time. Also false for an empty password, and for a hash that cannot be read.
 */
export async function verifyPassword(password: SecretBytes, hash: string | undefined): Promise<boolean> {
  // The library answers at once for an empty password; one byte costs the same time as any other.
  const attempt = password.byteLength === 0 ? emptyAttempt : password.reveal();
  const matches = await Bun.password.verify(attempt, hash ?? dummyHash).catch(() => false);
  return matches && hash !== undefined && password.byteLength > 0;
}

const argon2 = { algorithm: "argon2id", memoryCost: 19 * 1024, timeCost: 2 } as const;
const emptyAttempt = Buffer.from([0]);
const noDigest = "0".repeat(64);
// Of a random password that nobody kept.
const dummyHash = "$argon2id$v=19$m=19456,t=2,p=1$382bdYs6xA/cJ8qi0rkqxPVTa61crw8+aKSyK9BFxX0$6+CtWH/merAx1sA5C4KB3vNJYOjOZhLkcQDwJaF5FPY";
