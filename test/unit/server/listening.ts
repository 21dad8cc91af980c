/** A listener on loopback over the fake broker, and a client that says exactly what a test wants said. */

import type { Broker } from "../../../src/core/broker";
import { fronts } from "../../../src/fronts/registry";
import type { LogFields } from "../../../src/model/ports";
import { createListener, type Listener, type ListenerConfig } from "../../../src/server/listener";
import type { RequestMeter } from "../../../src/server/reception";
import { createFakeBroker, now } from "../../fronts/fake-broker";

export interface Listening {
  readonly listener: Listener;
  readonly log: readonly { readonly event: string; readonly fields?: LogFields | undefined }[];
  readonly metered: readonly string[];
}

export function listen(
  config: Partial<ListenerConfig> = {},
  replaced: Partial<Broker> = {},
  status: "ready" | "not_ready" = "ready",
): Listening {
  const log: { event: string; fields?: LogFields | undefined }[] = [];
  const metered: string[] = [];
  const write = (event: string, fields?: LogFields) => void log.push({ event, fields });
  const meter: RequestMeter = {
    began: () => {},
    ended: (dialect, code) => void metered.push(`${dialect} ${code}`),
    rejected: (reason) => void metered.push(reason),
  };
  let counter = 0;
  const broker = createFakeBroker(replaced);
  const listener = createListener({
    fronts: fronts.map((front) => front.serve(broker)),
    clock: { now: () => now, monotonicMs: () => 5000 },
    random: { bytes: (count) => Buffer.alloc(count, String(counter++)) },
    logger: { debug: write, info: write, warn: write, error: write },
    meter,
    health: () => ({ status }),
    config: { listen: "127.0.0.1:0", trustedProxies: [], keyVaultHosts: [], ...config },
  });
  return { listener, log, metered };
}

/** One connection, spoken to in bytes. */
export interface RawConnection {
  send(bytes: string | Uint8Array): void;
  /** Everything that came, as soon as it contains the text. */
  until(text: string): Promise<string>;
  /** Everything that came before the other side closed. */
  untilClosed(): Promise<string>;
  close(): void;
}

export async function connect(port: number | undefined): Promise<RawConnection> {
  let received = "";
  let isClosed = false;
  let wake = () => {};
  const pending: Uint8Array[] = [];
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port: port ?? 0,
    socket: {
      data(_socket, data) {
        received += data.toString("latin1");
        wake();
      },
      drain: () => flush(),
      close() {
        isClosed = true;
        wake();
      },
      error() {
        isClosed = true;
        wake();
      },
    },
  });

  function flush(): void {
    for (let next = pending[0]; next !== undefined; next = pending[0]) {
      const written = socket.write(next);
      if (written < 0) return void pending.splice(0);
      if (written < next.byteLength) {
        pending[0] = next.subarray(written);
        return;
      }
      pending.shift();
    }
  }

  async function waitFor(isThere: () => boolean): Promise<string> {
    while (!isThere()) {
      const changed = new Promise<void>((resolve) => {
        wake = resolve;
      });
      if (isThere()) break;
      await changed;
    }
    return received;
  }

  return {
    send(bytes) {
      pending.push(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
      flush();
    },
    until: (text) => waitFor(() => received.includes(text) || isClosed),
    untilClosed: () => waitFor(() => isClosed),
    close: () => void socket.end(),
  };
}

/** Sends one text, and gives what came back until the other side closed. Ask for `Connection: close`. */
export async function exchange(port: number | undefined, text: string): Promise<string> {
  const connection = await connect(port);
  connection.send(text);
  const received = await connection.untilClosed();
  connection.close();
  return received;
}
