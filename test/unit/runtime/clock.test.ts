import { expect, test } from "bun:test";
import { watchClock } from "../../../src/runtime/clock";
import { createLogKeeper } from "../../support/fake-issuer";
import { createTestClock } from "../../support/house";

/** A watch that looks when it is told to, and what it reported. */
function watch() {
  const clock = createTestClock();
  const logger = createLogKeeper();
  const steps: number[] = [];
  let look: (() => void) | undefined;
  const stop = watchClock({
    clock,
    logger,
    meter: { clockStepped: (milliseconds) => void steps.push(milliseconds) },
    repeat(given) {
      look = given;
      return () => {
        look = undefined;
      };
    },
  });
  const step = (ms: number): void => clock.setWall(clock.now() + ms);
  return { clock, logger, steps, stop, step, look: () => look?.() };
}

const year = 365 * 86_400_000;

test("a step of the wall clock is reported once, with its direction, and its way back as another", () => {
  const { clock, logger, steps, step, look } = watch();
  for (const ms of [year, -year, -year, year, 1000, -1000]) {
    step(ms);
    for (let second = 0; second < 3; second += 1) {
      clock.advance(1000);
      look();
    }
  }
  expect(steps).toEqual([year, -year, -year, year, 1000, -1000]);
  expect(logger.lines[1]).toEqual({ level: "warn", event: "clock_stepped", fields: { milliseconds: -year } });
});

test("a clock that is steered is not reported, however far it comes; nor time in which nobody looked", () => {
  const { clock, steps, step, look } = watch();
  for (let second = 0; second < 3600; second += 1) {
    clock.advance(1000);
    step(999);
    look();
  }
  clock.advance(year);
  look();
  expect(steps).toEqual([]);
});

test("nothing looks at the clock after the end", () => {
  const { steps, stop, step, look } = watch();
  stop();
  step(year);
  look();
  expect(steps).toEqual([]);
});
