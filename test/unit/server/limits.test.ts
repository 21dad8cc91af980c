import { describe, expect, test } from "bun:test";
import { createInFlight, createRateLimit, ownKey } from "../../../src/server/limits";
import { createRequestIds } from "../../../src/server/request-id";

function manualClock() {
  let ms = 1000;
  const pass = (more: number): void => {
    ms += more;
  };
  return { clock: { now: () => 0, monotonicMs: () => ms }, pass };
}

describe("a rate limit", () => {
  test("lets a burst through and then as many as it is refilled with", () => {
    const { clock, pass } = manualClock();
    const limit = createRateLimit({ perSecond: 2, burst: 3 }, clock);
    expect([1, 2, 3, 4].map(() => limit.take("a"))).toEqual([0, 0, 0, 0.5]);
    pass(500);
    expect([limit.take("a"), limit.take("a")]).toEqual([0, 0.5]);
    pass(60_000);
    expect([1, 2, 3, 4].map(() => limit.take("a"))).toEqual([0, 0, 0, 0.5]);
  });

  test("holds up one key and no other", () => {
    const limit = createRateLimit({ perSecond: 1, burst: 1 }, manualClock().clock);
    expect([limit.take("a"), limit.take("a"), limit.take("b")]).toEqual([0, 1, 0]);
  });

  test("keeps of a long name its start, and nothing of the request that it stood in", () => {
    expect([ownKey("alice"), ownKey(`${"a".repeat(600)}b`), ownKey("Grüße/一")]).toEqual(["alice", "a".repeat(512), "Grüße/一"]);
    const limit = createRateLimit({ perSecond: 1, burst: 1 }, manualClock().clock);
    Bun.gc(true);
    const before = process.memoryUsage().rss;
    // Three hundred bodies of a mebibyte: pieces of them that share their memory would keep all of it.
    for (let index = 0; index < 300; index += 1) limit.take(ownKey(decodeURIComponent(`${index}%20${"x".repeat(1 << 20)}`)));
    Bun.gc(true);
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 2 ** 20);
  });

  test("forgets the key that was used longest ago when there are very many, and not a busy one", () => {
    const limit = createRateLimit({ perSecond: 1, burst: 1 }, manualClock().clock);
    limit.take("idle");
    limit.take("busy");
    for (let index = 0; index < 10_000; index += 1) {
      limit.take(`other-${index}`);
      if (index % 1000 === 0) limit.take("busy");
    }
    expect(limit.take("busy")).toBeGreaterThan(0);
    expect(limit.take("idle")).toBe(0);
  });
});

describe("requests in flight", () => {
  test("are bounded for one address and for all, and counted out again", () => {
    const inFlight = createInFlight({ all: 3, perAddress: 2 });
    expect(["a", "a", "a", "b", "c"].map((address) => inFlight.enter(address))).toEqual([
      "entered",
      "entered",
      "address",
      "entered",
      "all",
    ]);
    inFlight.leave("a");
    expect([inFlight.count(), inFlight.enter("a"), inFlight.enter("b")]).toEqual([2, "entered", "all"]);
  });
});

describe("a request id", () => {
  const seeded = { bytes: (count: number) => Uint8Array.from({ length: count }, (_, index) => (index * 7 + count) % 256) };

  test("is the client's own when it is a safe word", () => {
    const idOf = createRequestIds(seeded);
    expect(idOf("6f1c-a.B_9")).toBe("6f1c-a.B_9");
  });

  test.each([null, "", "a b", "a\nb", "a".repeat(65), "é", "a;b", '"'])("is made for %p", (given) => {
    expect(createRequestIds(seeded)(given)).toMatch(/^[0-9a-f]{32}$/);
  });

  test("is never given twice, within one fetch of randomness or across several", () => {
    let counter = 0;
    const counting = {
      bytes(count: number) {
        const bytes = Buffer.alloc(count);
        for (let at = 0; at < count; at += 16) bytes.writeUInt32BE(counter++, at);
        return bytes;
      },
    };
    const idOf = createRequestIds(counting);
    expect(new Set(Array.from({ length: 2000 }, () => idOf(null))).size).toBe(2000);
    expect(counter).toBeGreaterThan(2000);
  });
});
