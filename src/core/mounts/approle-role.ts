/**
 * A role of AppRole: its own name for itself (`role_id`), what its secret-ids are like, and the tokens it gives. Pure.
 *
 * Source: Vault 1.19, builtin/credential/approle (path_role.go, validation.go) for rules and wording.
 */

import ipaddr from "ipaddr.js";
import * as v from "valibot";
import { PosternError } from "../../model/failures";
import { changedParameters, networkOf, noTokenParameters, type TokenParametersChange, TokenParametersDocument } from "./token-parameters";

const networks = v.array(v.string());

/** As it is kept. */
export const AppRoleDocument = v.object({
  name: v.string(),
  roleId: v.string(),
  /** Whether a login takes a secret-id at all. */
  bindsSecretId: v.boolean(),
  /** Where its secret-ids may be shown from; empty: anywhere. */
  secretIdNetworks: networks,
  /** How often each may be shown; 0: as often as it likes. */
  secretIdUses: v.number(),
  /** How long each lives; 0: for ever. */
  secretIdTtlSeconds: v.number(),
  isLocal: v.boolean(),
  token: TokenParametersDocument,
});

export type AppRole = Readonly<v.InferOutput<typeof AppRoleDocument>>;

/** What a request changes; absent: it stays. */
export interface AppRoleChange {
  readonly roleId?: string;
  readonly bindsSecretId?: boolean;
  readonly secretIdNetworks?: readonly string[];
  readonly secretIdUses?: number;
  readonly secretIdTtlSeconds?: number;
  readonly isLocal?: boolean;
  readonly token: TokenParametersChange;
}

/** What a new secret-id is to be like; absent: as the role has it. */
export interface SecretIdRequest {
  readonly metadata: Readonly<Record<string, string>>;
  readonly networks?: readonly string[];
  readonly tokenNetworks?: readonly string[];
  readonly uses?: number;
  readonly ttlSeconds?: number;
}

export function newAppRole(name: string, roleId: string): AppRole {
  const plain = { name, roleId, bindsSecretId: true, secretIdNetworks: [], secretIdUses: 0, secretIdTtlSeconds: 0, isLocal: false };
  return { ...plain, token: { ...noTokenParameters, policies: [], boundCidrs: [], olderNames: [] } };
}

/** The role after a change. Throws `malformed` with the sentence that clients know. */
export function changedAppRole(before: AppRole, change: AppRoleChange, isNew: boolean): AppRole {
  const { token, secretIdNetworks, ...plain } = change;
  if (plain.roleId === "") throw argument("role_id", "invalid role_id supplied, or failed to generate a role_id");
  if ((plain.secretIdUses ?? 0) < 0) throw argument("secret_id_num_uses", "secret_id_num_uses cannot be negative");
  if (plain.isLocal !== undefined && plain.isLocal !== before.isLocal && !isNew)
    throw argument("local_secret_ids", "local_secret_ids can only be modified during role creation");
  const after: AppRole = {
    ...before,
    ...plain,
    secretIdNetworks: (secretIdNetworks ?? before.secretIdNetworks).map(networkOf),
    token: changedParameters(before.token, token),
  };
  if (!after.bindsSecretId && after.secretIdNetworks.length === 0 && after.token.boundCidrs.length === 0)
    throw argument("bind_secret_id", "at least one constraint should be enabled on the role");
  return after;
}

export interface SecretIdTerms {
  readonly networks: readonly string[];
  readonly tokenNetworks: readonly string[];
  readonly uses: number;
  readonly ttlSeconds: number;
}

/** What a new secret-id of the role is. A request can only narrow what the role allows; `maxSeconds` is its mount's. */
export function secretIdTerms(role: AppRole, request: SecretIdRequest, maxSeconds: number): SecretIdTerms {
  if (!role.bindsSecretId) throw argument("bind_secret_id", "bind_secret_id is not set on the role");
  const { secretIdUses, secretIdTtlSeconds } = role;
  const uses = request.uses ?? secretIdUses;
  if (uses < 0) throw argument("num_uses", "num_uses cannot be negative");
  if (secretIdUses > 0 && (uses === 0 || uses > secretIdUses))
    throw argument("num_uses", "num_uses cannot be higher than the role's secret_id_num_uses");
  const ttlSeconds = request.ttlSeconds ?? secretIdTtlSeconds;
  if (secretIdTtlSeconds > 0 && (ttlSeconds === 0 || ttlSeconds > secretIdTtlSeconds))
    throw argument("ttl", "ttl cannot be longer than the role's secret_id_ttl");
  return {
    networks: narrowed(request.networks, role.secretIdNetworks, "cidr_list", "secret_id_bound_cidrs"),
    tokenNetworks: narrowed(request.tokenNetworks, role.token.boundCidrs, "token_bound_cidrs", "token_bound_cidrs"),
    uses,
    ttlSeconds: ttlSeconds === 0 ? 0 : Math.min(ttlSeconds, maxSeconds),
  };
}

function narrowed(asked: readonly string[] | undefined, allowed: readonly string[], field: string, ofRole: string): readonly string[] {
  const wanted = (asked ?? []).map(networkOf);
  if (allowed.length > 0 && !wanted.every((network) => allowed.some((wider) => contains(wider, network))))
    throw argument(field, `failed to verify subset relationship between ${field} and the role's ${ofRole}`);
  return wanted;
}

/** Whether every address of the narrower network lies in the wider one. Both as `networkOf` writes them. */
function contains(wider: string, narrower: string): boolean {
  const [range, bits] = ipaddr.parseCIDR(wider);
  const [address, ownBits] = ipaddr.parseCIDR(narrower);
  return range.kind() === address.kind() && ownBits >= bits && address.match(range, bits);
}

function argument(where: string, says: string): PosternError {
  return new PosternError({ code: "malformed", where, expected: says, kind: "argument", because: "approle_parameters", says });
}
