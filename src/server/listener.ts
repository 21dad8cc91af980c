/**
 * The listener: one server for every dialect, on an address of this machine or a Unix socket.
 *
 * Plain HTTP is for loopback and Unix sockets alone. Certificates are exchanged by starting a second server on the same port and letting the first one
 * finish, because the runtime ignores new certificates of a running one.
 */

import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { createSecureContext } from "node:tls";
import type { FrontApp } from "../fronts/front";
import { PosternError } from "../model/failures";
import type { Clock, Logger, Random } from "../model/ports";
import { createAddressReader } from "./client-address";
import type { Dialect } from "./dialect";
import { isLoopback, type ListenAddress, parseListenAddress } from "./listen-address";
import { createReception, type Health, type Limits, type Reception, type RequestMeter } from "./reception";

export interface TlsPair {
  /** PEM texts; the certificate may bring its chain. */
  readonly cert: string;
  readonly key: string;
}

export interface ListenerConfig {
  /** `127.0.0.1:8443`, `[::]:8443`, or the path of a Unix socket: `/run/postern/conjur.sock`. */
  readonly listen: string;
  readonly tls?: TlsPair;
  /** What is not named has its default. */
  readonly limits?: Partial<Limits>;
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

/** Seconds, as the runtime counts them; connections of a Unix socket have none. */
const idleTimeout = 60;
const defaultDrainMs = 10_000;

type Server = Bun.Server<undefined>;

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
  const answers = createAnswers(deps.fronts, reception, limits, config.dialect);

  let server =
    address.kind === "socket" ? serveSocket(address.path, config.socketMode ?? 0o600, answers) : serveFirst(address, config.tls, answers);
  const retired: Promise<void>[] = [];
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
      const next = Bun.serve({ ...answers, idleTimeout, hostname: address.hostname, port, reusePort: true, tls: pair });
      retired.push(server.stop());
      server = next;
      logger.info("certificate_reloaded", { url });
    },
    async stop() {
      reception.close();
      const drained = Promise.all([server.stop(), ...retired]).then(() => true);
      if (!(await within(config.drainMs ?? defaultDrainMs, drained)))
        logger.warn("requests_cut_off", { url, requests: reception.inFlight() });
      await server.stop(true);
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

/** What every server of this listener answers with. */
function createAnswers(fronts: readonly FrontApp[], reception: Reception, limits: Limits, only: Dialect | undefined) {
  const peerOf = (request: Request, server: Server): string | undefined => server.requestIP(request)?.address;
  const offered = fronts.filter((front) => only === undefined || front.name === only);
  const hot = offered.flatMap((front) => front.hot.map((route) => ({ front, route })));
  return {
    development: false,
    maxRequestBodySize: Math.max(limits.bodyBytes, limits.policyBytes),
    routes: Object.fromEntries(
      hot.map((entry) => [
        entry.route.path,
        { GET: (request: Request, server: Server) => reception.answer(request, peerOf(request, server), entry) },
      ]),
    ),
    fetch: (request: Request, server: Server) => reception.answer(request, peerOf(request, server)),
    // Reached only by a defect of the reception itself. Nothing of the request is printed.
    error: () => new Response(null, { status: 500 }),
  };
}

type Answers = ReturnType<typeof createAnswers>;

/**
 * Binds the port. Outside of development the runtime shares ports unless told not to (Bun 1.4.5), and then a second process on the same one goes
 * unnoticed. A listener with certificates must share it, for the sake of their exchange, so one that does not share is tried first.
 */
function serveFirst(address: ListenAddress & { kind: "tcp" }, tls: TlsPair | undefined, answers: Answers): Server {
  const { hostname, port } = address;
  const exclusive = { hostname, port, reusePort: false };
  try {
    if (tls === undefined) return Bun.serve({ ...answers, ...exclusive, idleTimeout });
    if (port !== 0) Bun.serve({ ...exclusive, fetch: () => new Response(null, { status: 503 }) }).stop(true);
    return Bun.serve({ ...answers, idleTimeout, hostname, port, reusePort: true, tls });
  } catch (cause) {
    if (!(cause instanceof Error) || !("code" in cause) || cause.code !== "EADDRINUSE") throw cause;
    throw new PosternError(
      { code: "conflict", what: `${hostname}:${port} is in use by another process`, because: "address_in_use" },
      { cause },
    );
  }
}

/** Binds a Unix socket that was never open to others. One that a dead process left behind is removed; anything else of that name stays, and is an error. */
function serveSocket(path: string, mode: number, answers: Answers): Server {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true) unlinkSync(path);
  const umask = process.umask(0o177);
  try {
    const server = Bun.serve({ ...answers, unix: path });
    chmodSync(path, mode);
    return server;
  } finally {
    process.umask(umask);
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
