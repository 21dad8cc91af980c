/** What the places that hand out a machine's tokens have in common: what is asked, how an answer is read, and what is believed of it. */

import * as v from "valibot";
import { readJsonObject } from "../../crypto/strict-json";
import { failureOf } from "../../model/failures";
import type { HttpAnswer, HttpClient, HttpLimits, HttpRequest } from "../../model/ports";
import type { Instant } from "../../model/types";

/** Which of a machine's identities is meant, by one of its three names; absent: the one that the platform chooses. */
export interface IdentitySelector {
  readonly kind: "client" | "object" | "resource";
  /** Compared without regard to case. */
  readonly value: string;
}

/** What came of asking once. */
export type TokenAnswer = { readonly grant: TokenGrant } | { readonly refusal: Refusal };

/** A token as it was handed out: nothing of it is checked yet. */
export interface TokenGrant {
  readonly token: string;
  /** The audience that the endpoint says the token is for. */
  readonly resource?: string;
  /** How long it lives from now on, where the endpoint says so: by its own clock, whatever this machine's says. */
  readonly expiresInMs?: number;
  /** The identity that the endpoint says it used, by whichever names it said. */
  readonly echo: Readonly<Partial<Record<IdentitySelector["kind"], string>>>;
}

/** Why there is no token. A transient refusal is worth another try, after the time the endpoint asked for. */
export interface Refusal {
  readonly because: string;
  readonly isTransient: boolean;
  readonly retryAfterMs?: number;
}

export interface TokenSource {
  readonly name: "imds" | "arc" | "app-service" | "workload";
  /** Asks once. Never throws for what an endpoint does. */
  request(resource: string): Promise<TokenAnswer>;
  probe(): Promise<boolean>;
}

/** For endpoints on the machine itself: one that does not accept a connection at once is not there. */
export const localLimits = { maxBytes: 65_536, timeoutMs: 5000, connectTimeoutMs: 1000 };

const Text = v.optional(v.string());
const Body = v.object({
  access_token: v.pipe(v.string(), v.minLength(1), v.maxLength(16_384)),
  resource: Text,
  expires_in: v.optional(v.unknown()),
  client_id: Text,
  object_id: Text,
  msi_res_id: Text,
  mi_res_id: Text,
});
const ErrorBody = v.object({ error: v.pipe(v.string(), v.regex(/^[a-z][a-z0-9_]{0,40}$/u)) });

/** Sends a request; what went wrong on the way is a refusal. */
export async function exchange(
  http: HttpClient,
  request: HttpRequest,
  limits: HttpLimits = localLimits,
): Promise<{ readonly answer: HttpAnswer } | { readonly refusal: Refusal }> {
  try {
    return { answer: await http.send(request, limits) };
  } catch (error) {
    const { because = "internal" } = failureOf(error);
    return { refusal: { because, isTransient: ["connect", "timeout", "dns"].includes(because) } };
  }
}

/** The token in an answer, or why there is none. `now` is for dates in `Retry-After`. */
export function readTokenAnswer(answer: HttpAnswer, now: Instant): TokenAnswer {
  if (answer.status !== 200) return { refusal: refusalOf(answer, now) };
  if (!isJson(answer)) return { refusal: { because: "content_type", isTransient: false } };
  const parsed = v.safeParse(Body, objectIn(answer.body));
  if (!parsed.success) return { refusal: { because: "token_answer", isTransient: false } };
  const { access_token, resource, expires_in, client_id, object_id, msi_res_id, mi_res_id } = parsed.output;
  const resourceId = msi_res_id ?? mi_res_id;
  const expiresInMs = lifeOf(expires_in);
  return {
    grant: {
      token: access_token,
      ...(resource === undefined ? {} : { resource }),
      ...(expiresInMs === undefined ? {} : { expiresInMs }),
      echo: {
        ...(client_id === undefined ? {} : { client: client_id }),
        ...(object_id === undefined ? {} : { object: object_id }),
        ...(resourceId === undefined ? {} : { resource: resourceId }),
      },
    },
  };
}

/** A number of seconds, as metadata endpoints write it (text) or as Entra ID does; what is neither says nothing. */
function lifeOf(expiresIn: unknown): number | undefined {
  const text = typeof expiresIn === "number" ? String(expiresIn) : expiresIn;
  return typeof text === "string" && /^[1-9]\d{0,8}$/u.test(text) ? Number(text) * 1000 : undefined;
}

/** Whether something that hands out tokens answers: any answer to a request without its headers is one, but for a container runtime's "unreachable". */
export async function answersAt(http: HttpClient, url: string): Promise<boolean> {
  const sent = await exchange(http, { url }, { ...localLimits, timeoutMs: 2000 });
  if ("refusal" in sent) return false;
  const { status, body } = sent.answer;
  return status !== 403 || !Buffer.from(body).toString("latin1").includes("unreachable");
}

/** `api-version`, `resource`, and the selector by the parameter that the endpoint has for it. */
export function tokenUrl(
  endpoint: string,
  version: string,
  resource: string,
  selector: IdentitySelector | undefined,
  names: Readonly<Record<IdentitySelector["kind"], string>>,
): string {
  const query = new URLSearchParams({ "api-version": version, resource });
  if (selector !== undefined) query.set(names[selector.kind], selector.value);
  return `${endpoint}?${query.toString()}`;
}

/** Statuses after which the endpoint itself asks to be asked again. Source: "How to use managed identities to acquire an access token", error handling. */
function refusalOf({ status, headers, body }: HttpAnswer, now: Instant): Refusal {
  const parsed = v.safeParse(ErrorBody, objectIn(body));
  const because = parsed.success ? `http_${status}_${parsed.output.error}` : `http_${status}`;
  const retryAfterMs = retryAfter(headers["retry-after"], now);
  const isTransient = status === 404 || status === 408 || status === 410 || status === 429 || status >= 500;
  return { because, isTransient, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

function retryAfter(header: string | undefined, now: Instant): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d{1,6}$/u.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), longestRetryAfterMs) : undefined;
}

const longestRetryAfterMs = 300_000;

function isJson({ headers }: HttpAnswer): boolean {
  const [type = ""] = (headers["content-type"] ?? "").split(";");
  return type.trim().toLowerCase() === "application/json";
}

function objectIn(body: Uint8Array): unknown {
  const read = readJsonObject(body);
  return "object" in read ? read.object : undefined;
}
