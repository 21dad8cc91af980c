/** Requests to a server on this machine, by its socket, for clients that speak to servers elsewhere. */

import { PosternError } from "../model/failures";
import type { HttpAnswer, HttpClient } from "../model/ports";

/** `carry` takes a request to the socket; `path` names it in failures. The host in URLs is not looked at. */
export function createSocketHttp(path: string, carry: (request: Request) => Promise<Response>): HttpClient {
  const send: HttpClient["send"] = async ({ url, method = "GET", headers = {}, body }, { maxBytes, timeoutMs }) => {
    const content = body === undefined ? undefined : "form" in body ? new URLSearchParams(body.form) : textOf(body);
    const request = new Request(url, {
      method,
      headers,
      signal: AbortSignal.timeout(timeoutMs),
      ...(content === undefined ? {} : { body: content }),
    });
    const response = await carry(request);
    const bytes = await response.bytes();
    if (bytes.byteLength > maxBytes) throw unavailable("too_large");
    const answer: HttpAnswer = { status: response.status, headers: response.headers.toJSON(), body: bytes };
    return answer;
  };

  function unavailable(because: string): PosternError {
    return new PosternError({ code: "upstream_unavailable", upstream: path, because });
  }

  return {
    send,
    async getJson(url, limits) {
      const { status, body } = await send({ url }, limits);
      if (status !== 200) throw unavailable("status");
      try {
        return JSON.parse(Buffer.from(body).toString("utf8"));
      } catch {
        throw unavailable("not_json");
      }
    },
  };
}

function textOf(body: { readonly text: string } | { readonly json: unknown }): string {
  return "text" in body ? body.text : JSON.stringify(body.json);
}
