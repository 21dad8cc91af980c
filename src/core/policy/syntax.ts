/**
 * What to say about a text that is not YAML: the line, and what most likely happened to it.
 *
 * Policies travel through web pages, word processors and chat windows, which turn quotes, dashes, ampersands and indentation into look-alikes.
 */

import type { Position } from "./nodes";

interface SyntaxProblem {
  readonly message: string;
  readonly advice?: string;
  readonly column: number;
}

/** The damage that shows in one line, or undefined. */
export function adviceForLine(line: string): string | undefined {
  if (/^\s*[\u2010-\u2015\u2212]/u.test(line)) return "the dash at the beginning of the line is not a hyphen; write '-'";
  if (/^ *\t/.test(line)) return "the line is indented with a tab; write spaces";
  if (/[\u00A0\u2007\u202F\u3000\u200B-\u200D\u2060]/u.test(line)) return "the line contains a special kind of space; write plain spaces";
  if (/[\u2018-\u201F\u00AB\u00BB]/u.test(line)) return "the quotation marks are typographic; write straight ones, or none";
  if (/&(amp|lt|gt|quot|nbsp|#\d+|#x[0-9a-f]+);/i.test(line)) return "the line contains HTML escapes; write the characters themselves";
  return undefined;
}

/** A parser's error as a sentence about the policy, with advice where the damage is a usual one. */
export function syntaxProblem(code: string, message: string, at: Position, lineText: (line: number) => string): SyntaxProblem {
  const line = lineText(at.line);
  const indentation = line.length - line.trimStart().length;
  const column = Math.max(at.column, indentation + 1);
  const advice = adviceForLine(line) ?? adviceForLine(lineText(at.line + 1)) ?? adviceForCode(code, line, lineText(at.line + 1));
  const sentence = /end with|closing/.test(message) ? "what begins here is never closed" : (sentences.get(code) ?? message);
  return { message: `YAML: ${sentence}`, column, ...(advice === undefined ? {} : { advice }) };
}

const sentences: ReadonlyMap<string, string> = new Map([
  ["TAB_AS_INDENT", "a tab cannot indent a line"],
  ["BLOCK_AS_IMPLICIT_KEY", "the line does not fit together with its neighbours"],
  ["MULTILINE_IMPLICIT_KEY", "the line does not fit together with its neighbours"],
  ["BAD_SCALAR_START", "a text that begins with this character must be quoted"],
  ["MULTIPLE_TAGS", "a value can have one tag only"],
  ["MULTIPLE_ANCHORS", "a value can have one anchor only"],
]);

function adviceForCode(code: string, line: string, next: string): string | undefined {
  const isMisplaced = code === "BLOCK_AS_IMPLICIT_KEY" || code === "MULTILINE_IMPLICIT_KEY";
  if (/^\s*-/.test(line) && (isMisplaced || code === "UNEXPECTED_TOKEN")) return "is the line 'body:' missing above?";
  if (isMisplaced && /:\s.*:\s/.test(line)) return "put a value that contains ': ' in quotes";
  if (code === "BAD_INDENT" && /^\s*[^\s:[{]+\/[^\s:]+:/.test(line)) {
    return "is the line 'annotations:' missing above, or the indentation uneven?";
  }
  const isDeeper = next.length - next.trimStart().length > line.length - line.trimStart().length;
  if (isDeeper && /^\s+-\s/.test(next) && code !== "BAD_SCALAR_START") return "is the line 'body:' missing below this one?";
  if (isMisplaced) return "is the line 'annotations:' or 'body:' missing below this one, or the indentation lost?";
  if (code === "UNEXPECTED_TOKEN" && /^\S/.test(line)) return "the attributes of a statement must be indented below it";
  if (code === "BAD_INDENT" && !/[[{]/.test(line)) return "give the attributes of one statement the same indentation";
  if (/[[{]/.test(line)) return "is a bracket or a comma missing?";
  if (code === "MISSING_CHAR" && /["']/.test(line)) return "is a quotation mark missing?";
  return undefined;
}
