/**
 * Access tokens as Entra ID issues them to applications and managed identities: claims of version 1 and 2, signed RS256.
 *
 * Every token carries `"xms_sim":"1"`, so that nobody takes one for Azure's.
 * Source: "Access token claims reference" of the Microsoft identity platform; published tokens for `xms_mirid` and `xms_az_rid`, which are undocumented.
 */

import { signJws } from "../../crypto/signing";
import type { Random } from "../../model/ports";
import type { Instant } from "../../model/types";
import type { Audience, Principal } from "./cloud";
import { opaque } from "./ids";
import type { SigningKey } from "./signing-keys";

export type Claims = Readonly<Record<string, unknown>>;
export type TokenVersion = 1 | 2;

/** Names issuers: `https://sts.windows.net/<tid>/` for version 1, `https://login.microsoftonline.com/<tid>/v2.0` for version 2, or the simulator's own. */
export type IssuerNames = (tenantId: string, version: TokenVersion) => string;

export interface TokenRequest {
  readonly principal: Principal;
  readonly audience: Audience;
  /** The audience as it was asked for: version 1 puts it into `aud` as it is. */
  readonly requested: string;
  /** Of the machine that asked, when the identity is user-assigned. */
  readonly hostResourceId?: string;
  /** How the principal proved itself: `1` by a client secret, `2` by a certificate or assertion, as managed identities do. */
  readonly clientAuthentication: "1" | "2";
  readonly version: TokenVersion;
  readonly now: Instant;
}

export const tokenLifetimeSeconds = 86_400;
// Entra ID dates tokens five minutes back.
const backdateSeconds = 300;
const maxGroups = 200;

/** The claims of a token that nothing is wrong with. */
export function claimsFor(request: TokenRequest, issuers: IssuerNames, random: Random): Claims {
  const { principal, audience, version } = request;
  const nowSeconds = Math.floor(request.now / 1000);
  const issuer = issuers(principal.tenant.id, version);
  const roles = audience.roles[principal.name];
  const client =
    version === 1
      ? { appid: principal.clientId, appidacr: request.clientAuthentication, idp: issuer }
      : { azp: principal.clientId, azpacr: request.clientAuthentication };
  return {
    aud: version === 1 ? request.requested : audience.appId,
    iss: issuer,
    iat: nowSeconds - backdateSeconds,
    nbf: nowSeconds - backdateSeconds,
    exp: nowSeconds + tokenLifetimeSeconds,
    aio: opaque(random, 24),
    ...client,
    ...(audience.groupClaims ? groupClaims(principal) : {}),
    ...(audience.idtyp ? { idtyp: "app" } : {}),
    oid: principal.oid,
    rh: `1.${opaque(random, 30)}.`,
    ...(roles === undefined ? {} : { roles }),
    sub: principal.oid,
    tid: principal.tenant.id,
    uti: opaque(random, 16),
    ver: version === 1 ? "1.0" : "2.0",
    ...(audience.resourceClaims ? resourceClaims(request) : {}),
    xms_sim: "1",
  };
}

/** `x5t` is in version 1's headers only. */
export function headerFor(key: SigningKey, version: TokenVersion): Claims {
  return version === 1 ? { typ: "JWT", alg: "RS256", x5t: key.kid, kid: key.kid } : { typ: "JWT", alg: "RS256", kid: key.kid };
}

export function signToken(claims: Claims, key: SigningKey, version: TokenVersion): string {
  return signJws(headerFor(key, version), claims, { method: "RS256", pair: key.pair });
}

/** What Entra ID puts instead of more groups than it lists: where one might ask for them. */
export function groupOverage(oid: string, tenantId: string): Claims {
  const endpoint = `https://graph.windows.net/${tenantId}/servicePrincipals/${oid}/getMemberObjects`;
  return { _claim_names: { groups: "src1" }, _claim_sources: { src1: { endpoint } } };
}

function groupClaims(principal: Principal): Claims {
  if (principal.groups.length > maxGroups) return groupOverage(principal.oid, principal.tenant.id);
  return principal.groups.length === 0 ? {} : { groups: principal.groups };
}

function resourceClaims({ principal, hostResourceId }: TokenRequest): Claims {
  return {
    ...(hostResourceId === undefined ? {} : { xms_az_rid: hostResourceId }),
    ...(principal.mirid === undefined ? {} : { xms_mirid: principal.mirid }),
  };
}
