/** What an agent may serve without its primary on a machine whose clock is wrong, put right and wrong again, while it runs and between two starts. */

import { expect, test } from "bun:test";
import { createLine } from "../../../src/agent/line";
import { createLocalCopy, type LocalCopy } from "../../../src/agent/local-copy";
import { createSecretCache, type SecretCache } from "../../../src/agent/secret-cache";
import { PosternError } from "../../../src/model/failures";
import { parseId } from "../../../src/model/ids";
import type { Clock } from "../../../src/model/ports";
import { createMemoryFiles } from "../../../src/runtime/files";
import { createLogKeeper } from "../../support/fake-issuer";
import { secret, seededRandom, startOfTime, textOf } from "../../support/house";
import { acme, memoryKeyring } from "../store/fixture";

const keyring = await memoryKeyring();
const files = createMemoryFiles();
const id = parseId("acme:variable:apps/billing/password");
const minute = 60_000;
const year = 365 * 24 * 60 * minute;
const boundMs = 120 * minute;
const steps = [-year, 0, year];

/** A machine and the agents that run on it, one after the other. A value is the true time at which the primary gave it. */
function machine(name: string) {
  /** What no clock on the machine knows. */
  let trueMs = 0;
  let wrongByMs = 0;
  let startedMs = 0;
  let isCut = false;
  // A process's own clock begins with it.
  const clock: Clock = { now: () => startOfTime + trueMs + wrongByMs, monotonicMs: () => trueMs - startedMs };
  let copy: LocalCopy;
  let cache: SecretCache;

  function start(): void {
    startedMs = trueMs;
    const logger = createLogKeeper();
    const boundTo = { login: "host/apps/billing", primary: "https://postern.example", machine: "machine-1" };
    copy = createLocalCopy({ files, keyring, clock, logger, folder: "/copies", account: acme, app: name, boundTo });
    const initial = copy.load();
    cache = createSecretCache({
      app: name,
      upstream: {
        async read() {
          if (isCut) throw new PosternError({ code: "upstream_unavailable", upstream: "primary", because: "connect" });
          return { value: secret(String(trueMs)) };
        },
      },
      line: createLine({ clock, random: seededRandom() }),
      clock,
      logger,
      pause: () => new Promise(() => undefined),
      freshMs: 0,
      maxStaleMs: () => boundMs,
      changed: () => undefined,
      ...(initial === undefined ? {} : { initial }),
    });
  }
  start();
  return {
    pass(ms: number): void {
      trueMs += ms;
    },
    setWrongBy(ms: number): void {
      wrongByMs = ms;
    },
    cut(wanted: boolean): void {
      isCut = wanted;
    },
    write: () => copy.save(cache.state()),
    refresh: () => cache.refresh([id]),
    start,
    /** How old what is served is, and is said to be; undefined when nothing is. */
    async read(): Promise<{ readonly trueAgeMs: number; readonly toldMs: number } | undefined> {
      try {
        const { value, ageMs } = await cache.read(id);
        return { trueAgeMs: trueMs - Number(textOf(value)), toldMs: ageMs };
      } catch (error) {
        if (error instanceof PosternError) return undefined;
        throw error;
      }
    },
  };
}

test.each([
  ["ahead by a year, and back", year],
  ["behind by a year, and back", -year],
])("a clock that is set %s, makes nothing younger than it is", async (_how, wrongBy) => {
  const made = machine(`set${wrongBy}`);
  expect(await made.read()).toEqual({ trueAgeMs: 0, toldMs: 0 });
  made.cut(true);
  made.pass(90 * minute);
  made.setWrongBy(wrongBy);
  const meanwhile = await made.read();
  expect(meanwhile?.toldMs ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(90 * minute);
  made.setWrongBy(0);
  expect(await made.read()).toEqual({ trueAgeMs: 90 * minute, toldMs: 90 * minute });
  made.pass(30 * minute + 1);
  expect(await made.read()).toBeUndefined();
});

test.each([
  ["was right when the copy was written, and is ahead", 0, year],
  ["was right when the copy was written, and is behind", 0, -year],
  ["was ahead when the copy was written, and is right", year, 0],
  ["was behind when the copy was written, and is right", -year, 0],
])("a start on a machine whose clock %s serves nothing until the primary was asked", async (_how, before, after) => {
  const made = machine(`start${before}${after}`);
  made.setWrongBy(before);
  expect(await made.read()).toBeDefined();
  made.write();
  made.cut(true);
  made.setWrongBy(after);
  made.start();
  expect(await made.read()).toBeUndefined();
  // That is written as well: the clock's way back does not bring it back.
  made.write();
  made.setWrongBy(before);
  made.start();
  expect(await made.read()).toBeUndefined();
  made.cut(false);
  made.pass(minute);
  expect(await made.read()).toEqual({ trueAgeMs: 0, toldMs: 0 });
});

test("no order of steps, writings, crashes, starts and time that passes has anything served past its bound or called younger than it is", async () => {
  let served = 0;
  let fromCopy = 0;
  for (let seed = 1; seed <= 150; seed += 1) {
    const random = seededRandom(seed);
    const below = (count: number): number => ((random.bytes(2)[0] ?? 0) * 7 + (random.bytes(1)[0] ?? 0)) % count;
    const made = machine(`random${seed}`);
    for (let at = 0; at < 40; at += 1) {
      const act = below(10);
      if (act <= 2) made.pass((1 + below(50)) * minute);
      if (act === 3) made.setWrongBy(steps[below(3)] ?? 0);
      if (act === 4 || act === 5) made.write();
      if (act === 6) made.start();
      if (act === 7) made.cut(below(4) > 0);
      if (act === 8) await made.refresh();
      const answer = await made.read();
      if (answer === undefined) continue;
      served += 1;
      if (answer.trueAgeMs > 0) fromCopy += 1;
      expect(answer.trueAgeMs).toBeLessThanOrEqual(boundMs);
      expect(answer.toldMs).toBeGreaterThanOrEqual(answer.trueAgeMs);
    }
  }
  // What is never served is not stale either, and would prove nothing.
  expect(served).toBeGreaterThan(1000);
  expect(fromCopy).toBeGreaterThan(300);
});
