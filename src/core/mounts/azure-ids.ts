/**
 * Ids of resources of Azure, taken apart: what a login names and what a token is of are compared segment by segment, and never as texts that hold one another.
 *
 *   /subscriptions/S/resourceGroups/rg-app/providers/Microsoft.Compute/virtualMachines/vm1
 *   → { subscriptionId: "S", resourceGroup: "rg-app", type: "Microsoft.Compute/virtualMachines", names: ["vm1"] }
 */

export interface AzureId {
  readonly subscriptionId: string;
  readonly resourceGroup: string;
  /** `Microsoft.Web/sites/slots`. */
  readonly type: string;
  /** One for each part of the type after its namespace. */
  readonly names: readonly string[];
}

const guid = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
const longest = 2048;
/** What no name of a resource has, and what would be read as something else on its way to Azure. */
const strange = /[%\\?#\p{Cc}\p{Z}]/u;

export const isSubscription = (text: string): boolean => guid.test(text);

/** Undefined for what is no id of a resource in a group. Words between the names match without regard to case. */
export function parseAzureId(text: string): AzureId | undefined {
  if (text.length > longest || strange.test(text) || !text.startsWith("/")) return undefined;
  const [subscriptions = "", subscriptionId = "", groups = "", resourceGroup = "", providers = "", namespace = "", ...pairs] = text
    .slice(1)
    .split("/");
  const isPath = isWord(subscriptions, "subscriptions") && isWord(groups, "resourcegroups") && isWord(providers, "providers");
  if (!isPath || !guid.test(subscriptionId) || pairs.length < 2 || pairs.length % 2 !== 0) return undefined;
  if ([resourceGroup, namespace, ...pairs].some((segment) => /^\.{0,2}$/.test(segment))) return undefined;
  const kinds = pairs.filter((_, index) => index % 2 === 0);
  const names = pairs.filter((_, index) => index % 2 === 1);
  return { subscriptionId, resourceGroup, type: [namespace, ...kinds].join("/"), names };
}

/** The id as it is written to Azure: of its parts alone, so that nothing else of the text gets there. */
export function azureIdText({ subscriptionId, resourceGroup, type, names }: AzureId): string {
  const [namespace = "", ...kinds] = type.split("/");
  const pairs = kinds.map((kind, index) => `${kind}/${names[index] ?? ""}`);
  return `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}/providers/${[namespace, ...pairs].join("/")}`;
}

/**
 * Azure's names are the same in any case. Only the letters of ASCII are folded: a Kelvin sign or a dotless i, which folding by Unicode makes a `k` or an `i`, is
 * another name to Azure, and whoever may make a group could make one that reads like a bound.
 */
export const folded = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
export const same = (left: string, right: string): boolean => folded(left) === folded(right);
export const sameId = (left: AzureId, right: AzureId): boolean => same(azureIdText(left), azureIdText(right));
export const isOneOf = (list: readonly string[], text: string): boolean => list.some((each) => same(each, text));

/** Whether the one resource is the other or a part of it, as a slot is of its site. */
export const isWithin = (part: AzureId, whole: AzureId): boolean =>
  sameId(part, whole) || folded(azureIdText(part)).startsWith(`${folded(azureIdText(whole))}/`);

const isWord = (segment: string, word: string): boolean => same(segment, word);
