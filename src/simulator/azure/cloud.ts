/**
 * The simulated cloud at rest: tenants, who can prove an identity in them (managed identities and applications), for which audiences, and the
 * machines that identities are on. Built once from a description of names; the ids are drawn in order, so the same seed gives the same cloud.
 */

import { PosternError } from "../../model/failures";
import type { Random } from "../../model/ports";
import type {
  ApplicationDescription,
  AudienceDescription,
  CloudDescription,
  FederatedCredential,
  IdentityDescription,
  MachineDescription,
  MachineKind,
  UserAssignedDescription,
} from "./cloud-description";
import { guid, hexId } from "./ids";

export interface Tenant {
  readonly name: string;
  readonly id: string;
}

/** Somebody Entra ID issues app-only tokens to. */
export interface Principal {
  readonly name: string;
  readonly kind: "system-assigned" | "user-assigned" | "application";
  readonly tenant: Tenant;
  readonly oid: string;
  readonly clientId: string;
  /** The `xms_mirid` of its tokens. Absent for an application. */
  readonly mirid?: string;
  readonly groups: readonly string[];
  readonly federated: readonly FederatedCredential[];
  readonly secret?: string;
}

export interface Machine {
  readonly name: string;
  readonly kind: MachineKind;
  readonly tenant: Tenant;
  readonly subscriptionId: string;
  readonly resourceGroup: string;
  /** `vm1`, `web/slots/staging`, `set_1a2b3c4d`. */
  readonly resourceName: string;
  /** As tokens spell it: `/subscriptions/…/resourcegroups/…/providers/…`. */
  readonly resourceId: string;
  readonly vmId: string;
  readonly location: string;
  /** The scale set it is an instance of, else empty. */
  readonly scaleSet: string;
  readonly systemAssigned?: Principal;
  readonly userAssigned: readonly Principal[];
  readonly port: number;
}

export interface Audience {
  readonly uris: readonly string[];
  readonly appId: string;
  readonly tokenVersion: 1 | 2;
  readonly resourceClaims: boolean;
  readonly groupClaims: boolean;
  readonly idtyp: boolean;
  readonly assignmentRequired: boolean;
  readonly roles: Readonly<Record<string, readonly string[]>>;
}

export interface Cloud {
  readonly tenants: readonly [Tenant, ...Tenant[]];
  readonly audiences: readonly Audience[];
  readonly principals: readonly Principal[];
  readonly machines: readonly Machine[];
  /** By object id, as Azure assigns roles: whoever comes after somebody of the same name has none. */
  readonly readers: readonly { readonly oid: string; readonly resourceGroup?: string }[];
}

const resourceTypes: { readonly [K in MachineKind]: string } = {
  vm: "Microsoft.Compute/virtualMachines",
  "vmss-uniform": "Microsoft.Compute/virtualMachineScaleSets",
  // An instance of a flexible scale set is a virtual machine of its own.
  "vmss-flexible": "Microsoft.Compute/virtualMachines",
  arc: "Microsoft.HybridCompute/machines",
  "app-service": "Microsoft.Web/sites",
  function: "Microsoft.Web/sites",
  "container-app": "Microsoft.App/containerApps",
  "container-instance": "Microsoft.ContainerInstance/containerGroups",
  "aks-cluster": "Microsoft.ContainerService/managedClusters",
};

/** Draws every id a description leaves open. Throws `malformed` for a name that is used twice or refers to nothing. */
export function buildCloud(description: CloudDescription, random: Random): Cloud {
  const [first, ...others] = description.tenants.map(({ name, id }) => ({ name, id: id ?? guid(random) }));
  if (first === undefined) throw malformed("tenants", "at least one tenant");
  const tenants: Cloud["tenants"] = [first, ...others];
  const context: Context = { random, tenants, defaultSubscription: guid(random) };
  const identities = (description.identities ?? []).map((identity) => buildUserAssigned(context, identity));
  const applications = (description.applications ?? []).map((application) => buildApplication(context, application));
  const machines = description.machines.map((machine) => buildMachine(context, machine, identities));
  const systemAssigned = machines.flatMap((machine) => machine.systemAssigned ?? []);
  const principals = [...identities, ...applications, ...systemAssigned];
  const cloud: Cloud = {
    tenants,
    audiences: description.audiences.map((audience) => buildAudience(context, audience)),
    principals,
    machines,
    readers: (description.readers ?? []).map(({ principal, ...scope }) => ({ oid: named(principals, principal).oid, ...scope })),
  };
  refuseRepeated("tenants", cloud.tenants);
  refuseRepeated("machines", cloud.machines);
  refuseRepeated("identities", cloud.principals);
  return cloud;
}

/** The one of that name, or throws `not_found`. */
export function named<T extends { readonly name: string }>(things: readonly T[], name: string): T {
  const found = things.find((thing) => thing.name === name);
  if (found === undefined) throw new PosternError({ code: "not_found", target: `simulated ${name}` });
  return found;
}

/** The audience a token request names by any of its spellings or by its application id. */
export function findAudience(cloud: Cloud, requested: string): Audience | undefined {
  const wanted = spelling(requested);
  return cloud.audiences.find((audience) => audience.appId === wanted || audience.uris.some((uri) => spelling(uri) === wanted));
}

interface Context {
  readonly random: Random;
  readonly tenants: readonly [Tenant, ...Tenant[]];
  readonly defaultSubscription: string;
}

function buildUserAssigned(context: Context, description: UserAssignedDescription): Principal {
  const subscription = description.subscription ?? context.defaultSubscription;
  const group = description.resourceGroup ?? "rg-identities";
  const mirid = armId(subscription, group, `Microsoft.ManagedIdentity/userAssignedIdentities/${description.name}`);
  return { ...buildPrincipal(context, description, "user-assigned"), mirid };
}

function buildApplication(context: Context, description: ApplicationDescription): Principal {
  const principal = buildPrincipal(context, description, "application");
  return description.secret === undefined ? principal : { ...principal, secret: description.secret };
}

function buildPrincipal(context: Context, description: IdentityDescription, kind: Principal["kind"]): Principal {
  const groups = description.groups ?? [];
  return {
    name: description.name,
    kind,
    tenant: tenantOf(context, description.tenant),
    oid: guid(context.random),
    clientId: guid(context.random),
    groups: typeof groups === "number" ? Array.from({ length: groups }, () => guid(context.random)) : groups,
    federated: description.federated ?? [],
  };
}

function buildMachine(context: Context, description: MachineDescription, identities: readonly Principal[]): Machine {
  const userAssigned = (description.userAssigned ?? []).map((name) => named(identities, name));
  const tenant = tenantOf(context, description.tenant);
  if (userAssigned.some((identity) => identity.tenant !== tenant))
    throw malformed("userAssigned", "identities of the machine's own tenant");
  const subscriptionId = description.subscription ?? context.defaultSubscription;
  const resourceGroup = description.resourceGroup ?? "rg-app";
  const baseName = description.resourceName ?? description.name;
  const isFlexible = description.kind === "vmss-flexible";
  const ownName = isFlexible ? `${baseName}_${hexId(context.random, 8)}` : baseName;
  const resourceName = description.slot === undefined ? ownName : `${ownName}/slots/${description.slot}`;
  const resourceId = armId(subscriptionId, resourceGroup, `${resourceTypes[description.kind]}/${resourceName}`);
  const machine: Machine = {
    name: description.name,
    kind: description.kind,
    tenant,
    subscriptionId,
    resourceGroup,
    resourceName,
    resourceId,
    vmId: guid(context.random),
    location: description.location ?? "westeurope",
    scaleSet: isFlexible || description.kind === "vmss-uniform" ? baseName : "",
    userAssigned,
    port: description.port ?? 0,
  };
  return (description.systemAssigned ?? userAssigned.length === 0) ? withOwnIdentity(machine, context.random) : machine;
}

/** The machine with a system-assigned identity that nobody had before. */
export function withOwnIdentity(machine: Machine, random: Random): Machine {
  const context = { random, tenants: [machine.tenant] as const, defaultSubscription: machine.subscriptionId };
  const identity = buildPrincipal(context, { name: machine.name, tenant: machine.tenant.name }, "system-assigned");
  return { ...machine, systemAssigned: { ...identity, mirid: machine.resourceId } };
}

function buildAudience(context: Context, description: AudienceDescription): Audience {
  return {
    uris: description.uris,
    appId: description.appId ?? guid(context.random),
    tokenVersion: description.tokenVersion ?? 1,
    resourceClaims: description.resourceClaims ?? true,
    groupClaims: description.groupClaims ?? false,
    idtyp: description.idtyp ?? false,
    assignmentRequired: description.assignmentRequired ?? false,
    roles: description.roles ?? {},
  };
}

function tenantOf(context: Context, name: string | undefined): Tenant {
  return name === undefined ? context.tenants[0] : named(context.tenants, name);
}

/** Tokens write `resourcegroups`, where Azure Resource Manager writes `resourceGroups`. */
export function armId(subscription: string, resourceGroup: string, typeAndName: string): string {
  return `/subscriptions/${subscription}/resourcegroups/${resourceGroup}/providers/${typeAndName}`;
}

function spelling(uri: string): string {
  return uri.toLowerCase().replace(/\/+$/, "");
}

function refuseRepeated(where: string, things: readonly { readonly name: string }[]): void {
  const names = new Set(things.map((thing) => thing.name));
  if (names.size !== things.length) throw malformed(where, "names that differ from each other");
}

function malformed(where: string, expected: string): PosternError {
  return new PosternError({ code: "malformed", where, expected, kind: "argument" });
}
