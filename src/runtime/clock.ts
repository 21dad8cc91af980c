/** The only reading of the time. */

import type { Clock, Logger } from "../model/ports";

export function createClock(): Clock {
  return { now: () => Date.now(), monotonicMs: () => performance.now() };
}

export interface ClockWatch {
  readonly clock: Clock;
  readonly meter: { clockStepped(milliseconds: number): void };
  readonly logger: Logger;
  /** Calls again and again until what it returns is called. Default: every second, by a timer that keeps no process alive. */
  readonly repeat?: (look: () => void) => () => void;
}

const lookMs = 1000;
const noticeableStepMs = 1000;

/**
 * Compares the wall clock with the one that cannot be set, and reports steps of a second and more; a machine that was suspended has made one as well.
 * Stop it with what it returns.
 */
export function watchClock({ clock, meter, logger, repeat = everySecond }: ClockWatch): () => void {
  let difference = clock.now() - clock.monotonicMs();
  return repeat(() => {
    const present = clock.now() - clock.monotonicMs();
    const stepMs = present - difference;
    difference = present;
    if (Math.abs(stepMs) < noticeableStepMs) return;
    meter.clockStepped(stepMs);
    logger.warn("clock_stepped", { milliseconds: Math.round(stepMs) });
  });
}

function everySecond(look: () => void): () => void {
  const timer = setInterval(look, lookMs);
  timer.unref();
  return () => clearInterval(timer);
}
