/** What every authenticator of signed tokens does alike: the signature by a known key, the end of the token, and claims as they may be shown. */

import { hasValidSignature, type JsonObject, type Jwt, type KeySet } from "../crypto/jwt";
import type { CheckList } from "../model/failures";
import type { Instant } from "../model/types";

export const shownLength = 256;

/** Fails the checks `signing_key` and `signature`. */
export function assertSigned(token: Jwt, keys: KeySet, checks: CheckList): void {
  const key = keys.get(token.keyId);
  if (key === undefined) checks.fail("signing_key", `the issuer has no key ${token.keyId}`);
  checks.pass("signing_key", token.keyId);
  checks.expect(hasValidSignature(token, key), "signature", `key ${token.keyId}`);
}

/** Fails the check `expiry`, as expired. Made last of all, so that it is said of genuine tokens alone. */
export function assertNotOver(expiresAt: Instant, now: Instant, checks: CheckList): void {
  if (expiresAt <= now) checks.fail("expiry", `expired at ${expiresAt / 1000}`, "expired");
  checks.pass("expiry", `until ${expiresAt / 1000}`);
}

/** A claim as the audit may have it: text, cut. */
export function shown(claim: unknown): string {
  if (typeof claim === "string") return claim.slice(0, shownLength);
  return claim === undefined ? "absent" : "not text";
}

/** Those of the claims that are there, as evidence. */
export function evidenceOf(claims: JsonObject, names: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(names.flatMap((name) => (claims[name] === undefined ? [] : [[name, shown(claims[name])]])));
}
