/**
 * Tokens for tests: right ones for anybody in the cloud, with claims and header members changed at will, and wrong ones by name.
 */

import { publicJwk, publicKeyPem, signJws } from "../../crypto/signing";
import type { Random } from "../../model/ports";
import type { Instant } from "../../model/types";
import type { Audience, Principal } from "./cloud";
import { guid } from "./ids";
import type { KeyChoice, SigningKeys } from "./signing-keys";
import { type Claims, claimsFor, headerFor, type IssuerNames, type TokenVersion } from "./tokens";

/** Ways in which a token is wrong that no verifier may overlook, whatever it is configured for. */
export const tokenFlaws = [
  "alg_none",
  "alg_hs256_public_key",
  "alg_ps256",
  "unknown_key",
  "stolen_kid",
  "foreign_key",
  "missing_kid",
  "embedded_key",
  "nonce_header",
  "critical_header",
  "expired",
  "not_yet_valid",
  "issued_in_future",
  "long_lived",
  "wrong_audience",
  "audience_list",
  "wrong_issuer",
  "other_tenant",
  "tenant_mismatch",
  "crossed_version",
  "missing_version",
  "subject_mismatch",
  "user_token",
  "public_client",
  "not_an_app",
  "malformed_resource_id",
  "duplicate_claims",
  "oversized",
  "tampered_claims",
  "tampered_signature",
  "two_parts",
  "four_parts",
  "claims_not_an_object",
] as const;
export type TokenFlaw = (typeof tokenFlaws)[number];

export interface MintRequest {
  /** Whose token. Default: the first machine, unless `identity` is given. */
  readonly machine?: string;
  /** One of the machine's user-assigned identities; without a machine, any identity or application. Default: what the machine gets without a selector. */
  readonly identity?: string;
  /** Default `https://management.azure.com/`. An unknown one is minted for all the same. */
  readonly resource?: string;
  /** Default: what the audience asks for; 1 for an unknown one. */
  readonly version?: TokenVersion;
  /** Default: the simulator's time. */
  readonly now?: Instant;
  /** Added to the claims or put in their place; `undefined` takes one away. */
  readonly claims?: Claims;
  /** The same for the header. */
  readonly header?: Claims;
  /** Default `current`. The header's `kid` names it. */
  readonly key?: KeyChoice;
  /** Applied last. */
  readonly flaw?: TokenFlaw;
}

/** A mint request with names resolved. */
export interface ResolvedMintRequest {
  readonly principal: Principal;
  readonly audience: Audience;
  readonly requested: string;
  readonly hostResourceId?: string;
  readonly version: TokenVersion;
  readonly now: Instant;
  readonly request: MintRequest;
}

export interface MintDeps {
  readonly keys: SigningKeys;
  readonly issuers: IssuerNames;
  readonly random: Random;
}

interface Draft {
  readonly header: Claims;
  readonly claims: Claims;
  readonly method: "RS256" | "PS256" | "HS256" | "none";
  readonly key: KeyChoice;
  /** The payload's text, when it is not simply the claims. */
  readonly payload?: (claims: Claims) => string;
  /** What happens to the token after it was signed. */
  readonly afterwards?: (token: string) => string;
}

interface FlawContext extends MintDeps {
  readonly resolved: ResolvedMintRequest;
  readonly nowSeconds: number;
}

const oversizedBytes = 20 * 1024;
const daySeconds = 86_400;

const flaws: { readonly [F in TokenFlaw]: (draft: Draft, context: FlawContext) => Draft } = {
  alg_none: (draft) => ({ ...withHeader(draft, { alg: "none" }), method: "none" }),
  // The classic confusion: a verifier that lets the header choose takes the public key for a shared secret.
  alg_hs256_public_key: (draft) => ({ ...withHeader(draft, { alg: "HS256" }), method: "HS256" }),
  alg_ps256: (draft) => ({ ...withHeader(draft, { alg: "PS256" }), method: "PS256" }),
  unknown_key: (draft, { keys }) => ({ ...withHeader(draft, { kid: keys.key("unknown").kid }), key: "unknown" }),
  stolen_kid: (draft) => ({ ...draft, key: "unknown" }),
  foreign_key: (draft, { keys }) => ({ ...withHeader(draft, { kid: keys.key("foreign").kid }), key: "foreign" }),
  missing_kid: (draft) => withHeader(draft, { kid: undefined, x5t: undefined }),
  embedded_key: (draft, { keys }) => {
    const { kid, pair } = keys.key("unknown");
    return { ...withHeader(draft, { kid, jwk: publicJwk(pair, { kid }) }), key: "unknown" };
  },
  nonce_header: (draft) => withHeader(draft, { nonce: "AQABAAAAAAD" }),
  critical_header: (draft) => withHeader(draft, { crit: ["xms"], xms: true }),
  expired: (draft, { nowSeconds }) =>
    withClaims(draft, { iat: nowSeconds - daySeconds - 300, nbf: nowSeconds - daySeconds - 300, exp: nowSeconds - 300 }),
  not_yet_valid: (draft, { nowSeconds }) => withClaims(draft, { nbf: nowSeconds + 3600 }),
  issued_in_future: (draft, { nowSeconds }) => withClaims(draft, { iat: nowSeconds + 3600 }),
  long_lived: (draft, { nowSeconds }) => withClaims(draft, { exp: nowSeconds + 30 * daySeconds }),
  wrong_audience: (draft) => withClaims(draft, { aud: "https://elsewhere.example" }),
  audience_list: (draft) => withClaims(draft, { aud: [draft.claims.aud, "https://elsewhere.example"] }),
  wrong_issuer: (draft) => withClaims(draft, { iss: `https://issuer.example/${String(draft.claims.tid)}/` }),
  // Entra ID signs for all tenants with the same keys: everything about such a token is right but whose it is.
  other_tenant: (draft, { issuers, random, resolved }) => {
    const tid = guid(random);
    return withClaims(draft, { tid, iss: issuers(tid, resolved.version) });
  },
  tenant_mismatch: (draft, { random }) => withClaims(draft, { tid: guid(random) }),
  crossed_version: (draft) => withClaims(draft, { ver: draft.claims.ver === "1.0" ? "2.0" : "1.0" }),
  missing_version: (draft) => withClaims(draft, { ver: undefined }),
  subject_mismatch: (draft, { random }) => withClaims(draft, { sub: guid(random) }),
  user_token: (draft) =>
    withClaims(draft, {
      scp: "user_impersonation",
      upn: "eve@acme.example",
      unique_name: "eve@acme.example",
      idtyp: undefined,
      appidacr: "0",
      azpacr: "0",
    }),
  public_client: (draft, { resolved }) => withClaims(draft, resolved.version === 1 ? { appidacr: "0" } : { azpacr: "0" }),
  not_an_app: (draft) => withClaims(draft, { idtyp: "user" }),
  malformed_resource_id: (draft) => withClaims(draft, { xms_mirid: `${String(draft.claims.xms_mirid)}/../../vm`, xms_az_rid: undefined }),
  // Parsers disagree on which of the two counts.
  duplicate_claims: (draft, { random }) => ({
    ...draft,
    payload: (claims) => `{"oid":"${guid(random)}",${JSON.stringify(claims).slice(1)}`,
  }),
  oversized: (draft) => withClaims(draft, { padding: "x".repeat(oversizedBytes) }),
  tampered_claims: (draft, { random }) => ({
    ...draft,
    afterwards: (token) => replaceClaims(token, { ...draft.claims, oid: guid(random) }),
  }),
  tampered_signature: (draft) => ({ ...draft, afterwards: flipSignature }),
  two_parts: (draft) => ({ ...draft, afterwards: (token) => token.split(".").slice(0, 2).join(".") }),
  four_parts: (draft) => ({ ...draft, afterwards: (token) => `${token}.${token.split(".")[2]}` }),
  claims_not_an_object: (draft) => ({ ...draft, payload: (claims) => JSON.stringify([claims]) }),
};

export function mintToken(deps: MintDeps, resolved: ResolvedMintRequest): string {
  const { request } = resolved;
  const key = request.key ?? "current";
  const draft: Draft = {
    header: { ...headerFor(deps.keys.key(key), resolved.version), ...request.header },
    claims: {
      ...claimsFor({ ...resolved, clientAuthentication: resolved.principal.secret === undefined ? "2" : "1" }, deps.issuers, deps.random),
      ...request.claims,
    },
    method: "RS256",
    key,
  };
  if (request.flaw === undefined) return sign(deps, draft);
  return sign(deps, flaws[request.flaw](draft, { ...deps, resolved, nowSeconds: Math.floor(resolved.now / 1000) }));
}

function sign({ keys }: MintDeps, draft: Draft): string {
  const { pair } = keys.key(draft.key);
  const payload = draft.payload === undefined ? draft.claims : draft.payload(draft.claims);
  const token = signJws(draft.header, payload, jwsKey());
  return draft.afterwards === undefined ? token : draft.afterwards(token);

  function jwsKey(): Parameters<typeof signJws>[2] {
    if (draft.method === "none") return { method: "none" };
    if (draft.method === "HS256") return { method: "HS256", secret: Buffer.from(publicKeyPem(pair)) };
    return { method: draft.method, pair };
  }
}

function withHeader(draft: Draft, members: Claims): Draft {
  return { ...draft, header: { ...draft.header, ...members } };
}

function withClaims(draft: Draft, members: Claims): Draft {
  return { ...draft, claims: { ...draft.claims, ...members } };
}

function replaceClaims(token: string, claims: Claims): string {
  const [header, , signature] = token.split(".");
  return `${header}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.${signature}`;
}

function flipSignature(token: string): string {
  const [header, claims, signature = ""] = token.split(".");
  const bytes = Buffer.from(signature, "base64url");
  bytes.writeUInt8((bytes[0] ?? 0) ^ 1, 0);
  return `${header}.${claims}.${bytes.toString("base64url")}`;
}
