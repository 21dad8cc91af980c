import { describe, expect, test } from "bun:test";
import { createLine } from "../../../src/agent/line";
import { type CacheState, createSecretCache, createStaleBounds } from "../../../src/agent/secret-cache";
import type { ConjurValue } from "../../../src/client/conjur-client";
import { PosternError } from "../../../src/model/failures";
import { parseId, type ResourceId } from "../../../src/model/ids";
import { createLogKeeper } from "../../support/fake-issuer";
import { createTestClock, secret, seededRandom, textOf } from "../../support/house";

const id = (name: string): ResourceId => parseId(`acme:variable:${name}`);
const hour = 3_600_000;

/** A primary whose answer can be set, over one cache. `late` makes every patience end at once. */
function bench(options: { readonly maxStaleMs?: number; readonly initial?: CacheState; readonly late?: boolean } = {}) {
  const clock = createTestClock();
  const line = createLine({ clock, random: seededRandom() });
  let answer: () => Promise<ConjurValue> = async () => ({ value: secret("one") });
  const asked: string[] = [];
  let changes = 0;
  const cache = createSecretCache({
    app: "billing",
    upstream: {
      read(name) {
        asked.push(name);
        return answer();
      },
    },
    line,
    clock,
    logger: createLogKeeper(),
    pause: () => (options.late === true ? Promise.resolve() : new Promise(() => undefined)),
    freshMs: 10_000,
    maxStaleMs: () => options.maxStaleMs ?? hour,
    changed: () => {
      changes += 1;
    },
    ...(options.initial === undefined ? {} : { initial: options.initial }),
  });
  return {
    clock,
    line,
    cache,
    asked,
    changes: () => changes,
    answers(value: string) {
      answer = async () => ({ value: secret(value) });
    },
    fails(failure: ConstructorParameters<typeof PosternError>[0]) {
      answer = () => Promise.reject(new PosternError(failure));
    },
    hangs() {
      answer = () => new Promise(() => undefined);
    },
    async read(name = "db") {
      const { value, source, ageMs } = await cache.read(id(name));
      return `${textOf(value)} ${source} ${ageMs}`;
    },
  };
}

const away = { code: "upstream_unavailable", upstream: "https://postern.example", because: "connect" } as const;

describe("reads of one role", () => {
  test("are gathered: a thousand clients of ten secrets ask the primary ten times", async () => {
    const { cache, asked } = bench();
    const names = Array.from({ length: 10 }, (_, at) => id(`secret-${at}`));
    await Promise.all(Array.from({ length: 1000 }, () => Promise.all(names.map((name) => cache.read(name)))));
    expect(asked.length).toBe(10);
  });

  test("are fresh for a while, and then asked for again", async () => {
    const { read, clock, asked, answers } = bench();
    expect(await read()).toBe("one primary 0");
    clock.advance(9999);
    expect(await read()).toBe("one primary 9999");
    answers("two");
    clock.advance(1);
    expect(await read()).toBe("two primary 0");
    expect(asked.length).toBe(2);
  });

  test("come from the copy while the primary is away, with their age, and no longer than the bound", async () => {
    const { read, clock, fails } = bench();
    await read();
    fails(away);
    clock.advance(hour);
    expect(await read()).toBe(`one copy ${hour}`);
    clock.advance(1);
    await expect(read()).rejects.toThrow("stale");
  });

  test("are never served from the copy unless the operator allows it", async () => {
    const { read, clock, fails } = bench({ maxStaleMs: 0 });
    await read();
    fails(away);
    clock.advance(10_000);
    await expect(read()).rejects.toThrow("stale");
  });

  test("without a value and without a line say so", async () => {
    const { read, fails } = bench();
    fails(away);
    await expect(read()).rejects.toThrow("primary_unavailable");
  });

  test("do not ask again at once while the primary is away, and do after a pause", async () => {
    const { read, clock, fails, asked, answers } = bench();
    await read();
    fails(away);
    clock.advance(20_000);
    await read();
    await read();
    expect(asked.length).toBe(2);
    answers("two");
    clock.advance(1000);
    expect(await read()).toBe("two primary 0");
  });

  test("wait no longer than a moment for a primary that hangs, when there is a copy", async () => {
    const { read, clock, hangs } = bench({ late: true });
    await read().catch(() => undefined);
    clock.advance(20_000);
    hangs();
    expect(await read()).toBe("one copy 20000");
  });

  test("get no younger when the time is set back", async () => {
    const { read, clock, fails } = bench();
    await read();
    fails(away);
    clock.advance(hour + 1);
    clock.setWall(clock.now() - 10 * hour);
    await expect(read()).rejects.toThrow("stale");
  });
});

describe("the age of a value", () => {
  test("counts the time that a machine is suspended", async () => {
    const { read, clock, fails } = bench();
    await read();
    fails(away);
    clock.setWall(clock.now() + hour);
    expect(await read()).toBe(`one copy ${hour}`);
    clock.setWall(clock.now() + 1);
    await expect(read()).rejects.toThrow("stale");
  });

  test("counts a step ahead for as long as the time is ahead", async () => {
    const { read, clock, fails } = bench();
    await read();
    fails(away);
    clock.setWall(clock.now() + 9000 * hour);
    await expect(read()).rejects.toThrow("stale");
    clock.setWall(clock.now() - 9000 * hour);
    clock.advance(20_000);
    expect(await read()).toBe("one copy 20000");
  });
});

describe("a refusal by the primary", () => {
  test.each([{ code: "forbidden" } as const, { code: "not_found", target: "db" } as const])(
    "%j drops the value at once, and for the time without a line",
    async (failure) => {
      const { read, clock, fails, cache, changes } = bench();
      await read();
      const before = changes();
      fails(failure);
      clock.advance(10_000);
      await expect(read()).rejects.toThrow(failure.code);
      expect(cache.state().kept).toEqual([]);
      expect(changes()).toBeGreaterThan(before);
      fails(away);
      clock.advance(10_000);
      await expect(read()).rejects.toThrow("primary_unavailable");
    },
  );

  test("of a secret drops all its versions; of one version, that one", async () => {
    const { cache, clock, fails } = bench();
    const versions = () => cache.state().kept.map(({ version }) => version ?? 0);
    for (const version of [undefined, 1, 2]) await cache.read(id("db"), version);
    clock.advance(10_000);
    fails({ code: "not_found", target: "db" });
    await expect(cache.read(id("db"), 1)).rejects.toThrow("not_found");
    expect(versions()).toEqual([0, 2]);
    fails({ code: "forbidden" });
    await expect(cache.read(id("db"), 2)).rejects.toThrow("forbidden");
    expect(versions()).toEqual([]);
  });

  test("of the role stops all its values, also when the line goes, until it may log in again", async () => {
    const { read, clock, fails, answers, cache } = bench();
    await read("a");
    await read("b");
    fails({ code: "unauthenticated", because: "primary_refused" });
    clock.advance(10_000);
    await expect(read("a")).rejects.toThrow("primary_refused_role");
    fails(away);
    clock.advance(10_000);
    await expect(read("b")).rejects.toThrow("primary_refused_role");
    expect(cache.state().isRefused).toBe(true);
    answers("two");
    clock.advance(60_000);
    expect(await read("b")).toBe("two primary 0");
    expect(cache.state().isRefused).toBe(false);
  });

  test("outlives the process", async () => {
    const { read, fails } = bench({ initial: { isRefused: true, kept: [{ id: id("db"), value: secret("old"), ageMs: 0 }] } });
    fails(away);
    await expect(read()).rejects.toThrow("primary_refused_role");
  });
});

describe("what a copy holds", () => {
  test("is nothing that may not be served from one", async () => {
    const { read, cache } = bench({ maxStaleMs: 0 });
    await read();
    expect(cache.state().kept).toEqual([]);
  });

  test("is nothing that is past its bound", async () => {
    const { read, cache, clock } = bench({ maxStaleMs: 60_000 });
    await read();
    expect(cache.state().kept.length).toBe(1);
    clock.advance(60_001);
    expect(cache.state().kept).toEqual([]);
  });
});

describe("a refresh", () => {
  test("asks for what is kept and what shall be, and learns of refusals", async () => {
    const { cache, asked, read, fails } = bench();
    await read("a");
    await cache.refresh([id("b")]);
    expect(asked.map((each) => each.slice("acme:variable:".length))).toEqual(["a", "b", "a"]);
    fails({ code: "forbidden" });
    await cache.refresh([]);
    expect(cache.state().kept).toEqual([]);
  });
});

describe("the age of what an earlier process left", () => {
  test("counts on, and forever counts too", async () => {
    const kept = [
      { id: id("young"), value: secret("y"), ageMs: 1000 },
      { id: id("unknown"), value: secret("u"), ageMs: Number.POSITIVE_INFINITY },
    ];
    const { read, clock, fails } = bench({ initial: { isRefused: false, kept }, maxStaleMs: 5000 });
    fails(away);
    clock.advance(3000);
    expect(await read("young").catch(String)).toBe("y primary 4000");
    await expect(read("unknown")).rejects.toThrow("stale");
  });
});

describe("the bound of a secret", () => {
  const bound = createStaleBounds(1, [
    { name: "apps", ms: 2 },
    { name: "apps/db/password", ms: 3 },
    { name: "apps/db", ms: 4 },
  ]);
  test.each([
    ["other", 1],
    ["apps/x", 2],
    ["appsx/y", 1],
    ["apps/db/user", 4],
    ["apps/db/password", 3],
  ])("of %s is %i", (name, ms) => {
    expect(bound(name)).toBe(ms);
  });
});
