/**
 * Signed sessions: the short-lived token that a login gives and every other request shows.
 *
 *   {"protected":"<b64>","payload":"<b64>","signature":"<b64>"}   protected {"alg","kid","typ"}, payload {"iat","sub","exp"} in seconds
 *
 * The three parts are base64 of the URL alphabet with padding, as Conjur's clients expect (Conjur 5.3.1, slosilo token v2; conjur-api-go 0.15
 * decodes the payload with the standard alphabet, so the payload's text must give neither `-` nor `_`: see `payloadText`).
 * A token is remembered by the digest of its exact text from its issue on, or from its first use where another process issued it. That spares the signature
 * check alone: its end, its role and the caller's address are judged anew at each use; its end by the clock that cannot be set as well.
 */

import { sha256Hex } from "../crypto/digest";
import { type Failure, PosternError } from "../model/failures";
import { type AccountName, identifierOf, identifierProblem, kindOf, makeId, type RoleId } from "../model/ids";
import type { Clock } from "../model/ports";
import { SecretBytes } from "../model/secret-bytes";
import type { Caller, Instant, RequestContext } from "../model/types";
import { checkAddress } from "./networks";
import type { Session } from "./operations";
import type { Projection } from "./projection";
import type { Signers } from "./signers";

export interface Sessions {
  /** `lifetimeSeconds` in place of the lifetime for the role's kind, up to the longest there is. */
  issue(role: RoleId, account: AccountName, now: Instant, lifetimeSeconds?: number): Promise<Session>;
  /** Throws `unauthenticated`; `forbidden` for a role that is gone (no reason) or asks from outside its networks (`address`). */
  verify(token: SecretBytes, context: RequestContext): Caller;
  /** How many verified tokens are remembered. */
  remembered(): number;
}

export interface SessionsDeps {
  readonly projection: Projection;
  readonly signers: Signers;
  readonly clock: Clock;
  readonly userLifetimeSeconds: number;
  readonly hostLifetimeSeconds: number;
  /** Whether a restricted role's tokens are refused from outside its networks. */
  readonly checksAddressOnUse: boolean;
}

interface Claims {
  readonly account: AccountName;
  readonly role: RoleId;
  readonly issuedAtSeconds: number;
  readonly expiresAtSeconds: number;
}

interface Remembered extends Claims {
  /** The same end on the clock that cannot be set back. */
  readonly monotonicEndMs: number;
}

const tokenType = "postern-session";
const maxTokenBytes = 16 * 1024;
const maxRemembered = 16_384;
const futureIssueToleranceSeconds = 60;
/** A signed session never lives longer, whatever its payload claims. */
const maxLifetimeSeconds = 5 * 3600;

export function createSessions(deps: SessionsDeps): Sessions {
  const { projection, signers, clock } = deps;
  const remembered = new Map<string, Remembered>();

  function remember(digest: string, claims: Claims, now: Instant): Remembered {
    if (remembered.size >= maxRemembered) forgetSome(remembered, now);
    const entry = { ...claims, monotonicEndMs: clock.monotonicMs() + claims.expiresAtSeconds * 1000 - now };
    remembered.set(digest, entry);
    return entry;
  }

  function recall(token: SecretBytes, now: Instant): Remembered {
    if (token.byteLength > maxTokenBytes) throw refused("token_too_large");
    const digest = sha256Hex(token.reveal());
    const known = remembered.get(digest);
    return known ?? remember(digest, verifySignature(token, signers), now);
  }

  return {
    async issue(role, account, now, lifetimeSeconds) {
      const usual = kindOf(role) === "host" ? deps.hostLifetimeSeconds : deps.userLifetimeSeconds;
      const issuedAt = Math.floor(now / 1000);
      const expiresAt = issuedAt + Math.min(lifetimeSeconds ?? usual, maxLifetimeSeconds);
      const signer = signers.of(account);
      const protectedPart = encode(JSON.stringify({ alg: signer.algorithm, kid: signer.keyId, typ: tokenType }));
      const payload = encode(payloadText({ iat: issuedAt, sub: loginOf(role), exp: expiresAt }));
      const signature = await signer.sign(Buffer.from(`${protectedPart}.${payload}`));
      const text = `{"protected":"${protectedPart}","payload":"${payload}","signature":"${urlAlphabet(Buffer.from(signature).toString("base64"))}"}`;
      const token = SecretBytes.ofText(text);
      // Now, since at its first use the clock that can be set may have been set back.
      remember(sha256Hex(token.reveal()), { account, role, issuedAtSeconds: issuedAt, expiresAtSeconds: expiresAt }, now);
      return { token, role, expiresAt: expiresAt * 1000 };
    },

    verify(token, context) {
      const claims = recall(token, context.now);
      const ended = context.now >= claims.expiresAtSeconds * 1000 || clock.monotonicMs() >= claims.monotonicEndMs;
      if (ended) throw refused("token_expired", `the session of ${claims.role} has ended`);
      if (claims.issuedAtSeconds > context.now / 1000 + futureIssueToleranceSeconds)
        throw refused("token_from_the_future", `the session of ${claims.role} begins later`);
      const graph = projection.graph();
      projection.assertSound(claims.account);
      const role = graph.role(claims.role);
      if (role === undefined)
        throw new PosternError({
          code: "forbidden",
          because: "role_gone",
          checks: [{ check: "role_gone", ok: false, detail: claims.role }],
        });
      // A role made again under the same name is another one: tokens of its predecessor are not its own.
      if (claims.issuedAtSeconds < Math.floor(role.createdAt / 1000))
        throw refused("token_older_than_role", `${claims.role} was made anew since`);
      if (deps.checksAddressOnUse) {
        const check = checkAddress(graph, claims.role, context.clientAddress);
        if (!check.ok) throw new PosternError({ code: "forbidden", reason: "address", because: "restricted_to", checks: [check] });
      }
      return {
        account: claims.account,
        role: claims.role,
        context,
        issuedAt: claims.issuedAtSeconds * 1000,
        expiresAt: claims.expiresAtSeconds * 1000,
        proof: "session",
      };
    },

    remembered: () => remembered.size,
  };
}

/** Ended ones first; when none has ended, the oldest tenth. Entries stand in order of arrival. */
function forgetSome(remembered: Map<string, Remembered>, now: Instant): void {
  for (const [digest, entry] of remembered) if (entry.expiresAtSeconds * 1000 <= now) remembered.delete(digest);
  let surplus = remembered.size - Math.floor(maxRemembered * 0.9);
  for (const digest of remembered.keys()) {
    if (surplus <= 0) return;
    remembered.delete(digest);
    surplus -= 1;
  }
}

function verifySignature(token: SecretBytes, signers: Signers): Claims {
  const parts = jsonObject(Buffer.from(token.reveal()).toString("utf8"), "token_malformed");
  const protectedPart = textMember(parts, "protected");
  const payload = textMember(parts, "payload");
  const header = jsonObject(decode(protectedPart).toString("utf8"), "token_malformed");
  const found = signers.byKeyId(textMember(header, "kid"));
  if (found === undefined) throw refused("token_key_unknown");
  if (header.alg !== found.signer.algorithm || header.typ !== tokenType) throw refused("token_kind");
  if (!found.signer.verify(Buffer.from(`${protectedPart}.${payload}`), decode(textMember(parts, "signature"))))
    throw refused("token_signature");
  return claimsOf(jsonObject(decode(payload).toString("utf8"), "token_malformed"), found.account);
}

function claimsOf(payload: Readonly<Record<string, unknown>>, account: AccountName): Claims {
  const unknown = Object.keys(payload).filter((name) => !["iat", "exp", "sub"].includes(name));
  if (unknown.length > 0) throw refused("token_claims_unrecognized");
  const { iat, exp, sub } = payload;
  if (typeof iat !== "number" || typeof exp !== "number" || !Number.isSafeInteger(iat) || !Number.isSafeInteger(exp))
    throw refused("token_times");
  if (exp - iat > maxLifetimeSeconds) throw refused("token_times");
  const role = typeof sub === "string" ? roleOfLogin(account, sub) : undefined;
  if (role === undefined) throw refused("token_subject");
  return { account, role, issuedAtSeconds: iat, expiresAtSeconds: exp };
}

/** How a token and a login name a role: `alice`, `host/apps/web`. */
export function loginOf(role: RoleId): string {
  const kind = kindOf(role);
  return kind === "user" && !identifierOf(role).includes("/") ? identifierOf(role) : `${kind}/${identifierOf(role)}`;
}

/** The user or host of a login; undefined for any other kind and for what cannot be a name. */
export function roleOfLogin(account: AccountName, login: string): RoleId | undefined {
  const slash = login.indexOf("/");
  const kind = slash < 0 ? "user" : login.slice(0, slash);
  const identifier = slash < 0 ? login : login.slice(slash + 1);
  if (kind !== "user" && kind !== "host") return undefined;
  return identifierProblem(identifier) === undefined ? makeId(account, kind, identifier) : undefined;
}

/** JSON whose base64 stays inside the standard alphabet: only `>`, `?`, `~`, DEL and what is not ASCII can give its last two letters. */
function payloadText(payload: { readonly iat: number; readonly sub: string; readonly exp: number }): string {
  return JSON.stringify(payload).replace(
    /[>?~\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

const urlAlphabet = (base64: string): string => base64.replaceAll("+", "-").replaceAll("/", "_");
const encode = (text: string): string => urlAlphabet(Buffer.from(text, "utf8").toString("base64"));

/** Accepts one spelling only: what decodes to other than what it says is refused, so that a token has no second text. */
function decode(text: string): Buffer {
  const bytes = Buffer.from(text, "base64url");
  if (urlAlphabet(bytes.toString("base64")) !== text) throw refused("token_encoding");
  return bytes;
}

function jsonObject(text: string, because: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return Object.fromEntries(Object.entries(value));
  } catch (cause) {
    throw new PosternError({ code: "unauthenticated", because }, { cause });
  }
  throw refused(because);
}

function textMember(object: Readonly<Record<string, unknown>>, name: string): string {
  const value = object[name];
  if (typeof value !== "string") throw refused("token_malformed");
  return value;
}

function refused(because: string, detail?: string): PosternError {
  const failure: Failure = { code: "unauthenticated", because };
  return new PosternError(detail === undefined ? failure : { ...failure, checks: [{ check: because, ok: false, detail }] });
}
