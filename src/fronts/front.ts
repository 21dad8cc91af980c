/**
 * What a front is: a whole foreign wire protocol over the broker. And what all fronts share: the things of one request, and the way from a thrown
 * error to an answer.
 *
 * A front parses, asks, prints. It decides nothing, and its only state is its route table.
 */

import type { Hono } from "hono";
import type { Broker, SecretReader } from "../core/broker";
import { type Failure, type FailureCode, failureOf } from "../model/failures";
import type { ResourceId } from "../model/ids";
import type { SecretBytes } from "../model/secret-bytes";
import type { Caller, RequestContext } from "../model/types";

/** What the agent of a machine implements for fronts; the words are the core's. */
export interface Reader extends SecretReader {
  /** For protocols whose clients need not log in on their own machine, and name secrets by path. */
  readonly local?: LocalPaths;
}

export interface LocalPaths {
  /** The app whose socket or port it is; on a port by a proof that only the app can have. Throws `unauthenticated`. */
  identify(proof: SecretBytes | undefined, context: RequestContext): Promise<Caller>;
  /** The mount that a path below it, or its own, belongs to. Throws `not_found`, `forbidden`, `upstream_unavailable`. */
  mountOf(caller: Caller, path: string): Promise<LocalMount>;
}

/** Where secrets are named by path. */
export interface LocalMount {
  /** Without slashes at either end: `secret`. */
  readonly path: string;
  /** What is kept there: `kv-v1` and `kv-v2` objects, or `conjur` values, each its variable's own. */
  readonly type: "kv-v1" | "kv-v2" | "conjur";
  /** The secret below it. Throws `malformed` for what can be none's name. */
  secretAt(key: string): ResourceId;
}

/** Where clients of a protocol log in before they read. */
export type LocalLogin = Pick<Broker, "login">;

export interface Front {
  /** As in `RequestContext.dialect` and in metrics: `conjur`. */
  readonly name: string;
  /** Everything the protocol offers. */
  serve(broker: Broker, settings?: FrontSettings): FrontApp;
  /** The routes that only read secrets: all that a machine's own agent offers. `logins` for protocols whose clients log in first. */
  reads(reader: Reader, logins?: LocalLogin): FrontApp;
}

/** What an operator may choose about the protocols themselves; what is absent is as the original has it. */
export interface FrontSettings {
  /** Most resources in one answer; 0: no limit. */
  readonly resourceListMax?: number;
  /** Whether host factories are offered. Default true. */
  readonly hostFactories?: boolean;
  /** For protocols that tell how the server stands, also when nothing else can be asked of it. Absent: ready. */
  readonly standing?: () => Standing;
  /** Every metric, in Prometheus's text form, for protocols that offer it to those who may. */
  readonly metrics?: () => Promise<string>;
}

/** How a server stands. */
export interface Standing {
  readonly state: "ready" | "uninitialised" | "sealed" | "failed";
  /** Names the installation. */
  readonly deployment?: string;
}

/** A front bound to what it asks. */
export interface FrontApp {
  readonly name: string;
  /** Every route, with an error handler of its own; answers whatever is asked, refusals included. */
  readonly app: Pick<Hono<FrontEnv>, "fetch" | "request">;
  /** The few routes that may skip the router. Each is also in `app`, by the same handler. */
  readonly hot: readonly HotRoute[];
  /** Whether a request to this URL may carry a body of a policy's size. */
  takesPolicy(url: string): boolean;
  /** A failure found before any route was chosen, in the protocol's own shape. */
  refuse(failure: Failure): Response;
}

/** A `GET` by its pattern in the runtime's own router: `/secrets/:account/variable/*`. The handler reads names from the URL itself. */
export interface HotRoute {
  readonly path: string;
  answer(request: Request, bindings: FrontBindings): Response | Promise<Response>;
}

/** What the listener hands over with a request; Hono's handlers find it in `c.env`. */
export interface FrontBindings {
  readonly context: RequestContext;
  readonly edge: Edge;
}

export interface FrontEnv {
  Bindings: FrontBindings;
}

/** What the listener does for fronts beside carrying requests. */
export interface Edge {
  /** Counts one attempt to log in against the client's address and the identity it claims. Throws `throttled`. */
  admitLogin(context: RequestContext, identity: string): void;
  /** Tells the operator of an `internal` failure. What the client gets of it is its request id. */
  report(error: unknown, context: RequestContext): void;
}

/** An answer before it is a `Response`. */
export interface Wire {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Absent: no body at all. */
  readonly body?: string | Uint8Array<ArrayBuffer>;
}

export type FailureOf = { readonly [C in FailureCode]: Extract<Failure, { readonly code: C }> };

/** How a front prints every failure there is. A new failure code does not compile until each front has answered for it. */
export type FailureTable = { readonly [C in FailureCode]: (failure: FailureOf[C]) => Wire };

/** The wire of a failure by a front's table. */
export function wireOf(table: FailureTable, failure: Failure): Wire {
  return entry(table, failure.code, failure);
}

/** The answer to anything thrown. An error that no one threw on purpose is reported, and shows nothing of itself. */
export function refuseBy(table: FailureTable, error: unknown, bindings: FrontBindings): Response {
  const failure = failureOf(error);
  if (failure.code === "internal") bindings.edge.report(error, bindings.context);
  return print(wireOf(table, failure));
}

/**
 * Prints an answer. Every one of them may concern a credential or a value, so none may be kept by a cache or be guessed at by a browser.
 *
 * The length is stated, because answers to `HEAD` lose their body on the way out and would state zero.
 */
export function print(wire: Wire): Response {
  const { status, body } = wire;
  const headers: Record<string, string> = { "cache-control": "no-store", "x-content-type-options": "nosniff", ...wire.headers };
  if (status === 204) return new Response(null, { status, headers });
  headers["content-length"] = String(body === undefined ? 0 : typeof body === "string" ? Buffer.byteLength(body) : body.byteLength);
  return new Response(body ?? null, { status, headers });
}

function entry<C extends FailureCode>(table: FailureTable, code: C, failure: FailureOf[C]): Wire {
  return table[code](failure);
}
