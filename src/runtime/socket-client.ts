/** Requests to a server on this machine, through its Unix socket. */

import { PosternError } from "../model/failures";

// A policy of the largest size is planned in less.
const timeoutMs = 10 * 60 * 1000;

/** Sends requests to the socket. They throw `upstream_unavailable` (because `socket_refused`) when nobody listens there, or others may not ask. */
export function createSocketFetch(path: string): (request: Request) => Promise<Response> {
  return async (request) => {
    try {
      // `proxy: false` because the environment's proxies would be asked even for a socket.
      return await fetch(request, { unix: path, redirect: "error", proxy: false, signal: AbortSignal.timeout(timeoutMs) });
    } catch (cause) {
      throw new PosternError({ code: "upstream_unavailable", upstream: path, because: "socket_refused" }, { cause });
    }
  };
}
