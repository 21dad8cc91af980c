/** Of interleaved rounds, the middle one: a neighbour on the machine spoils rounds, and rarely most of them. */

import type { LoadResult } from "./load-spec";

/** NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

export interface Summary {
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly cpuUs: number;
}

/** Member by member. */
export function summaryOf(rounds: readonly LoadResult[]): Summary {
  return {
    perSecond: median(rounds.map(({ requests, seconds }) => requests / seconds)),
    p50Us: median(rounds.map(({ p50Us }) => p50Us)),
    p99Us: median(rounds.map(({ p99Us }) => p99Us)),
    cpuUs: median(rounds.map(({ cpuUsPerRequest }) => cpuUsPerRequest)),
  };
}
