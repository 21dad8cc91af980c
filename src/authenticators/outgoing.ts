/**
 * Requests that a login makes to somebody else, so that strangers decide how many there are: only so many are under way at a time, and beyond that a login
 * is told to come again.
 */

import { type CheckList, failureOf, PosternError } from "../model/failures";
import type { HttpAnswer, HttpClient, HttpLimits, HttpRequest } from "../model/ports";

export interface Outgoing {
  /** Sends it once. What fails, fails the named check: `upstream_unavailable`, with the checks made so far; `overloaded` when too many are under way. */
  send(request: HttpRequest, limits: HttpLimits, check: string, checks: CheckList): Promise<HttpAnswer>;
}

const most = 256;

export function createOutgoing(http: HttpClient, maxUnderWay = most): Outgoing {
  let underWay = 0;
  return {
    async send(request, limits, check, checks) {
      const { host = "unknown", origin: upstream = "unknown" } = URL.parse(request.url) ?? {};
      const failed = (because: string) => [...checks.made, { check, ok: false, detail: `${host}: ${because}` }];
      if (underWay >= maxUnderWay) {
        const because = "overloaded";
        throw new PosternError({ code: "upstream_unavailable", upstream, because, overloaded: true, checks: failed(because) });
      }
      underWay += 1;
      try {
        return await http.send(request, limits);
      } catch (cause) {
        const failure = failureOf(cause);
        throw new PosternError({ ...failure, checks: failed(failure.because ?? failure.code) }, { cause });
      } finally {
        underWay -= 1;
      }
    },
  };
}
