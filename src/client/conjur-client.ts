/**
 * Asks a server that speaks Conjur's protocol, a Postern or a Conjur, as a host would. Source: Conjur 5.3.1, config/routes.rb.
 */

import { accountOf, identifierOf, kindOf, type ResourceId } from "../model/ids";
import type { HttpClient, HttpLimits } from "../model/ports";
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
  /** Throws `unauthenticated` (the session is over), `forbidden`, `not_found`, `upstream_unavailable`. */
  readSecret(session: ConjurSession, id: ResourceId, version?: number): Promise<ConjurValue>;
}

const limits = { maxBytes: 4 * 2 ** 20, timeoutMs: 10_000, connectTimeoutMs: 2000 };
/** Conjur's default, where a token does not say. */
const usualLifetimeMs = 480_000;

export function createConjurClient({ http, url, roots }: ConjurClientOptions): ConjurClient {
  const bounds: HttpLimits = { ...limits, ...(roots === undefined ? {} : { roots }) };

  return {
    async loginByAzure({ service, account, login, token }) {
      const path = ["authn-azure", service, account, login, "authenticate"].map(encodeURIComponent).join("/");
      const jwt = tokenText(token);
      const answer = await http.send({ url: `${url}/${path}`, method: "POST", body: { form: { jwt } } }, bounds);
      if (answer.status !== 200) throw readFailure(answer.status, url, login);
      return { token: new SecretBytes(answer.body), lifetimeMs: lifetimeOf(answer.body) };
    },
    async readSecret(session, id, version) {
      const path = ["secrets", accountOf(id), kindOf(id), identifierOf(id)].map(encodeURIComponent).join("/");
      const query = version === undefined ? "" : `?version=${version}`;
      const authorization = `Token token="${Buffer.from(session.token.reveal()).toString("base64")}"`;
      const answer = await http.send({ url: `${url}/${path}${query}`, headers: { authorization, accept: "*/*" } }, bounds);
      if (answer.status !== 200) throw readFailure(answer.status, url, id);
      const mimeType = answer.headers["content-type"];
      return { value: new SecretBytes(answer.body), ...(mimeType === undefined ? {} : { mimeType }) };
    },
  };
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
