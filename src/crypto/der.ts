/** Writes DER (X.690): just what a certificate needs. Every function returns one complete element. */

import { PosternError } from "../model/failures";
import type { Instant } from "../model/types";

export function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return element(0x30, ...parts);
}

export function setOf(...parts: readonly Uint8Array[]): Uint8Array {
  return element(0x31, ...parts);
}

/** A non-negative INTEGER from big-endian bytes. */
export function integer(magnitude: Uint8Array): Uint8Array {
  const first = magnitude.findIndex((byte) => byte !== 0);
  const digits = first < 0 ? Uint8Array.of(0) : magnitude.subarray(first);
  // A leading bit would read as a sign.
  return (digits[0] ?? 0) >= 0x80 ? element(0x02, Uint8Array.of(0), digits) : element(0x02, digits);
}

export function trueValue(): Uint8Array {
  return element(0x01, Uint8Array.of(0xff));
}

export function nullValue(): Uint8Array {
  return element(0x05);
}

export function octetString(content: Uint8Array): Uint8Array {
  return element(0x04, content);
}

/** A BIT STRING. `unused` is how many of the last byte's low bits do not count. */
export function bitString(content: Uint8Array, unused = 0): Uint8Array {
  return element(0x03, Uint8Array.of(unused), content);
}

export function utf8String(text: string): Uint8Array {
  return element(0x0c, Buffer.from(text));
}

/** `1.2.840.10045.4.3.2` → OBJECT IDENTIFIER. */
export function objectId(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return element(0x06, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)));
}

/** A context-specific element: `[number]`, constructed around other elements or primitive around bytes. */
export function tagged(number: number, form: "constructed" | "primitive", content: Uint8Array): Uint8Array {
  return element(0x80 | (form === "constructed" ? 0x20 : 0) | number, content);
}

/** UTCTime up to 2049 and GeneralizedTime from 2050, as RFC 5280 section 4.1.2.5 has it; to the second. */
export function time(at: Instant): Uint8Array {
  const digits = Temporal.Instant.fromEpochMilliseconds(Math.floor(at / 1000) * 1000)
    .toString()
    .replaceAll(/[-:T]/g, "");
  if (!/^\d{14}Z$/.test(digits))
    throw new PosternError({ code: "malformed", where: "time", expected: "a year of four digits", kind: "argument" });
  return digits < "2050" ? element(0x17, Buffer.from(digits.slice(2))) : element(0x18, Buffer.from(digits));
}

function element(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts);
  return Buffer.concat([Uint8Array.of(tag), lengthOf(content.length), content]);
}

function lengthOf(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length);
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Uint8Array.of(0x80 | bytes.length, ...bytes);
}

function base128(value: number): number[] {
  const digits = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) digits.unshift((rest % 128) | 0x80);
  return digits;
}
