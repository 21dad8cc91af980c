/**
 * What Conjur's wire looks like: request bodies and the shapes of answers, at API version 5.3.1 (server 1.24.0).
 *
 * The only file of this front that opens secret bytes. Source: Conjur 5.3.1, app/controllers and app/presenters; conjur-api-go 0.15 for what is read.
 */

import { isUtf8 } from "node:buffer";
import * as v from "valibot";
import type {
  ApiKeyAge,
  AuthenticatorList,
  CreatedHost,
  IssuedHostFactoryToken,
  PolicyOutcome,
  ResourceView,
  RoleView,
  SecretVersion,
  Session,
} from "../../core/broker";
import { PosternError } from "../../model/failures";
import { kindOf, type ResourceId } from "../../model/ids";
import type { Invitation } from "../../model/ports";
import type { SecretBytes } from "../../model/secret-bytes";
import type { Caller, Grant } from "../../model/types";
import { formOf, textOf } from "../form";
import type { Wire } from "../front";
import { jsonOf } from "../json";
import { isoSeconds, isoTime } from "../timestamp";
import { loginOf } from "./names";

/** The level of Conjur that is implemented; clients refuse commands by it. It is not Postern's own version. */
const conjurVersion = "1.24.0";
const secretVersionsShown = 20;

export function jsonWire(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Wire {
  return { status, headers: { "content-type": "application/json; charset=utf-8", ...headers }, body: JSON.stringify(value) };
}

export function plain(status: number, text: string): Wire {
  return { status, headers: { "content-type": "text/plain; charset=utf-8" }, body: text };
}

export function empty(status: number, headers: Readonly<Record<string, string>> = {}): Wire {
  return { status, headers };
}

/** The landing page: newer clients ask for JSON, older ones read the version out of the HTML. */
export function versionWire(accept: string | undefined): Wire {
  const headers = { vary: "Accept" };
  if (prefersJson(accept ?? "")) return jsonWire(200, { version: conjurVersion }, headers);
  const body = `<!DOCTYPE html>\n<html><head><title>Conjur</title></head><body><dl><dd>Version ${conjurVersion}</dd></dl></body></html>\n`;
  return { status: 200, headers: { "content-type": "text/html; charset=utf-8", ...headers }, body };
}

/** Whether JSON is named, and before or above HTML. */
function prefersJson(accept: string): boolean {
  const ranges = accept
    .toLowerCase()
    .split(",")
    .map((range) => range.trim().split(";"));
  const weightOf = (type: string): number => {
    const range = ranges.find(([name]) => name?.trim() === type);
    const weight = range?.slice(1).find((parameter) => parameter.trim().startsWith("q="));
    if (range === undefined) return 0;
    return weight === undefined ? 1 : Number(weight.trim().slice(2)) || 0;
  };
  const positionOf = (type: string): number => ranges.findIndex(([name]) => name?.trim() === type);
  const [json, html] = [weightOf("application/json"), weightOf("text/html")];
  if (json !== html) return json > html;
  return json > 0 && positionOf("application/json") < positionOf("text/html");
}

/** A session token: JSON, or its strict base64 in one line where the client asked for that encoding. */
export function sessionWire(session: Session, acceptEncoding: string | undefined): Wire {
  const token = Buffer.from(session.token.reveal());
  const vary = { vary: "Accept-Encoding" };
  if (!acceptsBase64(acceptEncoding))
    return { status: 200, headers: { "content-type": "application/json; charset=utf-8", ...vary }, body: token };
  return {
    status: 200,
    headers: { "content-type": "text/plain; charset=utf-8", "content-encoding": "base64", ...vary },
    body: token.toString("base64"),
  };
}

function acceptsBase64(acceptEncoding: string | undefined): boolean {
  return (acceptEncoding ?? "").split(",").some((item) => item.trim().toLowerCase() === "base64");
}

/** When a key was made, under the name the wire has for it. */
export function apiKeyAgeWire({ role, rotatedAt }: ApiKeyAge): Wire {
  return jsonWire(200, { role, timestamp: isoTime(rotatedAt) });
}

/** An API key, as text without a line break. */
export function apiKeyWire(key: SecretBytes): Wire {
  return { status: 200, headers: { "content-type": "text/plain; charset=utf-8" }, body: Buffer.from(key.reveal()) };
}

/**
 * A value as it was stored. Its type is what the owner of the variable annotated, when that is a type at all.
 *
 * The length is left to the runtime, but where the answer is to `HEAD`, whose body may be gone before the runtime can count it.
 */
export function secretResponse(secret: SecretVersion, isHead: boolean): Response {
  const value = Buffer.from(secret.value.reveal());
  const { mimeType } = secret;
  // Copied by the response: half the price of a literal, at the product's busiest route.
  const response = new Response(value, { headers: secretHeaders });
  if (mimeType !== undefined && mimePattern.test(mimeType)) response.headers.set("content-type", mimeType);
  if (isHead) response.headers.set("content-length", String(value.byteLength));
  return response;
}

const secretHeaders = new Headers({
  "cache-control": "no-store",
  "content-disposition": "attachment",
  "content-type": "application/octet-stream",
  "x-content-type-options": "nosniff",
});
const mimePattern = /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}(?:; ?charset=[\w.-]{1,40})?$/;

/**
 * Values by full id. JSON holds only text, so a client that may meet other bytes asks for base64, and looks for the header that says so.
 * Throws `unsupported` (kind `encoding`).
 */
export function batchWire(secrets: ReadonlyMap<ResourceId, SecretVersion>, acceptEncoding: string | undefined): Wire {
  const isBase64 = acceptEncoding?.toLowerCase() === "base64";
  const values = Array.from(secrets, ([id, secret]) => [id, isBase64 ? base64Of(secret.value) : secretText(secret.value)]);
  return jsonWire(200, Object.fromEntries(values), { vary: "Accept-Encoding", ...(isBase64 ? { "content-encoding": "base64" } : {}) });
}

const base64Of = (value: SecretBytes): string => Buffer.from(value.reveal()).toString("base64");

function secretText(value: SecretBytes): string {
  const bytes = value.reveal();
  if (!isUtf8(bytes)) throw new PosternError({ code: "unsupported", kind: "encoding", what: "a value that is not UTF-8, in JSON" });
  return Buffer.from(bytes).toString("utf8");
}

export function whoamiWire(caller: Caller): Wire {
  return jsonWire(200, {
    client_ip: caller.context.clientAddress,
    user_agent: caller.context.userAgent ?? "",
    account: caller.account,
    username: loginOf(caller.role),
    token_issued_at: isoTime(caller.issuedAt),
  });
}

export function authenticatorsWire(list: AuthenticatorList): Wire {
  return jsonWire(200, { installed: list.installed, configured: list.configured, enabled: list.enabled });
}

export function policyOutcomeWire(outcome: PolicyOutcome): Wire {
  const created = outcome.createdRoles.map(({ id, apiKey }) => [id, { id, api_key: Buffer.from(apiKey.reveal()).toString("utf8") }]);
  const warnings = outcome.warnings.length === 0 ? {} : { warnings: outcome.warnings };
  return jsonWire(201, { created_roles: Object.fromEntries(created), version: outcome.version, ...warnings });
}

/** The lines, each ended; without any, a bare line break: whether the user exists is not told. */
export function publicKeysWire(lines: readonly string[]): Wire {
  return plain(200, `${lines.join("\n")}\n`);
}

export function hostFactoryTokensWire(tokens: readonly IssuedHostFactoryToken[]): Wire {
  const items = tokens.map(({ token, expiresAt, networks }) => ({
    expiration: isoSeconds(expiresAt),
    cidr: networks,
    token: Buffer.from(token.reveal()).toString("utf8"),
  }));
  return jsonWire(200, items);
}

/** `permissions` is empty: the Go client reads texts there, where resources elsewhere have objects. */
export function createdHostWire({ id, owner, createdAt, annotations, apiKey }: CreatedHost): Wire {
  return jsonWire(201, {
    created_at: isoTime(createdAt),
    id,
    owner,
    permissions: [],
    annotations: [...annotations].map(([name, value]) => ({ name, value })),
    restricted_to: [],
    api_key: Buffer.from(apiKey.reveal()).toString("utf8"),
  });
}

/** Lists and single resources have the same members. */
export function resourceJson(view: ResourceView): Readonly<Record<string, unknown>> {
  const { resource } = view;
  return {
    created_at: isoTime(resource.createdAt),
    id: resource.id,
    owner: resource.owner,
    ...policyMember(resource),
    permissions: view.permits.map((permit) => ({ privilege: permit.privilege, role: permit.role, ...policyMember(permit) })),
    annotations: view.annotations.map((annotation) => ({ name: annotation.name, value: annotation.value, ...policyMember(annotation) })),
    ...kindMembers(view),
  };
}

function kindMembers(view: ResourceView): Readonly<Record<string, unknown>> {
  switch (kindOf(view.resource.id)) {
    case "variable":
      return {
        secrets: view.secretVersions.slice(-secretVersionsShown).map(({ version }) => ({ version, expires_at: expiryOf(view, version) })),
      };
    case "policy":
      return { policy_versions: view.policyVersions.map(policyVersionJson) };
    case "user":
    case "host":
      return { restricted_to: view.restrictedTo };
    case "host_factory":
      return {
        tokens: view.factoryTokens.map(({ expiresAt, networks }) => ({ expiration: isoSeconds(expiresAt), cidr: networks })),
        layers: view.layers,
      };
    default:
      return {};
  }
}

function expiryOf({ secretExpiry }: ResourceView, version: number): string | null {
  return secretExpiry?.version === version ? isoTime(secretExpiry.expiresAt) : null;
}

function policyVersionJson(version: ResourceView["policyVersions"][number]): Readonly<Record<string, unknown>> {
  const createdAt = isoTime(version.createdAt);
  return {
    version: version.version,
    created_at: createdAt,
    ...(version.text === undefined ? {} : { policy_text: version.text }),
    policy_sha256: version.sha256,
    finished_at: createdAt,
    client_ip: version.clientAddress,
    id: version.policy,
    role: version.role,
  };
}

export function roleJson(view: RoleView): Readonly<Record<string, unknown>> {
  const { role } = view;
  return { created_at: isoTime(role.createdAt), id: role.id, ...policyMember(role), members: view.members.map(grantJson) };
}

export function grantJson(grant: Grant): Readonly<Record<string, unknown>> {
  const { adminOption, ownership, role, member } = grant;
  return { admin_option: adminOption, ownership, role, member, ...policyMember(grant) };
}

/** What an API call made has no policy, and then no such member. */
function policyMember(fact: { readonly policy?: string }): { readonly policy?: string } {
  return fact.policy === undefined ? {} : { policy: fact.policy };
}

/** The token in the body of a login: a form field, whatever type the client gave the body. Throws `malformed` for two of them. */
export function jwtOf(body: Uint8Array): string | undefined {
  return formOf(body).one("jwt");
}

/** The identity token in the body of an OpenID Connect login. Throws `malformed` for two of them. */
export function identityTokenOf(body: Uint8Array): string | undefined {
  return formOf(body).one("id_token");
}

/** Where people begin to sign in. `redirect_uri` is the provider's page, by upstream's name for it; what else a client needs it brings back with the code. */
export function providersWire(invitations: ReadonlyMap<string, Invitation>): Wire {
  return jsonWire(
    200,
    [...invitations].map(([service, { name, address, nonce, verifier }]) => ({
      service_id: service,
      type: "authn-oidc",
      name,
      nonce,
      code_verifier: verifier,
      redirect_uri: address,
    })),
  );
}

const SwitchBody = v.object({ enabled: v.optional(v.unknown()) });

/**
 * Whether an authenticator shall be on: `enabled=true`, or the same as JSON where the type says so; any other value means off. Whatever else the type says, the
 * body is a form: the Python client calls its own `text/plain`, and would be told 204 for the opposite of what it asked. Throws `malformed`.
 */
export function switchOf(body: Uint8Array, contentType: string | undefined): boolean {
  const type = contentType?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (type !== "application/json") return formOf(body).one("enabled") === "true";
  const value = jsonOf(body);
  const parsed = v.safeParse(SwitchBody, value);
  if (!parsed.success || Array.isArray(value)) throw new PosternError({ code: "malformed", where: "body", expected: "an object" });
  return parsed.output.enabled === true || parsed.output.enabled === "true";
}

/** The parts of a `Basic` header's credential: login and secret, parted by the first colon. Undefined when it has not that form. */
export function basicOf(header: string): { readonly login: string; readonly secret: Uint8Array } | undefined {
  const bytes = base64Bytes(header.slice("basic ".length));
  const colon = bytes?.indexOf(0x3a) ?? -1;
  if (bytes === undefined || colon < 0 || !isUtf8(bytes)) return undefined;
  return { login: textOf(bytes.subarray(0, colon), "login"), secret: bytes.subarray(colon + 1) };
}

/** Decodes either alphabet, with or without padding, white space or line breaks. Undefined for anything else. */
export function base64Bytes(text: string): Uint8Array | undefined {
  const alphabet = text.includes("-") || text.includes("_") ? "base64url" : "base64";
  try {
    return Uint8Array.fromBase64(text, { alphabet });
  } catch {
    // Not an error yet: the caller knows what it means where the text stood.
    return undefined;
  }
}
