/**
 * The part of HCL 1 that policies are written in: blocks with labels, `key = value`, lists, maps, texts, heredocs, numbers, comments.
 *
 *   path "secret/*" { capabilities = ["read"] }   →   [{ key: "path", labels: ["secret/*"], value: { … }, line: 1 }]
 *
 * One pass over the text, bounded in depth. Source: github.com/hashicorp/hcl v1.0, hcl/scanner and hcl/parser.
 */

import { PosternError } from "../../model/failures";

export interface HclItem {
  readonly key: string;
  readonly labels: readonly string[];
  readonly value: HclValue;
  readonly line: number;
}

export type HclValue = string | number | boolean | readonly HclValue[] | HclObject;

export interface HclObject {
  readonly items: readonly HclItem[];
}

const maxDepth = 16;
/** Keys and values in one text. Reading as many takes some hundredths of a second, during which nobody else is served. */
const maxParts = 100_000;

/** Throws `malformed` with line and column. Nothing of the text is quoted but single characters. */
export function parseHcl(text: string): readonly HclItem[] {
  // Made once for each text, for they remember where they stand.
  const blanks = /[ \t\r\n]+/y;
  const plainText = /[^"\\\n]+/y;
  const words = /[A-Za-z_][\w.-]*/y;
  let at = 0;
  let depth = 0;
  let parts = 0;

  function fail(expected: string, where = at): never {
    const before = text.slice(0, where);
    const line = lineAt(where);
    const column = where - (before.lastIndexOf("\n") + 1) + 1;
    throw new PosternError({
      code: "malformed",
      where: "policy",
      expected,
      kind: "argument",
      says: `At ${line}:${column}: expected ${expected}`,
    });
  }

  let lineStart = 0;
  let lineNumber = 1;

  /** Asked for places further and further on, mostly, so that the text is not counted again each time. */
  function lineAt(where: number): number {
    if (where < lineStart) {
      lineStart = 0;
      lineNumber = 1;
    }
    for (let next = text.indexOf("\n", lineStart); next >= 0 && next < where; next = text.indexOf("\n", lineStart)) {
      lineNumber += 1;
      lineStart = next + 1;
    }
    return lineNumber;
  }

  function skipBlank(): void {
    for (;;) {
      past(blanks);
      const character = text.charAt(at);
      if (character === "#" || text.startsWith("//", at)) at = endOf("\n", text.length);
      else if (text.startsWith("/*", at)) {
        const start = at;
        at += 2;
        at = endOf("*/", -1);
        if (at < 0) fail("the end of the comment", start);
        at += 2;
      } else return;
    }
  }

  /** Where the mark stands next, or `otherwise`. */
  function endOf(mark: string, otherwise: number): number {
    const found = text.indexOf(mark, at);
    return found < 0 ? otherwise : found;
  }

  /** What stands here and fits, which is then behind; undefined, and nothing moved, when it does not. */
  function past(pattern: RegExp): string | undefined {
    pattern.lastIndex = at;
    const match = pattern.exec(text)?.[0];
    if (match !== undefined) at += match.length;
    return match;
  }

  const word = (): string | undefined => past(words);

  function quoted(): string {
    const start = at;
    let out = "";
    at += 1;
    for (;;) {
      out += past(plainText) ?? "";
      const character = text.charAt(at);
      if (character === "" || character === "\n") return fail("the end of the text", start);
      if (character === '"') break;
      out += escaped();
    }
    at += 1;
    return out;
  }

  function escaped(): string {
    const simple = { n: "\n", t: "\t", r: "\r", a: "\u0007", b: "\b", f: "\f", v: "\v", "\\": "\\", '"': '"' }[text.charAt(at + 1)];
    if (simple !== undefined) {
      at += 2;
      return simple;
    }
    const coded = /\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([0-7]{3}))/y;
    coded.lastIndex = at;
    const [whole = "", hex, short, long, octal] = coded.exec(text) ?? [];
    const point = octal === undefined ? Number.parseInt(hex ?? short ?? long ?? "", 16) : Number.parseInt(octal, 8);
    if (Number.isNaN(point) || point > 0x10ffff) return fail("an escape such as \\n");
    at += whole.length;
    return String.fromCodePoint(point);
  }

  function heredoc(): string {
    const opening = /<<(-?)([A-Za-z0-9_]{1,64})\r?\n/y;
    opening.lastIndex = at;
    const [whole, dash, mark = ""] = opening.exec(text) ?? [];
    if (whole === undefined) return fail("a heredoc such as <<EOF");
    const start = at;
    at += whole.length;
    const lines: string[] = [];
    for (;;) {
      if (at >= text.length) return fail(`the end of the heredoc`, start);
      const end = endOf("\n", text.length);
      const line = text.slice(at, end);
      at = Math.min(end + 1, text.length);
      if (line.trim() === mark) break;
      lines.push(line.replace(/\r$/, ""));
    }
    return `${(dash === "-" ? lines.map((line) => line.trimStart()) : lines).join("\n")}\n`;
  }

  function count(): void {
    parts += 1;
    if (parts > maxParts) fail(`at most ${maxParts} keys and values`);
  }

  function value(): HclValue {
    count();
    skipBlank();
    const character = text.charAt(at);
    if (character === '"') return quoted();
    if (character === "[") return list();
    if (character === "{") return object();
    if (character === "<") return heredoc();
    const digits = past(/[+-]?(?:0x[0-9A-Fa-f]{1,12}|\d{1,15}(?:\.\d{1,15})?(?:[eE][+-]?\d{1,3})?)/y);
    if (digits !== undefined) return Number(digits);
    const start = at;
    const found = word();
    if (found === "true" || found === "false") return found === "true";
    return fail("a value", start);
  }

  function deeper<Result>(read: () => Result): Result {
    depth += 1;
    if (depth > maxDepth) fail(`at most ${maxDepth} levels`);
    const result = read();
    depth -= 1;
    return result;
  }

  function list(): readonly HclValue[] {
    return deeper(() => {
      const found: HclValue[] = [];
      at += 1;
      for (;;) {
        skipBlank();
        if (text.charAt(at) === "]") break;
        found.push(value());
        skipBlank();
        if (text.charAt(at) === ",") at += 1;
        else if (text.charAt(at) !== "]") fail("a comma or the end of the list");
      }
      at += 1;
      return found;
    });
  }

  function object(): HclObject {
    return deeper(() => {
      at += 1;
      const found = items("}");
      at += 1;
      return { items: found };
    });
  }

  /** Up to the mark, which is left for whoever opened it. */
  function items(end: string): readonly HclItem[] {
    const found: HclItem[] = [];
    for (;;) {
      skipBlank();
      const character = text.charAt(at);
      if (character === end) return found;
      if (character === "") return fail(end === "" ? "a key" : `the closing ${end}`);
      found.push(item());
      skipBlank();
      if (text.charAt(at) === ",") at += 1;
    }
  }

  function item(): HclItem {
    count();
    const line = lineAt(at);
    const key = text.charAt(at) === '"' ? quoted() : (word() ?? fail("a key"));
    const labels: string[] = [];
    for (;;) {
      skipBlank();
      const character = text.charAt(at);
      if (character === "=") {
        at += 1;
        return { key, labels, value: value(), line };
      }
      if (character === "{") return { key, labels, value: object(), line };
      labels.push(character === '"' ? quoted() : (word() ?? fail("'=' or '{'")));
    }
  }

  return items("");
}
