/**
 * One listener of the simulator: normalises paths, counts requests by route, and misbehaves on demand.
 *
 * Loopback only unless a flag says otherwise: what answers here hands out tokens to anybody.
 */

import ipaddr from "ipaddr.js";
import { PosternError } from "../../model/failures";

/**
 * How an endpoint misbehaves:
 * `status` answers so, `body` answers 200 with this text, `garbage` with what is no JSON, `empty_set` with `{"keys":[]}`, `huge` with so many bytes of JSON
 * (default 8 MiB); `redirect` sends elsewhere; `delay` waits and then answers well; `hang` never answers; `reset` tears the connection down.
 */
export type Fault =
  | { readonly kind: "status"; readonly status: number; readonly body?: string; readonly retryAfterSeconds?: number }
  | { readonly kind: "body"; readonly body: string; readonly contentType?: string }
  | { readonly kind: "garbage" }
  | { readonly kind: "empty_set" }
  | { readonly kind: "huge"; readonly bytes?: number }
  | { readonly kind: "redirect"; readonly location: string }
  | { readonly kind: "delay"; readonly delayMs: number }
  | { readonly kind: "hang" }
  | { readonly kind: "reset" };

/** What tests and the operator may do to an endpoint while it runs. */
export interface EndpointControls<Route extends string> {
  /** Makes the route misbehave, for the next `times` requests or until cleared. */
  fault(route: Route, fault: Fault, times?: number): void;
  clearFaults(): void;
  /** How many requests the route has had, faulty ones included; without a name, all routes together. */
  requests(route?: Route): number;
}

export interface Endpoint<Route extends string> extends EndpointControls<Route> {
  /** `http://127.0.0.1:40342`, without a slash at the end. */
  readonly url: string;
  close(): Promise<void>;
}

/** A request with its path normalised: leading slashes collapsed, other repeated ones too, one trailing slash dropped. */
export interface Call {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
  text(): Promise<string>;
}

export interface EndpointOptions<Route extends string> {
  readonly host: string;
  readonly port: number;
  readonly allowNonLoopback: boolean;
  readonly tls?: { readonly certificatePem: string; readonly privateKeyPem: string };
  /** The route a request belongs to: the name by which it is counted and made to fail. */
  routeOf(call: Call): Route;
  /** Asked when a request arrives, with how many of its route are under way now, itself included. An answer turns it away. */
  admit?(route: Route, underWay: number): Response | undefined;
  answer(route: Route, call: Call): Response | Promise<Response>;
}

const defaultHugeBytes = 8 * 1024 * 1024;
const maxRequestBodyBytes = 1024 * 1024;

/** Starts listening. Throws `malformed` for an address that is not loopback, unless that is allowed. */
export function serveEndpoint<Route extends string>(options: EndpointOptions<Route>): Endpoint<Route> {
  if (!options.allowNonLoopback && !isLoopback(options.host)) {
    throw new PosternError({
      code: "malformed",
      where: "host",
      expected: "a loopback address, as the simulator gives tokens to anybody",
      kind: "argument",
    });
  }
  const faults = new Map<Route, { readonly fault: Fault; left: number }>();
  const counts = new Map<Route, number>();
  const underWay = new Map<Route, number>();

  function takeFault(route: Route): Fault | undefined {
    const entry = faults.get(route);
    if (entry === undefined) return undefined;
    entry.left -= 1;
    if (entry.left <= 0) faults.delete(route);
    return entry.fault;
  }

  async function respond(request: Request): Promise<Response> {
    // Without a Host header the URL is a bare path.
    if (!URL.canParse(request.url)) return json(400, { error: "bad request" });
    const call = readCall(request);
    const route = options.routeOf(call);
    add(counts, route, 1);
    add(underWay, route, 1);
    try {
      return options.admit?.(route, underWay.get(route) ?? 0) ?? (await answerOrFail(route, call));
    } finally {
      add(underWay, route, -1);
    }
  }

  async function answerOrFail(route: Route, call: Call): Promise<Response> {
    const fault = takeFault(route);
    if (fault !== undefined && fault.kind !== "delay") return misbehave(fault);
    if (fault !== undefined) await Bun.sleep(fault.delayMs);
    return options.answer(route, call);
  }

  const server = Bun.serve({
    hostname: options.host,
    port: options.port,
    // The longest there is: a hanging request must hang.
    idleTimeout: 255,
    maxRequestBodySize: maxRequestBodyBytes,
    ...(options.tls === undefined ? {} : { tls: { cert: options.tls.certificatePem, key: options.tls.privateKeyPem } }),
    fetch: respond,
  });
  return {
    url: `${options.tls === undefined ? "http" : "https"}://${options.host.includes(":") ? `[${options.host}]` : options.host}:${server.port}`,
    fault: (route, fault, times = Number.POSITIVE_INFINITY) => void faults.set(route, { fault, left: times }),
    clearFaults: () => faults.clear(),
    requests: (route) => (route === undefined ? [...counts.values()].reduce((sum, count) => sum + count, 0) : (counts.get(route) ?? 0)),
    close: () => server.stop(true),
  };
}

/** A JSON answer. The charset is spelled as Azure's endpoints do. */
export function json(status: number, body: object, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json; charset=utf-8", ...headers } });
}

function add<Route>(counts: Map<Route, number>, route: Route, amount: number): void {
  counts.set(route, (counts.get(route) ?? 0) + amount);
}

function readCall(request: Request): Call {
  const url = new URL(request.url);
  const collapsed = url.pathname.replaceAll(/\/{2,}/g, "/");
  return {
    method: request.method,
    path: collapsed.length > 1 && collapsed.endsWith("/") ? collapsed.slice(0, -1) : collapsed,
    query: url.searchParams,
    headers: request.headers,
    text: () => request.text(),
  };
}

function misbehave(fault: Exclude<Fault, { readonly kind: "delay" }>): Response | Promise<Response> {
  switch (fault.kind) {
    case "status": {
      const retry = fault.retryAfterSeconds === undefined ? {} : { "Retry-After": String(fault.retryAfterSeconds) };
      return new Response(fault.body ?? JSON.stringify({ error: "unknown" }), {
        status: fault.status,
        headers: { "Content-Type": "application/json", ...retry },
      });
    }
    case "body":
      return new Response(fault.body, { headers: { "Content-Type": fault.contentType ?? "application/json" } });
    case "garbage":
      return new Response("\u0000<html>not json", { headers: { "Content-Type": "application/json" } });
    case "empty_set":
      return json(200, { keys: [] });
    case "huge":
      return json(200, { keys: [], padding: "x".repeat(fault.bytes ?? defaultHugeBytes) });
    case "redirect":
      return new Response(null, { status: 302, headers: { Location: fault.location } });
    case "hang":
      return new Promise(() => {});
    case "reset":
      // A body that fails before its first byte makes the server tear the connection down; without an error object it does so silently.
      return new Response(new ReadableStream({ start: (controller) => controller.error(undefined) }));
  }
}

function isLoopback(host: string): boolean {
  return host === "localhost" || (ipaddr.isValid(host) && ipaddr.parse(host).range() === "loopback");
}
