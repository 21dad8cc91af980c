/** Tokens as answers tell them. Source: Vault 1.19, vault/token_store.go (handleLookup); api/secret.go and hvac for what is read of it. */

import type { IssuedToken, TokenView } from "../../core/broker";
import { isoNanos } from "../timestamp";
import type { Answer, AuthAnswer } from "./wire";

const all = ({ policies, identityPolicies }: TokenView): readonly string[] =>
  identityPolicies.length === 0 ? policies : [...new Set([...policies, ...identityPolicies])].sort();

/** A token that was just made or renewed. */
export function authOf({ token, view }: IssuedToken): AuthAnswer {
  return {
    ...(token === undefined ? {} : { token }),
    accessor: view.accessor,
    policies: all(view),
    tokenPolicies: view.policies,
    identityPolicies: view.identityPolicies,
    metadata: view.meta,
    leaseSeconds: view.ttlSeconds,
    isRenewable: view.isRenewable,
    entityId: view.entityId,
    kind: view.kind,
    isOrphan: view.isOrphan,
    uses: view.uses,
  };
}

export function issuedAnswer(issued: IssuedToken): Answer {
  return { auth: authOf(issued), ...(issued.warnings.length === 0 ? {} : { warnings: issued.warnings }) };
}

/** What a look-up tells. `id`: the token itself, where it was shown; of one that was named by its accessor empty. */
export function lookUpShape(view: TokenView, id: string): object {
  const seconds = (instant: number): number => Math.floor(instant / 1000);
  return {
    accessor: view.accessor,
    creation_time: seconds(view.createdAt),
    creation_ttl: view.creationTtlSeconds,
    display_name: view.displayName,
    entity_id: view.entityId,
    expire_time: view.expiresAt === 0 ? null : isoNanos(view.expiresAt),
    explicit_max_ttl: view.explicitMaxSeconds,
    id,
    meta: view.meta,
    num_uses: view.usesLeft,
    orphan: view.isOrphan,
    path: view.path,
    policies: view.policies,
    ttl: view.ttlSeconds,
    type: view.kind,
    ...(view.expiresAt === 0 ? {} : { issue_time: isoNanos(view.createdAt), renewable: view.isRenewable }),
    ...(view.identityPolicies.length === 0 ? {} : { identity_policies: view.identityPolicies }),
    ...(view.periodSeconds === 0 ? {} : { period: view.periodSeconds }),
    ...(view.tokenRole === undefined ? {} : { role: view.tokenRole }),
    ...(view.boundCidrs.length === 0 ? {} : { bound_cidrs: view.boundCidrs }),
    ...(view.renewedAt === undefined ? {} : { last_renewal: isoNanos(view.renewedAt), last_renewal_time: seconds(view.renewedAt) }),
  };
}
