/** Where requests may go: which URLs the operator opened on purpose, and which addresses are anybody's. */

import ipaddr from "ipaddr.js";
import { PosternError } from "../model/failures";

/** One `--allow-outbound` prefix: everything at this origin whose path begins with these whole segments. */
export interface OutboundPrefix {
  readonly origin: string;
  readonly segments: readonly string[];
}

// Inside Azure this public address is the machine's own host: it hands out certificates and settings.
const azureHostAddress = "168.63.129.16";

/** Reads a prefix such as `https://127.0.0.1:8443/` or `http://idp.corp.example/realms/`. Throws `malformed` for anything else. */
export function parseOutboundPrefix(text: string): OutboundPrefix {
  const url = URL.parse(text);
  const isPlain =
    url !== null &&
    (isWebUrl(url) || isDirectoryUrl(url)) &&
    url.search === "" &&
    url.hash === "" &&
    !hasCredentials(url) &&
    !hidesSeparator(url.pathname);
  if (!isPlain) {
    throw new PosternError({
      code: "malformed",
      where: "allow-outbound",
      expected: "an http, https or ldaps URL without user, query or fragment",
      kind: "argument",
    });
  }
  return { origin: originOf(url), segments: segmentsOf(url) };
}

/** Whether a prefix covers the URL: same scheme, host and port, and whole path segments, so that `/a` does not open `/ab`. */
export function isOpened(url: URL, prefixes: readonly OutboundPrefix[]): boolean {
  // Where everything at the origin is open, it does not matter what a path may turn into.
  const isHidden = hidesSeparator(url.pathname);
  const segments = segmentsOf(url);
  return prefixes.some(
    (prefix) =>
      prefix.origin === originOf(url) &&
      !(isHidden && prefix.segments.length > 0) &&
      prefix.segments.every((segment, at) => segment === segments[at]),
  );
}

/**
 * Whether an address literal is a public one. Everything that is set aside for something is not: private, loopback, link-local, unique local, shared
 * (carrier NAT), multicast, unspecified, IPv4 inside IPv6 in each of its spellings, tunnels, documentation. Nor is what does not parse.
 */
export function isPublicAddress(address: string): boolean {
  if (address === azureHostAddress || !ipaddr.isValid(address)) return false;
  return ipaddr.parse(address).range() === "unicast";
}

export function isWebUrl(url: URL): boolean {
  return url.protocol === "https:" || url.protocol === "http:";
}

/** A directory's, over TLS. */
export function isDirectoryUrl(url: URL): boolean {
  return url.protocol === "ldaps:" && url.hostname !== "";
}

/** Scheme, host and port. The runtime knows the origin of web addresses alone, and no port of a directory's own. */
export function originOf(url: URL): string {
  if (isWebUrl(url)) return url.origin;
  return isDirectoryUrl(url) ? `ldaps://${url.hostname.toLowerCase()}:${url.port === "" ? "636" : url.port}` : "unknown";
}

export function hasCredentials(url: URL): boolean {
  return url.username !== "" || url.password !== "";
}

/** An encoded separator stays one segment here and may become two at a server that decodes first. */
function hidesSeparator(path: string): boolean {
  return /%2f|%5c/iu.test(path);
}

function segmentsOf(url: URL): readonly string[] {
  const segments = url.pathname.slice(1).split("/");
  return segments.at(-1) === "" ? segments.slice(0, -1) : segments;
}
