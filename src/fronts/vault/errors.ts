/**
 * How Vault's wire prints each failure. Clients retry 412, 429 and most of 5xx, so final answers are none of these.
 *
 * A sentence that the core demands (`says`) is printed as it stands; a refusal by rules says no more than that it is one.
 * Source: Vault 1.19, vault/request_handling.go and http/handler.go; hvac 2 for what is matched.
 */

import type { FailureTable } from "../front";
import { errorsWire, framed } from "./wire";

const internalError = framed("internal error");

export const failures: FailureTable = {
  malformed: (failure) => errorsWire(400, [failure.says ?? `${failure.where}: expected ${failure.expected}`]),
  unauthenticated: (failure) => errorsWire(403, [failure.says ?? (isInvalidToken(failure.because) ? invalid : "permission denied")]),
  forbidden: (failure) =>
    errorsWire(403, [
      failure.says ?? (failure.reason === "address" ? "permission denied" : framed("permission denied")),
      // Beside what clients match, for people: the command line prints all of them.
      ...(failure.hint === undefined ? [] : [failure.hint]),
    ]),
  not_found: (failure) => errorsWire(404, failure.says === undefined ? [] : [failure.says]),
  exists: (failure) => errorsWire(400, [failure.says ?? `${failure.target} already exists`]),
  conflict: (failure) => errorsWire(400, [failure.says ?? failure.what]),
  policy_invalid: (failure) =>
    errorsWire(
      400,
      failure.problems.map((problem) => problem.message),
    ),
  unsupported: (failure) => {
    if (failure.kind === "verb") return errorsWire(405, []);
    if (failure.kind === "encoding") return errorsWire(415, [failure.says ?? failure.what]);
    if (failure.kind === "method") return errorsWire(405, [failure.says ?? framed("unsupported operation")]);
    return errorsWire(404, [failure.says ?? framed("unsupported path")]);
  },
  too_large: (failure) => errorsWire(413, [failure.says ?? "http: request body too large"]),
  throttled: (failure) =>
    errorsWire(429, [failure.says ?? "rate limit quota exceeded"], {
      "retry-after": String(Math.max(1, Math.ceil(failure.retryAfterSeconds))),
    }),
  read_only: () => errorsWire(503, [framed("read-only")]),
  upstream_unavailable: (failure) => errorsWire(failure.overloaded === true ? 503 : 502, [failure.says ?? framed("upstream unavailable")]),
  storage_full: () => errorsWire(500, [framed("no space left for storage")]),
  sealed: () => errorsWire(503, ["Vault is sealed"]),
  integrity: () => errorsWire(500, [internalError]),
  stale: () => errorsWire(503, [framed("data is too old to be served")]),
  not_replicated: () => errorsWire(503, [framed("data is not replicated to this node")]),
  internal: () => errorsWire(500, [internalError]),
};

/** A token was shown and is none, or no longer. Agents log in again when they read the second line. */
const isInvalidToken = (because: string | undefined): boolean => because?.startsWith("token_") === true && because !== "token_missing";
const invalid = framed("permission denied", "invalid token");
