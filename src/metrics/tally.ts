/** A counter with two labels that costs a request next to nothing: plain numbers, handed to the library when somebody asks. */

import { Counter, type Registry } from "prom-client";

export interface Tally {
  add(first: string, second: string): void;
}

export interface TallyOptions {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly [string, string];
  readonly registry: Registry;
}

// Values of labels come from the code. Should one ever come from outside, it must not fill the memory.
const maxFirstValues = 100;
const overflow = "other";

export function createTally({ name, help, labelNames, registry }: TallyOptions): Tally {
  const [firstName, secondName] = labelNames;
  const counts = new Map<string, Map<string, number>>();
  // Registered by being made.
  new Counter({
    name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const [first, bySecond] of counts) {
        for (const [second, count] of bySecond) this.inc({ [firstName]: first, [secondName]: second }, count);
      }
    },
  });

  function seconds(first: string): Map<string, number> {
    const known = counts.get(first);
    if (known !== undefined) return known;
    if (counts.size >= maxFirstValues && first !== overflow) return seconds(overflow);
    const made = new Map<string, number>();
    counts.set(first, made);
    return made;
  }

  return {
    add(first, second) {
      const bySecond = seconds(first);
      bySecond.set(second, (bySecond.get(second) ?? 0) + 1);
    },
  };
}
