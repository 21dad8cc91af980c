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

/** A summary beside the first of several: its share of the first's requests per second, and of its processor time for a request. */
export interface Compared extends Summary {
  readonly speedShare: number;
  readonly cpuShare: number;
}

/** Loads each subject in turn, round after round. Throws without subjects. */
export async function compareInTurn<Subject>(
  subjects: readonly Subject[],
  rounds: number,
  load: (subject: Subject) => Promise<LoadResult>,
): Promise<readonly (Compared & { readonly subject: Subject })[]> {
  const results = subjects.map((subject) => ({ subject, loads: [] as LoadResult[] }));
  for (let round = 0; round < rounds; round += 1) for (const { subject, loads } of results) loads.push(await load(subject));
  const summaries = results.map(({ subject, loads }) => ({ subject, ...summaryOf(loads) }));
  const [first] = summaries;
  if (first === undefined) throw new Error("nothing was measured");
  return summaries.map((each) => ({ ...each, speedShare: each.perSecond / first.perSecond, cpuShare: first.cpuUs / each.cpuUs }));
}
