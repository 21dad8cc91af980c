/**
 * Networks as policies write them, made canonical: `10.0.0.7` → `10.0.0.7/32`, `2001:DB8::/32` → `2001:db8::/32`.
 */

import ipaddr from "ipaddr.js";
import { printable } from "./problems";

export type ParsedNetwork = { readonly network: string } | { readonly message: string };

// Four decimal numbers without leading zeros: `010` is octal to some readers and decimal to others, so it is nobody's address.
const dotted = /^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}$/;

/**
 * An address, or a network whose host bits are zero. Refused: octal, hexadecimal and shortened forms, zone ids, prefixes out of range.
 * An IPv4-mapped network becomes the IPv4 one, because that is how addresses are judged. A dotted mask counts as its prefix.
 */
export function parseNetwork(text: string): ParsedNetwork {
  const invalid = { message: `Invalid IP address or CIDR range '${printable(text)}'` };
  const [address = "", prefix, ...more] = text.split("/");
  if (more.length > 0) return invalid;
  if (dotted.test(address)) return ipaddr.IPv4.isValid(address) ? canonical(text, address, prefix, 32) : invalid;
  if (!/^[0-9a-f:.]+$/i.test(address) || !address.includes(":") || !ipaddr.IPv6.isValid(address)) return invalid;
  const embedded = address.slice(address.lastIndexOf(":") + 1);
  if (embedded.includes(".") && !dotted.test(embedded)) return invalid;
  const parsed = ipaddr.IPv6.parse(address);
  if (!parsed.isIPv4MappedAddress()) return canonical(text, parsed.toString(), prefix, 128);
  const bits = prefixLength(prefix, 128);
  if (bits === undefined || bits < 96) return invalid;
  return canonical(text, parsed.toIPv4Address().toString(), String(bits - 96), 32);
}

function canonical(text: string, address: string, prefix: string | undefined, width: 32 | 128): ParsedNetwork {
  const bits = prefixLength(prefix, width);
  if (bits === undefined) return { message: `Invalid IP address or CIDR range '${printable(text)}'` };
  const written = `${address}/${bits}`;
  const network = (width === 32 ? ipaddr.IPv4 : ipaddr.IPv6).networkAddressFromCIDR(written).toString();
  if (network === address) return { network: written };
  return {
    message: `Invalid IP address or CIDR range '${printable(text)}': Value has bits set to right of mask. Did you mean '${network}/${prefix ?? bits}'?`,
  };
}

function prefixLength(prefix: string | undefined, width: 32 | 128): number | undefined {
  if (prefix === undefined) return width;
  if (width === 32 && dotted.test(prefix) && ipaddr.IPv4.isValid(prefix)) {
    return ipaddr.IPv4.parse(prefix).prefixLengthFromSubnetMask() ?? undefined;
  }
  if (!/^(0|[1-9]\d{0,2})$/.test(prefix)) return undefined;
  const bits = Number(prefix);
  return bits <= width ? bits : undefined;
}
