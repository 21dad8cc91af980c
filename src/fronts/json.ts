/**
 * JSON from outside: bounded in depth and size before it is parsed, and no member named twice.
 *
 * A parser keeps one of two equal names without a word, so a text with both can tell two readers two things.
 */

import { PosternError } from "../model/failures";
import { textOf } from "./form";

const maxDepth = 32;
const maxMembers = 10_000;

/** The parsed body. Throws `malformed`; the text is never quoted, since it may hold a credential. */
export function jsonOf(body: Uint8Array): unknown {
  const text = textOf(body, "body");
  assertBounded(text);
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, so it is not kept as the cause.
    throw malformed("JSON");
  }
}

/**
 * Counts before anything is built; what is not JSON at all may pass here and fails in the parser. A loop over the characters, because a regular
 * expression can be made to look at them quadratically often.
 */
function assertBounded(text: string): void {
  const open: Set<string>[] = [];
  let members = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === '"') {
      const end = endOfString(text, at);
      if (isName(text, end)) addName(open.at(-1), text.slice(at, end));
      at = end - 1;
    }
    if (character === "{" || character === "[") open.push(new Set());
    if (character === "}" || character === "]") open.pop();
    if (character === ",") members += 1;
    if (open.length > maxDepth) throw malformed(`JSON of at most ${maxDepth} levels`);
    if (members > maxMembers) throw malformed(`JSON of at most ${maxMembers} members`);
  }
}

/** The position after the closing quote of the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text.charAt(at) === "\\") at += 1;
    else if (text.charAt(at) === '"') return at + 1;
  }
  return text.length;
}

/** Whether a colon follows, which in valid JSON comes after names alone. */
function isName(text: string, end: number): boolean {
  let at = end;
  while (" \t\r\n".includes(text.charAt(at)) && at < text.length) at += 1;
  return text.charAt(at) === ":";
}

/** A name may be spelled with escapes: `"\u006awt"` is `jwt`. */
function addName(names: Set<string> | undefined, quoted: string): void {
  const name = quoted.includes("\\") ? unescaped(quoted) : quoted.slice(1, -1);
  if (names?.has(name) === true) throw malformed("JSON without repeated members");
  names?.add(name);
}

function unescaped(quoted: string): string {
  try {
    return String(JSON.parse(quoted));
  } catch {
    throw malformed("JSON");
  }
}

function malformed(expected: string): PosternError {
  return new PosternError({ code: "malformed", where: "body", expected });
}
