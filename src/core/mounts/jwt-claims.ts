/**
 * What a role demands of the claims of a token, and what it takes from them. Pure.
 *
 * Source: Vault 1.19, vault-plugin-auth-jwt (claims.go, path_login.go) and hashicorp/cap, jwt/jwt.go, for rules and wording.
 */

import { isObject, type JsonObject } from "../../crypto/strict-json";
import type { Instant } from "../../model/types";

export type BoundClaim = string | number | boolean;

export interface ClaimRules {
  readonly boundAudiences: readonly string[];
  readonly boundSubject: string;
  /** By claim: the values of which it must have one. */
  readonly boundClaims: Readonly<Record<string, readonly BoundClaim[]>>;
  /** Whether a `*` in those stands for anything. */
  readonly globs: boolean;
  readonly userClaim: string;
  /** The user's claim is a pointer too, and not a plain name. */
  readonly userClaimIsPointer: boolean;
  readonly groupsClaim: string;
  /** By claim, what it is called in the metadata. */
  readonly mappings: Readonly<Record<string, string>>;
  /** In seconds; 0: the usual; below 0: none. */
  readonly clockSkewSeconds: number;
  readonly expirationSeconds: number;
  readonly notBeforeSeconds: number;
}

/** Whom a token is of, and what is noted of it. */
export interface ClaimedIdentity {
  readonly user: string;
  readonly metadata: Readonly<Record<string, string>>;
}

const usualSkewSeconds = 60;
const usualLeewaySeconds = 150;
// The end of the year 9999: what is later is no time.
const lastSecond = 253_402_300_799;

/** What is wrong with the times of a token, as a sentence; undefined when nothing is. One of the three must be there; the others follow from it. */
export function timeProblem(claims: JsonObject, rules: ClaimRules, now: Instant): string | undefined {
  const times = { iat: secondsIn(claims.iat), nbf: secondsIn(claims.nbf), exp: secondsIn(claims.exp) };
  for (const [name, seconds] of Object.entries(times)) if (seconds === undefined) return `invalid time in the ${name} claim`;
  const { iat = 0, nbf = 0, exp = 0 } = times;
  if (iat === 0 && nbf === 0 && exp === 0) return "no issued at (iat), not before (nbf), or expiration time (exp) claims in token";
  const expiry = exp === 0 ? Math.max(iat, nbf) + leeway(rules.expirationSeconds, usualLeewaySeconds) : exp;
  const begin = nbf !== 0 ? nbf : iat !== 0 ? iat : exp - leeway(rules.notBeforeSeconds, usualLeewaySeconds);
  const skew = leeway(rules.clockSkewSeconds, usualSkewSeconds);
  const seconds = now / 1000;
  if (begin > seconds + skew) return "invalid not before (nbf) claim: token not yet valid";
  if (expiry <= seconds - skew) return "invalid expiration time (exp) claim: token is expired";
  if (iat > seconds + skew) return "invalid issued at (iat) claim: token issued in the future";
  return undefined;
}

/** 0 where the claim is absent; undefined where it is no time. */
function secondsIn(claim: unknown): number | undefined {
  if (claim === undefined) return 0;
  return typeof claim === "number" && claim > 0 && claim <= lastSecond ? claim : undefined;
}

const leeway = (seconds: number, usual: number): number => (seconds === 0 ? usual : Math.max(0, seconds));

/** What is wrong with audience or subject, as a sentence. */
export function addresseeProblem(claims: JsonObject, { boundAudiences, boundSubject }: ClaimRules): string | undefined {
  const audiences = Array.isArray(claims.aud) ? claims.aud : claims.aud === undefined ? [] : [claims.aud];
  if (!audiences.every((audience) => typeof audience === "string")) return "error validating token: invalid audience (aud) claim";
  if (boundAudiences.length === 0 && audiences.length > 0) return "audience claim found in JWT but no audiences bound to the role";
  if (boundAudiences.length > 0 && !boundAudiences.some((audience) => audiences.includes(audience)))
    return "error validating token: invalid audience (aud) claim: audience claim does not match any bound audience";
  if (boundSubject !== "" && claims.sub !== boundSubject) return "error validating token: invalid subject (sub) claim";
  return undefined;
}

/** The first bound claim that does not hold, as a sentence; undefined when all do. */
export function boundClaimProblem(claims: JsonObject, { boundClaims, globs }: ClaimRules): string | undefined {
  for (const [name, wanted] of Object.entries(boundClaims)) {
    const found = claimAt(claims, name);
    if (found === undefined) return `error validating claims: claim "${name}" is missing`;
    const values: readonly unknown[] = Array.isArray(found) ? found : [found];
    if (!values.some((value) => wanted.some((expected) => fits(expected, value, globs))))
      return `error validating claims: claim "${name}" does not match any associated bound claim values`;
  }
  return undefined;
}

function fits(expected: BoundClaim, value: unknown, globs: boolean): boolean {
  if (globs && typeof expected === "string" && typeof value === "string") return matchesGlob(expected, value);
  return expected === value;
}

/** Whom the token is of; or what keeps that from being told, as a sentence. */
export function identityIn(claims: JsonObject, rules: ClaimRules): ClaimedIdentity | { readonly problem: string } {
  const user = rules.userClaimIsPointer ? claimAt(claims, rules.userClaim) : ownClaim(claims, rules.userClaim);
  if (user === undefined || user === "") return { problem: `claim "${rules.userClaim}" not found in token` };
  if (typeof user !== "string") return { problem: `claim "${rules.userClaim}" could not be converted to string` };
  if (!isName(user))
    return { problem: `claim "${rules.userClaim}" is no name: expected text in normal form C without control characters and outer spaces` };
  if (rules.groupsClaim !== "") {
    const groups = claimAt(claims, rules.groupsClaim);
    if (groups === undefined) return { problem: `"${rules.groupsClaim}" claim not found in token` };
    const isList = Array.isArray(groups) && groups.every((group) => typeof group === "string");
    if (!isList && typeof groups !== "string") return { problem: `"${rules.groupsClaim}" claim could not be converted to string list` };
  }
  const metadata = new Map<string, string>();
  for (const [name, key] of Object.entries(rules.mappings)) {
    const value = claimAt(claims, name);
    if (value === undefined) continue;
    if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean")
      return { problem: `error converting claim "${name}" to string` };
    metadata.set(key, String(value));
  }
  return { user, metadata: Object.fromEntries(metadata) };
}

/** Of texts that look the same one alone is a name, so that nobody is two identities, or can be taken for somebody else. */
const isName = (text: string): boolean => text === text.normalize("NFC").trim() && text.isWellFormed() && !/\p{Cc}/u.test(text);

/** Texts at the bound claims, to be compared again when the token is renewed. */
export function evidenceIn(claims: JsonObject, { boundClaims }: ClaimRules): Readonly<Record<string, readonly string[]>> {
  const texts = (value: unknown): readonly string[] =>
    (Array.isArray(value) ? value : [value])
      .filter((each) => typeof each === "string" || typeof each === "number" || typeof each === "boolean")
      .map(String);
  return {
    ...Object.fromEntries(Object.keys(boundClaims).map((name) => [`claim ${name}`, texts(claimAt(claims, name))])),
    subject: texts(claims.sub),
    audiences: texts(claims.aud),
  };
}

/** Whether what was proven at the login would still do. A claim that the role did not ask for then cannot be told, and does not. */
export function stillHolds(evidence: Readonly<Record<string, readonly string[]>>, rules: ClaimRules): boolean {
  const of = (name: string): readonly string[] => (Object.hasOwn(evidence, name) ? (evidence[name] ?? []) : []);
  const { boundAudiences, boundSubject, boundClaims, globs } = rules;
  return (
    (boundAudiences.length === 0 || boundAudiences.some((audience) => of("audiences").includes(audience))) &&
    (boundSubject === "" || of("subject").includes(boundSubject)) &&
    Object.entries(boundClaims).every(([name, wanted]) =>
      of(`claim ${name}`).some((value) => wanted.some((expected) => fits(String(expected), value, globs))),
    )
  );
}

/** A claim by its name, or by a JSON pointer (RFC 6901) when it begins with a slash: `/resource/group`. */
export function claimAt(claims: JsonObject, name: string): unknown {
  if (!name.startsWith("/")) return ownClaim(claims, name);
  let value: unknown = claims;
  for (const step of name.slice(1).split("/")) {
    const key = step.replaceAll("~1", "/").replaceAll("~0", "~");
    if (Array.isArray(value)) value = /^(0|[1-9]\d{0,5})$/.test(key) ? value[Number(key)] : undefined;
    else value = isObject(value) ? ownClaim(value, key) : undefined;
  }
  return value;
}

/** A null is as good as none. */
function ownClaim(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? (object[name] ?? undefined) : undefined;
}

/** Whether the text fits a pattern in which each `*` stands for anything, also for nothing. Goes through both once: no pattern is slow. */
export function matchesGlob(pattern: string, text: string): boolean {
  const [head = "", ...parts] = pattern.split("*");
  const tail = parts.pop();
  if (tail === undefined) return pattern === text;
  if (!text.startsWith(head) || text.length < head.length + tail.length || !text.endsWith(tail)) return false;
  const end = text.length - tail.length;
  let at = head.length;
  for (const part of parts) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
