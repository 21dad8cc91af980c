/** The line to the primary: whether it is worth asking there now. Shared by all apps, so that one that waited in vain spares the others. */

import type { Clock, Random } from "../model/ports";

export interface Line {
  /** Not long ago somebody asked in vain. */
  isAway(): boolean;
  /** Whether the last question was answered; undefined before the first. */
  isUp(): boolean | undefined;
  failed(): void;
  /** Calls those who wait for the line's return when it was away. */
  succeeded(): void;
  onReturn(listener: () => void): void;
}

const firstPauseMs = 1000;
const longestPauseMs = 30_000;

export function createLine({ clock, random }: { readonly clock: Clock; readonly random: Random }): Line {
  const listeners: (() => void)[] = [];
  let failures = 0;
  let isUp: boolean | undefined;
  let awayUntilMs = Number.NEGATIVE_INFINITY;
  return {
    isAway: () => clock.monotonicMs() < awayUntilMs,
    isUp: () => isUp,
    failed() {
      isUp = false;
      // Those who asked at the same time failed together: that is one failure.
      if (clock.monotonicMs() < awayUntilMs) return;
      const [share = 0] = random.bytes(1);
      const pauseMs = Math.min(firstPauseMs * 2 ** failures, longestPauseMs);
      failures += 1;
      awayUntilMs = clock.monotonicMs() + pauseMs * (0.5 + share / 510);
    },
    succeeded() {
      const wasAway = failures > 0;
      isUp = true;
      failures = 0;
      awayUntilMs = Number.NEGATIVE_INFINITY;
      if (wasAway) for (const listener of listeners) listener();
    },
    onReturn: (listener) => void listeners.push(listener),
  };
}
