/** A role's address restrictions: checked at every login and at every use of a session. */

import ipaddr from "ipaddr.js";
import type { RoleId } from "../model/ids";
import type { Check, NetworkRestriction } from "../model/types";
import type { Graph } from "./graph";

type Network = ReturnType<typeof ipaddr.parseCIDR>;

/** Parsed once per fact: facts are immutable, and a replaced one is another object. */
const parsed = new WeakMap<NetworkRestriction, readonly Network[]>();

/**
 * Judges a canonical client address (`203.0.113.9`, `2001:db8::1`) by the role's restriction. A role without one may come from anywhere;
 * an address that cannot be read is outside every network.
 */
export function checkAddress(graph: Graph, role: RoleId, clientAddress: string): Check {
  const restriction = graph.restriction(role);
  if (restriction === undefined) return { check: "restricted_to", ok: true, detail: "unrestricted" };
  const detail = `${clientAddress} against ${restriction.networks.join(", ")}`;
  if (!ipaddr.isValid(clientAddress)) return { check: "restricted_to", ok: false, detail };
  const address = ipaddr.process(clientAddress);
  const ok = networksOf(restriction).some((network) => network[0].kind() === address.kind() && address.match(network));
  return { check: "restricted_to", ok, detail };
}

function networksOf(restriction: NetworkRestriction): readonly Network[] {
  const known = parsed.get(restriction);
  if (known !== undefined) return known;
  const networks = restriction.networks.map((text) => ipaddr.parseCIDR(text));
  parsed.set(restriction, networks);
  return networks;
}
