import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { byText, sortedPage } from "../../../src/core/sorted-page";

const byNumber = (left: number, right: number): number => left - right;

describe("a page of an unsorted list", () => {
  test("is what sorting all of it and cutting gives, whatever the list and the page", async () => {
    const page = fc.record({
      items: fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 80 }),
      offset: fc.option(fc.integer({ min: 0, max: 90 }), { nil: undefined }),
      limit: fc.option(fc.integer({ min: 0, max: 90 }), { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(page, async ({ items, offset, limit }) => {
        const isWanted = (item: number): boolean => item % 3 !== 0;
        const wanted = items.filter(isWanted).sort(byNumber);
        const from = offset ?? 0;
        const got = await sortedPage(items, {
          order: byNumber,
          isWanted,
          ...(offset === undefined ? {} : { offset }),
          ...(limit === undefined ? {} : { limit }),
        });
        expect(got).toEqual({ items: wanted.slice(from, limit === undefined ? undefined : from + limit), total: wanted.length });
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  test.each([
    [0, 100],
    [5000, 10],
    [149_990, 100],
    [0, undefined],
    [70_000, 40_000],
  ])("of a long list from %p, so many: %p", async (offset, limit) => {
    // Every number below 150,000 once, far from in order: 7919 and 150,000 share no divisor.
    const items = Array.from({ length: 150_000 }, (_, index) => (index * 7919) % 150_000);
    const { items: got, total } = await sortedPage(items, { order: byNumber, offset, ...(limit === undefined ? {} : { limit }) });
    const length = Math.min(limit ?? Number.POSITIVE_INFINITY, 150_000 - offset);
    expect([total, got.length, got[0], got.at(-1)]).toEqual([150_000, length, offset, offset + length - 1]);
    expect(got.every((each, index) => each === offset + index)).toBe(true);
  });

  test("lets others have their turn meanwhile", async () => {
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      turns += 1;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    const items = Array.from({ length: 100_000 }, (_, index) => `v${(index * 7919) % 100_000}`);
    await sortedPage(items, { order: byText });
    isDone = true;
    // Fifty slices of the walk, twenty-five runs, and the merges.
    expect(turns).toBeGreaterThan(70);
  });
});
