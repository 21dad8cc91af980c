/**
 * Verifies tokens of any issuer that signs JWTs: continuous integration, clusters, identity providers.
 *
 * Whose keys count, which issuer and audience, and which claim names the host are the operator's settings; nothing of that is taken from the token. Last of
 * all comes whether the token has expired, so that `expired` is said of genuine tokens alone.
 * Source: Conjur 5.3.1, app/domain/authentication/authn_jwt.
 */

import { judgeTimes, type KeySet, parseJwt } from "../../crypto/jwt";
import { type CheckList, createCheckList } from "../../model/failures";
import type { Authenticator } from "../../model/ports";
import { type Issuers, trustedIssuer } from "../issuer";
import { assertNotOver, assertSigned, evidenceOf, shown, shownLength } from "../signed-token";
import { attributesOf, readClaimSettings } from "./claim-settings";
import { createGivenKeys, type KeySource, readAlgorithms, readKeySource } from "./key-source";

export interface JwtAuthenticatorDeps {
  readonly issuers: Issuers;
  /** Take tokens that name no issuer, as Conjur does where it is told to. */
  readonly mayLackIssuer: boolean;
}

/** No skew for the end of a token; the issuers' clocks may be a little ahead of ours. How long a token lives is its issuer's business. */
const timeRules = { skewSeconds: 60, mayLackNotBefore: true };
const evidenceClaims = ["iss", "sub", "aud", "jti"] as const;

/**
 * The authenticator `authn-jwt`. With `token-app-property` the token says whose it is (`login`), else whoever asks does.
 *
 * Attributes are all texts in the token, by their paths; which of them decide is in the annotations of the role.
 */
export function createJwtAuthenticator({ issuers, mayLackIssuer }: JwtAuthenticatorDeps): Authenticator {
  const readKeys = createGivenKeys();

  async function keysOf(source: KeySource, keyId: string | undefined, checks: CheckList): Promise<KeySet> {
    if (source.kind === "given") return source.keys;
    return (await trustedIssuer(issuers, source.source, keyId, checks)).keys;
  }

  return {
    type: "authn-jwt",
    settings: [
      ...["jwks-uri", "provider-uri", "public-keys", "ca-cert", "issuer", "audience"],
      ...["token-app-property", "identity-path", "enforced-claims", "claim-aliases", "algorithms"],
    ].map((name) => ({ name, required: false })),
    restrictions: { required: [], permitted: "any", exclusive: [], ignoreCase: false, form: "service", oneOf: "any", isStrict: true },
    namesRoles: true,
    refusesEmptySettings: true,

    async verify(credential, settings, now) {
      const checks: CheckList = createCheckList();
      const source = readKeySource(settings, readKeys, checks);
      const algorithms = readAlgorithms(settings, checks);
      const { identityClaim, identityPath, restrictions } = readClaimSettings(settings, checks);
      if (credential.kind !== "token") checks.fail("credential_kind", "no token");
      const token = parseJwt(credential.value, algorithms, checks);
      assertSigned(token, await keysOf(source, token.keyId, checks), checks);

      const { claims } = token;
      const isUnnamed = claims.iss === undefined && mayLackIssuer;
      checks.expect(isUnnamed || claims.iss === source.issuer, "issuer", `${shown(claims.iss)}; expected ${source.issuer}`);
      judgeAudience(claims.aud, settings.audience, checks);
      const expiresAt = judgeTimes(claims, timeRules, now, checks);
      const attributes = attributesOf(claims);
      const identity = identityClaim !== undefined && Object.hasOwn(attributes, identityClaim) ? attributes[identityClaim] : undefined;
      if (identityClaim !== undefined) {
        checks.expect(identity !== undefined && identity !== "", "identity_claim", `${identityClaim}: ${shown(identity)}`);
      }
      assertNotOver(expiresAt, now, checks);
      const path = identityPath === "" ? "" : `${identityPath}/`;
      return {
        subject: typeof claims.sub === "string" ? claims.sub.slice(0, shownLength) : (identity ?? "unnamed"),
        attributes,
        expiresAt,
        evidence: evidenceOf(claims, evidenceClaims),
        checks: checks.made,
        warnings: settings.audience === undefined ? ["audience_unchecked"] : [],
        restrictions,
        ...(identity === undefined ? {} : { login: `host/${path}${identity}` }),
      };
    },

    async status(settings) {
      const checks: CheckList = createCheckList();
      const source = readKeySource(settings, readKeys, checks);
      readAlgorithms(settings, checks);
      readClaimSettings(settings, checks);
      await keysOf(source, undefined, checks);
    },
  };
}

/** One audience, or several of which it is one. Without the setting any will do, as the operator then has it. */
function judgeAudience(claim: unknown, audience: string | undefined, checks: CheckList): void {
  if (audience === undefined) return;
  const named: readonly unknown[] = Array.isArray(claim) ? claim : [claim];
  checks.expect(named.includes(audience), "audience", `${named.map(shown).join(", ")}; accepted: ${audience}`);
}
