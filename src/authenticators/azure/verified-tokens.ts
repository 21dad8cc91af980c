/**
 * Remembers which token texts had a valid signature, so that a machine that logs in again with the same token costs no second verification.
 *
 * It answers one question, "did this key sign this text?", and nothing else: times, issuer, audience, and whether the key is still among the issuer's
 * are judged on every use. Tokens are known by their digests; none is kept.
 */

import type { JsonObject } from "../../crypto/jwt";
import type { Instant } from "../../model/types";

/** A token that passed every check once. `material` is that of the key. */
export interface VerifiedToken {
  readonly keyId: string;
  readonly material: string;
  readonly claims: JsonObject;
  readonly expiresAt: Instant;
}

export interface VerifiedTokens {
  /** Undefined for one that was never seen, has made room, or has expired. */
  recall(key: string, now: Instant): VerifiedToken | undefined;
  remember(key: string, token: VerifiedToken): void;
}

/** Holds at most `capacity` tokens; the one remembered longest ago makes room. */
export function createVerifiedTokens(capacity: number): VerifiedTokens {
  const tokens = new Map<string, VerifiedToken>();
  return {
    recall(key, now) {
      const token = tokens.get(key);
      if (token === undefined || token.expiresAt > now) return token;
      tokens.delete(key);
      return undefined;
    },
    remember(key, token) {
      const oldest = tokens.keys().next();
      if (tokens.size >= capacity && !tokens.has(key) && oldest.done !== true) tokens.delete(oldest.value);
      tokens.set(key, token);
    },
  };
}
