/**
 * Asks a server that speaks Conjur's protocol, a Postern or a Conjur, as a host would. Source: Conjur 5.3.1, config/routes.rb.
 */

import * as v from "valibot";
import { PosternError } from "../model/failures";
import { accountOf, identifierOf, kindOf, type ResourceId } from "../model/ids";
import type { HttpBody, HttpClient, HttpLimits } from "../model/ports";
import { SecretBytes } from "../model/secret-bytes";
import { readFailure } from "./conjur-answers";
import { tokenText } from "./machine-token";

export interface ConjurClientOptions {
  readonly http: HttpClient;
  /** Without a slash at the end. */
  readonly url: string;
  /** Certificates (PEM) that alone vouch for the server. */
  readonly roots?: string;
}

/** A session as its server issued it. */
export interface ConjurSession {
  readonly token: SecretBytes;
  /** How long the server says it lasts. */
  readonly lifetimeMs: number;
}

export interface ConjurValue {
  readonly value: SecretBytes;
  readonly mimeType?: string;
  /** Where an agent has it from, and how old it is there; absent from a server. */
  readonly agent?: { readonly source: "primary" | "copy"; readonly ageMs: number };
}

/** Who somebody is to the server. */
export interface WhoAmI {
  readonly account: string;
  /** `alice`, `host/apps/web`. */
  readonly username: string;
  /** The address that the server sees. */
  readonly clientIp?: string;
}

export interface ConjurClient {
  /** Throws `unauthenticated` for a refusal, `upstream_unavailable` when there is no answer to go by. */
  loginByAzure(login: {
    readonly service: string;
    readonly account: string;
    /** `host/apps/billing`. */
    readonly login: string;
    readonly token: SecretBytes;
  }): Promise<ConjurSession>;
  /** The API key of whoever has this password, or this API key. Throws as `loginByAzure`. */
  keyOf(login: { readonly account: string; readonly login: string; readonly secret: SecretBytes }): Promise<SecretBytes>;
  /** Throws as `loginByAzure`. */
  loginByKey(login: { readonly account: string; readonly login: string; readonly key: SecretBytes }): Promise<ConjurSession>;
  /** Throws `unauthenticated`, `not_found` where the server does not tell, `upstream_unavailable`. */
  whoAmI(session: ConjurSession): Promise<WhoAmI>;
  /** Throws `unauthenticated` (the session is over), `forbidden`, `not_found`, `upstream_unavailable`. */
  readSecret(session: ConjurSession, id: ResourceId, version?: number): Promise<ConjurValue>;
}

const limits = { maxBytes: 4 * 2 ** 20, timeoutMs: 10_000, connectTimeoutMs: 2000 };
const WhoAmIBody = v.object({ account: v.string(), username: v.string(), client_ip: v.optional(v.string()) });
/** Conjur's default, where a token does not say. */
const usualLifetimeMs = 480_000;

export function createConjurClient({ http, url, roots }: ConjurClientOptions): ConjurClient {
  const bounds: HttpLimits = { ...limits, ...(roots === undefined ? {} : { roots }) };

  async function logIn(path: readonly string[], body: HttpBody, login: string): Promise<ConjurSession> {
    const route = path.map(encodeURIComponent).join("/");
    const answer = await http.send({ url: `${url}/${route}`, method: "POST", body }, bounds);
    if (answer.status !== 200) throw readFailure(answer.status, url, login);
    return { token: new SecretBytes(answer.body), lifetimeMs: lifetimeOf(answer.body) };
  }

  return {
    loginByAzure: ({ service, account, login, token }) =>
      logIn(["authn-azure", service, account, login, "authenticate"], { form: { jwt: tokenText(token) } }, login),
    loginByKey: ({ account, login, key }) => logIn(["authn", account, login, "authenticate"], { text: textOf(key) }, login),
    async keyOf({ account, login, secret }) {
      const basic = Buffer.from(`${login}:${textOf(secret)}`).toString("base64");
      const headers = { authorization: `Basic ${basic}`, accept: "*/*" };
      const answer = await http.send({ url: `${url}/authn/${encodeURIComponent(account)}/login`, headers }, bounds);
      if (answer.status !== 200) throw readFailure(answer.status, url, login);
      return new SecretBytes(answer.body);
    },
    async whoAmI(session) {
      const answer = await http.send({ url: `${url}/whoami`, headers: { authorization: headerOf(session) } }, bounds);
      if (answer.status !== 200) throw readFailure(answer.status, url, "whoami");
      const { account, username, client_ip: clientIp } = whoAmIOf(answer.body, url);
      return { account, username, ...(clientIp === undefined ? {} : { clientIp }) };
    },
    async readSecret(session, id, version) {
      const path = ["secrets", accountOf(id), kindOf(id), identifierOf(id)].map(encodeURIComponent).join("/");
      const query = version === undefined ? "" : `?version=${version}`;
      const authorization = headerOf(session);
      const answer = await http.send({ url: `${url}/${path}${query}`, headers: { authorization, accept: "*/*" } }, bounds);
      if (answer.status !== 200) throw readFailure(answer.status, url, id);
      const mimeType = answer.headers["content-type"];
      return { value: new SecretBytes(answer.body), ...(mimeType === undefined ? {} : { mimeType }), ...freshnessOf(answer.headers) };
    },
  };
}

/** What an agent says of a value; a server says nothing. */
function freshnessOf(headers: Readonly<Record<string, string>>): Pick<ConjurValue, "agent"> {
  const source = headers["x-postern-source"];
  if (source !== "primary" && source !== "copy") return {};
  const seconds = /^\d{1,10}$/u.test(headers.age ?? "") ? Number(headers.age) : 0;
  return { agent: { source, ageMs: seconds * 1000 } };
}

function headerOf({ token }: ConjurSession): string {
  return `Token token="${Buffer.from(token.reveal()).toString("base64")}"`;
}

function textOf(secret: SecretBytes): string {
  return Buffer.from(secret.reveal()).toString("utf8");
}

function whoAmIOf(body: Uint8Array, url: string): v.InferOutput<typeof WhoAmIBody> {
  try {
    return v.parse(WhoAmIBody, JSON.parse(Buffer.from(body).toString("utf8")));
  } catch {
    throw new PosternError({ code: "upstream_unavailable", upstream: url, because: "not the form of /whoami" });
  }
}

/** `exp` less `iat` of the payload, which older servers leave out. */
function lifetimeOf(body: Uint8Array): number {
  try {
    const text: unknown = JSON.parse(Buffer.from(body).toString("utf8"));
    const payload = memberOf(text, "payload");
    const claims: unknown = JSON.parse(Buffer.from(typeof payload === "string" ? payload : "", "base64").toString("utf8"));
    const [issuedAt, expiresAt] = [memberOf(claims, "iat"), memberOf(claims, "exp")];
    if (typeof issuedAt === "number" && typeof expiresAt === "number" && expiresAt > issuedAt) return (expiresAt - issuedAt) * 1000;
  } catch {
    // A token is whatever its server issued; only its lifetime is looked for in it.
  }
  return usualLifetimeMs;
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
