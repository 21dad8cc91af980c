/**
 * Requests that a login makes to somebody else, so that strangers decide how many there are: only so many are under way at a time, and beyond that a login
 * is told to come again.
 */

import { type CheckList, failureOf, PosternError } from "../model/failures";
import type { HttpAnswer, HttpClient, HttpLimits, HttpRequest } from "../model/ports";

export interface Outgoing {
  /**
   * Does the work, which asks the host of `url`. What fails, fails the named check: `upstream_unavailable`, with the checks made so far; `overloaded` when
   * too many are under way.
   */
  attempt<Result>(url: string, check: string, checks: CheckList, work: () => Promise<Result>): Promise<Result>;
  /** `attempt`, for one request. */
  send(request: HttpRequest, limits: HttpLimits, check: string, checks: CheckList): Promise<HttpAnswer>;
}

const most = 256;

export function createOutgoing(http: HttpClient, maxUnderWay = most): Outgoing {
  let underWay = 0;

  async function attempt<Result>(url: string, check: string, checks: CheckList, work: () => Promise<Result>): Promise<Result> {
    const { host = "unknown", protocol = "" } = URL.parse(url) ?? {};
    const failed = (because: string) => [...checks.made, { check, ok: false, detail: `${host}: ${because}` }];
    if (underWay >= maxUnderWay) {
      const because = "overloaded";
      const upstream = `${protocol}//${host}`;
      throw new PosternError({ code: "upstream_unavailable", upstream, because, overloaded: true, checks: failed(because) });
    }
    underWay += 1;
    try {
      return await work();
    } catch (cause) {
      const failure = failureOf(cause);
      throw new PosternError({ ...failure, checks: failed(failure.because ?? failure.code) }, { cause });
    } finally {
      underWay -= 1;
    }
  }

  return { attempt, send: (request, limits, check, checks) => attempt(request.url, check, checks, () => http.send(request, limits)) };
}
