/** Whose the other end of a connection within this machine is, by the kernel's table of connections. */

import { readFileSync } from "node:fs";

/** One row: number, local and remote address with port in hexadecimal, state, three columns of no interest, and the user's number. */
const row = /^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) ([0-9A-F]+):([0-9A-F]{4}) [0-9A-F]{2} \S+ \S+ \S+ +(\d+) /u;
// Words of four bytes, each in the machine's order: 127.0.0.1, ::1, and the former as an address of the latter's kind.
const loopback = /^(?:[0-9A-F]{6}7F|0{24}01000000|0{16}FFFF0000[0-9A-F]{6}7F)$/u;
const established = { IPv4: "/proc/net/tcp", IPv6: "/proc/net/tcp6" } as const;

/**
 * The number of the user whose program connected from `peerPort` to `ownPort` by loopback: what was so at the moment of asking. Undefined where the kernel tells
 * nothing: elsewhere than on Linux, and of programs in other network namespaces. It tells users apart, never programs.
 * Source: proc_net_tcp in the kernel's documentation, Linux 6.1.
 */
export function userOfPeer(ownPort: number, peerPort: number): number | undefined {
  return userInTable(established.IPv4, ownPort, peerPort) ?? userInTable(established.IPv6, ownPort, peerPort);
}

function userInTable(table: string, ownPort: number, peerPort: number): number | undefined {
  const wanted = `:${hexOf(peerPort)} `;
  for (const line of textOf(table).split("\n")) {
    if (!line.includes(wanted)) continue;
    const [, local = "", localPort, remote = "", remotePort, user] = row.exec(line) ?? [];
    const isIt = localPort === hexOf(peerPort) && remotePort === hexOf(ownPort) && loopback.test(local) && loopback.test(remote);
    if (isIt) return Number(user);
  }
  return undefined;
}

function textOf(table: string): string {
  try {
    return readFileSync(table, "latin1");
  } catch {
    return "";
  }
}

function hexOf(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, "0");
}
