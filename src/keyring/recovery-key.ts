/**
 * The recovery key as people write it down: 32 bytes and a checksum in Crockford's base32, eight groups of seven.
 *
 * Read without regard to case, spaces and hyphens, with O as 0 and I and L as 1. The checksum tells a slip of the pen from a wrong key.
 * Source of the alphabet: https://www.crockford.com/base32.html
 */

import { symmetricKeyBytes } from "../crypto/aead";
import { sha256 } from "../crypto/digest";
import { PosternError } from "../model/failures";
import { SecretBytes } from "../model/secret-bytes";

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const checksumBytes = 3;
const groupLetters = 7;
const letters = ((symmetricKeyBytes + checksumBytes) * 8) / 5;

/** The text for a key: 63 characters, with hyphens. */
export function printRecoveryKey(key: Uint8Array): SecretBytes {
  let value = 0n;
  for (const byte of [...key, ...checksum(key)]) value = (value << 8n) | BigInt(byte);
  const text = Array.from({ length: letters }, (_, index) => alphabet.charAt(Number((value >> BigInt(5 * (letters - 1 - index))) & 31n)));
  const groups = Array.from({ length: letters / groupLetters }, (_, index) =>
    text.slice(groupLetters * index, groupLetters * (index + 1)).join(""),
  );
  return SecretBytes.ofText(groups.join("-"));
}

/** The key of a text. Throws `malformed` for anything that was never printed as one. */
export function parseRecoveryKey(text: SecretBytes): Uint8Array {
  const written = Buffer.from(text.reveal()).toString("latin1").toUpperCase().replace(/[\s-]/gu, "");
  const canonical = written.replace(/O/gu, "0").replace(/[IL]/gu, "1");
  if (canonical.length !== letters) throw malformed();
  let value = 0n;
  for (const letter of canonical) {
    const index = alphabet.indexOf(letter);
    if (index < 0) throw malformed();
    value = (value << 5n) | BigInt(index);
  }
  const bytes = Buffer.from(value.toString(16).padStart(2 * (symmetricKeyBytes + checksumBytes), "0"), "hex");
  const key = bytes.subarray(0, symmetricKeyBytes);
  if (!bytes.subarray(symmetricKeyBytes).equals(checksum(key))) throw malformed();
  return key;
}

function checksum(key: Uint8Array): Buffer {
  return sha256(Buffer.concat([Buffer.from("postern recovery key"), key])).subarray(0, checksumBytes);
}

function malformed(): PosternError {
  return new PosternError({
    code: "malformed",
    where: "recovery key",
    expected: "the eight groups of seven letters and digits that were printed; the checksum finds a slip",
    kind: "argument",
    because: "recovery_key_malformed",
  });
}
