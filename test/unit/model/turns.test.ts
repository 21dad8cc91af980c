import { expect, test } from "bun:test";
import { createTurns } from "../../../src/model/turns";
import { failureOfWork } from "../../support/failing";

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

test("whoever comes when as many wait as may is sent away, and those who wait are none the worse", async () => {
  const turns = createTurns(1, 2);
  const held = Promise.withResolvers<string>();
  const first = turns(() => held.promise);
  const waiting = [turns(async () => "second"), turns(async () => "third")];
  expect(await failureOfWork(turns(async () => "fourth"))).toMatchObject({ code: "throttled", retryAfterSeconds: 1 });
  held.resolve("first");
  expect(await Promise.all([first, ...waiting])).toEqual(["first", "second", "third"]);
  expect(await turns(async () => "later")).toBe("later");
});
