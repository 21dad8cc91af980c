/**
 * What a token that was handed to this machine says about itself, before it is used for anything. Its signature is not verified here: whoever accepts the
 * token does that. These checks keep a wrong identity, another audience or a stale token from being carried on by mistake.
 */

import { type JsonObject, readJsonObject } from "../../crypto/strict-json";
import type { Instant } from "../../model/types";
import { isGuid } from "./resource-id";
import type { IdentitySelector, Refusal, TokenGrant } from "./token-source";

/** What is asked for. */
export interface Wanted {
  readonly resource: string;
  readonly selector?: IdentitySelector;
  /** An agent that does not know selectors ignores them: it must say that it honoured this one. */
  readonly mustEcho: boolean;
}

/** When a token ends. */
export interface TokenEnd {
  readonly expiresAt: Instant;
  /**
   * How long it lives at most from now on. No longer than from its issue to its end, nor than the endpoint says: a machine whose clock is behind, as many are
   * that start without a battery or a line, would hold on to a dead token for as long as it is behind, and be refused everywhere.
   */
  readonly lifeMs: number;
}

/** When the token ends, or which check it fails. */
export function judgeToken(grant: TokenGrant, wanted: Wanted, now: Instant): TokenEnd | { readonly refusal: Refusal } {
  const claims = claimsOf(grant.token);
  if (claims === undefined) return refused("token_shape");
  if (!isForAudience(claims, grant, wanted.resource)) return refused("token_audience");
  const { exp } = claims;
  if (typeof exp !== "number" || !Number.isFinite(exp)) return refused("token_shape");
  // Either the endpoint hands out old tokens, or this machine's clock is ahead.
  if (exp * 1000 <= now) return refused("token_expired");
  if (wanted.selector !== undefined && !isOfIdentity(claims, grant, wanted.selector, wanted.mustEcho)) return refused("identity_mismatch");
  const { iat = claims.nbf } = claims;
  const wholeLifeMs = typeof iat === "number" && iat < exp ? (exp - iat) * 1000 : Number.POSITIVE_INFINITY;
  const lifeMs = Math.min(exp * 1000 - now, wholeLifeMs, grant.expiresInMs ?? Number.POSITIVE_INFINITY);
  return { expiresAt: exp * 1000, lifeMs };
}

/** Undefined for what has not the form of a token. */
export function claimsOf(token: string): JsonObject | undefined {
  const parts = token.split(".");
  if (parts.length !== 3) return undefined;
  const read = readJsonObject(Buffer.from(parts[1] ?? "", "base64url"));
  return "object" in read ? read.object : undefined;
}

/** Tokens of version 1 carry the resource as it was asked for, those of version 2 the application's id, which only an `api://` resource names. */
function isForAudience({ aud, ver }: JsonObject, { resource }: TokenGrant, asked: string): boolean {
  if (resource !== undefined && !sameAudience(resource, asked)) return false;
  if (typeof aud !== "string") return false;
  if (sameAudience(aud, asked)) return true;
  if (ver !== "2.0" || !isGuid(aud.toLowerCase())) return false;
  const named = asked.replace(/^api:\/\//u, "").toLowerCase();
  return !isGuid(named) || named === aud.toLowerCase();
}

function sameAudience(left: string, right: string): boolean {
  return left.replace(/\/$/u, "") === right.replace(/\/$/u, "");
}

/** The token's own claims decide; where it lacks the one for this selector, the endpoint's word must do. */
function isOfIdentity(claims: JsonObject, { echo }: TokenGrant, { kind, value }: IdentitySelector, mustEcho: boolean): boolean {
  const isWanted = (text: unknown): boolean => typeof text === "string" && spelledAlike(text) === spelledAlike(value);
  const said = Object.values(echo).some(isWanted);
  if (mustEcho && !said) return false;
  const carried = { client: claims.appid ?? claims.azp, object: claims.oid, resource: claims.xms_mirid }[kind];
  return carried === undefined ? isWanted(echo[kind]) : isWanted(carried);
}

/** Some tokens have resource ids without the slash at the start. */
function spelledAlike(name: string): string {
  return name.toLowerCase().replace(/^\//u, "");
}

function refused(because: string): { readonly refusal: Refusal } {
  return { refusal: { because, isTransient: false } };
}
