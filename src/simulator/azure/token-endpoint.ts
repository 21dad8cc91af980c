/**
 * The token endpoint: `client_credentials` with a client secret or with a federated assertion, in both versions.
 *
 * Version 2 answers numbers, version 1 strings. Certificates as client credentials, and every flow with a user, are left out.
 */

import type { Random } from "../../model/ports";
import type { Instant } from "../../model/types";
import { type Audience, type Cloud, findAudience, type Principal } from "./cloud";
import type { FederatedCredential } from "./cloud-description";
import type { Directory } from "./directory";
import { type Call, json } from "./endpoint";
import { entraError, type RefusalName } from "./entra-errors";
import type { ExternalIssuers } from "./external-issuers";
import { type Claims, type TokenVersion, tokenLifetimeSeconds } from "./tokens";

/** Issues the token of the version that the audience's manifest asks for. */
export type Issue = (grant: {
  readonly principal: Principal;
  readonly audience: Audience;
  readonly requested: string;
  readonly clientAuthentication: "1" | "2";
  readonly now: Instant;
}) => string;

/** Whose service accounts' tokens count as assertions. `verifies` looks at the signature alone. */
export interface TrustedCluster {
  readonly issuer: string;
  verifies(token: string): boolean;
}

export interface TokenEndpointDeps {
  cloud(): Cloud;
  readonly directory: Directory;
  readonly external: ExternalIssuers;
  readonly random: Random;
  readonly issue: Issue;
  readonly version: TokenVersion;
  readonly tenantId: string;
  readonly cluster: TrustedCluster;
  now(): Instant;
}

type Proof = { readonly clientAuthentication: "1" | "2" } | { readonly refused: RefusalName };

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const exchangeAudience = "api://AzureADTokenExchange";
const defaultScope = "/.default";
// Entra ID's answers are a second behind the token's own `exp`.
const answeredLifetime = tokenLifetimeSeconds - 1;

export async function answerTokenRequest(deps: TokenEndpointDeps, call: Call): Promise<Response> {
  if (call.method !== "POST") return entraError(deps, "post_only");
  const form = new URLSearchParams(await call.text());
  const targetName = deps.version === 1 ? "resource" : "scope";
  for (const name of ["grant_type", "client_id", targetName]) {
    if (!form.get(name)) return entraError(deps, "missing_parameter", name);
  }
  const grantType = form.get("grant_type") ?? "";
  if (grantType !== "client_credentials") return entraError(deps, "grant_type", grantType);

  const clientId = form.get("client_id") ?? "";
  const principal = deps.cloud().principals.find((one) => one.clientId === clientId && one.tenant.id === deps.tenantId);
  if (principal === undefined) return entraError(deps, "unknown_application", clientId);
  const proof = await prove(deps, principal, form);
  if ("refused" in proof) return entraError(deps, proof.refused, clientId);

  const target = form.get(targetName) ?? "";
  if (deps.version === 2 && !target.endsWith(defaultScope)) return entraError(deps, "scope");
  const requested = deps.version === 1 ? target : target.slice(0, -defaultScope.length);
  const audience = findAudience(deps.cloud(), requested);
  if (audience === undefined) return entraError(deps, "unknown_audience", requested);
  if (isRefusedAssignment(audience, principal)) return entraError(deps, "not_assigned", clientId);
  const now = deps.now();
  const token = deps.issue({ principal, audience, requested, clientAuthentication: proof.clientAuthentication, now });
  return json(200, deps.version === 2 ? numberBody(token) : textBody(token, requested, now));
}

/** Whether the audience wants an assigned role and this principal has none. */
export function isRefusedAssignment(audience: Audience, principal: Principal): boolean {
  return audience.assignmentRequired && audience.roles[principal.name] === undefined;
}

async function prove(deps: TokenEndpointDeps, principal: Principal, form: URLSearchParams): Promise<Proof> {
  const secret = form.get("client_secret");
  if (secret !== null) {
    return deps.directory.accepts(principal, secret) ? { clientAuthentication: "1" } : { refused: "wrong_secret" };
  }
  const assertion = form.get("client_assertion");
  if (assertion === null || form.get("client_assertion_type") !== assertionType) return { refused: "no_credential" };
  const refused = await assertionProblem(deps, principal, assertion);
  return refused === undefined ? { clientAuthentication: "2" } : { refused };
}

async function assertionProblem(deps: TokenEndpointDeps, principal: Principal, assertion: string): Promise<RefusalName | undefined> {
  const [header, claims] = [partOf(assertion, 0), partOf(assertion, 1)];
  if (header === undefined || claims === undefined) return "assertion_malformed";
  const issuerOf = (credential: FederatedCredential): string => credential.issuer ?? deps.cluster.issuer;
  const ofIssuer = deps.directory.federatedOf(principal).filter((credential) => issuerOf(credential) === claims.iss);
  const { iss: issuer } = claims;
  if (typeof issuer !== "string" || ofIssuer.length === 0) return "assertion_issuer";
  if (issuer !== deps.cluster.issuer) {
    const verdict = await deps.external.judge(assertion, header.kid, issuer);
    if (verdict !== "good") return verdict === "unreachable" ? "issuer_unreachable" : "assertion_signature";
  } else if (!deps.cluster.verifies(assertion)) return "assertion_issuer";
  const audiences = Array.isArray(claims.aud) ? claims.aud : [claims.aud];
  const ofAudience = ofIssuer.filter(({ audience = exchangeAudience }) => audiences.includes(audience));
  if (ofAudience.length === 0) return "assertion_audience";
  if (!ofAudience.some(({ subject }) => subject === claims.sub)) return "assertion_subject";
  const isInTime = typeof claims.exp === "number" && claims.exp * 1000 > deps.now() && !(Number(claims.nbf) * 1000 > deps.now());
  return isInTime ? undefined : "assertion_expired";
}

function partOf(token: string, index: 0 | 1): Claims | undefined {
  try {
    const part: unknown = JSON.parse(Buffer.from(token.split(".")[index] ?? "", "base64url").toString());
    return typeof part === "object" && part !== null ? { ...part } : undefined;
  } catch {
    // No JSON is no assertion: the caller refuses it by name.
    return undefined;
  }
}

function numberBody(token: string): object {
  return { token_type: "Bearer", expires_in: answeredLifetime, ext_expires_in: answeredLifetime, access_token: token };
}

function textBody(token: string, resource: string, now: Instant): object {
  const nowSeconds = Math.floor(now / 1000);
  return {
    token_type: "Bearer",
    expires_in: String(answeredLifetime),
    ext_expires_in: String(answeredLifetime),
    expires_on: String(nowSeconds + tokenLifetimeSeconds),
    not_before: String(nowSeconds),
    resource,
    access_token: token,
  };
}
