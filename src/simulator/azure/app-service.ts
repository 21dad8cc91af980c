/**
 * The identity endpoint of App Service, Functions and Container Apps: a header that only the app's own environment holds.
 *
 * Source: "How to use managed identities for App Service and Azure Functions", REST endpoint reference.
 */

import { type Call, type EndpointOptions, json } from "./endpoint";
import type { MachineRoute } from "./imds";
import { type ManagedIdentitySource, readSelector, repeatedParameter } from "./managed-identity";

export interface AppServiceDeps {
  readonly identities: ManagedIdentitySource;
  /** The value of `IDENTITY_HEADER`. */
  readonly identityHeader: string;
}

export const appServiceTokenPath = "/msi/token";

const selectorNames = { client_id: "clientId", principal_id: "oid", object_id: "oid", mi_res_id: "mirid" } as const;
const oldestVersion = "2019-08-01";

export function createAppService(deps: AppServiceDeps): Pick<EndpointOptions<MachineRoute>, "routeOf" | "answer"> {
  return {
    routeOf: (call) => (call.path === appServiceTokenPath ? "token" : "other"),
    answer: (route, call) => (route === "token" ? answer(deps, call) : refuse(404, "Not found")),
  };
}

function answer(deps: AppServiceDeps, call: Call): Response {
  if (call.method !== "GET") return refuse(405, "Method not allowed");
  if (call.headers.get("X-IDENTITY-HEADER") !== deps.identityHeader) return refuse(401, "The X-IDENTITY-HEADER header is missing or wrong");
  const repeated = repeatedParameter(call.query);
  if (repeated !== undefined) return refuse(400, `Query parameter '${repeated}' occurs more than once`);
  const version = call.query.get("api-version");
  if (version === null || !/^\d{4}-\d{2}-\d{2}$/.test(version) || version < oldestVersion)
    return refuse(400, `api-version must be ${oldestVersion} or later`);
  const resource = call.query.get("resource");
  if (resource === null || resource === "") return refuse(400, "The parameter 'resource' is missing");
  const selector = readSelector(call.query, selectorNames);
  if (selector === "several") return refuse(400, "Only one of client_id, principal_id, object_id and mi_res_id may be given");
  const granted = deps.identities.grant(selector, resource);
  if ("error" in granted) return refuse(400, granted.description);
  return json(200, {
    access_token: granted.accessToken,
    client_id: granted.principal.clientId,
    expires_on: String(granted.expiresOn),
    resource: granted.resource,
    token_type: "Bearer",
  });
}

function refuse(status: number, message: string): Response {
  return json(status, { statusCode: status, message });
}
