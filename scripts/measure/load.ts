/**
 * The load generator, a process of its own: a fixed number of connections to 127.0.0.1, each with one request under way at a time, over raw TCP, so that
 * it costs less than any server that answers it. Reads a `LoadSpec`, prints a `LoadResult`.
 */

import * as v from "valibot";
import { type LoadResult, LoadSpec } from "./load-spec";
import { cpuMicros } from "./proc";

interface Connection {
  readonly socket: Bun.Socket<Inbox>;
  sentAtNs: number;
}

/** What has arrived of the present answer. */
interface Inbox {
  received: Buffer | undefined;
  onAnswer: (statusLine: string) => void;
}

interface Tally {
  answered: number;
  readonly latenciesUs: number[];
  readonly refused: Record<string, number>;
}

const statusLineLength = "HTTP/1.1 200".length;
const success = "HTTP/1.1 200";
const headEnd = Buffer.from("\r\n\r\n");

const spec = v.parse(LoadSpec, JSON.parse(await Bun.stdin.text()));
const requests = spec.requests.map((request) => Buffer.from(request));
const connections = await Promise.all(Array.from({ length: spec.connections }, connect));
let next = 0;
let isDone = false;

if (spec.pauseMs === 0) stayAwake();
if (spec.warmUp > 0) await phase(spec.warmUp, spec.maxMs);
const cpuBefore = cpuMicros(spec.pid);
const startedNs = Bun.nanoseconds();
const tally = await phase(spec.count, spec.maxMs);
const seconds = (Bun.nanoseconds() - startedNs) / 1e9;
const cpu = cpuMicros(spec.pid) - cpuBefore;
isDone = true;
for (const { socket } of connections) socket.end();
const sorted = Float64Array.from(tally.latenciesUs).sort();
const result: LoadResult = {
  requests: tally.answered,
  seconds,
  p50Us: quantile(sorted, 0.5),
  p99Us: quantile(sorted, 0.99),
  maxUs: quantile(sorted, 1),
  cpuUsPerRequest: cpu / Math.max(1, tally.answered),
  refused: tally.refused,
};
console.log(JSON.stringify(result));
process.exit(0);

/** Keeps every connection busy until the count or the time is reached and the last answer is there. */
function phase(count: number, maxMs: number): Promise<Tally> {
  const { promise, resolve, reject } = Promise.withResolvers<Tally>();
  const deadlineNs = Bun.nanoseconds() + maxMs * 1e6;
  const tally: Tally = { answered: 0, latenciesUs: [], refused: {} };
  let begun = 0;
  let idle = 0;

  function send(connection: Connection): void {
    const request = requests[next % requests.length];
    if (request === undefined || begun >= count || Bun.nanoseconds() > deadlineNs) {
      idle += 1;
      if (idle === connections.length) resolve(tally);
      return;
    }
    next += 1;
    begun += 1;
    connection.sentAtNs = Bun.nanoseconds();
    if (connection.socket.write(request) !== request.byteLength) reject(new Error("a request did not fit into the socket's buffer"));
  }

  for (const connection of connections) {
    connection.socket.data.onAnswer = (statusLine) => {
      tally.latenciesUs.push((Bun.nanoseconds() - connection.sentAtNs) / 1000);
      tally.answered += 1;
      if (statusLine !== success) tally.refused[statusLine] = (tally.refused[statusLine] ?? 0) + 1;
      if (spec.pauseMs === 0) send(connection);
      else setTimeout(send, spec.pauseMs, connection);
    };
  }
  for (const connection of connections) send(connection);
  return promise;
}

/**
 * Never sleeps while it measures. Whoever sends to a sleeping process pays for waking it, in a virtual machine as much as for the rest of an answer; a fast server
 * keeps the generator busy and pays nothing, so without this the slower one would look slower than it is.
 */
function stayAwake(): void {
  if (!isDone) setImmediate(stayAwake);
}

async function connect(): Promise<Connection> {
  const socket = await Bun.connect<Inbox>({
    hostname: "127.0.0.1",
    port: spec.port,
    data: { received: undefined, onAnswer: () => undefined },
    socket: {
      data: (each, chunk) => take(each.data, chunk),
      close: () => fail("the server closed a connection"),
      error: (_, error) => fail(error.message),
    },
  });
  return { socket, sentAtNs: 0 };
}

function take(inbox: Inbox, chunk: Buffer): void {
  const bytes = inbox.received === undefined ? chunk : Buffer.concat([inbox.received, chunk]);
  const length = answerLength(bytes);
  if (length === undefined || bytes.byteLength < length) {
    inbox.received = inbox.received === undefined ? Buffer.from(chunk) : bytes;
    return;
  }
  if (bytes.byteLength > length) fail("more than one answer to a request");
  inbox.received = undefined;
  inbox.onAnswer(bytes.toString("latin1", 0, statusLineLength));
}

/** Undefined while the header is not complete. */
function answerLength(bytes: Buffer): number | undefined {
  const end = bytes.indexOf(headEnd);
  if (end < 0) return undefined;
  const stated = /\r\ncontent-length: (\d+)/iu.exec(bytes.toString("latin1", 0, end));
  return end + headEnd.byteLength + Number(stated?.[1] ?? 0);
}

function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function fail(reason: string): void {
  if (isDone) return;
  console.error(reason);
  process.exit(1);
}
