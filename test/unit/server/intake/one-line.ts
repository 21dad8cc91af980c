/** A connection of the intake over a line in memory: what is asked is answered with its own first line, and time passes when a test says so. */

import { type Connection, createConnection, type HeldBytes } from "../../../../src/server/intake/connection";
import type { Reception } from "../../../../src/server/reception";

/** Method, target and body. */
export type Seen = readonly [method: string, target: string, body: string];

export interface OneLine {
  readonly connection: Connection;
  /** What the reception was asked, in order. */
  readonly seen: readonly Seen[];
  /** Of requests that did not become one: `400`, `verb`. */
  readonly refused: readonly (number | string)[];
  /** All that was written. */
  sent(): string;
  /** What was done to the line: `pause`, `resume`, `shutdown`, `terminate`. */
  readonly done: readonly string[];
  readonly held: HeldBytes;
  /** How many bytes the line takes from now on before it is full. */
  room(bytes: number): void;
  /** Holds answers back until they are let go. */
  hold(): void;
  release(): void;
  pass(ms: number): void;
}

export const limitBytes = 1000;
export const answerStart = "HTTP/1.1 ";

export function createOneLine(heldLimit = 1 << 20, always = 0): OneLine {
  const seen: Seen[] = [];
  const refused: (number | string)[] = [];
  const done: string[] = [];
  const held: HeldBytes = { count: 0, limit: heldLimit, always };
  let sent = "";
  let room = Number.POSITIVE_INFINITY;
  let nowMs = 5000;
  let isGone = false;
  let gate = Promise.withResolvers<void>();
  gate.resolve();

  const reception: Pick<Reception, "answer" | "refuse" | "bodyLimit"> = {
    async answer(request) {
      const length = Number(request.headers.get("content-length") ?? 0);
      if (length > limitBytes) {
        refused.push("length");
        return new Response(null, { status: 413 });
      }
      const { pathname, search } = new URL(request.url);
      const entry: Seen = [request.method, pathname + search, Buffer.from(await request.arrayBuffer()).toString("latin1")];
      seen.push(entry);
      await gate.promise;
      return Response.json(entry.slice(0, 2));
    },
    refuse(refusal) {
      refused.push(typeof refusal === "number" ? refusal : "kind" in refusal ? (refusal.kind ?? refusal.code) : refusal.code);
      return new Response(null, { status: typeof refusal === "number" ? refusal : 400, headers: { connection: "close" } });
    },
    bodyLimit: () => limitBytes,
  };
  const line = {
    remoteAddress: "192.0.2.1",
    write(bytes: Uint8Array) {
      if (isGone) return -1;
      const taken = Math.min(room, bytes.byteLength);
      sent += Buffer.from(bytes.subarray(0, taken)).toString("latin1");
      room -= taken;
      return taken;
    },
    pause: () => void done.push("pause"),
    resume: () => void done.push("resume"),
    shutdown: () => void done.push("shutdown"),
    terminate() {
      done.push("terminate");
      isGone = true;
      connection.closed();
    },
  };
  const connection = createConnection(line, { reception, clock: { monotonicMs: () => nowMs }, date: () => "now", held });
  return {
    connection,
    seen,
    refused,
    sent: () => sent,
    done,
    held,
    room(bytes) {
      room = bytes;
    },
    hold() {
      gate = Promise.withResolvers();
    },
    release: () => gate.resolve(),
    pass(ms) {
      nowMs += ms;
      connection.check(nowMs);
    },
  };
}

/** Lets everything happen that needs nothing from outside. */
export async function settle(turns = 6): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Goes on until nothing more is written. */
export async function quiet(line: OneLine): Promise<void> {
  let before = -1;
  while (before !== line.sent().length) {
    before = line.sent().length;
    await settle();
  }
}
