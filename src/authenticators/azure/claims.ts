/** Judges the claims of an Azure access token whose signature holds, and says what they prove. */

import { type JsonObject, judgeTimes } from "../../crypto/jwt";
import type { CheckList } from "../../model/failures";
import type { Attestation } from "../../model/ports";
import type { Instant } from "../../model/types";
import { assertNotOver, shown } from "../signed-token";
import { isResourceManagerAudience } from "./clouds";
import type { AzureProvider } from "./provider";
import { type AzureResourceId, isGuid, isUserAssignedIdentity, parseResourceId } from "./resource-id";

export interface ClaimsToJudge {
  readonly claims: JsonObject;
  /** What the issuer's own document says its tokens carry. */
  readonly issuer: string;
  readonly provider: AzureProvider;
  readonly now: Instant;
}

// The platform's clocks differ a little. The end of a token is never stretched.
const timeRules = { skewSeconds: 60, maxLifetimeSeconds: 30 * 3600 };
// Claims that only tokens of people carry.
const userClaims = ["scp", "upn", "unique_name", "preferred_username"] as const;
// How the application proved itself to the issuer: with a secret or a certificate. "0" is a public client.
const confidentialClients: readonly unknown[] = [undefined, "1", "2"];
const evidenceClaims = ["iss", "aud", "tid", "oid", "ver", "appid", "azp", "uti", "xms_mirid", "xms_az_rid"] as const;

/**
 * Fails `issuer`, `tenant`, `audience`, the checks of `judgeTimes`, `principal_claim`, `resource_claim`, `principal`, `application`, `resource_id`,
 * `resource_provider`, `host_resource_id`, and last `expiry`.
 *
 * `subscription-id` and `resource-group` are those of the resource whose identity signed in; of a user-assigned identity that is the identity itself,
 * wherever the machine may be.
 */
export function judgeClaims({ claims, issuer, provider, now }: ClaimsToJudge, checks: CheckList): Attestation {
  checks.expect(claims.iss === issuer, "issuer", `${shown(claims.iss)}; expected ${issuer}`);
  checks.expect(isTenant(claims.tid, provider.tenant), "tenant", `${shown(claims.tid)}; expected ${provider.tenant}`);
  const audience = provider.audiences.find((accepted) => accepted === claims.aud);
  if (audience === undefined) checks.fail("audience", `${shown(claims.aud)}; accepted: ${provider.audiences.join(", ")}`);
  checks.pass("audience", audience);
  const expiresAt = judgeTimes(claims, timeRules, now, checks);
  const subject = judgePrincipal(claims, checks);
  const resource = readResource(claims.xms_mirid, "resource_id", checks);
  // Never compared here, but a token with a machine that cannot be read is no token of Azure's.
  if (claims.xms_az_rid !== undefined) readResource(claims.xms_az_rid, "host_resource_id", checks);
  assertNotOver(expiresAt, now, checks);
  return {
    subject,
    attributes: attributesOf(resource, subject),
    expiresAt,
    evidence: evidenceOf(claims),
    checks: checks.made,
    warnings: isResourceManagerAudience(audience) ? ["audience_is_arm"] : [],
  };
}

/** The object id of the application that the token is for. The names of people decide nothing; claims that only people's tokens have are refused. */
function judgePrincipal(claims: JsonObject, checks: CheckList): string {
  const { oid, sub, idtyp } = claims;
  if (typeof oid !== "string" || oid === "") checks.fail("principal_claim", "oid is missing");
  if (typeof claims.xms_mirid !== "string" || claims.xms_mirid === "")
    checks.fail("resource_claim", "xms_mirid is missing: not a managed identity");
  const subject = oid.toLowerCase();
  const isItself = isGuid(oid) && typeof sub === "string" && sub.toLowerCase() === subject;
  checks.expect(isItself, "principal", `oid ${shown(oid)}, sub ${shown(sub)}; expected one GUID in both`);
  const userClaim = userClaims.find((name) => claims[name] !== undefined);
  if (userClaim !== undefined) checks.fail("application", `${userClaim} is present: a person's token`);
  if (idtyp !== undefined && idtyp !== "app") checks.fail("application", `idtyp ${shown(idtyp)}; expected app`);
  const isConfidential = confidentialClients.includes(claims.appidacr) && confidentialClients.includes(claims.azpacr);
  checks.expect(isConfidential, "application", isConfidential ? "signed in by itself" : "a public client");
  return subject;
}

function readResource(claim: unknown, check: "resource_id" | "host_resource_id", checks: CheckList): AzureResourceId {
  const parsed = typeof claim === "string" ? parseResourceId(claim) : ({ problem: "is not text", part: "path" } as const);
  if (!("problem" in parsed)) {
    checks.pass(check, shown(claim));
    return parsed.id;
  }
  const name = check === "resource_id" && parsed.part === "provider" ? "resource_provider" : check;
  checks.fail(name, `${shown(claim)} ${parsed.problem}`);
}

/** What annotations are compared with. */
export function attributesOf(resource: AzureResourceId, subject: string): Readonly<Record<string, string>> {
  const identity = isUserAssignedIdentity(resource) ? { "user-assigned-identity": resource.name } : { "system-assigned-identity": subject };
  return { "subscription-id": resource.subscriptionId, "resource-group": resource.resourceGroup, ...identity };
}

function evidenceOf(claims: JsonObject): Readonly<Record<string, string>> {
  const evidence: Record<string, string> = {};
  for (const name of evidenceClaims) {
    const value = claims[name];
    if (typeof value === "string") evidence[name] = value;
  }
  return evidence;
}

function isTenant(claim: unknown, tenant: string): boolean {
  return typeof claim === "string" && isGuid(claim) && claim.toLowerCase() === tenant;
}
