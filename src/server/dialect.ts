/**
 * Which protocol a request is in. Every way into a front asks this one function, so that no request is judged as one and answered as another.
 */

export type Dialect = "conjur" | "vault" | "keyvault";

export interface DialectRules {
  /** Host names, in lower case and without port, at which all is Key Vault's. */
  readonly keyVaultHosts: ReadonlySet<string>;
  /** The only dialect of a listener that has one to itself. */
  readonly only?: Dialect;
}

// As it stands: a spelling with escapes is no client's of Key Vault, and Conjur's front does not know the member.
const apiVersion = /[?&]api-version(?:[=&#]|$)/;

/**
 * The dialect of an absolute URL: below `/v1/` it is Vault's; at a configured host, or with the query member `api-version`, Key Vault's; the rest is
 * Conjur's. `host` is the `Host` header, checked before.
 */
export function dialectOf(url: string, host: string, rules: DialectRules): Dialect {
  if (rules.only !== undefined) return rules.only;
  const path = url.indexOf("/", url.indexOf("://") + 3);
  if (path >= 0 && url.startsWith("/v1/", path)) return "vault";
  if (rules.keyVaultHosts.size > 0 && rules.keyVaultHosts.has(hostNameOf(host))) return "keyvault";
  const query = url.indexOf("?", path);
  return query >= 0 && apiVersion.test(url.slice(query)) ? "keyvault" : "conjur";
}

/** `Vault-1.Example.com:8443` → `vault-1.example.com`. */
function hostNameOf(host: string): string {
  return host.replace(/:\d+$/, "").toLowerCase();
}

const plainHost = /^(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;

/**
 * Whether a `Host` header is a plain name or address with an optional port. The runtime builds the request's URL from it and joins repeated ones by a
 * comma; anything unusual would move the line between host and path, and with it the route.
 */
export function isPlainHost(host: string | null): host is string {
  return host !== null && plainHost.test(host);
}
