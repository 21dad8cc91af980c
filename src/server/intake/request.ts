/** From the head of a request to what the reception can answer. */

import type { Failure } from "../../model/failures";
import type { RequestHead } from "./head";
import { readTarget } from "./target";

/** A request whose body is still to be read. */
export interface Announced {
  readonly head: RequestHead;
  readonly url: string;
}

const verbs: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "LIST"]);
const withoutBody: ReadonlySet<string> = new Set(["GET", "HEAD", "LIST"]);

/** Finds out what is asked for, or why nobody needs to be asked: a failure for a front to print, or a status of HTTP's own. */
export function announce(head: RequestHead): Announced | { readonly refused: Failure | 400 } {
  if (!verbs.has(head.method)) return { refused: { code: "unsupported", what: "verb", kind: "verb" } };
  const target = readTarget(head.target, head.host);
  if ("url" in target) return { head, url: target.url };
  if (target.refused === "malformed") return { refused: 400 };
  return { refused: { code: "malformed", where: "path", expected: "a path without '.' and '..'", kind: "argument", says: relativePaths } };
}

const relativePaths = "relative paths not supported";

/**
 * The request with its body, or with the length that its body would have had when it is not to be read. What framed it on the wire is gone. The body of a method
 * that has none is dropped, as Vault does. Undefined when the host cannot stand in a URL.
 */
export function requestOf({ head, url }: Announced, body: Uint8Array<ArrayBuffer> | number): Request | undefined {
  const { method } = head;
  const headers = [...head.headers];
  const length = typeof body === "number" ? body : body.byteLength;
  const isSent = typeof body !== "number" && length > 0 && !withoutBody.has(method);
  if (isSent || typeof body === "number") headers.push(["content-length", String(length)]);
  const request = made(url, { method: method === "LIST" ? "GET" : method, headers, ...(isSent ? { body } : {}) });
  // The runtime makes GET of every method that it does not know (Bun 1.4.5).
  if (method === "LIST" && request !== undefined) Object.defineProperty(request, "method", { value: "LIST" });
  return request;
}

function made(url: string, init: RequestInit): Request | undefined {
  try {
    return new Request(url, init);
  } catch {
    return undefined;
  }
}
