/**
 * AES-256-GCM with a context that is bound, never joined: whatever was sealed under one context does not open under another.
 *
 * Synchronous on purpose: opening a value this way costs 3 µs, through WebCrypto 20 and a turn of the event loop.
 * Nonces are random. A counter would repeat on a cloned machine or a restored snapshot, and a repeated nonce breaks GCM.
 */

import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from "node:crypto";
import { PosternError } from "../model/failures";

/** A key whose bytes are held by the crypto library. */
export type SymmetricKey = KeyObject;

export const symmetricKeyBytes = 32;
/** A fresh one of these, random, for every seal. */
export const nonceBytes = 12;
const tagBytes = 16;
// Made once: the library takes a third of its time for options that it has not seen.
const gcm = { authTagLength: tagBytes };

/** What a sealed thing belongs to. Numbers are non-negative integers. */
export interface AeadContext {
  /** What it is: `secret`, `api_key`, `account_key`. */
  readonly purpose: string;
  /** Which installation: two of them never open each other's data. */
  readonly deployment: string;
  readonly account: string;
  readonly kind: string;
  readonly id: string;
  readonly version: number;
  /** The key that seals, where several can. */
  readonly scopeKey: string;
  readonly generation: number;
  readonly revision: number;
}

/** Takes a copy of the 32 bytes; the caller clears its own. */
export function symmetricKey(bytes: Uint8Array): SymmetricKey {
  if (bytes.byteLength !== symmetricKeyBytes) throw new PosternError({ code: "internal", what: "a key of the wrong length" });
  return createSecretKey(bytes);
}

/** The bytes of a key, in a fresh buffer that the caller clears after use. */
export function keyBytes(key: SymmetricKey): Buffer {
  return key.export();
}

/**
 * The bytes a seal is bound to:
 *
 *   "postern/v1" ‖ 00 ‖ LP(purpose) ‖ LP(deployment) ‖ LP(account) ‖ LP(kind) ‖ LP(id) ‖ U64(version) ‖ LP(scopeKey) ‖ U32(generation) ‖ U64(revision)
 *
 * with LP(x) = the length of x in four bytes, then x as UTF-8; all numbers big-endian. No separator decides anything, for names contain every character.
 */
export function encodeContext(context: AeadContext): Buffer {
  const { purpose, deployment, account, kind, id, version, scopeKey, generation, revision } = context;
  // One allocation, and no more than it takes: this runs for every read of a value. UTF-8 needs at most three bytes for a unit of a string.
  const units = purpose.length + deployment.length + account.length + kind.length + id.length + scopeKey.length;
  const out = Buffer.allocUnsafe(formatMark.byteLength + 6 * 4 + 20 + 3 * units);
  let at = formatMark.copy(out);
  at = writePrefixed(out, purpose, at);
  at = writePrefixed(out, deployment, at);
  at = writePrefixed(out, account, at);
  at = writePrefixed(out, kind, at);
  at = writePrefixed(out, id, at);
  at = writeUnsigned64(out, version, at);
  at = writePrefixed(out, scopeKey, at);
  at = out.writeUInt32BE(generation, at);
  at = writeUnsigned64(out, revision, at);
  return out.subarray(0, at);
}

/** Seals: nonce ‖ ciphertext ‖ tag. `nonce` is twelve fresh random bytes. */
export function sealAead(key: SymmetricKey, nonce: Uint8Array, plain: Uint8Array, context: AeadContext): Buffer {
  if (nonce.byteLength !== nonceBytes) throw new PosternError({ code: "internal", what: "a nonce of the wrong length" });
  const cipher = createCipheriv("aes-256-gcm", key, nonce, gcm);
  cipher.setAAD(encodeContext(context));
  const body = cipher.update(plain);
  const rest = cipher.final();
  return Buffer.concat([nonce, body, rest, cipher.getAuthTag()]);
}

/** Opens what `sealAead` made, or undefined when key, bytes or context are not those it was sealed with. Nothing is returned before the tag holds. */
export function openAead(key: SymmetricKey, sealed: Uint8Array, context: AeadContext): Buffer | undefined {
  if (sealed.byteLength < nonceBytes + tagBytes) return undefined;
  const tagStart = sealed.byteLength - tagBytes;
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, nonceBytes), gcm);
  decipher.setAAD(encodeContext(context));
  decipher.setAuthTag(sealed.subarray(tagStart));
  const plain = decipher.update(sealed.subarray(nonceBytes, tagStart));
  try {
    decipher.final();
  } catch {
    // The only thing `final` reports in this mode is a tag that does not hold; the unauthenticated bytes must not linger.
    plain.fill(0);
    return undefined;
  }
  return plain;
}

/** The length of the text in four bytes, big-endian, then the text as UTF-8. */
export function lengthPrefixed(text: string): Buffer {
  const out = Buffer.allocUnsafe(4 + Buffer.byteLength(text, "utf8"));
  writePrefixed(out, text, 0);
  return out;
}

/** Eight bytes, big-endian. Throws `internal` for anything but an integer from 0 to 2^53 - 1. */
export function unsigned64(value: number): Buffer {
  const out = Buffer.allocUnsafe(8);
  writeUnsigned64(out, value, 0);
  return out;
}

function writePrefixed(out: Buffer, text: string, at: number): number {
  const length = out.write(text, at + 4, "utf8");
  out.writeUInt32BE(length, at);
  return at + 4 + length;
}

function writeUnsigned64(out: Buffer, value: number, at: number): number {
  // A rounded number would bind the wrong thing.
  if (!Number.isSafeInteger(value) || value < 0) throw new PosternError({ code: "internal", what: "a number that cannot be bound" });
  out.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  return out.writeUInt32BE(value % 2 ** 32, at + 4);
}

const formatMark = Buffer.from("postern/v1\0", "utf8");
