/**
 * The servers behind a listener: the runtime's own, and the intake for connections that the runtime would misread.
 *
 * Certificates are exchanged by opening the port a second time and letting what has the first finish, because the runtime ignores new certificates of a
 * running server.
 */

import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import type { FrontApp } from "../fronts/front";
import { PosternError } from "../model/failures";
import type { Dialect } from "./dialect";
import { createIntake, type IntakeDeps } from "./intake";
import type { ListenAddress } from "./listen-address";
import type { Limits, Reception } from "./reception";

export interface TlsPair {
  /** PEM texts; the certificate may bring its chain. */
  readonly cert: string;
  readonly key: string;
}

export interface Serving {
  /** Undefined for a Unix socket. */
  readonly port: number | undefined;
  /** New connections get this certificate, running ones keep theirs. For an address alone, and only where there was one before. */
  exchangeTls(pair: TlsPair): void;
  /** Takes no more connections; resolves when the last request has its answer. */
  stop(): Promise<void>;
  /** Ends what is still there. */
  cutOff(): Promise<void>;
}

/** Seconds, as the runtime counts them; connections of a Unix socket have none. */
const idleTimeout = 60;

type Server = Bun.Server<undefined>;

export interface RuntimeDeps {
  readonly fronts: readonly FrontApp[];
  readonly reception: Reception;
  readonly limits: Limits;
  readonly only: Dialect | undefined;
  /** Told of each request at a port, with the port that it came from. */
  readonly met?: (request: Request, peerPort: number) => void;
}

/** By `Bun.serve`: the fastest, for every dialect whose clients speak plain HTTP. */
export function serveByRuntime(address: ListenAddress, tls: TlsPair | undefined, mode: number, deps: RuntimeDeps): Serving {
  const answers = createAnswers(deps);
  let server = address.kind === "socket" ? serveSocket(address.path, mode, answers) : serveAddress(address, tls, answers);
  const retired: Promise<void>[] = [];
  const { port } = server;
  return {
    port,
    exchangeTls(pair) {
      if (address.kind === "socket" || port === undefined) return;
      const next = Bun.serve({ ...answers, idleTimeout, hostname: address.hostname, port, reusePort: true, tls: pair });
      retired.push(server.stop());
      server = next;
    },
    stop: () => Promise.all([server.stop(), ...retired]).then(() => undefined),
    cutOff: () => server.stop(true),
  };
}

/** By the intake: for Vault's clients. */
export function serveByIntake(address: ListenAddress, tls: TlsPair | undefined, mode: number, deps: IntakeDeps): Serving {
  const intake = createIntake(deps);
  let entrance = address.kind === "socket" ? openSocket(address.path) : orInUse(address, () => openAddress(address));
  const { port } = entrance;

  function openSocket(path: string) {
    removeStaleSocket(path);
    return intake.open({ path, mode });
  }

  function openAddress({ hostname, port: wanted }: ListenAddress & { kind: "tcp" }) {
    if (tls === undefined) return intake.open({ hostname, port: wanted, reusePort: false });
    if (wanted !== 0) intake.open({ hostname, port: wanted, reusePort: false }).close();
    return intake.open({ hostname, port: wanted, tls, reusePort: true });
  }

  return {
    port,
    exchangeTls(pair) {
      if (address.kind === "socket" || port === undefined) return;
      const next = intake.open({ hostname: address.hostname, port, tls: pair, reusePort: true });
      entrance.close();
      entrance = next;
    },
    stop() {
      entrance.close();
      return intake.drain();
    },
    async cutOff() {
      intake.terminate();
    },
  };
}

/** What every server of this listener answers with. */
function createAnswers({ fronts, reception, limits, only, met }: RuntimeDeps) {
  const peerOf = (request: Request, server: Server): string | undefined => {
    const peer = server.requestIP(request);
    if (peer !== null) met?.(request, peer.port);
    return peer?.address;
  };
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
function serveAddress(address: ListenAddress & { kind: "tcp" }, tls: TlsPair | undefined, answers: Answers): Server {
  const { hostname, port } = address;
  const exclusive = { hostname, port, reusePort: false };
  return orInUse(address, () => {
    if (tls === undefined) return Bun.serve({ ...answers, ...exclusive, idleTimeout });
    if (port !== 0) Bun.serve({ ...exclusive, fetch: () => new Response(null, { status: 503 }) }).stop(true);
    return Bun.serve({ ...answers, idleTimeout, hostname, port, reusePort: true, tls });
  });
}

/** What `open` gives. Throws `conflict` when another process has the address. */
function orInUse<Opened>({ hostname, port }: ListenAddress & { kind: "tcp" }, open: () => Opened): Opened {
  try {
    return open();
  } catch (cause) {
    if (!(cause instanceof Error) || !("code" in cause) || cause.code !== "EADDRINUSE") throw cause;
    throw new PosternError(
      { code: "conflict", what: `${hostname}:${port} is in use by another process`, because: "address_in_use" },
      { cause },
    );
  }
}

/** Binds a Unix socket that was never open to others. */
function serveSocket(path: string, mode: number, answers: Answers): Server {
  removeStaleSocket(path);
  const umask = process.umask(0o177);
  try {
    const server = Bun.serve({ ...answers, unix: path });
    chmodSync(path, mode);
    return server;
  } finally {
    process.umask(umask);
  }
}

/** Removes a socket that a dead process left behind; anything else of that name stays, and is an error of whoever binds it. */
function removeStaleSocket(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true) unlinkSync(path);
}
