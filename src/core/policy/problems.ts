/**
 * What is wrong with a policy text, gathered: a load reports all that can be found at once.
 */

import type { PolicyProblem } from "../../model/failures";
import type { Position } from "./nodes";

/** `language`: the text is wrong. `reference`: it names something absent. `deletion`: it removes where only additions are allowed. */
export type ProblemKind = "language" | "reference" | "deletion";

/** What to write instead; as a function when it takes thought, which problems that are dropped are not worth. */
export type Advice = string | undefined | (() => string | undefined);

export interface Problems {
  /** Notes a problem once per place and message; beyond a hundred they are dropped. Returns nothing, so that a reader can return with it. */
  report(at: Position, message: string, advice?: Advice, kind?: ProblemKind): undefined;
  readonly isEmpty: () => boolean;
  /** Whether a further problem would be dropped. */
  readonly isFull: () => boolean;
  /** In the order of the text, with the kind of the gravest: a wrong text before a wrong reference. */
  list(): { readonly kind: ProblemKind; readonly problems: readonly PolicyProblem[] };
}

// One damaged line can make every following line wrong; nobody reads more than this.
const maxProblems = 100;

export function createProblems(): Problems {
  const found = new Map<string, PolicyProblem & Position>();
  const kinds = new Set<ProblemKind>();
  return {
    report(at, message, advice, kind = "language") {
      const key = `${at.line}:${at.column}:${message}`;
      if (found.size >= maxProblems || found.has(key)) return undefined;
      kinds.add(kind);
      const said = typeof advice === "function" ? advice() : advice;
      found.set(key, { message, line: at.line, column: at.column, ...(said === undefined ? {} : { advice: said }) });
      return undefined;
    },
    isEmpty: () => found.size === 0,
    isFull: () => found.size >= maxProblems,
    list() {
      const problems = [...found.values()].sort((a, b) => a.line - b.line || a.column - b.column);
      const kind = kinds.has("language") || kinds.size === 0 ? "language" : kinds.has("deletion") ? "deletion" : "reference";
      return { kind, problems };
    },
  };
}

/** Text of unknown origin for a message: control characters escaped, cut at 120 characters. */
export function printable(text: string): string {
  const cut = text.length > 120 ? `${text.slice(0, 117)}...` : text;
  return cut.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u{${code.toString(16)}}`;
  });
}

/** `did you mean 'privileges'?` for the nearest of the words, when one is near enough to be a slip of the fingers. */
export function didYouMean(word: string, words: Iterable<string>): string | undefined {
  const limit = word.length < 5 ? 1 : 2;
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of words) {
    if (Math.abs(candidate.length - word.length) > limit) continue;
    const distance = editDistance(word.toLowerCase().replaceAll("_", "-"), candidate.toLowerCase().replaceAll("_", "-"));
    const isNearer = distance < bestDistance || (best !== undefined && distance === bestDistance && candidate.length > best.length);
    if (!isNearer) continue;
    best = candidate;
    bestDistance = distance;
  }
  return best === undefined ? undefined : `did you mean '${best}'?`;
}

/** Levenshtein's distance, a swap of neighbours counted as one. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let distance = Math.min(substitution, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) distance = Math.min(distance, (beforeLast[j - 2] ?? 0) + 1);
      row.push(distance);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
