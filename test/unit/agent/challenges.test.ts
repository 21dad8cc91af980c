import { describe, expect, test } from "bun:test";
import { type Challenges, createChallenges } from "../../../src/agent/challenges";
import { failureOf } from "../../../src/model/failures";
import { SecretBytes } from "../../../src/model/secret-bytes";
import { createTestClock, seededRandom } from "../../support/house";

function setUp() {
  const clock = createTestClock();
  const files = new Map<string, string>();
  const folder = {
    write(name: string, content: string) {
      files.set(name, content);
      return name;
    },
    remove: (name: string) => void files.delete(name),
  };
  const challenges = createChallenges({ folder, clock, random: seededRandom(4) });
  return { clock, files, challenges };
}

/** How many of so many were made. */
function made(challenges: Challenges, count: number, user: number | undefined): number {
  let successes = 0;
  for (let at = 0; at < count; at += 1) {
    try {
      challenges.issue(user);
      successes += 1;
    } catch (error) {
      expect(failureOf(error).code).toBe("throttled");
    }
  }
  return successes;
}

describe("challenges", () => {
  test("for one user are five in a second, however many are asked for, and leave the others theirs", () => {
    const { challenges, clock } = setUp();
    expect(made(challenges, 1000, 3001)).toBe(5);
    expect(made(challenges, 3, 3002)).toBe(3);
    clock.advance(1000);
    expect(made(challenges, 1000, 3001)).toBe(5);
    expect(made(challenges, 1, 3002)).toBe(1);
  });

  test("for one user are 24 at a time, and leave the others theirs", () => {
    const { challenges, clock, files } = setUp();
    let count = 0;
    for (let second = 0; second < 20; second += 1) {
      count += made(challenges, 10, 3001);
      clock.advance(1000);
    }
    expect([count, files.size]).toEqual([24, 24]);
    expect(made(challenges, 1, 3002)).toBe(1);
    clock.advance(30_000);
    expect(made(challenges, 10, 3001)).toBe(5);
    expect(files.size).toBe(5);
  });

  test("are ten in a second and 64 at a time in all, also where nobody knows who asks", () => {
    const { challenges, clock, files } = setUp();
    expect(made(challenges, 20, undefined)).toBe(10);
    for (let second = 0; second < 20; second += 1) {
      clock.advance(1000);
      made(challenges, 20, undefined);
    }
    expect(files.size).toBe(64);
    clock.advance(1000);
    expect(made(challenges, 1, 3001)).toBe(0);
  });

  test("count once, however many bring the content at the same time", () => {
    const { challenges, files } = setUp();
    const content = files.get(challenges.issue(3001)) ?? "";
    const spent = Array.from({ length: 50 }, () => challenges.spend(SecretBytes.ofText(content)));
    expect(spent.filter((counts) => counts).length).toBe(1);
    for (const near of [`${content}=`, content.slice(0, -1), ` ${content}`, `${content}\n`, ""])
      expect(challenges.spend(SecretBytes.ofText(near))).toBe(false);
  });
});
