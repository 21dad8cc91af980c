/** The ways out of the process: web requests, and questions to a directory. A part of the ports. */

import type { SecretBytes } from "./secret-bytes";

/** Bounds of one request to somewhere else. Times are for the whole exchange and for reaching one address. */
export interface HttpLimits {
  readonly maxBytes: number;
  readonly timeoutMs: number;
  readonly connectTimeoutMs: number;
  /** Hosts that may be asked although the operator did not list them; absent: every public one, but never through a proxy. */
  readonly allowedHosts?: readonly string[];
  /** Certificates (PEM) that alone are trusted, in place of the system's. */
  readonly roots?: string;
}

/** One request to somewhere else. */
export interface HttpRequest {
  readonly url: string;
  /** Default `GET`. */
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** By lower-case names, beside those the client sets itself; `accept` is JSON unless it is given here. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: HttpBody;
}

/** What is sent, with the type that belongs to it. */
export type HttpBody = { readonly form: Readonly<Record<string, string>> } | { readonly json: unknown } | { readonly text: string };

/** An answer, whatever its status. `headers` go by lower-case names. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** The way out of the process by HTTP. */
export interface HttpClient {
  /**
   * GETs a JSON document. Throws `upstream_unavailable`; `because` is one of `refused_url`, `refused_address`, `dns`, `connect`, `tls`, `timeout`,
   * `redirect`, `status`, `content_type`, `too_large`, `not_json`.
   */
  getJson(url: string, limits: HttpLimits): Promise<unknown>;
  /**
   * Sends a request and returns the answer, also one that refuses. Where it may go, how long it may take and how much it may say are judged as for
   * `getJson`. Throws `upstream_unavailable`; `because` is one of `refused_url`, `refused_address`, `refused_header`, `dns`, `connect`, `tls`, `timeout`,
   * `redirect`, `content_type` (a compressed answer), `too_large`. Sent once: nothing is repeated when an answer is lost.
   */
  send(request: HttpRequest, limits: HttpLimits): Promise<HttpAnswer>;
}

/** A question to a directory of people: whom does the filter find, and is this their password? */
export interface DirectoryQuestion {
  /** `ldaps://dc.corp.example:636`. */
  readonly url: string;
  /** Certificates (PEM) that alone are trusted, in place of the system's. */
  readonly roots?: string;
  /** Who searches; absent: nobody in particular. */
  readonly searcher?: { readonly dn: string; readonly password: string };
  readonly base: string;
  /** As RFC 4515 writes it, with what a stranger wrote escaped in it. */
  readonly filter: string;
  readonly password: SecretBytes;
}

/** `name` is distinguished. `none` and `several`: the filter does not find one. */
export type DirectoryAnswer =
  | { readonly outcome: "proven"; readonly name: string }
  | { readonly outcome: "refused" | "none" | "several" | "searcher_refused" };

/** Of the whole question, and of reaching one address. */
export interface DirectoryLimits {
  readonly timeoutMs: number;
  readonly connectTimeoutMs: number;
}

export interface Directory {
  /** Throws `upstream_unavailable`; `because` as of the HTTP client, or `directory` when the directory itself fails. */
  ask(question: DirectoryQuestion, limits: DirectoryLimits): Promise<DirectoryAnswer>;
}
