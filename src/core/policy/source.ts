/**
 * A policy text by offsets, lines and columns.
 */

import type { Position } from "./nodes";

export interface Source {
  readonly text: string;
  at(offset: number): Position;
  /** The text of a line, counted from 1, without its break; "" beyond the end. */
  lineText(line: number): string;
}

export function createSource(text: string): Source {
  const starts = [0];
  for (let offset = text.indexOf("\n"); offset >= 0; offset = text.indexOf("\n", offset + 1)) starts.push(offset + 1);
  return {
    text,
    at(offset) {
      const line = Math.max(countBelow(starts, offset), 1);
      return { line, column: offset - (starts[line - 1] ?? 0) + 1 };
    },
    lineText(line) {
      const start = starts[line - 1];
      if (start === undefined) return "";
      return text.slice(start, (starts[line] ?? text.length + 1) - 1).replace(/\r$/, "");
    },
  };
}

/** How many of the ascending numbers are at or below the limit. */
export function countBelow(ascending: readonly number[], limit: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] ?? 0) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

export interface DecodedText {
  readonly text: string;
  /** The first byte that is not UTF-8, or the first character that YAML does not allow. */
  readonly foreign?: { readonly offset: number; readonly message: string };
}

export function decodeText(bytes: Uint8Array): DecodedText {
  const text = new TextDecoder().decode(bytes);
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return { text, foreign: { offset: Math.max(text.indexOf("\uFFFD"), 0), message: "The policy is not valid UTF-8" } };
  }
  const offset = text.search(/[^\P{Cc}\t\n\r\u0085]/u);
  return offset < 0 ? { text } : { text, foreign: { offset, message: "The policy contains a control character" } };
}
