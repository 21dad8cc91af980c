/** Which tenant's tokens an Azure authenticator takes, of which version, and for whom: the settings `provider-uri` and `audience`. */

import type { CheckList } from "../../model/failures";
import type { AuthenticatorSettings } from "../../model/ports";
import type { IssuerSource } from "../issuer";
import { cloudsOf, resourceManagerAudiences } from "./clouds";
import { isGuid } from "./resource-id";

/** Value of the claim `ver`. Which one an application's tokens have is chosen in its registration. */
export type TokenVersion = "1.0" | "2.0";

export interface AzureProvider {
  /** Lower case. */
  readonly tenant: string;
  readonly version: TokenVersion;
  readonly source: IssuerSource;
  /** Never empty. */
  readonly audiences: readonly [string, ...string[]];
  /** For the audit. */
  readonly summary: string;
  /** Nobody chose the audiences: they are those of Azure Resource Manager. */
  readonly isDefaultAudience: boolean;
}

interface ProviderAddress {
  readonly url: URL;
  readonly tenant: string;
  readonly version: TokenVersion;
  /** Without the slash that version 1 issuers end in. */
  readonly base: string;
}

/**
 * Reads the settings of one authenticator.
 *
 *   https://sts.windows.net/11111111-2222-4333-8444-555555555555/ → version 1
 *   https://login.microsoftonline.com/11111111-2222-4333-8444-555555555555/v2.0 → version 2
 *
 * A slash at the end makes no difference. Another host may stand in for Azure's (a private cloud, a simulator) where the operator opened the way there;
 * `audience` lists exact values, separated by commas or lines. Fails the checks `provider_uri` and `audience_setting`.
 */
export function readProvider(settings: AuthenticatorSettings, checks: CheckList): AzureProvider {
  const text = settings["provider-uri"];
  if (text === undefined) checks.fail("provider_uri", "the variable provider-uri is not declared or has no value");
  const address = parseAddress(text.trim());
  if (address === undefined)
    checks.fail("provider_uri", "not the address of an issuer of one tenant, such as https://sts.windows.net/<tenant id>/");
  const { tenant, version, url } = address;
  const summary = `tenant ${tenant}, token version ${version}`;
  checks.pass("provider_uri", summary);
  const configured = settings.audience?.split(/[,\r\n]/u).flatMap((entry) => entry.trim() || []);
  const [first, ...rest] = configured ?? resourceManagerAudiences(url.hostname);
  // A list that names nobody must never come to mean everybody.
  if (first === undefined) checks.fail("audience_setting", "the variable audience lists none");
  return { tenant, version, source: sourceOf(address), audiences: [first, ...rest], summary, isDefaultAudience: configured === undefined };
}

function parseAddress(text: string): ProviderAddress | undefined {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) return undefined;
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "" || text.endsWith("//")) return undefined;
  const path = url.pathname.replace(/\/$/u, "");
  const version = path.endsWith("/v2.0") ? "2.0" : "1.0";
  const [empty, ...segments] = (version === "2.0" ? path.slice(0, -"/v2.0".length) : path).split("/");
  const tenant = segments.at(-1);
  if (empty !== "" || tenant === undefined || !isGuid(tenant) || segments.includes("")) return undefined;
  // Azure's own hosts have nothing before the tenant.
  if (segments.length > 1 && cloudsOf(url.hostname).length > 0) return undefined;
  return { url, tenant: tenant.toLowerCase(), version, base: `${url.origin}${path}` };
}

function sourceOf(address: ProviderAddress): IssuerSource {
  const { hostname } = address.url;
  const clouds = cloudsOf(hostname);
  const hosts = clouds.flatMap((cloud) => cloud.hosts);
  return {
    documentUrl: `${address.base}/.well-known/openid-configuration`,
    publicHosts: hosts,
    keyHosts: clouds.length === 0 ? [hostname] : hosts,
    accepts: (issuer) => acceptsIssuer(issuer, address),
  };
}

/** Azure's own documents name exactly the issuer of their cloud, tenant and version; elsewhere the host is free, the tenant and the version are not. */
function acceptsIssuer(issuer: string, { url, tenant, version }: ProviderAddress): boolean {
  const tail = version === "1.0" ? `/${tenant}/` : `/${tenant}/v2.0`;
  const clouds = cloudsOf(url.hostname);
  const hosts = clouds.map((cloud) => (version === "1.0" ? cloud.v1IssuerHost : cloud.v2IssuerHost));
  if (clouds.length > 0) return hosts.some((host) => issuer === `https://${host}${tail}`);
  const named = URL.parse(issuer);
  return named !== null && /^https?:$/u.test(named.protocol) && issuer.endsWith(tail) && named.search === "" && named.hash === "";
}
