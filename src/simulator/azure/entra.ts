/**
 * Entra ID over HTTPS: metadata documents of versions 1 and 2 for each tenant and for `common`, the key sets, and the token endpoint.
 *
 * Source: Microsoft identity platform, "OpenID Connect on the Microsoft identity platform"; documents of login.microsoftonline.com as served publicly.
 */

import type { IssuedCertificate } from "../../crypto/certificate";
import type { Random } from "../../model/ports";
import type { Instant } from "../../model/types";
import type { Cloud } from "./cloud";
import type { Directory } from "./directory";
import { type Call, type Endpoint, type EndpointControls, json, serveEndpoint } from "./endpoint";
import { entraError } from "./entra-errors";
import type { ExternalIssuers } from "./external-issuers";
import type { SigningKeys } from "./signing-keys";
import { answerTokenRequest, type Issue, type TrustedCluster } from "./token-endpoint";
import type { IssuerNames, TokenVersion } from "./tokens";

export type EntraRoute = "metadata" | "keys" | "token" | "other";

/** The running authority, as tests and the operator see it. */
export interface Entra extends EndpointControls<EntraRoute> {
  /** `https://127.0.0.1:PORT`, without a slash at the end: the value of `AZURE_AUTHORITY_HOST`. */
  readonly url: string;
  /** See `SigningKeys.rotate`. Default `scheduled`. */
  rotate(mode?: "scheduled" | "emergency"): Promise<void>;
}

export interface EntraDeps {
  cloud(): Cloud;
  readonly directory: Directory;
  readonly external: ExternalIssuers;
  readonly keys: SigningKeys;
  readonly random: Random;
  readonly issuers: IssuerNames;
  readonly issue: Issue;
  readonly host: string;
  readonly port: number;
  readonly allowNonLoopback: boolean;
  readonly tls: IssuedCertificate;
  readonly cluster: TrustedCluster;
  now(): Instant;
}

interface Target {
  readonly tenant: string;
  readonly document: EntraRoute;
  readonly version: TokenVersion;
}

// Path below the tenant → what is there.
const documents: ReadonlyMap<string, Omit<Target, "tenant">> = new Map([
  [".well-known/openid-configuration", { document: "metadata", version: 1 }],
  ["v2.0/.well-known/openid-configuration", { document: "metadata", version: 2 }],
  ["discovery/keys", { document: "keys", version: 1 }],
  ["discovery/v2.0/keys", { document: "keys", version: 2 }],
  ["oauth2/token", { document: "token", version: 1 }],
  ["oauth2/v2.0/token", { document: "token", version: 2 }],
]);
const anyTenant: ReadonlySet<string> = new Set(["common", "organizations"]);

export function serveEntra(deps: EntraDeps): Endpoint<EntraRoute> {
  const endpoint: Endpoint<EntraRoute> = serveEndpoint<EntraRoute>({
    host: deps.host,
    port: deps.port,
    allowNonLoopback: deps.allowNonLoopback,
    tls: deps.tls,
    routeOf: (call) => targetOf(call.path)?.document ?? "other",
    answer: (_route, call) => answer(deps, endpoint.url, call),
  });
  return endpoint;
}

async function answer(deps: EntraDeps, origin: string, call: Call): Promise<Response> {
  const target = targetOf(call.path);
  if (target === undefined) return json(404, { error: "not_found" });
  const isKnown = anyTenant.has(target.tenant) || deps.cloud().tenants.some((tenant) => tenant.id === target.tenant);
  if (!isKnown) return entraError(deps, "unknown_tenant", target.tenant);
  if (target.document === "token") return answerTokenRequest({ ...deps, version: target.version, tenantId: target.tenant }, call);
  if (call.method !== "GET" && call.method !== "HEAD") return json(405, { error: "method_not_allowed" });
  const issuers = { template: deps.issuers("{tenantid}", 2), foreign: deps.issuers(foreignTenantId, 2) };
  if (target.document === "keys") return json(200, deps.keys.publicSet(target.version, issuers));
  return json(200, metadata(deps, origin, target));
}

/** A tenant that exists nowhere: its issuer's key must not verify anybody's tokens. */
export const foreignTenantId = "f0f0f0f0-0f0f-4f0f-8f0f-f0f0f0f0f0f0";

function targetOf(path: string): Target | undefined {
  const [, tenant, ...rest] = path.split("/");
  const found = documents.get(rest.join("/"));
  return tenant === undefined || found === undefined ? undefined : { tenant: tenant.toLowerCase(), ...found };
}

function metadata(deps: EntraDeps, origin: string, { tenant, version }: Target): object {
  const base = `${origin}/${tenant}`;
  const oauth = version === 1 ? `${base}/oauth2` : `${base}/oauth2/v2.0`;
  return {
    token_endpoint: `${oauth}/token`,
    token_endpoint_auth_methods_supported: ["client_secret_post", "private_key_jwt", "client_secret_basic"],
    jwks_uri: version === 1 ? `${origin}/common/discovery/keys` : `${base}/discovery/v2.0/keys`,
    response_modes_supported: ["query", "fragment", "form_post"],
    subject_types_supported: ["pairwise"],
    id_token_signing_alg_values_supported: ["RS256"],
    response_types_supported: ["code", "id_token", "code id_token", "id_token token"],
    scopes_supported: ["openid", "profile", "email", "offline_access"],
    // Literal braces: a document for all tenants names none.
    issuer: deps.issuers(anyTenant.has(tenant) ? "{tenantid}" : tenant, version),
    authorization_endpoint: `${oauth}/authorize`,
    claims_supported: ["sub", "iss", "aud", "exp", "iat", "nonce", "tid", "ver"],
    tenant_region_scope: anyTenant.has(tenant) ? null : "EU",
    cloud_instance_name: "microsoftonline.com",
    msgraph_host: "graph.microsoft.com",
    rbac_url: "https://pas.windows.net",
  };
}
