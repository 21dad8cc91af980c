/**
 * A server that reads HTTP/1.1 itself, for clients that send what the runtime's own drops: `Bun.serve` closes the connection on the verb `LIST` without a byte,
 * and resolves dot segments before anybody sees them (Bun 1.4.5). Everything behind the framing is the reception's.
 *
 * The other ways cost more or do not hold: a relay that rewrites the verb in front of the runtime's server pays for every byte twice, and one that looks at
 * the first bytes alone misses a `LIST` later on a kept connection.
 */

import { chmodSync } from "node:fs";
import type { Clock, Logger } from "../model/ports";
import { canonicalAddress, limitKeyOf } from "./client-address";
import { httpDate } from "./intake/answer";
import { type Connection, createConnection, type HeldBytes } from "./intake/connection";
import { createInFlight } from "./limits";
import type { Reception, RequestMeter } from "./reception";

export interface IntakeDeps {
  readonly reception: Pick<Reception, "answer" | "refuse" | "bodyLimit">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: ConnectionLimits;
  /** Hears of connections that are not taken, as `connections`. */
  readonly meter: Pick<RequestMeter, "rejected">;
  /** How often what takes too long is looked for; a second when absent. */
  readonly lookMs?: number;
}

export interface ConnectionLimits {
  readonly connections: number;
  readonly connectionsPerAddress: number;
  /** Bytes of bodies that are on their way in, on all connections together. */
  readonly heldBytes: number;
}

export type Place =
  | {
      readonly hostname: string;
      readonly port: number;
      readonly tls?: { readonly cert: string; readonly key: string };
      readonly reusePort: boolean;
    }
  | { readonly path: string; readonly mode: number };

/** A place where connections come in. */
export interface Entrance {
  /** Absent for a Unix socket. */
  readonly port?: number;
  /** Takes no more connections; those there are go on. */
  close(): void;
}

export interface Intake {
  /** Throws the runtime's own error, `EADDRINUSE` among them. */
  open(place: Place): Entrance;
  connections(): number;
  /** Ends idle connections now and the others with their answers; resolves when none is left. */
  drain(): Promise<void>;
  /** Ends all of them at once. */
  terminate(): void;
}

const defaultLookMs = 1000;
const alwaysHeldBytes = 16 * 1024;
const localKey = "local";

/** What the runtime keeps with a socket. */
interface Held {
  connection?: Connection;
  key: string;
}

type Socket = Bun.Socket<Held | undefined>;

export function createIntake({ reception, clock, logger, limits, meter, lookMs }: IntakeDeps): Intake {
  const counted = createInFlight({ all: limits.connections, perAddress: limits.connectionsPerAddress });
  const sockets = new Map<Socket, Connection>();
  const held: HeldBytes = { count: 0, limit: limits.heldBytes, always: alwaysHeldBytes };
  const date = createDates(clock);
  let whenEmpty: (() => void) | undefined;
  let isClosing = false;
  let look: ReturnType<typeof setInterval> | undefined;

  function opened(socket: Socket): void {
    const address = socket.remoteAddress === "" ? undefined : socket.remoteAddress;
    // On an address of both families IPv4 comes as part of IPv6, where all of it is one network.
    const canonical = address === undefined ? undefined : canonicalAddress(address);
    const key = canonical === undefined ? localKey : limitKeyOf(canonical);
    if (isClosing) return void socket.terminate();
    if (counted.enter(key) !== "entered") {
      // Nobody has said yet in which shape they could be told.
      meter.rejected("connections");
      return void socket.terminate();
    }
    const line = {
      remoteAddress: address,
      write: (bytes: Uint8Array) => socket.write(bytes),
      pause: () => socket.pause(),
      resume: () => socket.resume(),
      shutdown: () => socket.shutdown(),
      terminate: () => socket.terminate(),
    };
    const connection = createConnection(line, { reception, clock, date, held });
    socket.data = { connection, key };
    sockets.set(socket, connection);
    look ??= watch();
  }

  function closed(socket: Socket): void {
    const { data } = socket;
    if (data === undefined || !sockets.delete(socket)) return;
    counted.leave(data.key);
    data.connection?.closed();
    if (sockets.size > 0) return;
    clearInterval(look);
    look = undefined;
    whenEmpty?.();
  }

  function watch(): ReturnType<typeof setInterval> {
    return setInterval(() => {
      const nowMs = clock.monotonicMs();
      for (const connection of sockets.values()) connection.check(nowMs);
    }, lookMs ?? defaultLookMs);
  }

  const socket: Bun.SocketHandler<Held | undefined> = {
    open: opened,
    data: (each, bytes) => each.data?.connection?.take(bytes),
    drain: (each) => each.data?.connection?.drained(),
    end: (each) => each.data?.connection?.halved(),
    close: closed,
    error: (each, error) => {
      logger.debug("connection_failed", { error: error.name });
      each.terminate();
    },
  };

  return {
    open(place) {
      const common = { socket, data: undefined, allowHalfOpen: true };
      if ("path" in place) return openSocket(place, common);
      const listener = Bun.listen<Held | undefined>({ ...common, ...place });
      return { port: listener.port, close: () => listener.stop() };
    },
    connections: () => sockets.size,
    drain() {
      isClosing = true;
      const { promise, resolve } = Promise.withResolvers<void>();
      whenEmpty = resolve;
      for (const connection of [...sockets.values()]) connection.finish();
      if (sockets.size === 0) resolve();
      return promise;
    },
    terminate() {
      for (const each of [...sockets.keys()]) each.terminate();
    },
  };
}

/** Binds a Unix socket that was never open to others. */
function openSocket(
  { path, mode }: { readonly path: string; readonly mode: number },
  common: { readonly socket: Bun.SocketHandler<Held | undefined>; readonly data: undefined; readonly allowHalfOpen: boolean },
): Entrance {
  const umask = process.umask(0o177);
  try {
    const listener = Bun.listen<Held | undefined>({ ...common, unix: path });
    chmodSync(path, mode);
    return { close: () => listener.stop() };
  } finally {
    process.umask(umask);
  }
}

/** Texts of the present second, each made once. */
function createDates(clock: Pick<Clock, "now">): () => string {
  let second = Number.NaN;
  let text = "";
  return () => {
    const present = Math.floor(clock.now() / 1000);
    if (present === second) return text;
    second = present;
    text = httpDate(present * 1000);
    return text;
  };
}
