/** A page of a long list that stands in no order, filtered and sorted without holding up the thread: other requests are served in between. */

import type { Page } from "./operations";
import { nextTurn, stepsPerSlice } from "./slices";

export type Order<Item> = (left: Item, right: Item) => number;

/** Anything that can be told from what is not there. */
type Sortable = string | number | object;

export interface PageOptions<Item> {
  readonly order: Order<Item>;
  readonly isWanted?: (item: Item) => boolean;
  /** Default 0. */
  readonly offset?: number;
  /** Without one, all that follows `offset`; 0: only the total. */
  readonly limit?: number;
}

/** Up to this length the start of a list is kept sorted while the rest goes by, so that most of it is never sorted at all. */
const longestStart = 20_000;
const runLength = 4000;
/** A step of a merge is a comparison, the lightest of all. */
const mergesPerSlice = 20_000;

export async function sortedPage<Item extends Sortable>(
  found: Iterable<Item>,
  { order, isWanted = () => true, offset = 0, limit }: PageOptions<Item>,
): Promise<Page<Item>> {
  const end = limit === undefined || limit === 0 ? (limit ?? Number.POSITIVE_INFINITY) : offset + limit;
  let candidates: Item[] = [];
  let last: Item | undefined;
  let total = 0;
  let steps = 0;
  for (const item of found) {
    steps += 1;
    if (steps % stepsPerSlice === 0) await nextTurn();
    if (!isWanted(item)) continue;
    total += 1;
    if (end === 0 || (last !== undefined && order(item, last) > 0)) continue;
    candidates.push(item);
    if (end > longestStart || candidates.length < 2 * end + runLength) continue;
    candidates = candidates.sort(order).slice(0, end);
    last = candidates[end - 1];
  }
  return { items: (await sortedInSlices(candidates, order)).slice(offset, end), total };
}

export const byText: Order<string> = (left, right) => (left < right ? -1 : left > right ? 1 : 0);

/** Sorts short runs, and merges them two by two. */
async function sortedInSlices<Item extends Sortable>(items: readonly Item[], order: Order<Item>): Promise<readonly Item[]> {
  let runs: (readonly Item[])[] = [];
  for (let start = 0; start < items.length; start += runLength) {
    if (start > 0) await nextTurn();
    runs.push(items.slice(start, start + runLength).sort(order));
  }
  while (runs.length > 1) {
    const merged: (readonly Item[])[] = [];
    for (let at = 0; at < runs.length; at += 2) merged.push(await mergedInSlices(runs[at] ?? [], runs[at + 1] ?? [], order));
    runs = merged;
  }
  return runs[0] ?? [];
}

async function mergedInSlices<Item extends Sortable>(
  left: readonly Item[],
  right: readonly Item[],
  order: Order<Item>,
): Promise<readonly Item[]> {
  const merged: Item[] = [];
  let fromLeft = 0;
  let fromRight = 0;
  while (merged.length < left.length + right.length) {
    const one: Item | undefined = left[fromLeft];
    const other: Item | undefined = right[fromRight];
    const isOther = one === undefined || (other !== undefined && order(other, one) < 0);
    const next = isOther ? other : one;
    if (next !== undefined) merged.push(next);
    if (isOther) fromRight += 1;
    else fromLeft += 1;
    if (merged.length % mergesPerSlice === 0) await nextTurn();
  }
  return merged;
}
