/** Long work on the serving thread, in slices of a few milliseconds with other requests served in between. */

/** So many small steps (a changed fact, a parsed one) take a few milliseconds. */
export const stepsPerSlice = 2000;

/** Resolves after everything that waits on the event loop had its turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** To be awaited after every step of a long walk: gives the others their turn after so many, and is nothing in between. */
export function createPace(stepsAtOnce = stepsPerSlice): () => Promise<void> {
  let steps = 0;
  return () => {
    steps += 1;
    return steps % stepsAtOnce === 0 ? nextTurn() : atOnce;
  };
}

const atOnce: Promise<void> = Promise.resolve();
