/** A role of the method `jwt`, and where the method takes its keys from. Pure. Source: Vault 1.19, vault-plugin-auth-jwt (path_role.go, path_config.go). */

import * as v from "valibot";
import { PosternError } from "../../model/failures";
import type { SignedTokens, SigningKeys } from "../../model/ports";
import type { BoundClaim, ClaimRules } from "./jwt-claims";
import { ownRecord } from "./own-record";
import { changedParameters, noTokenParameters, type TokenParametersChange, TokenParametersDocument } from "./token-parameters";

const text = v.string();
const texts = v.array(text);

/** As it is kept. */
export const JwtRoleDocument = v.object({
  boundAudiences: texts,
  boundSubject: text,
  boundClaims: ownRecord(v.array(v.union([text, v.number(), v.boolean()]))),
  globs: v.boolean(),
  userClaim: text,
  userClaimIsPointer: v.boolean(),
  groupsClaim: text,
  mappings: ownRecord(text),
  clockSkewSeconds: v.number(),
  expirationSeconds: v.number(),
  notBeforeSeconds: v.number(),
  token: TokenParametersDocument,
});

export type JwtRole = Readonly<v.InferOutput<typeof JwtRoleDocument>>;

/** What a request changes; absent: it stays. `roleType` and `boundClaimsType` as they were written. */
export interface JwtRoleChange {
  readonly roleType?: string;
  readonly boundClaimsType?: string;
  readonly boundAudiences?: readonly string[];
  readonly boundSubject?: string;
  readonly boundClaims?: Readonly<Record<string, unknown>>;
  readonly userClaim?: string;
  readonly userClaimIsPointer?: boolean;
  readonly groupsClaim?: string;
  readonly mappings?: Readonly<Record<string, string>>;
  readonly clockSkewSeconds?: number;
  readonly expirationSeconds?: number;
  readonly notBeforeSeconds?: number;
  readonly token: TokenParametersChange;
}

const mostMappings = 64;
/** A tolerance of more than a day is none that anybody's clock needs: a number of milliseconds, say. */
const longestLeewaySeconds = 86_400;

/** The role after a change. Throws `malformed` with the sentence that clients know. */
export function changedJwtRole(before: JwtRole | undefined, change: JwtRoleChange): JwtRole {
  const { roleType, boundClaimsType, boundClaims, token, ...plain } = change;
  const kind = roleType ?? (before === undefined ? "oidc" : "jwt");
  if (kind === "oidc") throw argument("role_type", `'allowed_redirect_uris' must be set if 'role_type' is 'oidc' or unspecified.`);
  if (kind !== "jwt") throw argument("role_type", `invalid 'role_type': ${kind.slice(0, 32)}`);
  if (boundClaimsType !== undefined && boundClaimsType !== "string" && boundClaimsType !== "glob" && boundClaimsType !== "")
    throw argument("bound_claims_type", `invalid 'bound_claims_type': ${boundClaimsType.slice(0, 32)}`);
  const known = before ?? { ...noRole, token: noTokenParameters };
  const merged = { ...known, ...plain };
  const after: JwtRole = {
    ...merged,
    boundAudiences: [...merged.boundAudiences],
    mappings: { ...merged.mappings },
    boundClaims: boundClaims === undefined ? known.boundClaims : boundClaimsOf(boundClaims),
    globs: boundClaimsType === undefined ? known.globs : boundClaimsType === "glob",
    token: changedParameters(known.token, token),
  };
  if (after.userClaim === "") throw argument("user_claim", "a user claim must be defined on the role");
  assertMappings(after.mappings);
  assertLeeways(after);
  if (after.globs && Object.values(after.boundClaims).some((values) => values.some((value) => typeof value !== "string")))
    throw argument("bound_claims", "claim is not a string or list: globs are of texts");
  const isBound = after.boundAudiences.length + after.token.boundCidrs.length + Object.keys(after.boundClaims).length > 0;
  if (!isBound && after.boundSubject === "")
    throw argument("bound_audiences", "must have at least one bound constraint when creating/updating a role");
  return after;
}

const noRole: Omit<ClaimRules, "boundAudiences" | "boundClaims"> & Pick<JwtRole, "boundAudiences" | "boundClaims"> = {
  boundAudiences: [],
  boundSubject: "",
  boundClaims: {},
  globs: false,
  userClaim: "",
  userClaimIsPointer: false,
  groupsClaim: "",
  mappings: {},
  clockSkewSeconds: 0,
  expirationSeconds: 0,
  notBeforeSeconds: 0,
};

function boundClaimsOf(claims: Readonly<Record<string, unknown>>): JwtRole["boundClaims"] {
  return Object.fromEntries(
    Object.entries(claims).map(([name, value]) => {
      const values: readonly unknown[] = Array.isArray(value) ? value : [value];
      const fine = values.filter(isBoundClaim);
      // An empty list would be a claim that any token has, or none: nobody means either.
      if (fine.length !== values.length || fine.length === 0)
        throw argument("bound_claims", `claim is not a string or list: ${name.slice(0, 64)}`);
      return [name, fine];
    }),
  );
}

const isBoundClaim = (value: unknown): value is BoundClaim =>
  (typeof value === "string" && value !== "") || typeof value === "number" || typeof value === "boolean";

function assertLeeways({ clockSkewSeconds, expirationSeconds, notBeforeSeconds }: ClaimRules): void {
  const leeways = { clock_skew_leeway: clockSkewSeconds, expiration_leeway: expirationSeconds, not_before_leeway: notBeforeSeconds };
  for (const [name, seconds] of Object.entries(leeways))
    if (seconds > longestLeewaySeconds) throw argument(name, `'${name}' cannot be more than ${longestLeewaySeconds} seconds`);
}

function assertMappings(mappings: Readonly<Record<string, string>>): void {
  const targets = Object.values(mappings);
  if (targets.length > mostMappings) throw argument("claim_mappings", `at most ${mostMappings} claims are mapped`);
  const twice = targets.find((target, index) => targets.indexOf(target) !== index);
  if (twice !== undefined) throw argument("claim_mappings", `multiple keys are mapped to metadata key "${twice}"`);
  if (targets.includes("role")) throw argument("claim_mappings", `metadata key "role" is reserved and may not be a mapping destination`);
}

/** Where keys come from, who must have issued a token, and the role of logins that name none. As it is kept. */
export const JwtConfigDocument = v.object({
  discoveryUrl: text,
  discoveryRoots: text,
  keySetUrl: text,
  keySetRoots: text,
  publicKeys: texts,
  boundIssuer: text,
  defaultRole: text,
  algorithms: texts,
});

export type JwtConfig = Readonly<v.InferOutput<typeof JwtConfigDocument>>;

/** Throws `malformed` for a configuration by which no token could be verified. */
export function assertConfig(config: JwtConfig, tokens: SignedTokens): void {
  const named = [config.discoveryUrl !== "", config.keySetUrl !== "", config.publicKeys.length > 0].filter(Boolean);
  if (named.length !== 1)
    throw argument("config", "exactly one of 'jwt_validation_pubkeys', 'jwks_url' or 'oidc_discovery_url' must be set");
  const unknown = config.algorithms.find((name) => !tokens.algorithms.includes(name));
  if (unknown !== undefined) throw argument("jwt_supported_algs", `unsupported signing algorithm "${unknown.slice(0, 32)}"`);
  const problem = tokens.problem(keysOf(config));
  if (problem !== undefined) throw argument("config", problem);
}

export function keysOf({ discoveryUrl, discoveryRoots, keySetUrl, keySetRoots, publicKeys }: JwtConfig): SigningKeys {
  if (publicKeys.length > 0) return { from: "pem", texts: publicKeys };
  if (keySetUrl !== "") return { from: "key_set", url: keySetUrl, ...(keySetRoots === "" ? {} : { roots: keySetRoots }) };
  return { from: "discovery", url: discoveryUrl, ...(discoveryRoots === "" ? {} : { roots: discoveryRoots }) };
}

/** A discovered issuer signs with RS256 where nothing else is said; keys of the operator's own, with whatever fits them. */
export function algorithmsOf({ algorithms, discoveryUrl }: JwtConfig, tokens: SignedTokens): readonly string[] {
  if (algorithms.length > 0) return algorithms;
  return discoveryUrl === "" ? tokens.algorithms : ["RS256"];
}

function argument(where: string, says: string): PosternError {
  return new PosternError({ code: "malformed", where, expected: says, kind: "argument", because: "jwt_parameters", says });
}
