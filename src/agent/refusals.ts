/** Refusals as the agent's own clients are told them. */

import { failureOf, PosternError } from "../model/failures";

/** There is no value here and no line to ask by. */
export function away(): PosternError {
  return new PosternError({ code: "upstream_unavailable", upstream: "primary", overloaded: true, because: "primary_unavailable" });
}

/** The primary's last word was that the role may not log in. */
export function refusedRole(cause?: unknown): PosternError {
  return new PosternError({ code: "forbidden", because: "primary_refused_role" }, { cause });
}

/** The role is known here, whatever the primary thinks of it: refusing it is not a matter of its local token. */
export function asLocal(error: unknown): unknown {
  return failureOf(error).code === "unauthenticated" ? refusedRole(error) : error;
}
