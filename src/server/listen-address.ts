/** Where a server listens: an address of this machine with a port, or a Unix socket. */

import { PosternError } from "../model/failures";
import { canonicalAddress } from "./client-address";

export type ListenAddress =
  | { readonly kind: "tcp"; readonly hostname: string; readonly port: number }
  | { readonly kind: "socket"; readonly path: string };

/** Reads `127.0.0.1:8443`, `[::1]:8443`, `localhost:8443`, `/run/postern.sock` or `unix:/run/postern.sock`. Port 0 takes a free one. Throws `malformed`. */
export function parseListenAddress(text: string): ListenAddress {
  const path = text.startsWith("unix:") ? text.slice("unix:".length) : text;
  if (path.startsWith("/")) return { kind: "socket", path };
  const [, bracketed, bare, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const hostname = bracketed ?? bare;
  const port = Number(digits);
  const isAddress = hostname !== undefined && (hostname === "localhost" || canonicalAddress(hostname) !== undefined);
  if (!isAddress || port > 65_535)
    throw new PosternError({
      code: "malformed",
      where: "listen",
      expected: "an address and port such as 127.0.0.1:8443, or the path of a socket",
      kind: "argument",
    });
  return { kind: "tcp", hostname, port };
}

/** Whether only this machine can reach the address. */
export function isLoopback(address: ListenAddress): boolean {
  if (address.kind === "socket" || address.hostname === "localhost") return true;
  const canonical = canonicalAddress(address.hostname);
  return canonical === "::1" || canonical?.startsWith("127.") === true;
}
