import { describe, expect, test } from "bun:test";
import { within } from "../../../src/server/machine-tokens";

const late = (): never => {
  throw new Error("late");
};

describe("a bound on how long work may take", () => {
  test("gives what the work gives", async () => {
    expect(await within(60_000, Promise.resolve(1), late)).toBe(1);
  });

  test("throws what the work throws", async () => {
    expect(within(60_000, Promise.reject(new Error("work")), late)).rejects.toThrow("work");
  });

  test("is late for work that does not end, whatever comes of it then", async () => {
    const { promise, reject } = Promise.withResolvers<number>();
    await expect(within(1, promise, late)).rejects.toThrow("late");
    reject(new Error("work"));
  });
});
