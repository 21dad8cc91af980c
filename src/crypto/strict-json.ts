/**
 * Reads a JSON object that means one thing only: valid UTF-8, one object, and no member named twice anywhere inside.
 *
 * Parsers differ in which of two equal names they keep, so a text with both can tell two readers two things.
 */

import { isUtf8 } from "node:buffer";

export type JsonObject = Readonly<Record<string, unknown>>;

/** The object, or what is wrong with the text. */
export type StrictJson = { readonly object: JsonObject } | { readonly problem: string };

// In valid JSON every string matches whole, and one that a colon follows is a member's name.
const stringsAndBraces = /"([^"\\]*(?:\\.[^"\\]*)*)"(\s*:)?|[{}]/gu;

export function readJsonObject(bytes: Uint8Array): StrictJson {
  if (!isUtf8(bytes)) return { problem: "is not UTF-8" };
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  try {
    const value: unknown = JSON.parse(text);
    if (!isObject(value)) return { problem: "is not a JSON object" };
    // What prints back as the very same text holds every name once; only other spellings need the slow look.
    if (JSON.stringify(value) !== text && repeatsName(text)) return { problem: "names a member twice" };
    return { object: value };
  } catch {
    // Also the stack running out on deep nesting. The parser's message quotes the text, so it is not kept.
    return { problem: "is not JSON" };
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function repeatsName(text: string): boolean {
  const open: Set<string>[] = [];
  for (const [whole, inside, colon] of text.matchAll(stringsAndBraces)) {
    if (whole === "{") open.push(new Set());
    if (whole === "}") open.pop();
    if (inside === undefined || colon === undefined) continue;
    const name: unknown = JSON.parse(`"${inside}"`);
    const names = open.at(-1);
    if (typeof name !== "string" || names === undefined || names.has(name)) return true;
    names.add(name);
  }
  return false;
}
