/** The settings of an OpenID Connect service: whose provider, and which of its claims names the user. */

import type { CheckList } from "../../model/failures";
import type { AuthenticatorSettings } from "../../model/ports";
import { type IssuerSource, isIssuerAddress, providerSource, readRoots } from "../issuer";

/** A service that takes identity tokens that somebody else obtained. */
export interface TokenService {
  readonly source: IssuerSource;
  /** The claim that names the user. */
  readonly claim: string;
  /** Whom the token may be for; empty: anybody, as the operator then has it. */
  readonly audiences: readonly string[];
}

/** A service that obtains them itself, with a code from the browser of the person who signs in. */
export interface CodeService extends TokenService {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly redirectUri: string;
  readonly scope: string;
  readonly sessionSeconds?: number;
}

const duration = /^P(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,5})M)?(?:(\d{1,6})S)?)?$/u;
const usualScopes = ["openid", "email", "profile"];
const longestClaim = 256;

/** Fails the checks `provider_uri`, `ca_cert` and `setting_id_token_user_property`. */
export function readTokenService(settings: AuthenticatorSettings, checks: CheckList): TokenService {
  const claim = needed(settings, "id-token-user-property", checks);
  const audiences = (settings.audience ?? settings["client-id"] ?? "").split(",").flatMap((each) => each.trim() || []);
  if (settings.audience !== undefined && audiences.length === 0) checks.fail("audience_setting", "the variable audience lists none");
  return { source: readSource(settings, checks), claim, audiences };
}

/** Fails the checks of `readTokenService`, those of the settings it needs, `redirect_uri`, `response_type` and `token_ttl`. */
export function readCodeService(settings: AuthenticatorSettings, checks: CheckList): CodeService {
  const clientId = needed(settings, "client-id", checks);
  const clientSecret = needed(settings, "client-secret", checks);
  const claim = needed(settings, "claim-mapping", checks);
  const redirectUri = needed(settings, "redirect-uri", checks);
  checks.expect(isIssuerAddress(redirectUri), "redirect_uri", "the address where the client of the person waits");
  const type = settings["response-type"] ?? "code";
  checks.expect(type === "code", "response_type", `${type}; only code is offered`);
  const scopes = (settings["provider-scope"] ?? "").split(/\s+/u).filter((scope) => scope !== "");
  const ttl = settings["token-ttl"];
  const sessionSeconds = ttl === undefined ? undefined : secondsOf(ttl);
  if (ttl !== undefined && sessionSeconds === undefined) checks.fail("token_ttl", `${ttl}; expected a duration such as PT60M`);
  return {
    source: readSource(settings, checks),
    claim,
    audiences: [clientId],
    clientId,
    clientSecret,
    redirectUri,
    scope: [...new Set([...usualScopes, ...scopes])].join(" "),
    ...(sessionSeconds === undefined ? {} : { sessionSeconds }),
  };
}

/** Whether people can sign in here: nothing that takes is missing. */
export function isForPeople(settings: AuthenticatorSettings): boolean {
  return ["client-id", "client-secret", "claim-mapping", "redirect-uri"].every((name) => settings[name] !== undefined);
}

function readSource(settings: AuthenticatorSettings, checks: CheckList): IssuerSource {
  const address = needed(settings, "provider-uri", checks);
  const isQueried = URL.parse(address)?.search !== "";
  checks.expect(isIssuerAddress(address) && !isQueried, "provider_uri", address.slice(0, longestClaim));
  return providerSource(address, readRoots(settings["ca-cert"], checks));
}

function needed(settings: AuthenticatorSettings, name: string, checks: CheckList): string {
  const value = settings[name];
  if (value === undefined) checks.fail(`setting_${name.replaceAll("-", "_")}`, `the variable ${name} is not declared or has no value`);
  return value;
}

/** `PT1H30M` → 5400. Undefined for what is no duration, or none at all. */
function secondsOf(text: string): number | undefined {
  const match = duration.exec(text);
  if (match === null) return undefined;
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = match.slice(1).map((digits) => Number(digits ?? 0));
  const total = days * 86_400 + hours * 3600 + minutes * 60 + seconds;
  return total > 0 ? total : undefined;
}
