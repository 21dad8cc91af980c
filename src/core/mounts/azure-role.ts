/** What roles of the method `azure` take. Pure. Source: Vault 1.19, vault-plugin-auth-azure v0.24.0 (path_role.go). */

import * as v from "valibot";
import { type BoundOptions, bindsResources, claimsMissingText, identityBoundProblem, unbound } from "./azure-bounds";
import { argument, isOfAzure } from "./azure-config";
import type { Mount } from "./mount";
import { changedParameters, noTokenParameters, type TokenParametersChange, TokenParametersDocument } from "./token-parameters";

const text = v.string();
const texts = v.array(text);

/** As it is kept. */
export const AzureRoleDocument = v.object({
  servicePrincipals: texts,
  groups: texts,
  subscriptions: texts,
  resourceGroups: texts,
  locations: texts,
  scaleSets: texts,
  token: TokenParametersDocument,
});

export type AzureRole = Readonly<v.InferOutput<typeof AzureRoleDocument>>;

export interface AzureRoleChange {
  readonly servicePrincipals?: readonly string[];
  readonly groups?: readonly string[];
  readonly subscriptions?: readonly string[];
  readonly resourceGroups?: readonly string[];
  readonly locations?: readonly string[];
  readonly scaleSets?: readonly string[];
  readonly token: TokenParametersChange;
}

const noRole = { servicePrincipals: [], groups: [], subscriptions: [], resourceGroups: [], locations: [], scaleSets: [] };

/** The role after a change. Throws `malformed` with the sentence that clients know. `assertToken`: what else is asked of its tokens, in between. */
export function changedAzureRole(
  before: AzureRole | undefined,
  { token, ...lists }: AzureRoleChange,
  options: BoundOptions,
  assertToken: (token: AzureRole["token"]) => void,
): AzureRole {
  const parameters = changedParameters(before?.token ?? noTokenParameters, token);
  assertToken(parameters);
  const bounds = { ...noRole, ...before, ...lists };
  const role: AzureRole = {
    servicePrincipals: [...bounds.servicePrincipals],
    groups: [...bounds.groups],
    subscriptions: [...bounds.subscriptions],
    resourceGroups: [...bounds.resourceGroups],
    locations: [...bounds.locations],
    scaleSets: [...bounds.scaleSets],
    token: parameters,
  };
  if (role.servicePrincipals.length + role.groups.length === 0 && !bindsResources(role))
    throw argument("bound_service_principal_ids", "must have at least one bound constraint when creating/updating a role");
  const isForAnybody = !bindsResources(role) && identityBoundProblem(role, options) !== undefined;
  if (isForAnybody && !options.allowsWildcard) throw argument("bound_service_principal_ids", unbound);
  return role;
}

/** What the writer of a role should hear: that nobody can log in as it, or perhaps nobody. `resource`: whom tokens are for; empty where nothing says. */
export function roleWarnings(role: AzureRole, resource: string, options: BoundOptions): readonly string[] {
  const problem = identityBoundProblem(role, options);
  if (problem !== undefined) return [`logins as this role are refused: ${problem}`];
  const mayLackClaims = resource !== "" && !isOfAzure(resource) && !(options.takesClaimless && role.scaleSets.length === 0);
  if (!mayLackClaims || !bindsResources(role)) return [];
  return [
    `tokens for ${JSON.stringify(resource)} are not for a service of Azure's own and may not say which resource they were given to: logins as this role are then refused (${claimsMissingText})`,
  ];
}

/** What is set at the mount itself: `allow_wildcard_identity`, `require_identity_bounds`, `claimless`. */
export function boundOptionsOf({ options }: Mount): BoundOptions {
  return {
    allowsWildcard: options.allow_wildcard_identity === "true",
    requiresIdentity: options.require_identity_bounds === "true",
    takesClaimless: options.claimless === "system-assigned",
  };
}
