/**
 * From where a request comes, for everything that judges addresses: restrictions, limits, audit.
 *
 * `X-Forwarded-For` counts only when the peer is a configured proxy, and is read from the right: everything left of the first address that is no proxy's
 * was written by whoever asks. No proxy is configured by default, not even loopback, where any local user could choose an address.
 */

import ipaddr from "ipaddr.js";
import { PosternError } from "../model/failures";

export interface Addresses {
  /** Canonical: `203.0.113.9`, `2001:db8::1`. */
  readonly client: string;
  /** The other end of the connection, canonical; absent when it is the client. */
  readonly peer?: string;
}

/** Reads the addresses of a request. `peer` is undefined for a Unix socket. Throws `malformed` when a proxy passes on what is no address. */
export type AddressReader = (peer: string | undefined, forwardedFor: () => string | null) => Addresses;

type Network = [ipaddr.IPv4 | ipaddr.IPv6, number];

/** A Unix socket has no address; its peers are on this machine. */
const localAddress = "127.0.0.1";
const maxRememberedPeers = 4096;

/** Throws `malformed` for an entry that is no network in CIDR form with empty host bits: `10.0.0.0/8`, `192.0.2.7`. */
export function createAddressReader(trustedProxies: readonly string[]): AddressReader {
  const networks = trustedProxies.map(networkOf);
  const remembered = new Map<string, { readonly address: string; readonly isProxy: boolean }>();
  const isProxy = (address: string): boolean => networks.some((network) => contains(network, address));

  function peerOf(text: string): { readonly address: string; readonly isProxy: boolean } {
    const known = remembered.get(text);
    if (known !== undefined) return known;
    const address = canonicalAddress(text);
    if (address === undefined) throw new PosternError({ code: "internal", what: "a peer without an address" });
    if (remembered.size >= maxRememberedPeers) remembered.clear();
    const peer = { address, isProxy: isProxy(address) };
    remembered.set(text, peer);
    return peer;
  }

  return (peerText, forwardedFor) => {
    if (peerText === undefined) return { client: localAddress };
    const peer = peerOf(peerText);
    if (!peer.isProxy) return { client: peer.address };
    const client = clientBehind(forwardedFor(), isProxy) ?? peer.address;
    return client === peer.address ? { client } : { client, peer: peer.address };
  };
}

/** The first address from the right that is no proxy's, or the leftmost when all are. Undefined when there are none. */
function clientBehind(forwardedFor: string | null, isProxy: (address: string) => boolean): string | undefined {
  let client: string | undefined;
  for (const entry of (forwardedFor ?? "").split(",").reverse()) {
    if (forwardedFor === null) return undefined;
    client = canonicalAddress(withoutPort(entry.trim()));
    if (client === undefined) throw new PosternError({ code: "malformed", where: "X-Forwarded-For", expected: "addresses" });
    if (!isProxy(client)) return client;
  }
  return client;
}

/** `203.0.113.9:4711` → `203.0.113.9`, `[2001:db8::1]:443` → `2001:db8::1`. */
function withoutPort(entry: string): string {
  return /^\[([^[\]]+)\](?::\d{1,5})?$/.exec(entry)?.[1] ?? /^([\d.]+):\d{1,5}$/.exec(entry)?.[1] ?? entry;
}

/**
 * One text per address, or undefined when it is none: IPv4 as four decimal parts, IPv6 as RFC 5952 writes it, an IPv4 address mapped into IPv6 as the
 * IPv4 address it is, and no zone. Octal, hexadecimal and shortened forms of IPv4 are refused: readers differ over what they mean.
 */
export function canonicalAddress(text: string): string | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.isValid(text) ? text : undefined;
  const [address = ""] = text.split("%", 1);
  const embedded = address.includes(".") ? address.slice(address.lastIndexOf(":") + 1) : undefined;
  if (embedded !== undefined && !ipaddr.IPv4.isValidFourPartDecimal(embedded)) return undefined;
  if (!address.includes(":") || !ipaddr.IPv6.isValid(address)) return undefined;
  const parsed = ipaddr.IPv6.parse(address);
  return parsed.isIPv4MappedAddress() ? parsed.toIPv4Address().toString() : parsed.toRFC5952String();
}

/** What a limit counts an address under: itself, or for IPv6 its /64, which is one customer's. The address is canonical. */
export function limitKeyOf(address: string): string {
  if (!address.includes(":")) return address;
  return ipaddr.IPv6.parse(address)
    .parts.slice(0, 4)
    .map((part) => part.toString(16))
    .join(":");
}

function networkOf(entry: string): Network {
  const [text = "", prefix, ...rest] = entry.trim().split("/");
  const address = text.includes("%") ? undefined : canonicalAddress(text);
  if (address === undefined || rest.length > 0) throw notANetwork();
  const parsed = ipaddr.parse(address);
  const bits = parsed.kind() === "ipv4" ? 32 : 128;
  const length = prefix === undefined ? bits : Number(prefix);
  if (prefix !== undefined && !/^\d{1,3}$/.test(prefix)) throw notANetwork();
  if (length > bits || !isNetworkAddress(parsed, length)) throw notANetwork();
  return [parsed, length];
}

function isNetworkAddress(address: ipaddr.IPv4 | ipaddr.IPv6, length: number): boolean {
  return address.toByteArray().every((byte, index) => (byte & (0xff >> Math.min(8, Math.max(0, length - index * 8)))) === 0);
}

function contains([network, length]: Network, address: string): boolean {
  const parsed = ipaddr.parse(address);
  return parsed.kind() === network.kind() && parsed.match(network, length);
}

function notANetwork(): PosternError {
  return new PosternError({
    code: "malformed",
    where: "trusted_proxies",
    expected: "networks such as 10.0.0.0/8, without host bits",
    kind: "argument",
  });
}
