/**
 * How Conjur's wire prints each failure. Clients branch on the status; the Go client also shows `error.message`.
 *
 * One table answers for most routes; a stage of a request that answers otherwise has a table with the few entries changed.
 * Source: Conjur 5.3.1, app/controllers/application_controller.rb and concerns; conjur-api-go 0.15, response/error.go.
 */

import type { PolicyProblem } from "../../model/failures";
import { isKind, type Kind, type RoleId } from "../../model/ids";
import type { FailureOf, FailureTable, Wire } from "../front";
import { loginOf } from "./names";
import { empty, jsonWire, plain } from "./wire";

export const failures: FailureTable = {
  malformed: printMalformed,
  unauthenticated: (failure) => {
    if (failure.reason === "expired") return problem(401, { code: "unauthorized", message: "CONJ00016E Token expired" });
    if (failure.reason === "weak") return problem(401, { code: "unauthorized", message: "Credential strength is insufficient" });
    return empty(401);
  },
  forbidden: () => empty(403),
  not_found: (failure) => (failure.target === "route" ? empty(404) : missing(failure.target)),
  exists: (failure) => problem(409, { code: "conflict", ...named(failure.target, "already exists") }),
  conflict: (failure) => problem(409, { code: "conflict", message: failure.what }, retryAfter(failure.retryAfterSeconds)),
  policy_invalid: printPolicyInvalid,
  unsupported: (failure) => {
    if (failure.kind === "method") return problem(405, { code: "method_not_allowed", message: failure.what });
    if (failure.kind === "encoding") return problem(406, { code: "not_acceptable", message: encodingAdvice });
    return empty(501);
  },
  too_large: () => empty(413),
  throttled: (failure) => empty(429, retryAfter(failure.retryAfterSeconds)),
  read_only: () => empty(503),
  upstream_unavailable: (failure) => empty(failure.overloaded === true ? 503 : 502),
  storage_full: () => empty(507),
  sealed: () => empty(503),
  // A damaged account is refused as a whole until it is repaired; a damaged value is that value's own trouble.
  integrity: (failure) => empty(failure.what.startsWith("account ") ? 503 : 500),
  stale: () => empty(503),
  not_replicated: () => empty(503),
  internal: () => empty(500),
};

/** While the `Authorization` header is judged. */
export const tokenFailures: FailureTable = {
  ...failures,
  unauthenticated: (failure) => plain(401, tokenText(failure.because)),
  forbidden: (failure) => (failure.reason === "address" ? plain(403, "IP address rejected") : empty(403)),
};

/** While an authenticator judges a login: whatever is missing or wrong on our side of it is 401 as well, so that nothing can be told apart. */
export const loginFailures: FailureTable = {
  ...failures,
  malformed: () => empty(400),
  not_found: (failure) => empty(failure.target === "route" ? 404 : 401),
  unsupported: () => empty(401),
  upstream_unavailable: (failure) => empty(failure.overloaded === true ? 503 : 401),
};

/** While a value is fetched: one answer for absent, hidden and empty. */
export const fetchFailures: FailureTable = {
  ...failures,
  not_found: (failure) =>
    failure.target === "route"
      ? empty(404)
      : problem(404, { code: "not_found", message: `CONJ00076E Variable ${failure.target} is empty or not found.` }),
};

/** While a policy is loaded: the only conflict is another load. */
export const loadFailures: FailureTable = {
  ...failures,
  conflict: (failure) =>
    problem(
      409,
      { code: "policy_conflict", message: "Concurrent policy load in progress, please retry" },
      retryAfter(failure.retryAfterSeconds ?? 1),
    ),
};

/** While the switch of an authenticator is set: without the account or the webservice there is nobody to ask for the right. */
export const switchFailures: FailureTable = { ...failures, not_found: () => empty(401) };

/** While `caller` asks for a new API key of another role. */
export function rotationFailures(caller: RoleId, role: string): FailureTable {
  return {
    ...failures,
    not_found: () =>
      problem(404, { code: "not_found", message: `CONJ00123E Resource '${role}' requested by role '${loginOf(caller)}' not found` }),
    unsupported: () => problem(405, { code: "method_not_allowed", message: `CONJ00126E Role '${role}' has no API key to rotate` }),
  };
}

/** While a host factory's token is revoked: what is missing is the token, whichever of the two is not there or not visible. */
export const factoryTokenFailures: FailureTable = {
  ...failures,
  not_found: () =>
    problem(404, {
      code: "not_found",
      message: "Host_factory_token not found",
      target: "host_factory_token",
      details: { code: "not_found", target: "id", message: "host_factory_token" },
    }),
};

const encodingAdvice = "CONJ00074E Issue encoding secret into JSON format, try including 'Accept-Encoding: base64' header in request.";

function tokenText(because: string | undefined): string {
  if (because === "token_missing") return "Authorization missing";
  if (because === "token_malformed") return "Malformed authorization token";
  if (because === "token_claims_unrecognized") return "token contains unrecognized claims";
  return "Unauthorized: Invalid token";
}

function printMalformed(failure: FailureOf["malformed"]): Wire {
  const { where, expected, kind } = failure;
  if (kind === "missing") return problem(422, { code: "parameter_missing", message: `param is missing or the value is empty: ${where}` });
  if (kind === "validation")
    return invalidField(where, where === "password" ? `CONJ00046E Choose a password that includes: ${expected}` : expected);
  if (kind !== "argument") return empty(400);
  if (where === "cidr") return problem(422, { code: "unprocessable_entity", message: expected });
  if (where === "id") return problem(422, { code: "argument_error", message: `Invalid id: expected ${expected}` });
  const page = pageTexts.get(where);
  if (page !== undefined)
    return problem(422, { code: "unprocessable_entity", message: expected.startsWith("at most ") ? tooMany(expected) : page });
  return problem(422, { code: "argument_error", message: argumentTexts.get(where) ?? `'${where}' must be ${expected}` });
}

const pageTexts: ReadonlyMap<string, string> = new Map([
  ["limit", "'limit' contains an invalid value. 'limit' must be a positive integer."],
  ["offset", "'offset' contains an invalid value. 'offset' must be an integer greater than or equal to 0."],
]);
const tooMany = (expected: string): string => `'Limit' parameter must not exceed ${expected.slice("at most ".length)}`;

// Upstream names some parameters and explains others.
const argumentTexts: ReadonlyMap<string, string> = new Map([
  ["value", "'value' may not be empty"],
  ["privilege", "privilege"],
  ["variable_ids", "variable_ids"],
]);

/**
 * The first problem stands where clients look. All of them follow in `errors`, a member that clients ignore, so that a tool which knows it can show
 * a whole text's mistakes at once.
 */
function printPolicyInvalid(failure: FailureOf["policy_invalid"]): Wire {
  if (failure.kind === "empty") return invalidField("policy_text", "is not present");
  if (failure.kind === "deletion") return invalidField("policy_text", "may not contain deletion statements");
  const [first] = failure.problems;
  const errors = failure.problems.map(({ line, column, message, advice }) => ({ line, column, message, advice }));
  const { line = 1, column = 1 } = first;
  if (failure.kind === "reference" || first.line === undefined)
    return problem(422, { code: "policy_invalid", message: spoken(first), errors });
  const message = `Error at line ${line}, column ${column} in policy : ${spoken(first)}`;
  return problem(422, {
    code: "policy_invalid",
    message,
    innererror: { code: "policy_invalid", filename: "policy", line, column },
    errors,
  });
}

function spoken(first: PolicyProblem): string {
  return first.advice === undefined ? first.message : `${first.message} (${first.advice})`;
}

function invalidField(field: string, message: string): Wire {
  const details = [{ code: "validation_failed", target: field, message }];
  return problem(422, { code: "validation_failed", message: `${field} ${message}`, details });
}

function missing(target: string): Wire {
  return problem(404, { code: "not_found", ...named(target, "not found") });
}

/** Names the thing a failure is about, as far as it is one of ours. */
function named(target: string, what: string): Readonly<Record<string, unknown>> {
  const kind = kindIn(target);
  const message = sentenceOn(target, what);
  if (kind === undefined) return { message };
  return { message, target: kind, details: { code: what === "not found" ? "not_found" : "conflict", target: "id", message: target } };
}

/** `Variable 'db' not found in account 'acme'`. A kind goes by its own name, unless `nouns` has another; what is no id stands as it is. */
export function sentenceOn(target: string, what: string, nouns: ReadonlyMap<string, string> = new Map()): string {
  const kind = kindIn(target);
  if (kind === undefined) return `${target} ${what}`;
  const account = target.slice(0, target.indexOf(":"));
  const identifier = target.slice(account.length + kind.length + 2);
  const subject = `${nouns.get(kind) ?? `${kind.charAt(0).toUpperCase()}${kind.slice(1)}`} '${identifier}'`;
  return what === "not found" ? `${subject} not found in account '${account}'` : `${subject} ${what}`;
}

function kindIn(target: string): Kind | undefined {
  const [, kind = ""] = target.split(":", 2);
  return isKind(kind) ? kind : undefined;
}

function problem(status: number, error: Readonly<Record<string, unknown>>, headers?: Readonly<Record<string, string>>): Wire {
  return jsonWire(status, { error }, headers);
}

function retryAfter(seconds: number | undefined): Readonly<Record<string, string>> {
  return seconds === undefined ? {} : { "retry-after": String(Math.max(1, Math.ceil(seconds))) };
}
