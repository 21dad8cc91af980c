/** How Key Vault's wire prints each failure. The SDKs map the status, and show `error.code`. Source: Azure Key Vault secrets REST API, 7.4. */

import type { FailureTable } from "../front";
import { errorWire } from "./wire";

const unavailable = (message: string) => errorWire(503, "ServiceUnavailable", message);
const internalError = errorWire(500, "InternalServerError", "The request failed.");

export const failures: FailureTable = {
  malformed: (failure) => errorWire(400, "BadParameter", `The request has no valid ${failure.where}: expected ${failure.expected}.`),
  unauthenticated: (failure) =>
    errorWire(
      401,
      "Unauthorized",
      failure.because === "bearer_missing" ? "AKV10000: Request is missing a Bearer or PoP token." : "The token is not accepted.",
    ),
  forbidden: () => errorWire(403, "Forbidden", "Caller is not authorized to perform action on resource."),
  not_found: (failure) =>
    failure.target === "route"
      ? errorWire(404, "NotFound", "There is nothing at this path.")
      : errorWire(404, "SecretNotFound", `A secret with (name/id) ${failure.target} was not found in this key vault.`),
  exists: (failure) => errorWire(409, "Conflict", `${failure.target} already exists.`),
  conflict: (failure) => errorWire(409, "Conflict", failure.what),
  policy_invalid: (failure) => errorWire(400, "BadParameter", failure.problems[0].message),
  unsupported: (failure) =>
    failure.kind === "method"
      ? errorWire(405, "MethodNotAllowed", "The method is not allowed here.")
      : errorWire(501, "NotImplemented", "This is not offered here."),
  too_large: () => errorWire(413, "RequestEntityTooLarge", "The request body is too large."),
  throttled: (failure) =>
    errorWire(429, "Throttled", "Too many requests.", { "retry-after": String(Math.max(1, Math.ceil(failure.retryAfterSeconds))) }),
  read_only: () => unavailable("This node does not accept changes."),
  upstream_unavailable: () => unavailable("A service this depends on cannot be reached."),
  storage_full: () => errorWire(507, "InsufficientStorage", "There is no space left."),
  sealed: () => unavailable("The vault is sealed."),
  integrity: () => internalError,
  stale: () => unavailable("The data of this node is too old to be served."),
  not_replicated: () => unavailable("This is not replicated to this node."),
  internal: () => internalError,
};
