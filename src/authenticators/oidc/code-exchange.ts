/**
 * Exchanges an authorization code for an identity token, at the provider's own token endpoint.
 *
 * Source: RFC 6749, 2.3.1 and 4.1.3; RFC 7636 (the verifier); OpenID Connect Core 1.0, 3.1.3.
 */

import { readJsonObject } from "../../crypto/strict-json";
import { type CheckList, failureOf, PosternError } from "../../model/failures";
import type { HttpAnswer, HttpClient } from "../../model/ports";
import { SecretBytes } from "../../model/secret-bytes";
import type { IssuerEndpoints } from "../issuer";
import type { CodeService } from "./settings";

export interface PresentedCode {
  readonly value: SecretBytes;
  readonly verifier: string;
}

const limits = { maxBytes: 262_144, timeoutMs: 5000, connectTimeoutMs: 2000 };
const longestCode = 4096;

/**
 * The identity token. Fails the checks `code_form`, `token_endpoint`, `code_exchange` (the provider refuses the code, or answers without a token);
 * throws `upstream_unavailable` when the provider cannot be asked. Sent once: a code is good for one exchange.
 */
export async function exchangeCode(
  http: HttpClient,
  service: CodeService,
  endpoints: IssuerEndpoints,
  code: PresentedCode,
  checks: CheckList,
): Promise<SecretBytes> {
  checks.expect(code.value.byteLength <= longestCode, "code_form", `${code.value.byteLength} bytes; at most ${longestCode}`);
  const { token: url } = endpoints;
  if (url === undefined) checks.fail("token_endpoint", "the provider's document names none");
  const answer = await ask(http, service, endpoints, url, code, checks);
  if (answer.status >= 500) throw unavailable(url, checks);
  if (answer.status !== 200) checks.fail("code_exchange", `the provider answers ${answer.status}`);
  const read = readJsonObject(answer.body);
  const token = "object" in read ? read.object.id_token : undefined;
  if (typeof token !== "string" || token === "") checks.fail("code_exchange", "the provider gives no identity token");
  checks.pass("code_exchange", url);
  return SecretBytes.ofText(token);
}

async function ask(
  http: HttpClient,
  service: CodeService,
  { tokenMethods }: IssuerEndpoints,
  url: string,
  code: PresentedCode,
  checks: CheckList,
): Promise<HttpAnswer> {
  const { clientId, clientSecret, redirectUri, source } = service;
  const isPosted = tokenMethods !== undefined && !tokenMethods.includes("client_secret_basic");
  const form = {
    grant_type: "authorization_code",
    code: Buffer.from(code.value.reveal()).toString("utf8"),
    redirect_uri: redirectUri,
    code_verifier: code.verifier,
    ...(isPosted ? { client_id: clientId, client_secret: clientSecret } : {}),
  };
  const headers: Readonly<Record<string, string>> = isPosted ? {} : { authorization: basic(clientId, clientSecret) };
  try {
    return await http.send(
      { url, method: "POST", headers, body: { form } },
      { ...limits, ...(source.roots === undefined ? {} : { roots: source.roots }) },
    );
  } catch (cause) {
    const failure = failureOf(cause);
    const failed = { check: "code_exchange", ok: false, detail: `${url}: ${failure.because ?? failure.code}` };
    throw new PosternError({ ...failure, checks: [...checks.made, failed] }, { cause });
  }
}

/** Both parts are form-encoded first, so that a colon in the name cannot move the border between them. */
function basic(name: string, secret: string): string {
  const encoded = [name, secret].map((text) => new URLSearchParams({ "": text }).toString().slice(1)).join(":");
  return `Basic ${Buffer.from(encoded).toString("base64")}`;
}

function unavailable(url: string, checks: CheckList): PosternError {
  const failed = { check: "code_exchange", ok: false, detail: `${url}: status` };
  const upstream = URL.parse(url)?.origin ?? "unknown";
  return new PosternError({ code: "upstream_unavailable", upstream, because: "status", checks: [...checks.made, failed] });
}
