/**
 * What a service tells systemd about itself: that it serves, that it reads its files again, that it ends, and now and then that it still works.
 *
 * The protocol is a datagram of `NAME=value` lines to the Unix socket that NOTIFY_SOCKET names (sd_notify(3), systemd 252). The runtime has no Unix
 * datagrams (Bun 1.4.5), so libc sends them. Where no manager listens, nothing is sent and no library is opened.
 */

import { dlopen, ptr } from "bun:ffi";

export interface ServiceManager {
  /** Serving has begun, or goes on after `reloading`. From the first time on, a manager that watches is told so at half of its interval. */
  ready(status: string): void;
  reloading(): void;
  /** The end has begun; the manager hears no more. */
  stopping(): void;
}

export interface ServiceManagerDeps {
  /** NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are read. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Hears once when the manager cannot be told: it would wait for this process in vain. */
  readonly complain: (reason: string) => void;
  /** Sends one datagram to the socket of that name; throws when it cannot. */
  readonly send?: (socket: string, text: string) => void;
}

export function createServiceManager({ environment, complain, send = createSender() }: ServiceManagerDeps): ServiceManager {
  const socket = environment.NOTIFY_SOCKET ?? "";
  const intervalMs = watchdogIntervalMs(environment);
  let isHeard = socket !== "";
  let timer: ReturnType<typeof setInterval> | undefined;

  function tell(...lines: readonly string[]): void {
    if (!isHeard) return;
    try {
      send(socket, lines.join("\n"));
    } catch (error) {
      isHeard = false;
      complain(`the service manager at ${socket} does not hear: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  return {
    ready(status) {
      // A line break would begin another message.
      tell("READY=1", `STATUS=${status.replaceAll(/\p{Cc}+/gu, " ")}`);
      if (!isHeard || intervalMs === undefined || timer !== undefined) return;
      // Sent by the thread that serves: when that one hangs, the signs of life end.
      timer = setInterval(() => tell("WATCHDOG=1"), intervalMs / 2);
      timer.unref();
    },
    reloading: () => tell("RELOADING=1"),
    stopping() {
      clearInterval(timer);
      tell("STOPPING=1");
    },
  };
}

/** How often a sign of life is due, when this very process is watched. */
function watchdogIntervalMs({ WATCHDOG_USEC, WATCHDOG_PID }: ServiceManagerDeps["environment"]): number | undefined {
  if (WATCHDOG_PID !== undefined && WATCHDOG_PID !== String(process.pid)) return undefined;
  const intervalMs = Number(WATCHDOG_USEC ?? "") / 1000;
  return Number.isFinite(intervalMs) && intervalMs >= 1 ? intervalMs : undefined;
}

// <sys/socket.h> of Linux, the same on x64 and arm64.
const unixFamily = 1;
const datagramCloseOnExec = 2 | 0x80000;
const noSignal = 0x4000;
const longestName = 108;

function createSender(): NonNullable<ServiceManagerDeps["send"]> {
  let library: ReturnType<typeof openLibc> | undefined;
  return (socket, text) => {
    library ??= openLibc();
    const { symbols } = library;
    const address = unixAddress(socket);
    const bytes = Buffer.from(text);
    const descriptor = symbols.socket(unixFamily, datagramCloseOnExec, 0);
    if (descriptor < 0) throw new Error("no socket can be opened");
    try {
      const sent = symbols.sendto(descriptor, ptr(bytes), BigInt(bytes.byteLength), noSignal, ptr(address), address.byteLength);
      if (Number(sent) !== bytes.byteLength) throw new Error("nobody listens");
    } finally {
      symbols.close(descriptor);
    }
  };
}

function openLibc() {
  return dlopen("libc.so.6", {
    socket: { args: ["int", "int", "int"], returns: "int" },
    sendto: { args: ["int", "ptr", "u64", "int", "ptr", "u32"], returns: "i64" },
    close: { args: ["int"], returns: "int" },
  });
}

/** `struct sockaddr_un`; a name that begins with `@` is in the abstract namespace, where a NUL stands in its place. */
function unixAddress(name: string): Buffer {
  const isAbstract = name.startsWith("@");
  if (!isAbstract && !name.startsWith("/")) throw new Error("it is neither a path nor an abstract name");
  const path = Buffer.from(isAbstract ? `\0${name.slice(1)}` : `${name}\0`);
  if (path.byteLength > longestName) throw new Error("its name is too long");
  const family = Buffer.alloc(2);
  family.writeUInt16LE(unixFamily);
  return Buffer.concat([family, path]);
}
