/**
 * The way to a host: its name is resolved here, every address it has is judged, and the connection goes to the very address that was judged, so that an
 * answer of the DNS that changes between the two cannot lead elsewhere. What every protocol that leaves the process shares.
 */

import { lookup } from "node:dns/promises";
import { getCACertificates, rootCertificates } from "node:tls";
import ipaddr from "ipaddr.js";
import { PosternError } from "../model/failures";
import { isPublicAddress, originOf } from "./outbound-rules";

export interface ReachDeps {
  /** All addresses of a host. Default: the system's resolver. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
  /** Resolves when the address accepts a connection. Default: opens one and closes it again. */
  readonly connect?: (address: string, port: number) => Promise<void>;
}

/** A host to be reached. */
export interface Destination {
  readonly url: URL;
  /** Where the operator opened the way, an address need not be public. */
  readonly isOpened: boolean;
  /** Ends with the whole exchange's time. */
  readonly deadline: AbortSignal;
  readonly connectTimeoutMs: number;
}

/** The first address of the host that accepts a connection, after all of them were judged. Throws `upstream_unavailable`. */
export type Reach = (destination: Destination) => Promise<string>;

export function createReach(deps: ReachDeps): Reach {
  const resolve = deps.resolve ?? resolveBySystem;
  const connect = deps.connect ?? openAndClose;
  return async ({ url, isOpened, deadline, connectTimeoutMs }) => {
    const literal = literalOf(url);
    const addresses = literal === undefined ? await within(resolve(url.hostname), deadline) : [literal];
    if (addresses.length === 0) throw unavailable(url, "dns");
    if (!isOpened && !addresses.every(isPublicAddress)) throw unavailable(url, "refused_address");
    let failure: unknown;
    for (const address of byTurns(addresses)) {
      try {
        await within(connect(address, portOf(url)), AbortSignal.any([deadline, AbortSignal.timeout(connectTimeoutMs)]));
        return address;
      } catch (cause) {
        failure = cause;
      }
    }
    throw unavailable(url, isTimeout(failure) ? "timeout" : "connect", failure);
  };
}

/** The address a URL names directly, without the brackets of IPv6. */
export function literalOf(url: URL): string | undefined {
  const host = url.hostname.replace(/^\[|\]$/gu, "");
  return ipaddr.isValid(host) ? host : undefined;
}

/** The port of a URL, stated or its protocol's own. */
export function portOf(url: URL): number {
  return url.port === "" ? (defaultPorts[url.protocol] ?? 0) : Number(url.port);
}

const defaultPorts: Readonly<Record<string, number>> = { "https:": 443, "http:": 80, "ldaps:": 636 };

/** One of each family in turn: where a family leads nowhere, the second try is with the other one. */
function byTurns(addresses: readonly string[]): readonly string[] {
  const isSix = (address: string) => address.includes(":");
  const six = addresses.filter(isSix);
  const four = addresses.filter((address) => !isSix(address));
  const [first, second] = addresses[0] !== undefined && isSix(addresses[0]) ? [six, four] : [four, six];
  return first.flatMap((address, at) => [address, ...second.slice(at, at + 1)]).concat(second.slice(first.length));
}

/** The system's store where there is one, as every other program on the machine has it; else the one built in. */
export function systemRoots(): readonly string[] {
  const system = getCACertificates("system");
  return system.length > 0 ? system : rootCertificates;
}

async function resolveBySystem(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true, verbatim: true });
  return found.map((entry) => entry.address);
}

function openAndClose(address: string, port: number): Promise<void> {
  return new Promise((accept, reject) => {
    const socket = {
      open: (opened: { end(): void }) => {
        opened.end();
        accept();
      },
      connectError: (_socket: unknown, cause: Error) => reject(cause),
      data: () => undefined,
    };
    Bun.connect({ hostname: address, port, socket }).catch(reject);
  });
}

/** Gives up with the deadline, whatever becomes of the work. */
export async function within<T>(work: Promise<T>, deadline: AbortSignal): Promise<T> {
  deadline.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = () => reject(deadline.reason);
  deadline.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    deadline.removeEventListener("abort", stop);
  }
}

/** What came of trying, in one word: `timeout`, or what the codes of the resolver, the certificate check and the handshake mean; else the connection. */
export function reasonOf(cause: unknown): string {
  if (isTimeout(cause)) return "timeout";
  const code = cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "";
  if (/^(?:E?DNS|ENOTFOUND|EAI_|ENODATA)/u.test(code)) return "dns";
  return /CERT|SIGNATURE|SSL|TLS|ISSUER|CHAIN|CRL|CA$/u.test(code) ? "tls" : "connect";
}

function isTimeout(cause: unknown): boolean {
  return cause instanceof Error && (cause.name === "TimeoutError" || cause.name === "AbortError");
}

export function unavailable(url: URL | null, because: string, cause?: unknown): PosternError {
  const upstream = url === null ? "unknown" : originOf(url);
  return new PosternError({ code: "upstream_unavailable", upstream, because }, cause === undefined ? undefined : { cause });
}
