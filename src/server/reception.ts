/**
 * A request from its arrival to its answer: what is checked before any front sees it, and what every answer carries.
 *
 * The one place where a request gets its id, its time and its address.
 */

import type { FrontApp, FrontBindings, HotRoute } from "../fronts/front";
import { type Failure, failureOf, PosternError } from "../model/failures";
import type { Clock, Logger, Random } from "../model/ports";
import type { RequestContext } from "../model/types";
import { assertStatedLength, isChunked, withBody } from "./body-limit";
import { type AddressReader, limitKeyOf } from "./client-address";
import { type Dialect, type DialectRules, dialectOf, isPlainHost } from "./dialect";
import { createInFlight, createRateLimit, ownKey, type Rate } from "./limits";
import { createRequestIds } from "./request-id";

export interface Limits {
  /** Of every body that is not a policy. */
  readonly bodyBytes: number;
  readonly policyBytes: number;
  readonly requestsInFlight: number;
  readonly requestsInFlightPerAddress: number;
  /** Attempts to log in; absent: not limited. */
  readonly loginsPerAddress?: Rate;
  readonly loginsPerIdentity?: Rate;
}

/** Counts of requests, for metrics. */
export interface RequestMeter {
  began(): void;
  ended(dialect: string, status: number, durationMs: number): void;
  /**
   * Refused before a front saw it: `host`, `address`, `body`, `in_flight`, `in_flight_address`, `login_rate`; where connections are read by the intake also
   * `framing`, `path`, `method`, `connections`.
   */
  rejected(reason: string): void;
}

/** Whether requests should be sent here; the reasons are for the admin socket. */
export type Health = () => { readonly status: "ready" | "not_ready" };

export interface ReceptionDeps {
  readonly fronts: readonly FrontApp[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: RequestMeter;
  readonly health: Health;
  readonly addressOf: AddressReader;
  readonly dialects: DialectRules;
  readonly limits: Limits;
  /** Stands in every answer of an installation that is not for production. */
  readonly devMarker?: string;
}

export interface Reception {
  /** Answers a request; never throws. `peer` is undefined on a Unix socket. `hot` is the handler that the runtime's router chose. */
  answer(
    request: Request,
    peer: string | undefined,
    hot?: { readonly front: FrontApp; readonly route: HotRoute },
  ): Response | Promise<Response>;
  /**
   * Answers what did not become a request: by a status of HTTP's own, or a failure in the shape of the listener's only dialect. The connection ends with it. Of
   * the headers, which may be absent, the request's id is taken.
   */
  refuse(refusal: Failure | number, headers?: readonly (readonly [name: string, value: string])[]): Response;
  /** Largest body that a request to this URL may have, where there is but one dialect. */
  bodyLimit(url: string): number;
  /** From now on connections end with their answers. */
  close(): void;
  /** Requests without an answer yet. */
  inFlight(): number;
}

/** One request on its way. */
interface Arrival {
  readonly front: FrontApp;
  readonly context: RequestContext;
  readonly limitKey: string;
  readonly startedMs: number;
}

export function createReception(deps: ReceptionDeps): Reception {
  const { clock, meter, limits, addressOf } = deps;
  const fronts = new Map(deps.fronts.map((front) => [front.name, front]));
  const requestIdOf = createRequestIds(deps.random);
  const inFlight = createInFlight({ all: limits.requestsInFlight, perAddress: limits.requestsInFlightPerAddress });
  const edge = createEdge(deps);
  let isClosing = false;

  function answer(
    request: Request,
    peer: string | undefined,
    hot?: { readonly front: FrontApp; readonly route: HotRoute },
  ): Response | Promise<Response> {
    const { headers } = request;
    const requestId = requestIdOf(headers.get("x-request-id"));
    const host = headers.get("host");
    if (!isPlainHost(host)) return dismiss("host", bareResponse(400), requestId);
    const dialect = dialectOf(request.url, host, deps.dialects);
    if (dialect === "conjur" && isHealth(request.url)) return dress(healthResponse(deps.health()), requestId);
    const front = fronts.get(dialect);
    if (front === undefined) return dismiss("dialect", bareResponse(404), requestId);

    let context: RequestContext;
    try {
      context = contextOf(request, peer, dialect, requestId);
    } catch (error) {
      return dismiss("address", front.refuse(failureOf(error)), requestId);
    }
    const limitKey = limitKeyOf(context.clientAddress);
    const entry = inFlight.enter(limitKey);
    if (entry !== "entered") return dismiss(entry === "all" ? "in_flight" : "in_flight_address", busyResponse(front, entry), requestId);
    meter.began();
    const arrival = { front, context, limitKey, startedMs: clock.monotonicMs() };
    return carry(request, arrival, hot?.front === front ? hot.route : undefined);
  }

  function contextOf(request: Request, peer: string | undefined, dialect: Dialect, requestId: string): RequestContext {
    const { client, peer: peerAddress } = addressOf(peer, () => request.headers.get("x-forwarded-for"));
    const userAgent = request.headers.get("user-agent") ?? undefined;
    const context = { requestId, now: clock.now(), dialect, clientAddress: client };
    if (userAgent === undefined && peerAddress === undefined) return context;
    // Members that are absent, not undefined.
    if (peerAddress === undefined)
      return userAgent === undefined ? context : { requestId, now: context.now, dialect, clientAddress: client, userAgent };
    return userAgent === undefined ? { ...context, peerAddress } : { ...context, peerAddress, userAgent };
  }

  /** Hands the request to its front; whatever comes back, the request is counted out again. */
  function carry(request: Request, arrival: Arrival, route: HotRoute | undefined): Response | Promise<Response> {
    const { front, context } = arrival;
    const bindings: FrontBindings = { context, edge };
    const settle = (response: Response): Response => finish(response, arrival);
    const fail = (error: unknown): Response => finish(refusal(error, front, bindings), arrival);
    try {
      const limitBytes = route === undefined && front.takesPolicy(request.url) ? limits.policyBytes : limits.bodyBytes;
      assertStatedLength(request, limitBytes);
      if (isChunked(request))
        return withBody(request, limitBytes)
          .then((whole) => front.app.fetch(whole, bindings))
          .then(settle, fail);
      const response = route === undefined ? front.app.fetch(request, bindings) : route.answer(request, bindings);
      return response instanceof Response ? settle(response) : response.then(settle, fail);
    } catch (error) {
      return fail(error);
    }
  }

  /** The answer to what no handler caught: a body over the limit, or a defect. */
  function refusal(error: unknown, front: FrontApp, bindings: FrontBindings): Response {
    const failure = failureOf(error);
    if (failure.code === "internal") edge.report(error, bindings.context);
    else meter.rejected("body");
    const response = front.refuse(failure);
    // What is left of the body must not be read as the next request.
    response.headers.set("connection", "close");
    return response;
  }

  function finish(response: Response, arrival: Arrival): Response {
    inFlight.leave(arrival.limitKey);
    meter.ended(arrival.context.dialect, response.status, clock.monotonicMs() - arrival.startedMs);
    return dress(response, arrival.context.requestId);
  }

  function dismiss(reason: string, response: Response, requestId: string): Response {
    meter.rejected(reason);
    return dress(response, requestId);
  }

  function dress(response: Response, requestId: string): Response {
    const { headers } = response;
    headers.set("x-request-id", requestId);
    if (deps.devMarker !== undefined) headers.set("x-postern-dev", deps.devMarker);
    if (isClosing) headers.set("connection", "close");
    return response;
  }

  const only = deps.dialects.only === undefined ? undefined : fronts.get(deps.dialects.only);
  return {
    answer,
    refuse(refusal, headers) {
      const requestId = requestIdOf(headers?.find(([name]) => name === "x-request-id")?.[1] ?? null);
      if (typeof refusal === "number" || only === undefined)
        return dismiss("framing", bareResponse(typeof refusal === "number" ? refusal : 400), requestId);
      const response = only.refuse(refusal);
      response.headers.set("connection", "close");
      return dismiss(refusal.code === "unsupported" ? "method" : refusal.code === "malformed" ? "path" : "body", response, requestId);
    },
    bodyLimit: (url) => (only?.takesPolicy(url) === true ? limits.policyBytes : limits.bodyBytes),
    close: () => {
      isClosing = true;
    },
    inFlight: () => inFlight.count(),
  };
}

/** What fronts may ask of the listener. */
function createEdge(deps: ReceptionDeps): FrontBindings["edge"] {
  const { clock, limits, logger, meter } = deps;
  const byAddress = limits.loginsPerAddress === undefined ? undefined : createRateLimit(limits.loginsPerAddress, clock);
  const byIdentity = limits.loginsPerIdentity === undefined ? undefined : createRateLimit(limits.loginsPerIdentity, clock);
  return {
    admitLogin(context, identity) {
      // The address first: one that is held up cannot use up the attempts of identities.
      const seconds = byAddress?.take(limitKeyOf(context.clientAddress)) || byIdentity?.take(ownKey(identity)) || 0;
      if (seconds === 0) return;
      meter.rejected("login_rate");
      throw new PosternError({ code: "throttled", retryAfterSeconds: Math.max(1, Math.ceil(seconds)), because: "login_rate" });
    },
    report: (error, context) =>
      logger.error("request_failed", { requestId: context.requestId, dialect: context.dialect, ...describe(error) }),
  };
}

/** What may be logged of an error: its kind and where it arose. The message may quote what a client sent. */
function describe(error: unknown): { readonly error: string; readonly at?: string; readonly cause?: string } {
  if (!(error instanceof Error)) return { error: typeof error };
  const frames = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  const failure = failureOf(error);
  const what =
    error instanceof PosternError && failure.code === "internal"
      ? `${failure.what}${failure.because === undefined ? "" : ` (${failure.because})`}`
      : error.name;
  return {
    error: what,
    at: frames
      .slice(0, maxFrames)
      .map((line) => line.trim())
      .join("; "),
    ...(error.cause instanceof Error ? { cause: error.cause.name } : {}),
  };
}

const maxFrames = 12;

/** All requests at once are this server's trouble; all of one address are that address's. */
function busyResponse(front: FrontApp, entry: "all" | "address"): Response {
  const failure: Failure =
    entry === "all" ? { code: "upstream_unavailable", upstream: "postern", overloaded: true } : { code: "throttled", retryAfterSeconds: 1 };
  const response = front.refuse(failure);
  response.headers.set("retry-after", "1");
  return response;
}

/** For load balancers, which know no dialect and are told no reasons. */
function healthResponse(health: ReturnType<Health>): Response {
  const headers = { "cache-control": "no-store", "x-content-type-options": "nosniff" };
  return Response.json({ status: health.status }, { status: health.status === "ready" ? 200 : 503, headers });
}

function isHealth(url: string): boolean {
  const path = url.indexOf("/", url.indexOf("://") + 3);
  return path >= 0 && url.startsWith("/health", path) && (url.length === path + "/health".length || url[path + "/health".length] === "?");
}

function bareResponse(status: number): Response {
  return new Response(null, { status, headers: { "cache-control": "no-store", "x-content-type-options": "nosniff", connection: "close" } });
}
