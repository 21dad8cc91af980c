import { describe, expect, test } from "bun:test";
import { explicitMaxOf, type LifetimeTerms, lifetimeOf } from "../../../../src/core/mounts/token-lifetimes";
import { PosternError } from "../../../../src/model/failures";

const hour = 3600;
const bounds = { defaultSeconds: 768 * hour, maxSeconds: 768 * hour };
const issuedAt = 1_764_000_000_000;
const nothing: LifetimeTerms = { wantedSeconds: 0, ttlSeconds: 0, maxSeconds: 0, periodSeconds: 0, explicitMaxSeconds: 0 };

const after = (ageSeconds: number, terms: Partial<LifetimeTerms>, within = bounds) =>
  lifetimeOf({ ...nothing, ...terms }, within, { issuedAt, now: issuedAt + ageSeconds * 1000 });

describe("the life of a token", () => {
  test.each<[string, number, Partial<LifetimeTerms>, number]>([
    ["is the mount's own when nothing is said", 0, {}, 768 * hour],
    ["is the role's", 0, { ttlSeconds: hour }, hour],
    ["is what is asked for, before the role's", 0, { ttlSeconds: hour, wantedSeconds: 60 }, 60],
    ["may be made shorter by a renewal", 10, { ttlSeconds: hour, wantedSeconds: 60 }, 60],
    ["ends at the role's maximum, counted from the making", hour, { ttlSeconds: 2 * hour, maxSeconds: 2 * hour }, hour],
    ["ends at the mount's maximum whatever the role says", 767 * hour, { ttlSeconds: 2 * hour, maxSeconds: 9000 * hour }, hour],
    ["is the period, however old the token is", 9000 * hour, { periodSeconds: hour, ttlSeconds: 5, wantedSeconds: 7 }, hour],
    ["with a period has no maximum of the role's", 9 * hour, { periodSeconds: hour, maxSeconds: 2 * hour }, hour],
    ["with a period ends at the explicit maximum", 2 * hour, { periodSeconds: 2 * hour, explicitMaxSeconds: 3 * hour }, hour],
    ["ends at the explicit maximum before the role's", hour, { ttlSeconds: hour, maxSeconds: 9 * hour, explicitMaxSeconds: hour + 60 }, 60],
    ["has whole seconds", 0.4, { maxSeconds: 10, ttlSeconds: 10 }, 9],
  ])("%s", (_, ageSeconds, terms, seconds) => {
    expect(after(ageSeconds, terms).seconds).toBe(seconds);
  });

  test("that is not what was asked for is told of", () => {
    expect(after(0, { wantedSeconds: 1000 * hour }).warnings).toEqual([
      'TTL of "1000h0m0s" exceeded the effective max_ttl of "768h0m0s"; TTL value is capped accordingly',
    ]);
    expect(after(0, { periodSeconds: 1000 * hour })).toEqual({
      seconds: 768 * hour,
      warnings: ['period of "1000h0m0s" exceeded the effective max_ttl of "768h0m0s"; period value is capped accordingly'],
    });
    expect(after(0, { ttlSeconds: hour }).warnings).toEqual([]);
  });

  test.each<[string, number, Partial<LifetimeTerms>]>([
    ["the mount's maximum", 768 * hour, {}],
    ["the role's maximum", hour, { maxSeconds: hour }],
    ["the explicit maximum", hour, { explicitMaxSeconds: hour }],
    ["the explicit maximum of a periodic one", hour, { explicitMaxSeconds: hour, periodSeconds: 60 }],
  ])("is over at %s", (_, ageSeconds, terms) => {
    expect(() => after(ageSeconds, terms)).toThrow(PosternError);
    try {
      after(ageSeconds, terms);
    } catch (error) {
      expect(error instanceof PosternError && error.failure.says).toBe("past the max TTL, cannot renew");
    }
  });

  test("has an explicit maximum of no more than the mount's", () => {
    expect(explicitMaxOf(hour, bounds)).toEqual({ seconds: hour, warnings: [] });
    const cut = explicitMaxOf(1000 * hour, bounds);
    expect([cut.seconds, cut.warnings.length]).toEqual([768 * hour, 1]);
  });
});
