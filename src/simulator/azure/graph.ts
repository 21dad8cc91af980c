/**
 * Microsoft Graph over HTTPS, as far as it is needed to change the passwords (client secrets) of an application: find it, add one, remove one.
 *
 * Whoever bears the application permission `Application.ReadWrite.All` may do so to every application of its tenant, with `Application.ReadWrite.OwnedBy` to itself.
 * Source: Microsoft Graph REST API v1.0, "application resource type", addPassword, removePassword.
 */

import type { IssuedCertificate } from "../../crypto/certificate";
import type { Random } from "../../model/ports";
import type { Instant } from "../../model/types";
import { type Bearer, type BearerDeps, type BearerProblem, readBearer } from "./bearer";
import type { Principal } from "./cloud";
import type { Directory, Password } from "./directory";
import { type Call, type Endpoint, type EndpointControls, json, serveEndpoint } from "./endpoint";
import { guid } from "./ids";

/** `list`: of applications; `application`: one of them; `add`, `remove`: of a password. */
export type GraphRoute = "list" | "application" | "add" | "remove" | "other";

export interface Graph extends EndpointControls<GraphRoute> {
  /** `https://127.0.0.1:PORT`, without a slash at the end. */
  readonly url: string;
}

export interface GraphDeps extends BearerDeps {
  readonly host: string;
  readonly port: number;
  readonly allowNonLoopback: boolean;
  readonly tls: IssuedCertificate;
  readonly random: Random;
  readonly directory: Directory;
}

const audience = "https://graph.microsoft.com";
const base = "/v1.0/applications";
const twoYearsMs = 2 * 365 * 86_400_000;

export function serveGraph(deps: GraphDeps): Endpoint<GraphRoute> {
  return serveEndpoint<GraphRoute>({ ...deps, routeOf: (call) => routeOf(call.path), answer: (route, call) => answer(deps, route, call) });
}

async function answer(deps: GraphDeps, route: GraphRoute, call: Call): Promise<Response> {
  const bearer = readBearer(deps, call, audience);
  if (typeof bearer === "string") return refuse(deps, 401, "InvalidAuthenticationToken", problems[bearer]);
  const known = applicationsFor(deps, bearer);
  if (known.length === 0) return refuse(deps, 403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.");
  if (route === "other") return refuse(deps, 404, "BadRequest", "Nothing is at this address.");
  const isWrite = route === "add" || route === "remove";
  if (call.method !== (isWrite ? "POST" : "GET")) return refuse(deps, 405, "Request_BadRequest", "Specified HTTP method is not allowed.");
  if (route === "list") return list(deps, known, call);
  const id = call.path.split("/")[3];
  const application = known.find((each) => deps.directory.objectIdOf(each) === id);
  if (application === undefined)
    return refuse(
      deps,
      404,
      "Request_ResourceNotFound",
      `Resource '${id}' does not exist or one of its queried reference-property objects are not present.`,
    );
  if (route === "application") return json(200, shapeOf(deps, application));
  const body = await bodyOf(call);
  if (body === undefined) return refuse(deps, 400, "BadRequest", "Unable to read JSON request payload.");
  return route === "add" ? add(deps, application, body) : remove(deps, application, body);
}

function applicationsFor(deps: GraphDeps, { oid, tenantId, roles }: Bearer): readonly Principal[] {
  const ofTenant = deps.cloud().principals.filter(({ kind, tenant }) => kind === "application" && tenant.id === tenantId);
  if (roles.includes("Application.ReadWrite.All")) return ofTenant;
  return roles.includes("Application.ReadWrite.OwnedBy") ? ofTenant.filter((each) => each.oid === oid) : [];
}

function list(deps: GraphDeps, known: readonly Principal[], call: Call): Response {
  const filter = call.query.get("$filter");
  const wanted = /^appId eq '([^']*)'$/.exec(filter ?? "")?.[1];
  if (filter !== null && wanted === undefined) return refuse(deps, 400, "BadRequest", `Invalid filter clause: '${filter}'.`);
  const found = known.filter(({ clientId }) => wanted === undefined || clientId === wanted.toLowerCase());
  return json(200, { "@odata.context": `${audience}/v1.0/$metadata#applications`, value: found.map((each) => shapeOf(deps, each)) });
}

function add(deps: GraphDeps, application: Principal, body: ReadonlyMap<string, unknown>): Response {
  const wanted: unknown = body.get("passwordCredential") ?? {};
  if (typeof wanted !== "object" || wanted === null) return refuse(deps, 400, "BadRequest", "passwordCredential is not an object.");
  const displayName = "displayName" in wanted && typeof wanted.displayName === "string" ? wanted.displayName : "";
  const endsAt = "endDateTime" in wanted ? instantOf(wanted.endDateTime) : deps.now() + twoYearsMs;
  if (endsAt === undefined || endsAt <= deps.now())
    return refuse(deps, 400, "Request_BadRequest", "The endDateTime of the password credential is invalid.");
  const added = deps.directory.addPassword(application, { displayName, endsAt });
  return json(200, {
    "@odata.context": `${audience}/v1.0/$metadata#microsoft.graph.passwordCredential`,
    ...passwordShape(added),
    secretText: added.secret,
  });
}

function remove(deps: GraphDeps, application: Principal, body: ReadonlyMap<string, unknown>): Response {
  const keyId = body.get("keyId");
  if (typeof keyId !== "string" || !deps.directory.removePassword(application, keyId))
    return refuse(deps, 400, "Request_BadRequest", "No password credential found with keyId.");
  return new Response(null, { status: 204 });
}

function shapeOf({ directory }: GraphDeps, application: Principal): object {
  return {
    id: directory.objectIdOf(application),
    appId: application.clientId,
    displayName: application.name,
    signInAudience: "AzureADMyOrg",
    keyCredentials: [],
    // A secret is told once, to who made it.
    passwordCredentials: directory.passwordsOf(application).map((each) => ({ ...passwordShape(each), secretText: null })),
  };
}

function passwordShape({ keyId, displayName, secret, startsAt, endsAt }: Password): object {
  return {
    customKeyIdentifier: null,
    displayName,
    endDateTime: timeText(endsAt),
    hint: secret.slice(0, 3),
    keyId,
    startDateTime: timeText(startsAt),
  };
}

const timeText = (at: Instant): string => Temporal.Instant.fromEpochMilliseconds(at).toString();

function instantOf(text: unknown): Instant | undefined {
  try {
    return typeof text === "string" ? Temporal.Instant.from(text).epochMilliseconds : undefined;
  } catch {
    return undefined;
  }
}

async function bodyOf(call: Call): Promise<ReadonlyMap<string, unknown> | undefined> {
  try {
    const body: unknown = JSON.parse(await call.text());
    return typeof body === "object" && body !== null ? new Map(Object.entries(body)) : undefined;
  } catch {
    return undefined;
  }
}

function routeOf(path: string): GraphRoute {
  if (path === base) return "list";
  const [, action] = /^\/v1\.0\/applications\/[^/]+(?:\/(addPassword|removePassword))?$/.exec(path) ?? ["", "none"];
  if (action === "none") return "other";
  if (action === undefined) return "application";
  return action === "addPassword" ? "add" : "remove";
}

const problems: { readonly [P in BearerProblem]: string } = {
  missing: "Access token is empty.",
  invalid: "Access token validation failure.",
  audience: "Access token validation failure. Invalid audience.",
  expired: "Lifetime validation failed, the token is expired.",
};

function refuse(deps: GraphDeps, status: number, code: string, message: string): Response {
  const id = guid(deps.random);
  const innerError = { date: timeText(deps.now()).slice(0, 19), "request-id": id, "client-request-id": id };
  return json(status, { error: { code, message, innerError } });
}
