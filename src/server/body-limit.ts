/**
 * Bodies of bounded size, before anything is parsed or anybody identified. A length that is stated is judged by itself; a chunked body is counted
 * while it comes, and read before the request goes on.
 */

import { PosternError } from "../model/failures";

/** Whether a body's end must be found by reading it. */
export function isChunked(request: Request): boolean {
  return request.headers.get("transfer-encoding") !== null;
}

/** Throws `too_large` when the stated length is over the limit. */
export function assertStatedLength(request: Request, limitBytes: number): void {
  const length = request.headers.get("content-length");
  if (length !== null && Number(length) > limitBytes) throw tooLarge(limitBytes);
}

/**
 * The request with its chunked body read. Throws `too_large` as soon as more than the limit has come; what follows is not read. Throws `malformed` for
 * a method that has no body: the runtime shows nothing of it, so it cannot be counted.
 */
export async function withBody(request: Request, limitBytes: number): Promise<Request> {
  if (request.method === "GET" || request.method === "HEAD") throw new PosternError({ code: "malformed", where: "body", expected: "none" });
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = request.body?.getReader();
  for (let part = await reader?.read(); part !== undefined && !part.done; part = await reader?.read()) {
    length += part.value.byteLength;
    if (length > limitBytes) {
      await reader?.cancel();
      throw tooLarge(limitBytes);
    }
    chunks.push(part.value);
  }
  return new Request(request.url, { method: request.method, headers: request.headers, body: Buffer.concat(chunks) });
}

function tooLarge(limitBytes: number): PosternError {
  return new PosternError({ code: "too_large", what: "body", limitBytes });
}
