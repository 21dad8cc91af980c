/**
 * Verifies identity tokens of Google Cloud: those of service accounts, and those that the metadata server gives to virtual machines.
 *
 * Google is the only issuer and nothing is set up. The audience says which host of which account is meant, so a token for somebody else, or for another
 * account, is none here. What is proven of a machine needs the token's `full` format.
 * Source: Google Cloud, "Verifying the identity of instances"; Conjur 5.3.1, app/domain/authentication/authn_gcp.
 */

import { isObject, type JsonObject, judgeTimes, parseJwt } from "../../crypto/jwt";
import { type CheckList, createCheckList } from "../../model/failures";
import type { Authenticator } from "../../model/ports";
import { type IssuerSource, type Issuers, trustedIssuer } from "../issuer";
import { assertNotOver, assertSigned, evidenceOf, shown, shownLength } from "../signed-token";

const issuer = "https://accounts.google.com";
const source: IssuerSource = {
  documentUrl: `${issuer}/.well-known/openid-configuration`,
  publicHosts: ["accounts.google.com", "www.googleapis.com"],
  keyHosts: ["www.googleapis.com"],
  accepts: (named) => named === issuer,
};
const timeRules = { skewSeconds: 60, maxLifetimeSeconds: 24 * 3600, mayLackNotBefore: true };

/** The authenticator `authn-gcp`. It has no service and no settings. */
export function createGcpAuthenticator({ issuers }: { readonly issuers: Issuers }): Authenticator {
  return {
    type: "authn-gcp",
    settings: [],
    service: "none",
    restrictions: {
      required: [],
      permitted: ["project-id", "instance-name", "service-account-id", "service-account-email"],
      exclusive: [],
      ignoreCase: false,
      form: "general",
      // Names of machines are unique within a project only.
      oneOf: ["project-id", "service-account-id", "service-account-email"],
    },
    namesRoles: true,

    async verify(credential, _settings, now) {
      const checks: CheckList = createCheckList();
      if (credential.kind !== "token") checks.fail("credential_kind", "no token");
      const token = parseJwt(credential.value, ["RS256"], checks);
      assertSigned(token, (await trustedIssuer(issuers, source, token.keyId, checks)).keys, checks);
      const { claims } = token;
      checks.expect(claims.iss === issuer, "issuer", `${shown(claims.iss)}; expected ${issuer}`);
      const expiresAt = judgeTimes(claims, timeRules, now, checks);
      const audience = readAudience(claims.aud, checks);
      const subject = claims.sub;
      if (typeof subject !== "string" || subject === "") checks.fail("principal_claim", "sub is missing");
      assertNotOver(expiresAt, now, checks);
      return {
        subject: subject.slice(0, shownLength),
        attributes: attributesOf(claims, subject),
        expiresAt,
        evidence: evidenceOf(claims, ["iss", "aud", "sub"]),
        checks: checks.made,
        warnings: [],
        ...audience,
      };
    },

    async status() {
      await trustedIssuer(issuers, source, undefined, createCheckList());
    },
  };
}

/** `conjur/acme/host/apps/vm`, or without the word `host`. Fails the check `audience`. */
function readAudience(claim: unknown, checks: CheckList): { readonly account: string; readonly login: string } {
  const [conjur, account = "", ...rest] = typeof claim === "string" ? claim.split("/") : [];
  const segments = rest[0] === "host" ? rest.slice(1) : rest;
  const isFine = conjur === "conjur" && account !== "" && segments.length > 0 && !segments.includes("");
  checks.expect(isFine, "audience", `${shown(claim)}; expected conjur/<account>/host/<id>`);
  return { account, login: `host/${segments.join("/")}` };
}

/** An address counts when Google says that it is the account's own. */
function attributesOf(claims: JsonObject, subject: string): Readonly<Record<string, string>> {
  const google = isObject(claims.google) ? claims.google : {};
  const machine = isObject(google.compute_engine) ? google.compute_engine : {};
  const found: Readonly<Record<string, unknown>> = {
    "project-id": machine.project_id,
    "instance-name": machine.instance_name,
    "service-account-id": subject,
    "service-account-email": claims.email_verified === true ? claims.email : undefined,
  };
  const texts = Object.entries(found).filter((entry): entry is [string, string] => typeof entry[1] === "string" && entry[1] !== "");
  return Object.fromEntries(texts);
}
