/** What a loader should hear though the load goes through. */

/** Notes something about a line. */
export type Warn = (line: number, text: string) => void;

export interface Warnings {
  readonly warn: Warn;
  add(text: string): void;
  /** Each once, in the order found; the last one counts those left out. */
  list(): readonly string[];
}

// A load of thousands of rows of another branch has one thing to say, not thousands.
const maxWarnings = 100;

export function createWarnings(): Warnings {
  const found = new Set<string>();
  let leftOut = 0;
  const add = (text: string): void => {
    if (found.size < maxWarnings) found.add(text);
    else if (!found.has(text)) leftOut += 1;
  };
  return {
    add,
    warn: (line, text) => add(`Line ${line}: ${text}`),
    list() {
      return leftOut === 0 ? [...found] : [...found, `${leftOut} more warnings are left out`];
    },
  };
}
