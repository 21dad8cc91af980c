/**
 * How much is read at once. Rows come back packed into one cell (`engine.ts`), of which SQLite allows a thousand million bytes; a log of large policy loads,
 * read by the count of its rows alone, would pass that and never open again.
 */

import type { Engine, SqlValue } from "./engine";

const rowsAtOnce = 512;
const bytesAtOnce = 16 * 2 ** 20;

export interface PageSize {
  /** At least one while there are any rows, whatever its size. */
  readonly count: number;
  readonly isLast: boolean;
}

/**
 * How many of the next rows make a page. `from` selects them in order, without a LIMIT; `bytes` is what each of them measures, as SQL: `length(body)`, which
 * SQLite knows without reading the body.
 */
export async function nextPage(
  engine: Pick<Engine, "select">,
  { bytes, from, args }: { readonly bytes: string; readonly from: string; readonly args: readonly SqlValue[] },
): Promise<PageSize> {
  const rows = await engine.select({ integers: [bytes], blobs: [], from: `${from} LIMIT ?`, args: [...args, rowsAtOnce] });
  let total = 0;
  const tooMany = rows.findIndex(({ integers: [size = 0] }) => {
    total += Math.max(size, 0);
    return total > bytesAtOnce;
  });
  const count = tooMany < 0 ? rows.length : Math.max(tooMany, 1);
  return { count, isLast: count === rows.length && rows.length < rowsAtOnce };
}
