/**
 * How much one client may ask at once, and how often it may try to log in. All tables are bounded, so that naming many identities or coming from many
 * addresses fills nothing.
 */

import type { Clock } from "../model/ports";

/** A bucket of `burst` attempts, filled again by `perSecond`. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

export interface RateLimit {
  /** Takes one from the key's bucket: 0, or the seconds until there is one again. */
  take(key: string): number;
}

// An attacker who pushes a bucket out by touching this many others is held up longer, by its own address, than the bucket takes to fill.
const maxBuckets = 10_000;

export function createRateLimit(rate: Rate, clock: Clock): RateLimit {
  const buckets = new Map<string, { readonly left: number; readonly atMs: number }>();
  return {
    take(key) {
      const atMs = clock.monotonicMs();
      const bucket = buckets.get(key) ?? { left: rate.burst, atMs };
      const left = Math.min(rate.burst, bucket.left + ((atMs - bucket.atMs) / 1000) * rate.perSecond);
      const isAllowed = left >= 1;
      // Entries stand in the order of their last use.
      buckets.delete(key);
      buckets.set(key, { left: isAllowed ? left - 1 : left, atMs });
      if (buckets.size > maxBuckets) dropOldest(buckets);
      return isAllowed ? 0 : (1 - left) / rate.perSecond;
    },
  };
}

const maxKeyLength = 512;

/**
 * A key for what a client wrote, cut and copied: a piece of a text keeps the whole of it in memory, and ten thousand keys cut out of bodies of a mebibyte
 * each would keep ten gibibytes.
 */
export function ownKey(written: string): string {
  return Buffer.from(written.slice(0, maxKeyLength), "utf8").toString("utf8");
}

function dropOldest(buckets: Map<string, unknown>): void {
  const oldest = buckets.keys().next();
  if (oldest.done !== true) buckets.delete(oldest.value);
}

export interface InFlight {
  /** Counts a request in. `all` and `address` say which bound is reached; then it is not counted. */
  enter(address: string): "entered" | "all" | "address";
  leave(address: string): void;
  count(): number;
}

export function createInFlight(limits: { readonly all: number; readonly perAddress: number }): InFlight {
  const byAddress = new Map<string, number>();
  let total = 0;
  return {
    enter(address) {
      if (total >= limits.all) return "all";
      const own = byAddress.get(address) ?? 0;
      if (own >= limits.perAddress) return "address";
      total += 1;
      byAddress.set(address, own + 1);
      return "entered";
    },
    leave(address) {
      total -= 1;
      const own = byAddress.get(address) ?? 0;
      if (own <= 1) byAddress.delete(address);
      else byAddress.set(address, own - 1);
    },
    count: () => total,
  };
}
