/**
 * What a machine says about itself, unsigned: the `compute` document of IMDS and of the Arc agent.
 *
 * Every primitive is text; what does not apply is empty. A path selects a subtree; a leaf needs `format=text`.
 * Source: "Azure Instance Metadata Service", instance metadata of version 2021-02-01.
 */

import type { Machine } from "./cloud";
import { type Call, json } from "./endpoint";

const apiVersions = ["2018-02-01", "2019-11-01", "2020-06-01", "2020-09-01", "2021-02-01"] as const;
const root = "/metadata/instance";

type Element = string | readonly Element[] | { readonly [name: string]: Element };

/** The answer for `/metadata/versions` and everything below `/metadata/instance`. */
export function answerInstanceMetadata(machine: Machine, call: Call): Response {
  if (call.path === "/metadata/versions") return json(200, { apiVersions });
  const version = call.query.get("api-version");
  if (version === null || !/^\d{4}-\d{2}-\d{2}$/.test(version)) return imdsVersions();
  const element = elementAt(instanceDocument(machine), call.path.slice(root.length).split("/").filter(Boolean));
  if (element === undefined) return json(404, { error: "Not found" });
  const isText = call.query.get("format") === "text";
  if (typeof element === "string") {
    if (!isText) return json(400, { error: "Bad request. A leaf element must be requested with format=text" });
    return new Response(element, { headers: { "Content-Type": "text/plain; charset=utf-8" } });
  }
  if (!isText) return json(200, element);
  const names = Array.isArray(element)
    ? element.map((_, index) => `${index}/`)
    : Object.entries(element).map(([name, value]) => (typeof value === "string" ? name : `${name}/`));
  return new Response(names.join("\n"), { headers: { "Content-Type": "text/plain; charset=utf-8" } });
}

/** The refusal of a request without a good `api-version`. */
export function imdsVersions(): Response {
  const newest = [...apiVersions].reverse().slice(0, 3);
  return json(400, {
    error: "Bad request. api-version is invalid or was not specified in the request. For more information refer to aka.ms/azureimds",
    "newest-versions": newest,
  });
}

function instanceDocument(machine: Machine): Element {
  const scaleSetId = machine.kind === "vmss-flexible" ? `${scaleSetPrefix(machine)}${machine.scaleSet}` : "";
  const compute = {
    azEnvironment: "AzurePublicCloud",
    location: machine.location,
    name: machine.kind === "vmss-uniform" ? `${machine.resourceName}_0` : machine.resourceName,
    osType: "Linux",
    provider: machine.resourceId.split("/providers/")[1]?.split("/")[0] ?? "",
    resourceGroupName: machine.resourceGroup,
    // Azure Resource Manager's spelling, which is not that of the tokens.
    resourceId: machine.resourceId.replace("/resourcegroups/", "/resourceGroups/"),
    subscriptionId: machine.subscriptionId,
    tags: "simulated:true",
    tagsList: [{ name: "simulated", value: "true" }],
    virtualMachineScaleSet: { id: scaleSetId },
    vmId: machine.vmId,
    vmScaleSetName: machine.scaleSet,
    zone: "",
  };
  return { compute };
}

function scaleSetPrefix(machine: Machine): string {
  return `/subscriptions/${machine.subscriptionId}/resourceGroups/${machine.resourceGroup}/providers/Microsoft.Compute/virtualMachineScaleSets/`;
}

function elementAt(element: Element, path: readonly string[]): Element | undefined {
  const [name, ...rest] = path;
  if (name === undefined) return element;
  if (typeof element === "string") return undefined;
  const child = new Map<string, Element>(Object.entries(element)).get(name);
  return child === undefined ? undefined : elementAt(child, rest);
}
