/** Whose token a request to Resource Manager or Microsoft Graph bears: one of Entra ID's own, for that audience, in its time. */

import { verifyJws } from "../../crypto/signing";
import type { Instant } from "../../model/types";
import { type Cloud, findAudience, type Principal } from "./cloud";
import type { Call } from "./endpoint";
import type { SigningKeys } from "./signing-keys";

export interface Bearer {
  /** Of the token; who it names may be gone by now. */
  readonly oid: string;
  readonly principal?: Principal;
  readonly tenantId: string;
  readonly roles: readonly string[];
}

export interface BearerDeps {
  cloud(): Cloud;
  readonly keys: SigningKeys;
  now(): Instant;
}

export type BearerProblem = "missing" | "invalid" | "audience" | "expired";

/** `audienceUri`: any spelling of who the token must be for. */
export function readBearer(deps: BearerDeps, call: Call, audienceUri: string): Bearer | BearerProblem {
  const token = /^Bearer (\S+)$/.exec(call.headers.get("Authorization") ?? "")?.[1];
  if (token === undefined) return "missing";
  const [header, claims] = [partOf(token, 0), partOf(token, 1)];
  if (header === undefined || claims === undefined || !isSigned(deps.keys, token, header.get("kid"))) return "invalid";
  const audience = claims.get("aud");
  const wanted = findAudience(deps.cloud(), audienceUri);
  if (typeof audience !== "string" || wanted === undefined || findAudience(deps.cloud(), audience) !== wanted) return "audience";
  const [notBefore, end] = [Number(claims.get("nbf")), Number(claims.get("exp"))];
  if (!(notBefore * 1000 <= deps.now() && deps.now() < end * 1000)) return "expired";
  const oid = String(claims.get("oid"));
  const principal = deps.cloud().principals.find((each) => each.oid === oid);
  const roles: unknown = claims.get("roles");
  return {
    oid,
    ...(principal === undefined ? {} : { principal }),
    tenantId: String(claims.get("tid")),
    roles: Array.isArray(roles) ? roles.map(String) : [],
  };
}

function isSigned(keys: SigningKeys, token: string, keyId: unknown): boolean {
  return keys.published().some(({ kid, pair }) => kid === keyId && verifyJws(token, pair, "RS256"));
}

function partOf(token: string, index: 0 | 1): ReadonlyMap<string, unknown> | undefined {
  try {
    const part: unknown = JSON.parse(Buffer.from(token.split(".")[index] ?? "", "base64url").toString());
    return typeof part === "object" && part !== null ? new Map(Object.entries(part)) : undefined;
  } catch {
    // What is no JSON is no token: the caller refuses it.
    return undefined;
  }
}
