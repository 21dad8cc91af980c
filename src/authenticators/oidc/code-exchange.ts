/**
 * Exchanges an authorization code for an identity token, at the provider's own token endpoint.
 *
 * Source: RFC 6749, 2.3.1 and 4.1.3; RFC 7636 (the verifier); OpenID Connect Core 1.0, 3.1.3.
 */

import { readJsonObject } from "../../crypto/strict-json";
import { type CheckList, PosternError } from "../../model/failures";
import type { HttpRequest } from "../../model/ports";
import { SecretBytes } from "../../model/secret-bytes";
import type { IssuerEndpoints } from "../issuer";
import type { Outgoing } from "../outgoing";
import type { CodeService } from "./settings";

export interface PresentedCode {
  readonly value: SecretBytes;
  readonly verifier: string;
}

const check = "code_exchange";
const limits = { maxBytes: 262_144, timeoutMs: 5000, connectTimeoutMs: 2000 };
const longestCode = 4096;

/**
 * The identity token. Fails the checks `code_form`, `token_endpoint`, `code_exchange` (the provider refuses the code, or answers without a token);
 * throws `upstream_unavailable` when the provider cannot be asked. Sent once: a code is good for one exchange.
 */
export async function exchangeCode(
  outgoing: Outgoing,
  service: CodeService,
  endpoints: IssuerEndpoints,
  code: PresentedCode,
  checks: CheckList,
): Promise<SecretBytes> {
  checks.expect(code.value.byteLength <= longestCode, "code_form", `${code.value.byteLength} bytes; at most ${longestCode}`);
  const { token: url } = endpoints;
  if (url === undefined) checks.fail("token_endpoint", "the provider's document names none");
  const roots = service.source.roots === undefined ? {} : { roots: service.source.roots };
  const answer = await outgoing.send(requestFor(url, service, endpoints, code), { ...limits, ...roots }, check, checks);
  if (answer.status >= 500) throw unavailable(url, checks);
  if (answer.status !== 200) checks.fail(check, `the provider answers ${answer.status}`);
  const read = readJsonObject(answer.body);
  const token = "object" in read ? read.object.id_token : undefined;
  if (typeof token !== "string" || token === "") checks.fail(check, "the provider gives no identity token");
  checks.pass(check, url);
  return SecretBytes.ofText(token);
}

function requestFor(url: string, service: CodeService, { tokenMethods }: IssuerEndpoints, code: PresentedCode): HttpRequest {
  const { clientId, clientSecret, redirectUri } = service;
  const isPosted = tokenMethods !== undefined && !tokenMethods.includes("client_secret_basic");
  const form = {
    grant_type: "authorization_code",
    code: Buffer.from(code.value.reveal()).toString("utf8"),
    redirect_uri: redirectUri,
    code_verifier: code.verifier,
    ...(isPosted ? { client_id: clientId, client_secret: clientSecret } : {}),
  };
  const headers: Readonly<Record<string, string>> = isPosted ? {} : { authorization: basic(clientId, clientSecret) };
  return { url, method: "POST", headers, body: { form } };
}

/** Both parts are form-encoded first, so that a colon in the name cannot move the border between them. */
function basic(name: string, secret: string): string {
  const encoded = [name, secret].map((text) => new URLSearchParams({ "": text }).toString().slice(1)).join(":");
  return `Basic ${Buffer.from(encoded).toString("base64")}`;
}

function unavailable(url: string, checks: CheckList): PosternError {
  const failed = { check, ok: false, detail: `${url}: status` };
  const upstream = URL.parse(url)?.origin ?? "unknown";
  return new PosternError({ code: "upstream_unavailable", upstream, because: "status", checks: [...checks.made, failed] });
}
