/**
 * Names as paths have them, made identifiers of ours and back. Almost all are both; the others are percent-escaped, so that no two names share an identifier.
 *
 *   app/db        → app/db
 *   back\slash    → back%5Cslash
 *   100%25        → 100%2525       a percent sign that looks like an escape is one itself
 *   e\u0301 (not in normal form C) → e%CC%81
 */

import { PosternError } from "../../model/failures";
import { identifierProblem } from "../../model/ids";

const controlOrBackslash = /[\p{Cc}\\\uFFFD]/gu;
const notAscii = /[^\0-\x7f]/gu;
const outerSpace = /^\s+|\s+$/gu;
const looksEscaped = /%(?=[0-9A-F]{2})/gu;
const escapes = /(?:%[0-9A-F]{2})+/gu;

/**
 * The identifier of a name, segment by segment. Throws `malformed` for an empty name or segment, `.` and `..`, half a surrogate pair, and what is too long
 * for an identifier.
 */
export function escapedName(name: string): string {
  const escaped = name.split("/").map(escapedSegment).join("/");
  const problem = name.isWellFormed() ? identifierProblem(escaped) : "is not valid Unicode";
  if (problem === undefined) return escaped;
  const says = `invalid path: it ${problem}`;
  throw new PosternError({ code: "malformed", where: "path", expected: `a name; it ${problem}`, kind: "argument", says });
}

/** The name of one segment of an identifier; undefined for one that no name is escaped to, such as `%41`. */
export function nameOfSegment(segment: string): string | undefined {
  const name = segment.replace(escapes, (found) => Buffer.from(found.replaceAll("%", ""), "hex").toString("utf8"));
  return escapedSegment(name) === segment ? name : undefined;
}

function escapedSegment(segment: string): string {
  const plain = segment.replace(looksEscaped, "%25").replace(controlOrBackslash, escapeOf).replace(outerSpace, escapeOf);
  return plain === plain.normalize("NFC") ? plain : plain.replace(notAscii, escapeOf);
}

function escapeOf(text: string): string {
  return [...Buffer.from(text, "utf8")].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("");
}
