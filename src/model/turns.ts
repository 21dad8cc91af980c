/** Lets a bounded number of things run at once; the others wait for their turn, first come first served. */

import { PosternError } from "./failures";

export type Turns = <Result>(work: () => Promise<Result>) => Promise<Result>;

/** `mostWaiting`: whoever comes when so many wait already is sent away. Throws `throttled` for them. Default: no bound. */
export function createTurns(most: number, mostWaiting = Number.POSITIVE_INFINITY): Turns {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= most && waiting.length >= mostWaiting)
      throw new PosternError({ code: "throttled", retryAfterSeconds: 1, because: "turns" });
    if (running < most) running += 1;
    // Whoever ends hands their place over, so it is never free in between.
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
