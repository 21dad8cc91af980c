/**
 * JSON kept as it is written. Parsing a number and printing it again loses digits (`1.0`, `1e3`, integers above 2^53), so what belongs to somebody else is
 * cut out of its text and put in again, and never rebuilt.
 */

import { isUtf8 } from "node:buffer";

/** Bytes of any kind as members of a JSON object: `s3cret` → `{"value":"s3cret"}`; what is no text → `{"value":"/w==","encoding":"base64"}`. */
export function valueMembers(bytes: Uint8Array): { readonly value: string; readonly encoding?: "base64" } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return isUtf8(bytes) ? { value: buffer.toString("utf8") } : { value: buffer.toString("base64"), encoding: "base64" };
}

/** The members of a JSON object, each value as the text it is written in; undefined when the text is not one object. Of two of the same name the later counts. */
export function membersOf(text: string): ReadonlyMap<string, string> | undefined {
  if (!isObjectText(text)) return undefined;
  const members = new Map<string, string>();
  let at = skipSpace(text, text.indexOf("{") + 1);
  while (text.charAt(at) === '"') {
    const nameEnd = endOfString(text, at);
    const start = skipSpace(text, text.indexOf(":", nameEnd) + 1);
    const end = endOfValue(text, start);
    members.set(String(JSON.parse(text.slice(at, nameEnd))), text.slice(start, end));
    at = skipSpace(text, end);
    if (text.charAt(at) === ",") at = skipSpace(text, at + 1);
  }
  return members;
}

/** Whether the text is one JSON object and nothing else. */
export function isObjectText(text: string): boolean {
  if (text.charAt(skipSpace(text, 0)) !== "{") return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** `{ "a": "1.0" }` → `{"a":1.0}`: the other way round. Each value must be JSON. */
export function objectTextOf(members: ReadonlyMap<string, string>): string {
  return `{${[...members].map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(",")}}`;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && " \t\r\n".includes(text.charAt(at))) at += 1;
  return at;
}

/** The position after the closing quote of the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text.charAt(at) === "\\") at += 1;
    else if (text.charAt(at) === '"') return at + 1;
  }
  return text.length;
}

/** The position after the value that begins at `start`, in a text that is known to be JSON. */
function endOfValue(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === '"') {
      at = endOfString(text, at) - 1;
      if (depth === 0) return at + 1;
    } else if (character === "{" || character === "[") depth += 1;
    else if (character === "}" || character === "]") {
      // Below zero it is the end of the object that the value stands in.
      if (depth <= 1) return depth === 1 ? at + 1 : at;
      depth -= 1;
    } else if (depth === 0 && ", \t\r\n".includes(character)) return at;
  }
  return text.length;
}
