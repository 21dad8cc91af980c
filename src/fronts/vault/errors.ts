/**
 * How Vault's wire prints each failure. Clients retry 412, 429 and most of 5xx, so final answers are none of these.
 *
 * Source: Vault 1.16, vault/request_handling.go and http/handler.go; hvac 2 for what is matched.
 */

import type { FailureTable } from "../front";
import { errorsWire, framed } from "./wire";

const internalError = framed("internal error");

export const failures: FailureTable = {
  malformed: (failure) =>
    errorsWire(400, [
      failure.where === "path" && failure.kind === "argument"
        ? "relative paths not supported"
        : `${failure.where}: expected ${failure.expected}`,
    ]),
  unauthenticated: () => errorsWire(403, ["permission denied"]),
  forbidden: (failure) => errorsWire(403, [failure.reason === "address" ? "permission denied" : framed("permission denied")]),
  not_found: () => errorsWire(404, []),
  exists: (failure) => errorsWire(400, [`${failure.target} already exists`]),
  conflict: (failure) => errorsWire(400, [failure.what]),
  policy_invalid: (failure) =>
    errorsWire(
      400,
      failure.problems.map((problem) => problem.message),
    ),
  unsupported: (failure) =>
    errorsWire(failure.kind === "method" ? 405 : 404, [framed(failure.kind === "method" ? "unsupported operation" : "unsupported path")]),
  too_large: () => errorsWire(413, ["http: request body too large"]),
  throttled: (failure) =>
    errorsWire(429, ["rate limit quota exceeded"], { "retry-after": String(Math.max(1, Math.ceil(failure.retryAfterSeconds))) }),
  read_only: () => errorsWire(503, [framed("read-only")]),
  upstream_unavailable: (failure) => errorsWire(failure.overloaded === true ? 503 : 502, [framed("upstream unavailable")]),
  storage_full: () => errorsWire(500, [framed("no space left for storage")]),
  sealed: () => errorsWire(503, ["Vault is sealed"]),
  integrity: () => errorsWire(500, [internalError]),
  stale: () => errorsWire(503, [framed("data is too old to be served")]),
  not_replicated: () => errorsWire(503, [framed("data is not replicated to this node")]),
  internal: () => errorsWire(500, [internalError]),
};
