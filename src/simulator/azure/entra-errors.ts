/**
 * Entra ID's refusals: an OAuth error, an `AADSTS` number, and a sentence that changes without notice.
 *
 * Source: "Microsoft Entra authentication and authorization error codes"; the sentences are close to the published ones.
 */

import type { Random } from "../../model/ports";
import type { Instant } from "../../model/types";
import { json } from "./endpoint";
import { guid } from "./ids";

interface Refusal {
  readonly status: number;
  readonly error: string;
  readonly code: number;
  readonly text: (detail: string) => string;
}

const refusals = {
  unknown_tenant: refusal(
    400,
    "invalid_tenant",
    90002,
    (tenant) => `Tenant '${tenant}' not found. Check to make sure you have the correct tenant ID.`,
  ),
  post_only: refusal(400, "invalid_request", 900561, () => "The endpoint only accepts POST requests."),
  missing_parameter: refusal(400, "invalid_request", 900144, (name) => `The request body must contain the following parameter: '${name}'.`),
  grant_type: refusal(400, "unsupported_grant_type", 70003, (grant) => `The app requested an unsupported grant type '${grant}'.`),
  unknown_application: refusal(
    400,
    "unauthorized_client",
    700016,
    (id) => `Application with identifier '${id}' was not found in the directory.`,
  ),
  no_credential: refusal(
    401,
    "invalid_client",
    7000218,
    () => "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
  ),
  wrong_secret: refusal(401, "invalid_client", 7000215, (id) => `Invalid client secret provided for app '${id}'.`),
  assertion_malformed: refusal(401, "invalid_client", 50027, () => "JWT token is invalid or malformed."),
  assertion_issuer: refusal(
    401,
    "invalid_client",
    700211,
    () => "No matching federated identity record found for presented assertion issuer.",
  ),
  assertion_audience: refusal(
    401,
    "invalid_client",
    700212,
    () => "No matching federated identity record found for presented assertion audience.",
  ),
  assertion_subject: refusal(
    401,
    "invalid_client",
    700213,
    () => "No matching federated identity record found for presented assertion subject.",
  ),
  assertion_signature: refusal(
    401,
    "invalid_client",
    700027,
    () => "Client assertion contains an invalid signature. [Reason - The key was not found.]",
  ),
  issuer_unreachable: refusal(400, "invalid_request", 50166, () => "Request to External OIDC endpoint failed."),
  assertion_expired: refusal(401, "invalid_client", 700024, () => "Client assertion is not within its valid time range."),
  scope: refusal(
    400,
    "invalid_scope",
    1002012,
    () => "The provided value for scope is not valid. Client credential flows must have a scope value with /.default.",
  ),
  unknown_audience: refusal(400, "invalid_resource", 500011, (name) => `The resource principal named ${name} was not found in the tenant.`),
  not_assigned: refusal(
    400,
    "unauthorized_client",
    501051,
    (id) => `Application '${id}' is not assigned to a role for the application it asks for.`,
  ),
} as const;

export type RefusalName = keyof typeof refusals;

/** The refusal as the token endpoint prints it. */
export function entraError(source: { readonly random: Random; now(): Instant }, name: RefusalName, detail = ""): Response {
  const { status, error, code, text } = refusals[name];
  const trace = guid(source.random);
  const correlation = guid(source.random);
  const timestamp = `${Temporal.Instant.fromEpochMilliseconds(source.now()).toString().slice(0, 19).replace("T", " ")}Z`;
  return json(status, {
    error,
    error_description: `AADSTS${code}: ${text(detail)} Trace ID: ${trace} Correlation ID: ${correlation} Timestamp: ${timestamp}`,
    error_codes: [code],
    timestamp,
    trace_id: trace,
    correlation_id: correlation,
  });
}

/** The same as a managed-identity endpoint passes it on: OAuth error and description. */
export function refusalText(name: RefusalName, detail: string): { readonly error: string; readonly description: string } {
  const { error, code, text } = refusals[name];
  return { error, description: `AADSTS${code}: ${text(detail)}` };
}

function refusal(status: number, error: string, code: number, text: (detail: string) => string): Refusal {
  return { status, error, code, text };
}
