import { expect, test } from "bun:test";
import { createTurns } from "../../../src/model/turns";

test("no more run at once than may, all get their turn in order, and a failure frees its place", async () => {
  const turns = createTurns(3);
  let running = 0;
  let most = 0;
  const order: number[] = [];
  const work = (at: number) => async (): Promise<number> => {
    running += 1;
    most = Math.max(most, running);
    order.push(at);
    await Bun.sleep(0);
    running -= 1;
    if (at % 4 === 0) throw new Error("failed");
    return at;
  };
  const all = await Promise.allSettled(Array.from({ length: 20 }, (_, at) => turns(work(at))));
  expect(most).toBe(3);
  expect(order).toEqual(Array.from({ length: 20 }, (_, at) => at));
  expect(all.filter(({ status }) => status === "rejected").length).toBe(5);
  expect(await turns(async () => "later")).toBe("later");
});
