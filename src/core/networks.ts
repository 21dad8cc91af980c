/** A role's address restrictions: checked at every login and at every use of a session. */

import ipaddr from "ipaddr.js";
import type { RoleId } from "../model/ids";
import type { Check } from "../model/types";
import type { Graph } from "./graph";

type Network = ReturnType<typeof ipaddr.parseCIDR>;

/** Parsed once per fact: facts are immutable, and a replaced one has another list. */
const parsed = new WeakMap<readonly string[], readonly Network[]>();

/**
 * Judges a canonical client address (`203.0.113.9`, `2001:db8::1`) by the role's restriction. A role without one may come from anywhere;
 * an address that cannot be read is outside every network.
 */
export function checkAddress(graph: Graph, role: RoleId, clientAddress: string): Check {
  const restriction = graph.restriction(role);
  if (restriction === undefined) return { check: "restricted_to", ok: true, detail: "unrestricted" };
  const { networks } = restriction;
  return { check: "restricted_to", ok: isWithin(clientAddress, networks), detail: `${clientAddress} against ${networks.join(", ")}` };
}

/** Whether a canonical address lies in one of the networks. */
export function isWithin(clientAddress: string, networks: readonly string[]): boolean {
  if (!ipaddr.isValid(clientAddress)) return false;
  const address = ipaddr.process(clientAddress);
  return parsedNetworks(networks).some((network) => network[0].kind() === address.kind() && address.match(network));
}

function parsedNetworks(texts: readonly string[]): readonly Network[] {
  const known = parsed.get(texts);
  if (known !== undefined) return known;
  const networks = texts.map((text) => ipaddr.parseCIDR(text));
  parsed.set(texts, networks);
  return networks;
}
