/**
 * What an access token of Entra ID says about whoever shows it, once its signature holds. Pure.
 *
 * Source: Vault 1.19, vault-plugin-auth-azure v0.24.0 (path_login.go) and go-oidc for order and wording; stricter where security asks for it: `nbf` and `oid`
 * must be there, and the audience is one text.
 */

import type { JsonObject } from "../../crypto/strict-json";
import type { Instant } from "../../model/types";
import { type AzureId, parseAzureId } from "./azure-ids";

/** Whom a token is of. */
export interface AzureIdentity {
  readonly oid: string;
  /** Empty where the token has none. */
  readonly appId: string;
  readonly groups: readonly string[];
  /** The resource that it was given to, and the claim that says so; absent where it says nothing, or only which shared identity it is. */
  readonly origin?: AzureOrigin;
}

export interface AzureOrigin {
  readonly claim: "xms_az_rid" | "xms_mirid";
  readonly id: AzureId;
}

export interface TokenTerms {
  /** What the issuer's own document says its tokens carry. */
  readonly issuer: string;
  readonly audience: string;
  readonly now: Instant;
  /** Granted to the beginning of a token, never to its end. */
  readonly skewSeconds: number;
}

const farSeconds = 300;
const longestText = 512;
const mostGroups = 2000;

/** The identity, or what is wrong as a sentence. */
export function readAzureToken(claims: JsonObject, terms: TokenTerms): AzureIdentity | { readonly problem: string } {
  const problem = formalProblem(claims, terms);
  if (problem !== undefined) return { problem };
  const { oid, appid, groups, xms_az_rid: host, xms_mirid: identity, _claim_names: elsewhere, _claim_sources: sources } = claims;
  if (typeof oid !== "string" || oid === "" || oid.length > longestText) return { problem: "token has no oid claim" };
  if (groups !== undefined && !isTexts(groups)) return { problem: "oidc: malformed jwt: groups is not a list of texts" };
  if (pointsNowhere(elsewhere, sources)) return { problem: "oidc: source does not exist" };
  const origin = originOf(host, "xms_az_rid") ?? originOf(identity, "xms_mirid");
  if (origin === "unreadable") return { problem: "the token names a resource that cannot be read" };
  return {
    oid,
    appId: typeof appid === "string" && appid.length <= longestText ? appid : "",
    groups: groups ?? [],
    ...(origin === undefined ? {} : { origin }),
  };
}

/** Whoever it is said to be from and for, and when. */
function formalProblem({ iss, aud, exp, nbf }: JsonObject, { issuer, audience, now, skewSeconds }: TokenTerms): string | undefined {
  const shown = typeof iss === "string" ? iss.slice(0, longestText) : "";
  if (iss !== issuer) return `oidc: id token issued by a different provider, expected ${quoted(issuer)} got ${quoted(shown)}`;
  if (aud !== audience) return `oidc: expected audience ${quoted(audience)} got [${audiencesOf(aud).map(quoted).join(" ")}]`;
  const seconds = now / 1000;
  const end = isTime(exp) ? exp : 0;
  if (end <= seconds) return `oidc: token is expired (Token Expiry: ${timeText(end)})`;
  if (!isTime(nbf)) return "token has no nbf claim";
  if (nbf > seconds + farSeconds) return `oidc: current time ${timeText(seconds)} before the nbf (not before) time: ${timeText(nbf)}`;
  if (nbf > seconds + skewSeconds) return `token is not yet valid (Token Not Before: ${timeText(nbf)})`;
  return undefined;
}

function originOf(claim: unknown, name: AzureOrigin["claim"]): AzureOrigin | "unreadable" | undefined {
  if (claim === undefined || claim === "") return undefined;
  const text = typeof claim === "string" ? (claim.startsWith("/") ? claim : `/${claim}`) : "";
  const id = parseAzureId(text);
  return id === undefined ? "unreadable" : { claim: name, id };
}

/** Who is in too many groups gets a place to ask in their stead. Nobody is asked there; only what leads nowhere is an error. */
function pointsNowhere(names: unknown, sources: unknown): boolean {
  if (typeof names !== "object" || names === null) return false;
  const known = new Set(typeof sources === "object" && sources !== null ? Object.keys(sources) : []);
  return Object.values(names).some((source) => typeof source !== "string" || !known.has(source));
}

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.length <= mostGroups && value.every((each) => typeof each === "string");
const audiencesOf = (aud: unknown): readonly string[] =>
  (Array.isArray(aud) ? aud : [aud]).flatMap((each) => (typeof each === "string" ? [each.slice(0, longestText)] : [])).slice(0, 8);
const isTime = (value: unknown): value is number => typeof value === "number" && value > 0 && value < 253_402_300_799;

/** As Go quotes it. */
export const quoted = (text: string): string => JSON.stringify(text);

/** As Go prints a time of UTC: `2026-11-26 19:00:00 +0000 UTC`; without one, its first year. */
function timeText(seconds: number): string {
  if (seconds === 0) return "0001-01-01 00:00:00 +0000 UTC";
  const text = Temporal.Instant.fromEpochMilliseconds(Math.floor(seconds) * 1000).toString({ smallestUnit: "second" });
  return text.replace("T", " ").replace("Z", " +0000 UTC");
}
