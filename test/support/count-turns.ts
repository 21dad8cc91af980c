/** Whether long work lets others be served in between. */

/** Counts how often others get their turn. */
export function countTurns(): { stop(): number } {
  let turns = 0;
  let isOver = false;
  const next = (): void => {
    turns += 1;
    if (!isOver) setImmediate(next);
  };
  setImmediate(next);
  return {
    stop() {
      isOver = true;
      return turns;
    },
  };
}
