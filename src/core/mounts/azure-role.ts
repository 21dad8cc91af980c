/** What a mount of the method `azure` is set to, and what its roles take. Pure. Source: Vault 1.19, vault-plugin-auth-azure v0.24.0 (path_config.go, path_role.go). */

import * as v from "valibot";
import { PosternError } from "../../model/failures";
import type { AzureCloudName } from "../../model/ports";
import { type BoundOptions, bindsResources, identityBoundProblem } from "./azure-bounds";
import { isSubscription } from "./azure-ids";
import type { Mount } from "./mount";
import { changedParameters, noTokenParameters, type TokenParametersChange, TokenParametersDocument } from "./token-parameters";

const text = v.string();
const texts = v.array(text);

/** As it is kept; the secret is sealed with the rest. Times are in seconds. */
export const AzureConfigDocument = v.object({
  tenantId: text,
  resource: text,
  environment: text,
  clientId: text,
  clientSecret: text,
  identityTokenAudience: text,
  identityTokenTtlSeconds: v.number(),
  rootPasswordTtlSeconds: v.number(),
  maxRetries: v.number(),
  retryDelaySeconds: v.number(),
  maxRetryDelaySeconds: v.number(),
});

export type AzureConfig = Readonly<v.InferOutput<typeof AzureConfigDocument>>;
/** What a request changes; absent: it stays. */
export type AzureConfigChange = Readonly<Partial<AzureConfig>> & { readonly rotatesItself?: boolean };

/** As Azure has it. */
const longestAudience = 599;

const noConfig: AzureConfig = {
  tenantId: "",
  resource: "",
  environment: "",
  clientId: "",
  clientSecret: "",
  identityTokenAudience: "",
  identityTokenTtlSeconds: 0,
  rootPasswordTtlSeconds: 15_768_000,
  maxRetries: 3,
  retryDelaySeconds: 4,
  maxRetryDelaySeconds: 60,
};

/** Throws `malformed` with the sentence that clients know. What is not sent stays as it was, also where the reference would forget it. */
export function changedConfig(before: AzureConfig | undefined, { rotatesItself, ...change }: AzureConfigChange): AzureConfig {
  if (rotatesItself === true)
    throw argument(
      "rotation_period",
      "error registering rotation job: rotation manager capabilities not supported in Vault community edition",
    );
  const after = { ...(before ?? noConfig), ...change };
  if (after.tenantId === "") throw argument("tenant_id", "tenant_id is required");
  if (!isSubscription(after.tenantId)) throw argument("tenant_id", "tenant_id must be the tenant's id, a GUID");
  if (after.resource === "") throw argument("resource", "resource is required");
  if (cloudOf(after) === undefined)
    throw argument("environment", `err: no cloud configuration matching the name ${JSON.stringify(after.environment.toUpperCase())}`);
  if (after.clientSecret !== "" && after.identityTokenAudience !== "")
    throw argument("identity_token_audience", "only one of 'client_secret' or 'identity_token_audience' can be set");
  if (after.identityTokenAudience.length > longestAudience)
    throw argument("identity_token_audience", `identity_token_audience is at most ${longestAudience} characters`);
  if (after.identityTokenAudience !== "" && after.clientId === "") throw argument("client_id", "client_id is required");
  return after;
}

const cloudNames: readonly AzureCloudName[] = ["AzurePublicCloud", "AzureUSGovernmentCloud", "AzureChinaCloud"];

export function cloudOf({ environment }: Pick<AzureConfig, "environment">): AzureCloudName | undefined {
  return environment === "" ? "AzurePublicCloud" : cloudNames.find((name) => name.toLowerCase() === environment.toLowerCase());
}

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
  const problem = identityBoundProblem(role, options);
  if (problem !== undefined) throw argument("bound_service_principal_ids", problem);
  return role;
}

/** What is set at the mount itself: `allow_wildcard_identity`, `require_identity_bounds`, `claimless`. */
export function boundOptionsOf({ options }: Mount): BoundOptions {
  return {
    allowsWildcard: options.allow_wildcard_identity === "true",
    requiresIdentity: options.require_identity_bounds === "true",
    takesClaimless: options.claimless === "system-assigned",
  };
}

/** Seconds of an option of the mount: what is out of range is as if it were not set. */
export function secondsOption({ options }: Mount, name: string, usual: number, most: number): number {
  const value = options[name] ?? "";
  return /^\d{1,6}$/.test(value) && Number(value) <= most ? Number(value) : usual;
}

function argument(where: string, says: string): PosternError {
  return new PosternError({ code: "malformed", where, expected: says, kind: "argument", because: "azure_parameters", says });
}
