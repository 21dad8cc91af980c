/** Ids as Azure makes them, drawn from the given source: the same seed gives the same ids. */

import type { Random } from "../../model/ports";

/** A random GUID in lower case. */
export function guid(random: Random): string {
  const bytes = Buffer.from(random.bytes(16));
  bytes.writeUInt8(((bytes[6] ?? 0) & 0x0f) | 0x40, 6);
  bytes.writeUInt8(((bytes[8] ?? 0) & 0x3f) | 0x80, 8);
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Lower-case hexadecimal digits, as in the instance names of flexible scale sets. */
export function hexId(random: Random, length: number): string {
  return Buffer.from(random.bytes(Math.ceil(length / 2)))
    .toString("hex")
    .slice(0, length);
}

/** An opaque base64url text of so many bytes: `uti`, `aio`, challenge secrets. */
export function opaque(random: Random, bytes: number): string {
  return Buffer.from(random.bytes(bytes)).toString("base64url");
}
