/**
 * What may be a request of a local program on a port that every program of this machine reaches, a browser among them: nothing that came by a proxy or from
 * a page, and nothing that was sent to another name (DNS rebinding).
 */

const telltales = ["origin", "referer", "forwarded", "via", "x-real-ip"];
const telltalePrefixes = ["sec-fetch-", "sec-ch-", "x-forwarded-"];
const hosts = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** `port` is the one listened on. */
export function isLocalRequest({ headers }: Request, port: number): boolean {
  const host = headers.get("host") ?? "";
  const [, name = "", stated] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/u.exec(host) ?? [];
  if (!hosts.has(name.toLowerCase()) || Number(stated ?? 80) !== port) return false;
  return ![...headers.keys()].some((key) => telltales.includes(key) || telltalePrefixes.some((prefix) => key.startsWith(prefix)));
}

/** Vault's own clients always send it, and a request that somebody else was made to send never has it. Source: Vault 1.19, command/agentproxyshared. */
export function hasVaultHeader({ headers }: Request): boolean {
  return headers.get("x-vault-request") === "true";
}
