/** What a refusal of a Conjur server means to who asked. */

import { PosternError } from "../model/failures";

/** `target` is what was asked for. */
export function readFailure(status: number, url: string, target: string): PosternError {
  if (status === 401) return new PosternError({ code: "unauthenticated", because: "primary_refused" });
  if (status === 403) return new PosternError({ code: "forbidden", because: "primary_refused" });
  if (status === 404) return new PosternError({ code: "not_found", target });
  // A busy server, a failing one, or something on the way that is no such server: none of them says anything about the right to read.
  return new PosternError({ code: "upstream_unavailable", upstream: URL.parse(url)?.origin ?? "unknown", because: `http_${status}` });
}
