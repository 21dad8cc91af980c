/**
 * The cloud as Resource Manager shows it: every machine, scale set and user-assigned identity as a resource with an id, a location and what it is run as.
 *
 * A flexible scale set names its identities without their principals, as Azure may; one of a uniform set belongs to the set and not to its instances.
 * Source: Azure REST API, Compute 2024-07-01, Managed Identity 2023-01-31, Hybrid Compute 2024-07-10, Web 2023-12-01.
 */

import type { Cloud, Machine, Principal } from "./cloud";
import type { MachineKind } from "./cloud-description";

export interface Resource {
  /** As Azure writes it: `/subscriptions/…/resourceGroups/…/providers/…`. */
  readonly id: string;
  /** `Microsoft.Compute/virtualMachines`. */
  readonly type: string;
  readonly document: object;
}

/** Everything there is now. */
export function resourcesOf(cloud: Cloud): readonly Resource[] {
  const identities = cloud.principals.filter(({ kind }) => kind === "user-assigned").map(identityResource);
  return [...cloud.machines.flatMap(machineResources), ...scaleSets(cloud.machines), ...identities];
}

/** A part of `resources`: that one, or undefined. Ids are alike in any case. */
export function resourceAt(resources: readonly Resource[], id: string): Resource | undefined {
  const wanted = id.toLowerCase();
  return resources.find((each) => each.id.toLowerCase() === wanted);
}

/** Tokens write `resourcegroups`. */
export function managerSpelling(id: string): string {
  return id.replace("/resourcegroups/", "/resourceGroups/");
}

function machineResources(machine: Machine): readonly Resource[] {
  // The identity of a uniform set's instance is the set's.
  if (machine.kind === "vmss-uniform") return [uniformInstance(machine)];
  return [
    resource(managerSpelling(machine.resourceId), {
      location: machine.location,
      ...kindOf(machine.kind),
      identity: identityBlock(machine.tenant.id, [machine], "known"),
      properties: propertiesOf(machine),
    }),
  ];
}

function uniformInstance(machine: Machine): Resource {
  const id = `${managerSpelling(machine.resourceId)}/virtualMachines/0`;
  const properties = { vmId: machine.vmId, provisioningState: "Succeeded", latestModelApplied: true };
  return resource(id, { location: machine.location, instanceId: "0", name: `${machine.resourceName}_0`, properties });
}

/** Machines that bear the same set's name are its members. */
function scaleSets(machines: readonly Machine[]): readonly Resource[] {
  const sets = new Map<string, [Machine, ...Machine[]]>();
  for (const machine of machines) {
    const id = scaleSetId(machine);
    if (id === undefined) continue;
    const members = sets.get(id);
    if (members === undefined) sets.set(id, [machine]);
    else members.push(machine);
  }
  return [...sets].map(([id, members]) => {
    const [{ kind, location, tenant }] = members;
    const isFlexible = kind === "vmss-flexible";
    // What a flexible set's members have of their own is not the set's.
    const shared = isFlexible ? members.map(({ systemAssigned: _, ...member }) => member) : members;
    return resource(id, {
      location,
      sku: { name: "Standard_D2s_v5", tier: "Standard", capacity: members.length },
      identity: identityBlock(tenant.id, shared, isFlexible ? "left out" : "known"),
      properties: { orchestrationMode: isFlexible ? "Flexible" : "Uniform", provisioningState: "Succeeded" },
    });
  });
}

function scaleSetId(machine: Machine): string | undefined {
  if (machine.scaleSet === "") return undefined;
  const group = `/subscriptions/${machine.subscriptionId}/resourceGroups/${machine.resourceGroup}`;
  return `${group}/providers/Microsoft.Compute/virtualMachineScaleSets/${machine.scaleSet}`;
}

function identityResource(identity: Principal): Resource {
  const { tenant, oid: principalId, clientId } = identity;
  const properties = { tenantId: tenant.id, principalId, clientId };
  return resource(managerSpelling(identity.mirid ?? ""), { location: "westeurope", tags: {}, properties });
}

function resource(id: string, members: Readonly<Record<string, unknown>>): Resource {
  const [, , , , , , namespace = "", ...pairs] = id.split("/");
  const type = [namespace, ...pairs.filter((_, index) => index % 2 === 0)].join("/");
  const present = Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
  return { id, type, document: { id, name: pairs.at(-1), type, tags: { simulated: "true" }, ...present } };
}

type Run = Pick<Machine, "userAssigned"> & Partial<Pick<Machine, "systemAssigned">>;

/** Undefined for what is run as nobody. */
function identityBlock(tenantId: string, machines: readonly Run[], principals: "known" | "left out"): object | undefined {
  const [own] = machines.flatMap(({ systemAssigned }) => systemAssigned ?? []);
  const assigned = new Map(machines.flatMap(({ userAssigned }) => userAssigned.map((each) => [each.mirid ?? "", each] as const)));
  const kinds = [...(own === undefined ? [] : ["SystemAssigned"]), ...(assigned.size === 0 ? [] : ["UserAssigned"])];
  if (kinds.length === 0) return undefined;
  const describe = ({ oid, clientId }: Principal): object =>
    principals === "known" ? { principalId: oid, clientId } : { principalId: null, clientId: null };
  return {
    type: kinds.join(", "),
    ...(own === undefined ? {} : { principalId: own.oid, tenantId }),
    ...(assigned.size === 0
      ? {}
      : { userAssignedIdentities: Object.fromEntries([...assigned].map(([id, each]) => [managerSpelling(id), describe(each)])) }),
  };
}

function kindOf(kind: MachineKind): { readonly kind?: string } {
  if (kind === "app-service") return { kind: "app,linux" };
  return kind === "function" ? { kind: "functionapp,linux" } : {};
}

function propertiesOf(machine: Machine): object {
  const state = { provisioningState: "Succeeded" };
  switch (machine.kind) {
    case "vm":
    case "vmss-flexible": {
      const id = scaleSetId(machine);
      return { ...state, vmId: machine.vmId, ...(id === undefined ? {} : { virtualMachineScaleSet: { id } }) };
    }
    case "arc":
      return {
        ...state,
        vmId: machine.vmId,
        status: "Connected",
        agentVersion: "1.50.02859.1962",
        machineFqdn: machine.resourceName,
        osName: "linux",
      };
    case "app-service":
    case "function":
      return { state: "Running", enabled: true, defaultHostName: `${machine.resourceName.replaceAll("/slots/", "-")}.azurewebsites.net` };
    default:
      return state;
  }
}
