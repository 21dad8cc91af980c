/** Ids of Azure resources as access tokens carry them. */

/** Parts as the token spells them; `type` in Azure's own spelling. */
export interface AzureResourceId {
  readonly subscriptionId: string;
  readonly resourceGroup: string;
  /** `Microsoft.Compute/virtualMachines` */
  readonly type: string;
  readonly name: string;
  /** The deployment slot of an App Service. */
  readonly slot?: string;
}

/** The id, or what is wrong with the text, and whether that is before or within the part that follows `providers`. */
export type ParsedResourceId = { readonly id: AzureResourceId } | { readonly problem: string; readonly part: "path" | "provider" };

const userAssignedIdentity = "Microsoft.ManagedIdentity/userAssignedIdentities";
const site = "Microsoft.Web/sites";

/** Types of resources whose own identity can sign in, and of user-assigned identities. A token that speaks for another type is refused. */
const knownTypes = [
  userAssignedIdentity,
  "Microsoft.Compute/virtualMachines",
  "Microsoft.Compute/virtualMachineScaleSets",
  "Microsoft.HybridCompute/machines",
  site,
  "Microsoft.App/containerApps",
  "Microsoft.App/jobs",
  "Microsoft.ContainerInstance/containerGroups",
  "Microsoft.ContainerService/managedClusters",
  "Microsoft.ContainerRegistry/registries",
  "Microsoft.Kubernetes/connectedClusters",
  "Microsoft.RedHatOpenShift/openShiftClusters",
  "Microsoft.ServiceFabric/managedClusters",
  "Microsoft.AppPlatform/Spring",
  "Microsoft.Automation/automationAccounts",
  "Microsoft.Batch/batchAccounts",
  "Microsoft.Logic/workflows",
  "Microsoft.DataFactory/factories",
  "Microsoft.Synapse/workspaces",
  "Microsoft.Databricks/accessConnectors",
  "Microsoft.MachineLearningServices/workspaces",
  "Microsoft.CognitiveServices/accounts",
  "Microsoft.ApiManagement/service",
  "Microsoft.AppConfiguration/configurationStores",
  "Microsoft.EventGrid/topics",
  "Microsoft.StreamAnalytics/streamingjobs",
  "Microsoft.Sql/servers",
  "Microsoft.AzureStackHCI/clusters",
  "Microsoft.AzureStackHCI/virtualMachineInstances",
  "Microsoft.DevOpsInfrastructure/pools",
] as const;

const typesInLowerCase: ReadonlyMap<string, string> = new Map(knownTypes.map((known) => [known.toLowerCase(), known]));
const maxLength = 2048;
// Segments of /subscriptions/…/sites/<site>/slots/<slot>.
const slotLength = 10;
const guid = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/iu;
// Percent signs, separators of other grammars and control characters have no place in a resource's name; in a token they are an attempt to be read twice.
const strangeCharacter = /[%\\?#\p{Cc}\p{Zl}\p{Zp}]/u;
// An empty segment, a relative one, or one with white space around it. One expression over the whole: this runs at every login.
const strangeSegment = /\/\.{0,2}(?:\/|$)|(?:^|\/)\s|\s(?:\/|$)/u;

export function isGuid(text: string): boolean {
  return guid.test(text);
}

export function isUserAssignedIdentity(id: AzureResourceId): boolean {
  return id.type === userAssignedIdentity;
}

/**
 * Reads the resource id of a claim by position: `subscriptions`, a GUID, `resourcegroups`, a group, `providers`, then a namespace, a type and a name.
 *
 *   /subscriptions/0b1f26cd-6c77-4d1c-8e0e-1b3a4c5d6e7f/resourcegroups/rg-app/providers/Microsoft.HybridCompute/machines/arc-01
 *   → { subscriptionId: "0b1f26cd-6c77-4d1c-8e0e-1b3a4c5d6e7f", resourceGroup: "rg-app", type: "Microsoft.HybridCompute/machines", name: "arc-01" }
 *
 * Words of the path match without regard to case (Azure writes both `resourceGroups` and `resourcegroups`), and only where they belong: a group named
 * `providers` is a group. The slash at the start may be missing. After the name only a web site's `slots/<slot>` may follow.
 * Source: Conjur 5.3.1, authn_azure/xms_mirid.rb (the claim's form; its parser looks for the words anywhere and is not followed).
 */
export function parseResourceId(text: string): ParsedResourceId {
  if (text.length > maxLength) return { problem: "is too long", part: "path" };
  if (strangeCharacter.test(text)) return { problem: "contains a character that no resource has", part: "path" };
  if (strangeSegment.test(text)) return { problem: "contains an empty or relative segment", part: "path" };
  const segments = (text.startsWith("/") ? text.slice(1) : text).split("/");
  const [subscriptions, subscriptionId, groups, resourceGroup, providers, namespace, kind, name, slots, slot] = segments;
  if (!isWord(subscriptions, "subscriptions") || subscriptionId === undefined) return { problem: "names no subscription", part: "path" };
  if (!isGuid(subscriptionId)) return { problem: "has a subscription that is not a GUID", part: "path" };
  if (!isWord(groups, "resourcegroups") || resourceGroup === undefined) return { problem: "names no resource group", part: "path" };
  if (!isWord(providers, "providers")) return { problem: "names no provider after the resource group", part: "path" };
  if (namespace === undefined || kind === undefined || name === undefined)
    return { problem: "ends before the resource's name", part: "provider" };
  const type = typesInLowerCase.get(`${namespace}/${kind}`.toLowerCase());
  if (type === undefined) return { problem: "is of a type that no identity is expected of", part: "provider" };
  if (slots === undefined) return { id: { subscriptionId, resourceGroup, type, name } };
  const isSlot = type === site && isWord(slots, "slots") && slot !== undefined && segments.length === slotLength;
  return isSlot
    ? { id: { subscriptionId, resourceGroup, type, name, slot } }
    : { problem: "goes on after the resource's name", part: "provider" };
}

function isWord(segment: string | undefined, word: string): boolean {
  return segment?.toLowerCase() === word;
}
