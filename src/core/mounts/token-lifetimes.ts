/**
 * How long a token lives, when it is made and when it is renewed. Pure.
 *
 * The mount bounds everything. A period renews for ever, each time for itself; without one there is a greatest age, counted from the making. An explicit
 * maximum was fixed when the token was made and bounds both. Source: Vault 1.19, vault/token_store.go, sdk/framework/lease.go (CalculateTTL).
 */

import { durationText } from "../../model/durations";
import { PosternError } from "../../model/failures";
import type { Instant } from "../../model/types";
import type { LeaseBounds } from "./mount";

/** What is asked and what bounds it, in seconds; 0: nothing is. */
export interface LifetimeTerms {
  /** By the request: the increment of a renewal, the life of a new token. */
  readonly wantedSeconds: number;
  /** By the role that it was made by. */
  readonly ttlSeconds: number;
  readonly maxSeconds: number;
  readonly periodSeconds: number;
  readonly explicitMaxSeconds: number;
}

export interface Lifetime {
  readonly seconds: number;
  readonly warnings: readonly string[];
}

/** Throws `malformed` (because `past_max_ttl`) when nothing is left. */
export function lifetimeOf(
  terms: LifetimeTerms,
  bounds: LeaseBounds,
  { issuedAt, now }: { readonly issuedAt: Instant; readonly now: Instant },
): Lifetime {
  const warnings: string[] = [];
  const max = terms.maxSeconds > 0 ? Math.min(bounds.maxSeconds, terms.maxSeconds) : bounds.maxSeconds;
  const ageSeconds = (now - issuedAt) / 1000;
  let seconds = terms.wantedSeconds || terms.ttlSeconds || bounds.defaultSeconds;
  if (terms.periodSeconds > 0) {
    seconds = Math.min(terms.periodSeconds, bounds.maxSeconds);
    if (terms.periodSeconds > bounds.maxSeconds) warnings.push(capped("period", terms.periodSeconds, bounds.maxSeconds));
  } else {
    const left = Math.floor(max - ageSeconds);
    if (left <= 0) throw past();
    if (seconds > left) {
      warnings.push(capped("TTL", seconds, left));
      seconds = left;
    }
  }
  if (terms.explicitMaxSeconds > 0) {
    const left = Math.floor(terms.explicitMaxSeconds - ageSeconds);
    if (left <= 0) throw past();
    seconds = Math.min(seconds, left);
  }
  return { seconds, warnings };
}

/** The explicit maximum as a new token keeps it: never more than its mount allows. */
export function explicitMaxOf(seconds: number, { maxSeconds }: LeaseBounds): Lifetime {
  if (seconds <= maxSeconds) return { seconds, warnings: [] };
  const says = `Explicit max TTL specified during token creation is greater than the system or backend mount's maximum TTL value; the value is capped to ${durationText(maxSeconds)}`;
  return { seconds: maxSeconds, warnings: [says] };
}

function capped(what: "TTL" | "period", asked: number, most: number): string {
  return `${what} of "${durationText(asked)}" exceeded the effective max_ttl of "${durationText(most)}"; ${what} value is capped accordingly`;
}

function past(): PosternError {
  return new PosternError({
    code: "malformed",
    where: "increment",
    expected: "a token that may live longer",
    kind: "argument",
    because: "past_max_ttl",
    says: "past the max TTL, cannot renew",
  });
}
