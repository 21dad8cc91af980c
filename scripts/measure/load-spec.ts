/** What the load process is told and what it tells, as JSON through its standard input and output. */

import * as v from "valibot";

export const LoadSpec = v.strictObject({
  port: v.number(),
  /** The process whose processor time is counted. */
  pid: v.number(),
  connections: v.number(),
  /** Raw requests, sent in this order and again from the first when all were sent. */
  requests: v.array(v.string()),
  /** Requests before anything is counted. */
  warmUp: v.number(),
  /** It ends after as many requests or as many milliseconds, whichever is first. */
  count: v.number(),
  maxMs: v.number(),
  /** How long a connection rests before its next request; 0: it sends at once. */
  pauseMs: v.number(),
});
export type LoadSpec = v.InferOutput<typeof LoadSpec>;

export const LoadResult = v.strictObject({
  requests: v.number(),
  seconds: v.number(),
  p50Us: v.number(),
  p99Us: v.number(),
  maxUs: v.number(),
  /** Of the process under load, all threads. */
  cpuUsPerRequest: v.number(),
  /** Answers by status line, for those that are not 200: `HTTP/1.1 401`. */
  refused: v.record(v.string(), v.number()),
});
export type LoadResult = v.InferOutput<typeof LoadResult>;
