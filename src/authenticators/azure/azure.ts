/**
 * Verifies access tokens of Azure managed identities and names the Azure resource they stand for.
 *
 * Which tenant may sign, in which token version, and for which audience is the operator's setting; nothing of that is ever taken from the token. Order of
 * the checks: form, version, keys, signature, then the claims, and last whether the token has expired, so that `expired` is said of genuine tokens
 * alone. What the attributes entitle to is not decided here.
 * Source: Microsoft identity platform, "Access token claims reference"; Conjur 5.3.1, authn_azure (which attribute comes from where).
 */

import { hasValidSignature, type Jwt, maxTokenBytes, parseJwt, tokenDigest, type VerificationKey } from "../../crypto/jwt";
import { type CheckList, createCheckList } from "../../model/failures";
import type { Authenticator, AuthenticatorSettings, Logger } from "../../model/ports";
import type { SecretBytes } from "../../model/secret-bytes";
import { type Issuers, type TrustedIssuer, trustedIssuer } from "../issuer";
import { judgeClaims } from "./claims";
import { type AzureProvider, readProvider } from "./provider";
import { createVerifiedTokens, type VerifiedToken } from "./verified-tokens";

export interface AzureAuthenticatorDeps {
  readonly issuers: Issuers;
  readonly logger: Logger;
  /** How many verified tokens are kept in mind. Default 4096. */
  readonly rememberedTokens?: number;
}

const maxProviders = 256;
const defaultRememberedTokens = 4096;

/** The authenticator `authn-azure`. Settings: `provider-uri`, and optionally `audience`; without it, tokens for Azure Resource Manager are taken. */
export function createAzureAuthenticator(deps: AzureAuthenticatorDeps): Authenticator {
  const providers = new Map<string, AzureProvider>();
  const verified = createVerifiedTokens(deps.rememberedTokens ?? defaultRememberedTokens);

  /** Reads settings once per text: every login brings the same few. */
  function providerOf(settings: AuthenticatorSettings, checks: CheckList): AzureProvider {
    const text = `${settings["provider-uri"]}\n${settings.audience}`;
    const known = providers.get(text);
    if (known !== undefined) {
      checks.pass("provider_uri", known.summary);
      return known;
    }
    const provider = readProvider(settings, checks);
    if (provider.isDefaultAudience) {
      deps.logger.warn("azure_audience_is_arm", { tenant: provider.tenant, audience: provider.audiences[0] });
    }
    const oldest = providers.keys().next();
    if (providers.size >= maxProviders && oldest.done !== true) providers.delete(oldest.value);
    providers.set(text, provider);
    return provider;
  }

  return {
    type: "authn-azure",
    settings: [
      { name: "provider-uri", required: true },
      { name: "audience", required: false },
    ],
    restrictions: {
      required: ["subscription-id", "resource-group"],
      permitted: ["subscription-id", "resource-group", "user-assigned-identity", "system-assigned-identity"],
      exclusive: [["user-assigned-identity", "system-assigned-identity"]],
      ignoreCase: true,
    },

    async verify(credential, settings, now) {
      const checks: CheckList = createCheckList();
      const provider = providerOf(settings, checks);
      if (credential.kind !== "token") checks.fail("credential_kind", "no token");
      const memoKey = memoKeyOf(credential.value, provider);
      const known = verified.recall(memoKey, now);
      if (known !== undefined) checks.pass("token_known", "this very text passed before; what changes with time is judged again");
      const token = known ?? parseJwt(credential.value, ["RS256"], checks);
      checks.expect(token.claims.ver === provider.version, "token_version", `provider-uri takes version ${provider.version} alone`);
      const trusted = await trustedIssuer(deps.issuers, provider.source, token.keyId, checks);
      const key = keyFor(token.keyId, trusted, provider, checks);
      checks.expect(isSigned(token, key), "signature", `key ${key.keyId}`);
      const attestation = judgeClaims({ claims: token.claims, issuer: trusted.issuer, provider, now }, checks);
      if ("signature" in token) {
        const { keyId, claims } = token;
        verified.remember(memoKey, { keyId, material: key.material, claims, expiresAt: attestation.expiresAt });
      }
      return attestation;
    },

    async status(settings) {
      const checks: CheckList = createCheckList();
      await trustedIssuer(deps.issuers, providerOf(settings, checks).source, undefined, checks);
    },
  };
}

/** One token counts as verified for one provider. What is too long for a token is not worth a digest; it fails on its first check. */
function memoKeyOf(token: SecretBytes, provider: AzureProvider): string {
  return token.byteLength > maxTokenBytes ? "" : `${tokenDigest(token)} ${provider.source.documentUrl}`;
}

function keyFor(keyId: string, trusted: TrustedIssuer, provider: AzureProvider, checks: CheckList): VerificationKey {
  const key = trusted.keys.get(keyId);
  if (key === undefined) checks.fail("signing_key", `the issuer has no key ${keyId}`);
  // A key set may serve many tenants; a key that says whom it signs for signs for nobody else.
  const isForIssuer = key.issuer === undefined || key.issuer.replaceAll("{tenantid}", provider.tenant) === trusted.issuer;
  checks.expect(isForIssuer, "signing_key", `key ${keyId} of ${key.issuer ?? trusted.issuer}`);
  return key;
}

/** A remembered token was signed by the key it was verified with; another key of the same name did not sign it. */
function isSigned(token: Jwt | VerifiedToken, key: VerificationKey): boolean {
  return "signature" in token ? hasValidSignature(token, key) : token.material === key.material;
}
