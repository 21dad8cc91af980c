/**
 * The Instance Metadata Service of one virtual machine, scale set or container group: tokens, and what the machine says about itself.
 *
 * Source: "Azure Instance Metadata Service" and "How to use managed identities on an Azure VM to acquire an access token".
 */

import type { Instant } from "../../model/types";
import type { Machine } from "./cloud";
import { type Call, type EndpointOptions, json } from "./endpoint";
import { answerInstanceMetadata, imdsVersions } from "./instance-metadata";
import { type MachineBehaviour, type ManagedIdentitySource, readSelector, repeatedParameter, type TokenGrant } from "./managed-identity";

/**
 * `probe` is a token request without the Metadata header, as SDKs look for the service; `challenge` is the first step of Arc's exchange; `token` is the
 * request that is meant to succeed.
 */
export type MachineRoute = "probe" | "challenge" | "token" | "instance" | "other";

export interface ImdsDeps {
  machine(): Machine;
  readonly identities: ManagedIdentitySource;
  behaviour(): MachineBehaviour;
  now(): Instant;
  monotonicMs(): number;
}

export const tokenPath = "/metadata/identity/oauth2/token";
/** The spellings that IMDS and Arc know; App Service has others. */
export const selectorNames = { client_id: "clientId", object_id: "oid", msi_res_id: "mirid" } as const;

const oldestTokenVersion = "2018-02-01";
const requestsPerSecond = 20;
const requestsAtOnce = 5;

/** How IMDS routes, admits and answers, for `serveEndpoint`. */
export function createImds(deps: ImdsDeps): Pick<EndpointOptions<MachineRoute>, "routeOf" | "admit" | "answer"> {
  let window: readonly number[] = [];

  function admit(route: MachineRoute, underWay: number): Response | undefined {
    if (route !== "token" || !deps.behaviour().rateLimit) return undefined;
    const now = deps.monotonicMs();
    window = [...window.filter((at) => now - at < 1000), now];
    if (window.length <= requestsPerSecond && underWay <= requestsAtOnce) return undefined;
    return json(429, { error: "too_many_requests", error_description: "Too many requests" }, { "Retry-After": "1" });
  }

  return { routeOf: machineRoute, admit, answer: (route, call) => answer(deps, route, call) };
}

/** Which route a request of the IMDS or Arc dialect belongs to. */
export function machineRoute(call: Call): MachineRoute {
  if (call.path === tokenPath) return call.headers.get("Metadata") === null ? "probe" : "token";
  return call.path === "/metadata/versions" || /^\/metadata\/instance(\/|$)/.test(call.path) ? "instance" : "other";
}

/** What is wrong with any request for metadata, or undefined. The header's value is taken in any case, as scripts send `True`. */
export function metadataProblem(call: Call): Response | undefined {
  if (call.method !== "GET") return json(405, { error: "Method not allowed" }, { Allow: "GET" });
  if (call.headers.has("X-Forwarded-For")) return invalidRequest("X-Forwarded-For header is not allowed");
  if (call.headers.get("Metadata")?.toLowerCase() !== "true") return invalidRequest("Required metadata header not specified");
  const repeated = repeatedParameter(call.query);
  return repeated === undefined ? undefined : invalidRequest(`Query parameter '${repeated}' occurs more than once`);
}

export function invalidRequest(description: string): Response {
  return json(400, { error: "invalid_request", error_description: description });
}

/** The answer to a granted token. Every value is text, numbers too. */
export function tokenBody(
  grant: TokenGrant,
  now: Instant,
  echoed: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const left = String(grant.expiresOn - Math.floor(now / 1000));
  return {
    access_token: grant.accessToken,
    client_id: grant.principal.clientId,
    expires_in: left,
    expires_on: String(grant.expiresOn),
    ext_expires_in: left,
    not_before: String(grant.notBefore),
    resource: grant.resource,
    token_type: "Bearer",
    ...echoed,
  };
}

function answer(deps: ImdsDeps, route: MachineRoute, call: Call): Response {
  const problem = metadataProblem(call);
  if (problem !== undefined) return problem;
  if (route === "instance") return answerInstanceMetadata(deps.machine(), call);
  if (call.path !== tokenPath)
    return json(call.path.startsWith("/metadata/identity") ? 401 : 404, { error: "unknown_source", error_description: "Unknown path" });
  const version = call.query.get("api-version");
  if (version === null || !/^\d{4}-\d{2}-\d{2}$/.test(version) || version < oldestTokenVersion) return imdsVersions();
  const resource = call.query.get("resource");
  if (resource === null || resource === "") return invalidRequest("Required query variable 'resource' is missing");
  const selector = readSelector(call.query, selectorNames);
  if (selector === "several") return invalidRequest("Only one of client_id, object_id and msi_res_id may be given");
  const granted = deps.identities.grant(selector, resource);
  if ("error" in granted) return json(400, { error: granted.error, error_description: granted.description });
  return json(200, tokenBody(granted, deps.now()));
}
