/**
 * Whether a token's identity is one that a role takes, and runs where the login says it does.
 *
 * What a login names (a machine, a scale set, a resource) is compared with the resource that the token itself was given to, whole segment by whole segment; and
 * what that resource is run as, Azure is asked. So nobody gets in by naming a machine in the right place. Source: Vault 1.19, vault-plugin-auth-azure v0.24.0
 * (path_login.go, azure.go) for order and wording; its comparisons by parts of texts are not followed.
 */

import { failureOf, PosternError } from "../../model/failures";
import type { AzureResource, AzureResources } from "../../model/ports";
import { type AzureId, azureIdText, folded, isOneOf, isWithin, parseAzureId, same, sameId } from "./azure-ids";
import type { AzureIdentity, AzureOrigin } from "./azure-token";
import type { LoginProgress } from "./method-logins";

export interface AzureBounds {
  readonly servicePrincipals: readonly string[];
  readonly groups: readonly string[];
  readonly subscriptions: readonly string[];
  readonly resourceGroups: readonly string[];
  readonly locations: readonly string[];
  readonly scaleSets: readonly string[];
}

/** What a login says of where it comes from; empty where it says nothing. In form, `resource` an id. */
export interface AzureClaims {
  readonly subscription: string;
  readonly group: string;
  readonly scaleSet: string;
  readonly machine: string;
  readonly resource: string;
}

export interface BoundOptions {
  /** A role may take any identity of the tenant. */
  readonly allowsWildcard: boolean;
  /** A role must bind identities, as the reference has it. */
  readonly requiresIdentity: boolean;
  /** Tokens that do not say whose they are count where the identity is a named resource's alone. */
  readonly takesClaimless: boolean;
}

/** The bounds that it takes Azure to judge. */
export const bindsResources = ({ subscriptions, resourceGroups, locations, scaleSets }: AzureBounds): boolean =>
  subscriptions.length + resourceGroups.length + locations.length + scaleSets.length > 0;

const isAny = (list: readonly string[]): boolean => list.length === 1 && list[0] === "*";
export const unbound = "expected specific bound_group_ids or bound_service_principal_ids; both cannot be empty or '*'";

/** What is wrong with the identities that a role takes; undefined when nothing is. */
export function identityBoundProblem(bounds: AzureBounds, { allowsWildcard, requiresIdentity }: BoundOptions): string | undefined {
  const { servicePrincipals, groups } = bounds;
  const isOpen = (list: readonly string[]): boolean => list.length === 0 || isAny(list);
  if (!isOpen(servicePrincipals) || !isOpen(groups)) return undefined;
  const isBoth = isAny(servicePrincipals) === isAny(groups);
  if (isBoth) return requiresIdentity || !bindsResources(bounds) ? unbound : undefined;
  return bindsResources(bounds) || allowsWildcard ? undefined : unbound;
}

export interface BoundQuestion {
  readonly bounds: AzureBounds;
  readonly identity: AzureIdentity;
  readonly claims: AzureClaims;
  readonly options: BoundOptions;
  /** Asked only where a bound needs it. */
  readonly resources: AzureResources;
}

/** Where an identity was proven to be, by the word of the token and of Azure: what bounds on resources are judged by. Empty lists where nothing was asked. */
export interface ProvenPlace {
  readonly subscription: readonly string[];
  readonly group: readonly string[];
  readonly location: readonly string[];
  readonly scaleSet: readonly string[];
}

const nowhere: ProvenPlace = { subscription: [], group: [], location: [], scaleSet: [] };

/** Throws the refusal, told in the words that clients know. Gives what renewals are judged by. */
export async function judgeBounds(question: BoundQuestion, progress: LoginProgress): Promise<ProvenPlace> {
  const { bounds, identity, claims, options } = question;
  const problem = identityBoundProblem(bounds, options);
  if (problem !== undefined) throw refused(progress, "identity_bounds", problem);
  judgeIdentity(bounds, identity, progress);
  if (!bindsResources(bounds)) return nowhere;
  if (claims.subscription === "" || claims.group === "")
    throw refused(progress, "resource_claims", "subscription_id and resource_group_name are required");
  const isBound = bounds.subscriptions.length === 0 || isOneOf(bounds.subscriptions, claims.subscription);
  const resource = await judgeResource(question, isBound, progress);
  const sharedIn = await judgePrincipal(question, resource, progress);
  const place = {
    subscription: [claims.subscription],
    group: [sharedIn ?? claims.group],
    location: resource.location === undefined || resource.location === "" ? [] : [resource.location],
    scaleSet: claims.scaleSet === "" ? [] : [claims.scaleSet],
  };
  judgeProven(bounds, place, progress);
  return place;
}

/** What was proven against the bounds of a role, also those of now when a token is renewed: what was not proven fits none. */
export function judgeProven(bounds: AzureBounds, { subscription, group, location, scaleSet }: ProvenPlace, progress: LoginProgress): void {
  const fits = (bound: readonly string[], proven: readonly string[]): boolean =>
    bound.length === 0 || proven.some((each) => isOneOf(bound, each));
  if (!fits(bounds.subscriptions, subscription)) throw refused(progress, "bound_subscription_ids", "subscription not authorized");
  if (!fits(bounds.scaleSets, scaleSet)) throw refused(progress, "bound_scale_sets", "scale set not authorized");
  if (!fits(bounds.resourceGroups, group)) throw refused(progress, "bound_resource_groups", "resource group not authorized");
  if (bounds.locations.length === 0) return;
  if (location.length === 0) throw refused(progress, "bound_locations", "location is empty");
  if (!fits(bounds.locations, location)) throw refused(progress, "bound_locations", "location not authorized");
  progress.checks.push({ check: "bound_locations", ok: true, detail: location.join() });
}

/** What needs nobody else, also when a token is renewed. */
export function judgeIdentity(
  { servicePrincipals, groups }: AzureBounds,
  identity: Pick<AzureIdentity, "oid" | "groups">,
  progress: LoginProgress,
): void {
  if (servicePrincipals.length > 0 && !isAny(servicePrincipals) && !isOneOf(servicePrincipals, identity.oid))
    throw refused(progress, "bound_service_principal_ids", `service principal not authorized: ${identity.oid}`);
  if (groups.length > 0 && !isAny(groups) && !identity.groups.some((group) => isOneOf(groups, group)))
    throw refused(progress, "bound_group_ids", `groups not authorized: [${identity.groups.join(" ")}]`);
  progress.checks.push({ check: "identity_bounds", ok: true, detail: identity.oid });
}

/** The resource that the login names, as Azure knows it, once it is clear that the token may be of it. */
async function judgeResource(question: BoundQuestion, isBound: boolean, progress: LoginProgress): Promise<AzureResource> {
  const { claims } = question;
  if (claims.scaleSet !== "") return judgeScaleSet(question, isBound, progress);
  if (claims.machine !== "") return judgeMachine(question, isBound, progress);
  if (claims.resource !== "") return judgeNamed(question, isBound, progress);
  const says =
    question.identity.appId === ""
      ? "one of vm_name, vmss_name, resource_id, or an appid JWT claim must be provided"
      : "provided resource_id does not match resource_group_name";
  throw refused(progress, "resource_claims", says);
}

const machineType = "Microsoft.Compute/virtualMachines";
const scaleSetType = "Microsoft.Compute/virtualMachineScaleSets";

async function judgeMachine(question: BoundQuestion, isBound: boolean, progress: LoginProgress): Promise<AzureResource> {
  const { bounds, claims } = question;
  const origin = originOf(question, progress);
  if (origin !== undefined && !(same(origin.id.type, machineType) && isNamed(origin.id, claims.machine)))
    throw refused(progress, "origin", mismatch(origin, "vm_name", claims.machine));
  judgePlace(origin, claims, progress);
  if (bounds.scaleSets.length > 0) throw refused(progress, "bound_scale_sets", "bound scale set defined but this vm isn't in a scale set");
  if (!isBound) throw refused(progress, "bound_subscription_ids", "subscription not authorized");
  const machine = await asked("unable to retrieve virtual machine metadata", progress, () =>
    question.resources.virtualMachine(claims.subscription, claims.group, claims.machine),
  );
  if (machine.identity === undefined) throw refused(progress, "resource_identity", "vm client did not return identity information");
  return machine;
}

async function judgeScaleSet(question: BoundQuestion, isBound: boolean, progress: LoginProgress): Promise<AzureResource> {
  const { bounds, claims } = question;
  const origin = originOf(question, progress);
  const isUniform =
    origin !== undefined &&
    same(origin.id.type.split("/").slice(0, 2).join("/"), scaleSetType) &&
    same(origin.id.names[0] ?? "", claims.scaleSet);
  const isMachine = origin !== undefined && same(origin.id.type, machineType);
  const strange = (): PosternError => {
    const detail = origin === undefined ? "" : mismatch(origin, "vmss_name", claims.scaleSet);
    return refused(progress, "origin", `failed to verify flexible vmss claim: ${detail}\nfailed to verify uniform vmss claim: ${detail}`);
  };
  if (origin !== undefined && !isUniform && !isMachine) throw strange();
  judgePlace(origin, claims, progress);
  if (!isBound) throw refused(progress, "bound_subscription_ids", "subscription not authorized");
  const resources = question.resources;
  if (isMachine) {
    // A machine's name proves no more than that somebody chose it: that it is of the scale set, Azure must say.
    const machine = await asked("unable to retrieve virtual machine metadata", progress, () =>
      resources.virtualMachine(origin.id.subscriptionId, origin.id.resourceGroup, origin.id.names[0] ?? ""),
    );
    const wanted: AzureId = {
      subscriptionId: claims.subscription,
      resourceGroup: claims.group,
      type: scaleSetType,
      names: [claims.scaleSet],
    };
    const linked = machine.scaleSet === undefined ? undefined : parseAzureId(machine.scaleSet);
    if (linked === undefined || !sameId(linked, wanted)) throw strange();
  }
  const set = await asked("unable to retrieve virtual machine scale set metadata", progress, () =>
    resources.scaleSet(claims.subscription, claims.group, claims.scaleSet),
  );
  if (set.identity === undefined) throw refused(progress, "resource_identity", "vmss client did not return identity information");
  if (bounds.scaleSets.length > 0 && !isOneOf(bounds.scaleSets, claims.scaleSet))
    throw refused(progress, "bound_scale_sets", "scale set not authorized");
  const assigned = await Promise.all(
    set.identity.assigned.map(async (each) => {
      if (each.principal !== undefined) return each;
      if (parseAzureId(each.id) === undefined)
        throw refused(progress, "resource_identity", `unable to parse the user-assigned identity resource ID ${JSON.stringify(each.id)}`);
      const principal = await asked("unable to retrieve user assigned identity metadata", progress, () => resources.principalOf(each.id));
      return principal === undefined ? each : { ...each, principal };
    }),
  );
  return { ...set, identity: { ...set.identity, assigned } };
}

async function judgeNamed(question: BoundQuestion, isBound: boolean, progress: LoginProgress): Promise<AzureResource> {
  const { bounds, claims } = question;
  const named = parseAzureId(claims.resource);
  if (named === undefined) throw refused(progress, "resource_id", `unable to parse the resource ID: ${JSON.stringify(claims.resource)}`);
  if (!same(named.resourceGroup, claims.group))
    throw refused(progress, "resource_id", "provided resource_id does not match resource_group_name");
  if (!same(named.subscriptionId, claims.subscription)) throw refused(progress, "resource_id", "subscription_id does not match token");
  const origin = originOf(question, progress);
  // A token that only says which shared identity it is leaves it to that identity's being the resource's.
  // One of a site may be of any of its slots; one of a slot speaks for that slot alone.
  if (origin !== undefined && !isIdentity(origin.id) && !isWithin(named, origin.id))
    throw refused(progress, "origin", "resource_id does not match token");
  if (bounds.scaleSets.length > 0) throw refused(progress, "bound_scale_sets", "scale set requires the vmss_name field to be set");
  if (!isBound) throw refused(progress, "bound_subscription_ids", "subscription not authorized");
  const resource = await asked("unable to retrieve user assigned identity metadata", progress, () =>
    question.resources.resource(azureIdText(named)),
  );
  if (resource.identity === undefined) throw refused(progress, "resource_identity", "client did not return identity information");
  return resource;
}

/** That the identity is one that the resource is run as. Where it was found by its application alone, the group that identity is in. */
async function judgePrincipal(
  question: BoundQuestion,
  { identity: runAs }: AzureResource,
  progress: LoginProgress,
): Promise<string | undefined> {
  const { identity, claims, bounds } = question;
  const { systemPrincipal = "", assigned = [] } = runAs ?? {};
  const isSystem = systemPrincipal !== "" && same(systemPrincipal, identity.oid);
  if (isSystem || (!isClaimless(question) && assigned.some(({ principal = "" }) => principal !== "" && same(principal, identity.oid)))) {
    progress.checks.push({ check: "resource_identity", ok: true, detail: isSystem ? "system-assigned" : "user-assigned" });
    return undefined;
  }
  if (isClaimless(question)) throw claimsMissing(progress);
  if (identity.appId === "")
    throw refused(progress, "resource_identity", "token object id does not match expected identities, and no app id was found");
  const places = [...new Set([claims.group, ...bounds.resourceGroups].map(folded))];
  for (const place of places) {
    const listed = await question.resources.identitiesIn(claims.subscription, place).catch((error: unknown) => {
      progress.checks.push({
        check: "identities_listed",
        ok: true,
        detail: `${place}: ${failureOf(error).because ?? failureOf(error).code}`,
      });
      return [];
    });
    const found = listed.find(({ clientId }) => same(clientId, identity.appId));
    const id = found === undefined ? undefined : parseAzureId(found.id);
    // An identity of the role's groups is not enough: the resource must be run as it.
    const isAttached = id !== undefined && assigned.some((each) => same(each.id, found?.id ?? ""));
    if (id === undefined || !isAttached) continue;
    if (bounds.resourceGroups.length > 0 && !isOneOf(bounds.resourceGroups, id.resourceGroup)) continue;
    progress.checks.push({ check: "resource_identity", ok: true, detail: `by its application, ${azureIdText(id)}` });
    return id.resourceGroup;
  }
  throw refused(progress, "resource_identity", "neither token object id nor token app id match expected identities");
}

const isClaimless = ({ identity }: BoundQuestion): boolean => identity.origin === undefined;

/** Undefined where the token says nothing and need not. */
function originOf({ identity, options, claims }: BoundQuestion, progress: LoginProgress): AzureOrigin | undefined {
  const { origin } = identity;
  // An identity that many machines share is bound to none of them, and a scale set's is shared by all of its machines.
  if (origin === undefined && !(options.takesClaimless && claims.scaleSet === "")) throw claimsMissing(progress);
  return origin;
}

function judgePlace(origin: AzureOrigin | undefined, { group, subscription }: AzureClaims, progress: LoginProgress): void {
  if (origin === undefined) return;
  if (!same(origin.id.resourceGroup, group)) throw refused(progress, "origin", mismatch(origin, "resource_group_name", group));
  if (!same(origin.id.subscriptionId, subscription)) throw refused(progress, "origin", "subscription_id does not match token");
  progress.checks.push({ check: "origin", ok: true, detail: azureIdText(origin.id) });
}

const isNamed = ({ names }: AzureId, name: string): boolean => names.length === 1 && same(names[0] ?? "", name);
export const isIdentity = ({ type }: AzureId): boolean => same(type, "Microsoft.ManagedIdentity/userAssignedIdentities");
const mismatch = ({ claim }: AzureOrigin, field: string, value: string): string => `${claim} token claim does not match ${field} ${value}`;

/** Asks Azure. What it does not know is a refusal, and everything else no answer. */
async function asked<Result>(says: string, progress: LoginProgress, ask: () => Promise<Result>): Promise<Result> {
  try {
    return await ask();
  } catch (error) {
    const failure = failureOf(error);
    if (failure.code === "not_found") throw refused(progress, "resource_known", `${says}: there is no such resource`);
    if (failure.code !== "upstream_unavailable") throw error;
    throw new PosternError({ ...failure, says: `${says}: ${failure.because ?? "no answer"}` }, { cause: error });
  }
}

export const claimsMissingText = "xms_az_rid and xms_mirid claims are missing from token";
const claimsMissing = (progress: LoginProgress): PosternError =>
  refused(progress, "origin", claimsMissingText, `${claimsMissingText}: Azure writes them into tokens for services of its own`);

function refused(progress: LoginProgress, check: string, says: string, detail = says): PosternError {
  progress.checks.push({ check, ok: false, detail });
  return new PosternError({ code: "forbidden", because: check, says });
}

/** Of what a login says, that which the token bears out: nothing else is to be read in the token's metadata. */
export function provenClaims({ origin }: AzureIdentity, claims: AzureClaims): AzureClaims {
  const none = { subscription: "", group: "", scaleSet: "", machine: "", resource: "" };
  if (origin === undefined || isIdentity(origin.id)) return none;
  const { id } = origin;
  const isPlace =
    (claims.subscription === "" || same(claims.subscription, id.subscriptionId)) &&
    (claims.group === "" || same(claims.group, id.resourceGroup));
  if (!isPlace) return none;
  const named = claims.resource === "" ? undefined : parseAzureId(claims.resource);
  return {
    subscription: claims.subscription,
    group: claims.group,
    scaleSet:
      same(id.type.split("/").slice(0, 2).join("/"), scaleSetType) && same(id.names[0] ?? "", claims.scaleSet) ? claims.scaleSet : "",
    machine: same(id.type, machineType) && isNamed(id, claims.machine) ? claims.machine : "",
    resource: named !== undefined && sameId(id, named) ? claims.resource : "",
  };
}
