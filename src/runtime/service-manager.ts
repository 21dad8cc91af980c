/**
 * What a service tells systemd about itself: that it serves, that it reads its files again, that it ends, and now and then that it still works.
 *
 * The protocol is a datagram of `NAME=value` lines to the Unix socket that NOTIFY_SOCKET names (sd_notify(3), systemd 252). Where no manager listens,
 * nothing is sent.
 */

import { createDatagramSender, type DatagramSender } from "./unix-datagram";

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
  readonly send?: DatagramSender;
}

export function createServiceManager({ environment, complain, send = createDatagramSender() }: ServiceManagerDeps): ServiceManager {
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
