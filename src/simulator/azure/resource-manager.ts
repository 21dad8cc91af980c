/**
 * Azure Resource Manager over HTTPS, as far as it is read: any resource by its id, the user-assigned identities of a group, the members of a scale set, and which
 * versions of the interface a type has. Any well-formed `api-version` will do.
 *
 * Whoever has the role Reader on the group may look; to anybody else nothing exists or not. Source: Azure Resource Manager,
 * "Resolve common deployment errors"; Azure REST API, Resources 2021-04-01.
 */

import type { IssuedCertificate } from "../../crypto/certificate";
import type { Random } from "../../model/ports";
import { type Bearer, type BearerDeps, type BearerProblem, readBearer } from "./bearer";
import { type Call, type Endpoint, type EndpointControls, json, serveEndpoint } from "./endpoint";
import { guid } from "./ids";
import { type Resource, resourceAt, resourcesOf } from "./resources";

/** `machine`: virtual machines and members of scale sets; `identity`: user-assigned identities, one or a list; `provider`: which versions there are. */
export type ManagerRoute = "machine" | "scale-set" | "identity" | "provider" | "resource" | "other";

export interface ResourceManager extends EndpointControls<ManagerRoute> {
  /** `https://127.0.0.1:PORT`, without a slash at the end. */
  readonly url: string;
}

export interface ResourceManagerDeps extends BearerDeps {
  readonly host: string;
  readonly port: number;
  readonly allowNonLoopback: boolean;
  readonly tls: IssuedCertificate;
  readonly random: Random;
  /** Where to ask for tokens of a tenant. */
  authority(tenantId: string): string;
}

const audience = "https://management.azure.com/";
const pageSize = 2;
const newestVersions: Readonly<Record<string, readonly string[]>> = {
  "Microsoft.Compute": ["2024-07-01", "2024-03-01", "2023-07-01"],
  "Microsoft.ManagedIdentity": ["2024-11-30", "2023-01-31"],
  "Microsoft.HybridCompute": ["2024-11-10-preview", "2024-07-10", "2022-12-27"],
  "Microsoft.Web": ["2024-04-01", "2023-12-01", "2022-03-01"],
  "Microsoft.App": ["2024-10-02-preview", "2024-03-01"],
  "Microsoft.ContainerInstance": ["2024-05-01-preview", "2023-05-01"],
  "Microsoft.ContainerService": ["2024-09-01", "2024-06-02-preview"],
};

export function serveResourceManager(deps: ResourceManagerDeps): Endpoint<ManagerRoute> {
  const endpoint: Endpoint<ManagerRoute> = serveEndpoint<ManagerRoute>({
    ...deps,
    routeOf: (call) => routeOf(call.path),
    answer: (_route, call) => marked(deps, answer(deps, endpoint.url, call)),
  });
  return endpoint;
}

function answer(deps: ResourceManagerDeps, origin: string, call: Call): Response {
  const bearer = readBearer(deps, call, audience);
  if (typeof bearer === "string") return unauthenticated(deps, bearer);
  if (call.method !== "GET") return refuse(405, "HttpMethodNotAllowed", "The resource is only read here.");
  const version = call.query.get("api-version");
  if (version === null)
    return refuse(400, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.");
  if (!/^\d{4}-\d{2}-\d{2}(?:-preview)?$/.test(version))
    return refuse(400, "InvalidApiVersionParameter", `The api-version '${version}' is invalid.`);
  const [subscription, group] = scopeOf(call.path);
  if (subscription === undefined) return refuse(404, "NotFound", "Nothing is at this address.");
  if (!mayRead(deps, bearer, group)) return notAuthorized(bearer, call.path);
  const resources = resourcesOf(deps.cloud());
  const ofSubscription = resources.filter(({ id }) => scopeOf(id)[0] === subscription);
  if (ofSubscription.length === 0) return refuse(404, "SubscriptionNotFound", `The subscription '${subscription}' could not be found.`);
  const provider = /^\/subscriptions\/[^/]+\/providers\/([^/]+)$/i.exec(call.path)?.[1];
  if (provider !== undefined) return describeProvider(resources, provider);
  const ofGroup = ofSubscription.filter(({ id }) => scopeOf(id)[1] === group);
  if (ofGroup.length === 0) return refuse(404, "ResourceGroupNotFound", `Resource group '${group}' could not be found.`);
  const found = resourceAt(ofGroup, call.path);
  if (found !== undefined) return json(200, expanded(found, call.query.get("$expand")));
  const collection = /^(.*\/providers\/[^/]+\/(?:[^/]+|virtualMachineScaleSets\/[^/]+\/virtualMachines))$/i.exec(call.path)?.[1];
  if (collection !== undefined) return page(ofGroup, collection, { origin, call });
  return refuse(
    404,
    "ResourceNotFound",
    `The Resource '${call.path.split("/providers/")[1]}' under resource group '${group}' was not found.`,
  );
}

/** On a group: by a role on it or on everything. On a whole subscription, as when asking about a provider: by any role in it. */
function mayRead(deps: ResourceManagerDeps, { oid, principal }: Bearer, group: string | undefined): boolean {
  if (principal === undefined) return false;
  return deps
    .cloud()
    .readers.some(
      (reader) =>
        reader.oid === oid && (group === undefined || reader.resourceGroup === undefined || reader.resourceGroup.toLowerCase() === group),
    );
}

/** In pages of two, so that whoever lists must follow the link. */
function page(resources: readonly Resource[], collection: string, { origin, call }: { readonly origin: string; readonly call: Call }) {
  const prefix = `${collection.toLowerCase()}/`;
  const all = resources.filter(({ id }) => id.toLowerCase().startsWith(prefix) && !id.slice(prefix.length).includes("/"));
  const start = /^\d{1,4}$/.test(call.query.get("$skiptoken") ?? "") ? Number(call.query.get("$skiptoken")) : 0;
  const value = all.slice(start, start + pageSize).map(({ document }) => document);
  if (start + pageSize >= all.length) return json(200, { value });
  const next = new URLSearchParams({ "api-version": call.query.get("api-version") ?? "", $skiptoken: String(start + pageSize) });
  return json(200, { value, nextLink: `${origin}${call.path}?${next}` });
}

function describeProvider(resources: readonly Resource[], asked: string): Response {
  const namespace = Object.keys(newestVersions).find((name) => name.toLowerCase() === asked.toLowerCase());
  if (namespace === undefined) return refuse(404, "InvalidResourceNamespace", `The resource namespace '${asked}' is invalid.`);
  const types = new Set(resources.flatMap(({ type }) => (type.startsWith(`${namespace}/`) ? [type.slice(namespace.length + 1)] : [])));
  return json(200, {
    namespace,
    registrationState: "Registered",
    resourceTypes: [...types].map((resourceType) => ({ resourceType, locations: ["West Europe"], apiVersions: newestVersions[namespace] })),
  });
}

function expanded({ type, document }: Resource, expand: string | null): object {
  if (expand?.toLowerCase() !== "instanceview" || type !== "Microsoft.Compute/virtualMachines") return document;
  const statuses = [{ code: "PowerState/running", level: "Info", displayStatus: "VM running" }];
  const properties = "properties" in document && typeof document.properties === "object" ? document.properties : {};
  return { ...document, properties: { ...properties, instanceView: { statuses } } };
}

/** Subscription and resource group, in lower case. */
function scopeOf(path: string): readonly [string | undefined, string | undefined] {
  const [, subscription, group] = /^\/subscriptions\/([^/]+)(?:\/resourcegroups\/([^/]+))?(?:\/|$)/.exec(path.toLowerCase()) ?? [];
  return [subscription, group];
}

function routeOf(path: string): ManagerRoute {
  const lower = path.toLowerCase();
  if (/^\/subscriptions\/[^/]+\/providers\/[^/]+$/.test(lower)) return "provider";
  const [, below] = lower.split("/providers/");
  if (below === undefined) return "other";
  if (below.startsWith("microsoft.managedidentity/")) return "identity";
  if (/^microsoft\.compute\/(?:virtualmachines\/|virtualmachinescalesets\/[^/]+\/virtualmachines)/.test(below)) return "machine";
  return below.startsWith("microsoft.compute/virtualmachinescalesets/") ? "scale-set" : "resource";
}

const problems: { readonly [P in BearerProblem]: readonly [string, string] } = {
  missing: ["AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."],
  invalid: ["InvalidAuthenticationToken", "The access token is invalid."],
  audience: ["InvalidAuthenticationTokenAudience", "The access token has been obtained for wrong audience or resource."],
  expired: ["ExpiredAuthenticationToken", "The access token expiry is earlier than current time."],
};

function unauthenticated(deps: ResourceManagerDeps, problem: BearerProblem): Response {
  const [code, message] = problems[problem];
  const [first] = deps.cloud().tenants;
  const challenge = `Bearer authorization_uri="${deps.authority(first.id)}", error="invalid_token", error_description="${message}"`;
  return refuse(401, code, message, { "WWW-Authenticate": challenge });
}

function notAuthorized({ oid }: Bearer, path: string): Response {
  const message = `The client '${oid}' with object id '${oid}' does not have authorization to perform action 'read' over scope '${path}' or the scope is invalid.`;
  return refuse(403, "AuthorizationFailed", message);
}

function refuse(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}): Response {
  return json(status, { error: { code, message } }, headers);
}

function marked(deps: ResourceManagerDeps, response: Response): Response {
  response.headers.set("x-ms-request-id", guid(deps.random));
  response.headers.set("x-ms-ratelimit-remaining-subscription-reads", "11999");
  return response;
}
