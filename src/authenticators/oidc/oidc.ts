/**
 * Signs people in, and programs, by identity tokens of an OpenID Connect provider.
 *
 * Either somebody shows a token they obtained, or a person's client brings the code that its browser was given, and the token is fetched with it. Which
 * of the two a service does is told by its variables. The name of the user is in a claim that the operator chose; nothing else of the token decides.
 * Source: OpenID Connect Core 1.0, 3.1.3.7; RFC 7636; Conjur 5.3.1, app/domain/authentication/authn_oidc.
 */

import { sha256 } from "../../crypto/digest";
import { type JsonObject, judgeTimes, jwtAlgorithms, parseJwt } from "../../crypto/jwt";
import { type CheckList, createCheckList } from "../../model/failures";
import type { Attestation, Authenticator, Random } from "../../model/ports";
import type { SecretBytes } from "../../model/secret-bytes";
import type { Instant } from "../../model/types";
import { type Issuers, type TrustedIssuer, trustedIssuer } from "../issuer";
import type { Outgoing } from "../outgoing";
import { assertNotOver, assertSigned, evidenceOf, shown, shownLength } from "../signed-token";
import { exchangeCode } from "./code-exchange";
import { isForPeople, readCodeService, readTokenService, type TokenService } from "./settings";

export interface OidcAuthenticatorDeps {
  readonly issuers: Issuers;
  readonly outgoing: Outgoing;
  readonly random: Random;
}

/** A token to judge, and whom it must be of. `nonce` is what the sign-in began with. */
interface Presented {
  readonly token: SecretBytes;
  readonly service: TokenService;
  readonly nonce?: string;
  readonly now: Instant;
}

const timeRules = { skewSeconds: 60, mayLackNotBefore: true };
const longestName = 1024;
const secretBytes = 32;

/** The authenticator `authn-oidc`. Restrictions by annotation there are none: whom the claim names may log in, if the service lets them. */
export function createOidcAuthenticator({ issuers, outgoing, random }: OidcAuthenticatorDeps): Authenticator {
  async function judge({ token: value, service, nonce, now }: Presented, checks: CheckList): Promise<Attestation> {
    const token = parseJwt(value, jwtAlgorithms, checks);
    const trusted = await trustedIssuer(issuers, service.source, token.keyId, checks);
    assertSigned(token, trusted.keys, checks);
    const { claims } = token;
    checks.expect(claims.iss === trusted.issuer, "issuer", `${shown(claims.iss)}; expected ${trusted.issuer}`);
    judgeAudience(claims, service.audiences, checks);
    if (nonce !== undefined) checks.expect(nonce !== "" && claims.nonce === nonce, "nonce", "of this very sign-in");
    const expiresAt = judgeTimes(claims, timeRules, now, checks);
    const login = loginIn(claims, service.claim, checks);
    assertNotOver(expiresAt, now, checks);
    const evidence = evidenceOf(claims, ["iss", "aud", "sub", service.claim]);
    return {
      subject: typeof claims.sub === "string" && claims.sub !== "" ? claims.sub.slice(0, shownLength) : login,
      attributes: {},
      expiresAt,
      evidence,
      checks: checks.made,
      warnings: service.audiences.length === 0 ? ["audience_unchecked"] : [],
      login,
    };
  }

  return {
    type: "authn-oidc",
    service: "optional",
    settings: [
      { name: "provider-uri", required: true },
      ...["id-token-user-property", "audience", "client-id", "claim-mapping", "redirect-uri", "response-type"].map(optional),
      { ...optional("client-secret"), isSecret: true },
      ...["provider-scope", "name", "token-ttl", "ca-cert"].map(optional),
    ],
    restrictions: { required: [], permitted: [], exclusive: [], ignoreCase: false, form: "none", refusesAdministrator: true },
    namesRoles: true,

    async verify(credential, settings, now) {
      const checks: CheckList = createCheckList();
      if (credential.kind === "token") {
        const service = readTokenService(settings, checks);
        return await judge({ token: credential.value, service, now }, checks);
      }
      if (credential.kind !== "code") checks.fail("credential_kind", "neither a token nor a code");
      const service = readCodeService(settings, checks);
      const { endpoints = {} }: TrustedIssuer = await trustedIssuer(issuers, service.source, undefined, checks);
      const token = await exchangeCode(outgoing, service, endpoints, credential, checks);
      const attestation = await judge({ token, service, nonce: credential.nonce, now }, checks);
      return service.sessionSeconds === undefined ? attestation : { ...attestation, sessionSeconds: service.sessionSeconds };
    },

    async status(settings) {
      const checks: CheckList = createCheckList();
      const service = isForPeople(settings) ? readCodeService(settings, checks) : readTokenService(settings, checks);
      await trustedIssuer(issuers, service.source, undefined, checks);
    },

    async invite(settings, service) {
      if (!isForPeople(settings)) return undefined;
      const checks: CheckList = createCheckList();
      const { source, clientId, scope, redirectUri } = readCodeService(settings, checks);
      const { endpoints = {} }: TrustedIssuer = await trustedIssuer(issuers, source, undefined, checks);
      const address = URL.parse(endpoints.authorization ?? "");
      if (address === null) checks.fail("authorization_endpoint", "the provider's document names none");
      const nonce = Buffer.from(random.bytes(secretBytes)).toString("base64url");
      const verifier = Buffer.from(random.bytes(secretBytes)).toString("base64url");
      const question = {
        client_id: clientId,
        response_type: "code",
        scope,
        nonce,
        code_challenge: sha256(verifier).toString("base64url"),
        code_challenge_method: "S256",
        redirect_uri: redirectUri,
      };
      for (const [name, value] of Object.entries(question)) address.searchParams.set(name, value);
      return { name: settings.name ?? titled(service), address: address.href, nonce, verifier };
    },
  };
}

/** One of the audiences must be ours; of several, the token must also have been issued to us. */
function judgeAudience(claims: JsonObject, audiences: readonly string[], checks: CheckList): void {
  if (audiences.length === 0) return;
  const named: readonly unknown[] = Array.isArray(claims.aud) ? claims.aud : [claims.aud];
  const isOurs = (name: unknown): boolean => audiences.some((audience) => audience === name);
  const isIssuedToUs = named.length === 1 || isOurs(claims.azp);
  checks.expect(named.some(isOurs) && isIssuedToUs, "audience", `${named.map(shown).join(", ")}; accepted: ${audiences.join(", ")}`);
}

/** Fails the check `identity_claim`. An address that the provider itself calls unverified may be anybody's. */
function loginIn(claims: JsonObject, claim: string, checks: CheckList): string {
  const value = Object.hasOwn(claims, claim) ? claims[claim] : undefined;
  if (typeof value !== "string" || value === "" || value.length > longestName) checks.fail("identity_claim", `${claim}: ${shown(value)}`);
  if (claim === "email" && claims.email_verified === false) checks.fail("identity_claim", "email is not verified, says the provider");
  checks.pass("identity_claim", `${claim}: ${value.slice(0, shownLength)}`);
  return value;
}

/** `abc-my-okta` → `Abc My Okta`, as upstream names what has no name. */
function titled(service: string): string {
  return service
    .split(/[-_ ]+/u)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join(" ");
}

function optional(name: string): { readonly name: string; readonly required: boolean } {
  return { name, required: false };
}
