/** Long work on the serving thread, in slices of a few milliseconds with other requests served in between. */

/** So many small steps (a changed fact, a parsed one) take a few milliseconds. */
export const stepsPerSlice = 2000;

/** Resolves after everything that waits on the event loop had its turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
