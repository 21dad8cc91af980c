/**
 * The only outgoing fetch.
 *
 * A host's name is resolved here, every address it has is judged, and the connection goes to the very address that was judged, while TLS still proves
 * the name: an answer of the DNS that changes between the two cannot lead elsewhere. Redirects are never followed and compressed bodies are refused, so
 * that the number of bytes read is the number of bytes held. Environment variables decide nothing: neither proxies nor whether certificates are
 * verified.
 */

import { PosternError } from "../model/failures";
import type { Clock, HttpBody, HttpClient, HttpLimits, HttpRequest, Logger } from "../model/ports";
import { hasCredentials, isOpened, isWebUrl, parseOutboundPrefix } from "./outbound-rules";
import { createReach, literalOf, type ReachDeps, reasonOf, systemRoots, unavailable } from "./reach";

export interface HttpClientDeps extends ReachDeps {
  /** URL prefixes the operator opened: the only way to plain http, to other ports, and to addresses that are not public. */
  readonly allowOutbound: readonly string[];
  /** Certificates (PEM) trusted beside the system's. */
  readonly extraRoots?: readonly string[];
  /** `https`: URL of a proxy for https requests to allowed hosts. `noProxy`: names separated by commas, each with all below it; `*` for all. */
  readonly proxy?: { readonly https?: string; readonly noProxy?: string };
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Exchange {
  readonly url: URL;
  readonly request: HttpRequest;
  readonly limits: HttpLimits;
  readonly isOpened: boolean;
  /** Ends with the whole exchange's time. */
  readonly deadline: AbortSignal;
}

// Entra's answers carry their time to the second; below half a minute nothing of ours is sensitive to it.
const worrySkewMs = 30_000;

/** Throws `malformed` when a prefix of `allowOutbound` is none. */
export function createHttpClient(deps: HttpClientDeps): HttpClient {
  const prefixes = deps.allowOutbound.map(parseOutboundPrefix);
  const reach = createReach(deps);
  const proxy = deps.proxy?.https;
  const direct = (deps.proxy?.noProxy ?? "").split(",").map((name) => name.trim().toLowerCase().replace(/^\./u, ""));
  let roots: readonly string[] | undefined;

  async function send(exchange: Exchange): Promise<Response> {
    const { url, deadline, request } = exchange;
    const { headers, body } = contentOf(exchange);
    const { method = "GET" } = request;
    const common = {
      ...({ method, redirect: "manual", keepalive: false, decompress: false, signal: deadline } as const),
      ...(body === undefined ? {} : { body }),
    };
    roots ??= [...systemRoots(), ...(deps.extraRoots ?? [])];
    const tls = { ca: exchange.limits.roots === undefined ? [...roots] : [exchange.limits.roots], rejectUnauthorized: true };
    if (proxy !== undefined && goesByProxy(exchange)) {
      return await fetch(url, { ...common, headers, tls, proxy: { url: proxy, respectNoProxy: false } });
    }
    const address = await reach({ ...exchange, connectTimeoutMs: exchange.limits.connectTimeoutMs });
    const target = new URL(url);
    target.hostname = address.includes(":") ? `[${address}]` : address;
    const host = { ...headers, host: url.host };
    if (url.protocol === "http:") return await fetch(target, { ...common, headers: host, proxy: false });
    // A certificate for an address is matched with the address itself; a server name may only be a name.
    const serverName = literalOf(url) === undefined ? { serverName: url.hostname } : {};
    return await fetch(target, { ...common, headers: host, proxy: false, tls: { ...tls, ...serverName } });
  }

  /** A proxy resolves the name itself, so nothing here can judge the address: only names that are allowed by themselves go there. */
  function goesByProxy({ url, limits, isOpened: opened }: Exchange): boolean {
    if (url.protocol !== "https:" || literalOf(url) !== undefined) return false;
    const isNamed = opened || limits.allowedHosts?.includes(url.hostname) === true;
    return isNamed && !direct.some((name) => name === "*" || (name !== "" && `.${url.hostname}`.endsWith(`.${name}`)));
  }

  function noticeSkew(url: URL, response: Response): void {
    const theirs = Date.parse(response.headers.get("date") ?? "");
    const skewMs = theirs - deps.clock.now();
    if (Math.abs(skewMs) > worrySkewMs) deps.logger.warn("clock_differs", { upstream: url.origin, skewSeconds: Math.round(skewMs / 1000) });
  }

  /** Goes out, and comes back with an answer that is no redirect and not compressed; `read` makes of it what the caller gets. */
  async function exchanged<Result>(
    request: HttpRequest,
    limits: HttpLimits,
    read: (url: URL, response: Response) => Promise<Result>,
  ): Promise<Result> {
    const url = URL.parse(request.url);
    if (url === null || !isWebUrl(url) || hasCredentials(url)) throw unavailable(url, "refused_url");
    const exchange = { url, request, limits, isOpened: isOpened(url, prefixes), deadline: AbortSignal.timeout(limits.timeoutMs) };
    if (!exchange.isOpened && !isPublicTarget(url, limits)) throw unavailable(url, "refused_url");
    try {
      const response = await send(exchange);
      noticeSkew(url, response);
      if (response.status >= 300 && response.status < 400) throw unavailable(url, "redirect");
      return await read(url, response);
    } catch (cause) {
      if (cause instanceof PosternError) throw cause;
      throw unavailable(url, reasonOf(cause), cause);
    }
  }

  return {
    getJson: (address, limits) =>
      exchanged({ url: address }, limits, async (url, response) => {
        if (response.status !== 200) throw unavailable(url, "status");
        if (!isJson(response)) throw unavailable(url, "content_type");
        return parse(url, await readBody(url, response, limits.maxBytes));
      }),
    send: (request, limits) =>
      exchanged(request, limits, async (url, response) => {
        const body = await readBody(url, response, limits.maxBytes);
        return { status: response.status, headers: response.headers.toJSON(), body };
      }),
  };
}

/** Names that frame a request or say where it goes: they are the client's own. */
const ownHeaders = new Set([
  "host",
  "content-length",
  "content-type",
  "transfer-encoding",
  "accept-encoding",
  "connection",
  "te",
  "upgrade",
]);
const headerName = /^[a-z0-9!#$&'*+.^_|~-]{1,64}$/u;
const headerValue = /^[\t\x20-\x7e]{0,16384}$/u;

/** The headers and the body to send. Throws `upstream_unavailable` (because `refused_header`) for a header that is not the caller's to set, or none at all. */
function contentOf({ url, request }: Exchange): { readonly headers: Readonly<Record<string, string>>; readonly body?: string } {
  const given = Object.entries(request.headers ?? {});
  const areFine = given.every(([name, value]) => headerName.test(name) && !ownHeaders.has(name) && headerValue.test(value));
  if (!areFine) throw unavailable(url, "refused_header");
  const headers = { accept: "application/json", ...Object.fromEntries(given), "accept-encoding": "identity" };
  if (request.body === undefined) return { headers };
  const { type, text } = written(request.body);
  return { headers: { ...headers, "content-type": type }, body: text };
}

function written(body: HttpBody): { readonly type: string; readonly text: string } {
  if ("form" in body) return { type: "application/x-www-form-urlencoded", text: new URLSearchParams(body.form).toString() };
  if ("text" in body) return { type: "text/plain", text: body.text };
  return { type: "application/json", text: JSON.stringify(body.json) };
}

function isPublicTarget(url: URL, limits: HttpLimits): boolean {
  if (url.protocol !== "https:" || url.port !== "") return false;
  return limits.allowedHosts === undefined || limits.allowedHosts.includes(url.hostname);
}

function isJson(response: Response): boolean {
  const [type = ""] = (response.headers.get("content-type") ?? "").split(";");
  return /^application\/(?:[a-z0-9.-]+\+)?json$/u.test(type.trim().toLowerCase());
}

/** What is compressed is refused: the number of bytes read must be the number of bytes held. */
async function readBody(url: URL, response: Response, maxBytes: number): Promise<Uint8Array> {
  const encoding = response.headers.get("content-encoding") ?? "identity";
  if (encoding.trim().toLowerCase() !== "identity") throw unavailable(url, "content_type");
  const reader = response.body?.getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  while (reader !== undefined) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.byteLength;
    if (length > maxBytes) {
      await reader.cancel();
      throw unavailable(url, "too_large");
    }
    parts.push(value);
  }
  return Buffer.concat(parts);
}

function parse(url: URL, body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    // The parser's message quotes the text, so it is not kept.
    throw unavailable(url, "not_json");
  }
}
