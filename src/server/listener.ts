/**
 * The listener: one server for every dialect, on an address of this machine or a Unix socket.
 *
 * Plain HTTP is for loopback and Unix sockets alone.
 */

import { createSecureContext } from "node:tls";
import type { FrontApp } from "../fronts/front";
import { PosternError } from "../model/failures";
import type { Clock, Logger, Random } from "../model/ports";
import { createAddressReader } from "./client-address";
import type { Dialect } from "./dialect";
import type { ConnectionLimits } from "./intake";
import { isLoopback, parseListenAddress } from "./listen-address";
import { createReception, type Health, type Limits, type RequestMeter } from "./reception";
import { serveByIntake, serveByRuntime, type TlsPair } from "./serving";

export type { TlsPair } from "./serving";

export interface ListenerConfig {
  /** `127.0.0.1:8443`, `[::]:8443`, or the path of a Unix socket: `/run/postern/conjur.sock`. */
  readonly listen: string;
  readonly tls?: TlsPair;
  /** What is not named has its default. */
  readonly limits?: Partial<Limits & Pick<ConnectionLimits, "connections" | "connectionsPerAddress">>;
  /** Networks whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
  /** Host names that are vaults in Azure Key Vault's sense. */
  readonly keyVaultHosts: readonly string[];
  /** The only dialect here. */
  readonly dialect?: Dialect;
  readonly devMarker?: string;
  /** Of a Unix socket; 0600 when absent. */
  readonly socketMode?: number;
  /** How long requests may take to finish when the listener stops; ten seconds when absent. */
  readonly drainMs?: number;
}

export interface ListenerDeps {
  /** Bound to what they ask, as `front.serve(broker)` gives them. */
  readonly fronts: readonly FrontApp[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: RequestMeter;
  readonly health: Health;
  readonly config: ListenerConfig;
  /** Told of each request at a port, before anything is made of it, with the port that it came from. Not where Vault's protocol alone is spoken. */
  readonly met?: (request: Request, peerPort: number) => void;
}

export interface Listener {
  /** `https://127.0.0.1:8443`, with the port that was taken; `unix:/run/…` for a socket. */
  readonly url: string;
  /** Absent for a Unix socket. */
  readonly port?: number;
  /** Requests without an answer yet. */
  inFlight(): number;
  /** New connections get this certificate, running ones keep theirs. Throws `malformed` for a pair that does not fit; then nothing changes. */
  reloadTls(pair: TlsPair): void;
  /** Takes no more connections, and lets requests finish for a while. */
  stop(): Promise<void>;
}

/** What holds where a configuration says nothing. */
export const defaultLimits: Limits = {
  bodyBytes: 1024 * 1024,
  policyBytes: 16 * 1024 * 1024,
  requestsInFlight: 4096,
  requestsInFlightPerAddress: 1024,
  loginsPerAddress: { perSecond: 50, burst: 200 },
  loginsPerIdentity: { perSecond: 20, burst: 100 },
};

const defaultConnections = { connections: 8192, connectionsPerAddress: 2048 };
/** Of bodies on their way in, where connections are read by the intake. */
const heldBytes = 256 * 1024 * 1024;
const defaultDrainMs = 10_000;

/** Starts serving. Throws `malformed` for an address, network or certificate that cannot be, and for plain HTTP beyond loopback. */
export function createListener(deps: ListenerDeps): Listener {
  const { config, logger } = deps;
  const address = parseListenAddress(config.listen);
  if (config.tls === undefined && !isLoopback(address))
    throw new PosternError({
      code: "malformed",
      where: "tls",
      expected: "a certificate and key: plain HTTP is for loopback and sockets alone",
      kind: "argument",
    });
  if (config.tls !== undefined) assertPair(config.tls);
  const limits = { ...defaultLimits, ...config.limits };
  const reception = createReception({
    ...deps,
    limits,
    addressOf: createAddressReader(config.trustedProxies),
    dialects: {
      keyVaultHosts: new Set(config.keyVaultHosts.map((host) => host.toLowerCase())),
      ...(config.dialect === undefined ? {} : { only: config.dialect }),
    },
    ...(config.devMarker === undefined ? {} : { devMarker: config.devMarker }),
  });
  const mode = config.socketMode ?? 0o600;
  // Clients of Vault's send a verb that the runtime's server drops, and need paths as they were sent.
  const server =
    config.dialect === "vault"
      ? serveByIntake(address, config.tls, mode, { ...deps, reception, limits: { ...defaultConnections, ...limits, heldBytes } })
      : serveByRuntime(address, config.tls, mode, {
          fronts: deps.fronts,
          reception,
          limits,
          only: config.dialect,
          ...(deps.met === undefined ? {} : { met: deps.met }),
        });
  const { port } = server;
  const scheme = config.tls === undefined ? "http" : "https";
  const url =
    address.kind === "socket"
      ? `unix:${address.path}`
      : `${scheme}://${address.hostname.includes(":") ? `[${address.hostname}]` : address.hostname}:${port}`;
  logger.info("listening", { url });

  return {
    url,
    ...(port === undefined ? {} : { port }),
    inFlight: reception.inFlight,
    reloadTls(pair) {
      if (address.kind === "socket" || config.tls === undefined || port === undefined)
        throw new PosternError({ code: "malformed", where: "tls", expected: "a listener with a certificate", kind: "argument" });
      assertPair(pair);
      server.exchangeTls(pair);
      logger.info("certificate_reloaded", { url });
    },
    async stop() {
      reception.close();
      const drained = server.stop().then(() => true);
      if (!(await within(config.drainMs ?? defaultDrainMs, drained)))
        logger.warn("requests_cut_off", { url, requests: reception.inFlight() });
      await server.cutOff();
    },
  };
}

/** What the promise gives, or false when it takes longer. */
async function within(ms: number, promise: Promise<boolean>): Promise<boolean> {
  const { promise: over, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(resolve, ms, false);
  try {
    return await Promise.race([promise, over]);
  } finally {
    clearTimeout(timer);
  }
}

/** Throws `malformed` unless certificate and key can be read and belong together. */
function assertPair(pair: TlsPair): void {
  try {
    // The runtime takes an empty text for none at all.
    if (pair.cert === "" || pair.key === "")
      throw new PosternError({ code: "malformed", where: "tls", expected: "texts that are not empty" });
    createSecureContext({ cert: pair.cert, key: pair.key });
  } catch (cause) {
    throw new PosternError(
      { code: "malformed", where: "tls", expected: "a certificate and the key that belongs to it", kind: "argument" },
      { cause },
    );
  }
}
