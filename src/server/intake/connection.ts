/**
 * One connection: requests in the order they come, each with one answer, and the next not looked at before that answer is on its way. Whatever leaves it unclear
 * where a request ends, ends the connection.
 */

import type { Clock } from "../../model/ports";
import type { Reception } from "../reception";
import { type AnswerBytes, bytesOf, continueLine, type Manner } from "./answer";
import { type BodyReader, createChunkedBody, createSizedBody } from "./body";
import { judgeUnfinished, maxHeadBytes, type RequestHead, readHead } from "./head";
import { type Announced, announce, requestOf } from "./request";

/** The socket, as far as a connection knows it. */
export interface Line {
  /** The other end's address; undefined for a Unix socket. */
  readonly remoteAddress: string | undefined;
  /** Gives how many bytes were taken, or a negative number when there is nobody any more. */
  write(bytes: Uint8Array): number;
  pause(): void;
  resume(): void;
  /** Says that nothing more will come, and goes on reading. */
  shutdown(): void;
  /** At once, with whatever is on its way. */
  terminate(): void;
}

/** Bytes of bodies that are on their way in, on all connections together. */
export interface HeldBytes {
  count: number;
  readonly limit: number;
  /** What each body may have whatever the others do: logins go on while somebody fills the rest. */
  readonly always: number;
}

export interface ConnectionDeps {
  readonly reception: Pick<Reception, "answer" | "refuse" | "bodyLimit">;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** The time for the answers' heads. */
  date(): string;
  readonly held: HeldBytes;
}

export interface Connection {
  take(bytes: Buffer): void;
  /** The line takes bytes again. */
  drained(): void;
  /** The other side sends nothing more, and may still read. */
  halved(): void;
  closed(): void;
  /** Ends what has taken too long. */
  check(nowMs: number): void;
  /** Ends now, or with the answer that is being made. */
  finish(): void;
}

/** Milliseconds; for bodies and answers, what is added to the time that they take at the slowest rate. */
export const patience = { head: 10_000, idle: 60_000, body: 60_000, write: 60_000, leave: 2_000 } as const;
const slowestBytesPerMs = 16;
/** What is kept of requests that are sent before the one before them has its answer. */
const maxAheadBytes = maxHeadBytes;
const headEnd = Buffer.from("\r\n\r\n");
const nothing = Buffer.alloc(0);

export function createConnection(line: Line, deps: ConnectionDeps): Connection {
  const { reception, clock, held } = deps;
  const peer = line.remoteAddress;
  /** `leaving`: the last answer is out, and what still comes is dropped until the other side has it. */
  let phase: "head" | "body" | "answering" | "writing" | "leaving" | "gone" = "head";
  let pending: Buffer = nothing;
  let scanned = 0;
  let announced: Announced | undefined;
  let body: BodyReader | undefined;
  let heldHere = 0;
  let unsent: Buffer = nothing;
  let isLast = false;
  let isHalved = false;
  let isPaused = false;
  let deadlineMs = clock.monotonicMs() + patience.head;

  const allow = (ms: number): void => {
    deadlineMs = clock.monotonicMs() + ms;
  };

  /** Goes on with what is here, until more is needed or an answer is. Half a request that nobody will finish is the end. */
  function advance(): void {
    while (phase === "head" || phase === "body") {
      if (phase === "head" ? takeHead() : takeBody()) continue;
      if (isHalved && (phase === "head" || phase === "body")) leave();
      return;
    }
  }

  function consume(bytes: number): void {
    pending = bytes === pending.byteLength ? nothing : pending.subarray(bytes);
  }

  /** Whether there was a whole head. */
  function takeHead(): boolean {
    const end = pending.indexOf(headEnd, scanned);
    if (end < 0 || end > maxHeadBytes) {
      const refusal = judgeUnfinished(pending, scanned);
      scanned = Math.max(0, pending.byteLength - headEnd.byteLength + 1);
      if (refusal !== undefined) refuse(refusal);
      return false;
    }
    const head = readHead(pending.toString("latin1", 0, end));
    consume(end + headEnd.byteLength);
    scanned = 0;
    if ("refused" in head) refuse(head.refused);
    else begin(head);
    return true;
  }

  function begin(head: RequestHead): void {
    const announcement = announce(head);
    if ("refused" in announcement) return void refuse(announcement.refused, head);
    announced = announcement;
    const limit = reception.bodyLimit(announcement.url);
    isLast ||= !head.isKept;
    if (head.body === 0) return void answer(new Uint8Array(0));
    // The reception refuses it by its length, unread.
    if (head.body !== "chunked" && head.body > limit) return void answer(head.body);
    body = head.body === "chunked" ? createChunkedBody(limit) : createSizedBody(head.body);
    phase = "body";
    allow(patience.body + (head.body === "chunked" ? limit : head.body) / slowestBytesPerMs);
    if (head.expectsContinue && pending.byteLength === 0) send(continueLine);
  }

  /** Whether the body came to an end. */
  function takeBody(): boolean {
    if (body === undefined) return false;
    const before = body.length();
    consume(body.take(pending, 0));
    const state = body.state();
    if (state === "over") answer(body.length());
    else if (state === "broken") refuse(400);
    else if (!hold(body.length() - before)) refuse({ code: "upstream_unavailable", upstream: "postern", overloaded: true });
    else if (state === "done") answer(body.content());
    return state !== "open";
  }

  function hold(bytes: number): boolean {
    heldHere += bytes;
    held.count += bytes;
    return held.count <= held.limit || heldHere <= held.always;
  }

  function release(): void {
    held.count -= heldHere;
    heldHere = 0;
    body = undefined;
  }

  /** Asks the reception. A number instead of a body is the length of one that is not read, and the end of the connection. */
  function answer(content: Uint8Array<ArrayBuffer> | number): void {
    if (announced === undefined) return;
    const { head } = announced;
    const request = requestOf(announced, content);
    if (request === undefined) return void refuse(400, head);
    isLast ||= typeof content === "number";
    carry(reception.answer(request, peer), head.method === "HEAD");
  }

  function refuse(refusal: Parameters<Reception["refuse"]>[0], head?: RequestHead): void {
    isLast = true;
    carry(reception.refuse(refusal, head?.headers), head?.method === "HEAD");
  }

  /** A defect on the way out ends this connection, and nothing else. */
  function carry(answered: Response | Promise<Response>, isHead: boolean): void {
    respond(answered, isHead).catch(() => line.terminate());
  }

  async function respond(answered: Response | Promise<Response>, isHead: boolean): Promise<void> {
    phase = "answering";
    deadlineMs = Number.POSITIVE_INFINITY;
    const manner: Manner = { isHead, isLast, date: deps.date() };
    const out = await written(answered, manner);
    release();
    if (phase !== "answering") return;
    isLast ||= out.isLast;
    phase = "writing";
    allow(patience.write + out.bytes.byteLength / slowestBytesPerMs);
    send(out.bytes);
    if (unsent.byteLength === 0) next();
  }

  function send(bytes: Buffer): void {
    const waiting = unsent.byteLength === 0 ? bytes : Buffer.concat([unsent, bytes]);
    const written = line.write(waiting);
    unsent = written < 0 || written === waiting.byteLength ? nothing : waiting.subarray(written);
  }

  /** The answer is out: the next request, which may be here already, or the end. */
  function next(): void {
    announced = undefined;
    if (isLast || (isHalved && pending.byteLength === 0)) return void leave();
    phase = "head";
    allow(pending.byteLength === 0 ? patience.idle : patience.head);
    if (isPaused) line.resume();
    isPaused = false;
    // Others in between: a burst of small requests is a long time.
    if (pending.byteLength > 0) setImmediate(advance);
  }

  /** Closing with bytes unread would take the last answer back from the other side, so they are read and dropped for a while. */
  function leave(): void {
    phase = "leaving";
    pending = nothing;
    allow(patience.leave);
    if (isPaused) line.resume();
    line.shutdown();
  }

  return {
    take(bytes) {
      if (phase === "leaving" || phase === "gone") return;
      if (phase === "head" && pending.byteLength === 0) allow(patience.head);
      pending = pending.byteLength === 0 ? bytes : Buffer.concat([pending, bytes]);
      advance();
      if (phase === "head" || phase === "body" || pending.byteLength <= maxAheadBytes || isPaused) return;
      isPaused = true;
      line.pause();
    },
    drained() {
      if (unsent.byteLength === 0) return;
      send(nothing);
      if (unsent.byteLength === 0 && phase === "writing") next();
    },
    halved() {
      isHalved = true;
      advance();
    },
    closed() {
      phase = "gone";
      pending = nothing;
      unsent = nothing;
      release();
    },
    check(nowMs) {
      if (nowMs < deadlineMs) return;
      if (phase === "body" || (phase === "head" && pending.byteLength > 0)) refuse(408);
      else if (phase === "head") leave();
      else line.terminate();
    },
    finish() {
      isLast = true;
      if (phase === "head" && pending.byteLength === 0) leave();
    },
  };
}

/** Reached with 500 only by a defect of the reception itself, or a body that fails while it is made. */
async function written(answered: Response | Promise<Response>, manner: Manner): Promise<AnswerBytes> {
  try {
    return await bytesOf(await answered, manner);
  } catch {
    return await bytesOf(new Response(null, { status: 500 }), { ...manner, isLast: true });
  }
}
