/** The only reading of the time. */

import type { Clock } from "../model/ports";

export function createClock(): Clock {
  return { now: () => Date.now(), monotonicMs: () => performance.now() };
}
