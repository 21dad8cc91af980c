/** A running machine of the simulated cloud: its identities, its token endpoint, and the environment that leads an SDK there. */

import { PosternError } from "../../model/failures";
import type { Random } from "../../model/ports";
import type { Instant } from "../../model/types";
import { appServiceTokenPath, createAppService } from "./app-service";
import { createArc } from "./arc";
import { type Cloud, type Machine, named, type Principal } from "./cloud";
import type { MachineKind } from "./cloud-description";
import { type Endpoint, type EndpointControls, serveEndpoint } from "./endpoint";
import { opaque } from "./ids";
import { createImds, type MachineRoute, tokenPath } from "./imds";
import { createManagedIdentitySource, defaultBehaviour, type MachineBehaviour, type ManagedIdentityDeps } from "./managed-identity";
import type { TokensFolder } from "./tokens-folder";

/** Who a token of this identity says it is. */
export interface SimulatedIdentity {
  readonly name: string;
  readonly kind: Principal["kind"];
  readonly tenantId: string;
  readonly oid: string;
  readonly clientId: string;
  /** What `xms_mirid` of its tokens is; absent for applications. */
  readonly mirid?: string;
  /** What `xms_az_rid` is in tokens that this machine gets for it; absent for system-assigned identities. */
  readonly azRid?: string;
}

export interface SimulatedMachine extends EndpointControls<MachineRoute> {
  readonly name: string;
  readonly kind: MachineKind;
  readonly tenantId: string;
  readonly subscriptionId: string;
  readonly resourceGroup: string;
  /** Its own resource id as tokens spell it. */
  readonly resourceId: string;
  readonly vmId: string;
  /** All identities it has: the system-assigned one first. */
  readonly identities: readonly SimulatedIdentity[];
  /** Base address of its token endpoint, without a slash at the end; empty for a kind that has none (`aks-cluster`). */
  readonly url: string;
  /** The variables that Azure sets on such a machine, or, for IMDS, the one that leads SDKs here. */
  readonly environment: Readonly<Record<string, string>>;
  /** One of its identities by name; without a name, the one it gets without a selector. Throws `not_found`. */
  identity(name?: string): SimulatedIdentity;
  configure(behaviour: Partial<MachineBehaviour>): void;
}

export interface MachineDeps {
  cloud(): Cloud;
  readonly random: Random;
  readonly folder: TokensFolder;
  readonly issue: ManagedIdentityDeps["issue"];
  readonly host: string;
  readonly allowNonLoopback: boolean;
  now(): Instant;
  monotonicMs(): number;
}

/** How kinds of machine hand out tokens. */
const dialects: { readonly [K in MachineKind]: "imds" | "arc" | "app-service" | "none" } = {
  vm: "imds",
  "vmss-uniform": "imds",
  "vmss-flexible": "imds",
  "container-instance": "imds",
  arc: "arc",
  "app-service": "app-service",
  function: "app-service",
  "container-app": "app-service",
  "aks-cluster": "none",
};

/** Starts the machine's endpoint. */
export function startMachine(deps: MachineDeps, machine: Machine): SimulatedMachine & { close(): Promise<void> } {
  let behaviour = defaultBehaviour;
  let last = machine;
  // One that was removed still knows what it was.
  const current = (): Machine => {
    last = deps.cloud().machines.find(({ name }) => name === machine.name) ?? last;
    return last;
  };
  const identityHeader = opaque(deps.random, 16);
  const endpoint = startEndpoint(deps, machine, current, { identityHeader, behaviour: () => behaviour });
  return {
    ...endpoint,
    name: machine.name,
    kind: machine.kind,
    tenantId: machine.tenant.id,
    get subscriptionId() {
      return current().subscriptionId;
    },
    get resourceGroup() {
      return current().resourceGroup;
    },
    get resourceId() {
      return current().resourceId;
    },
    get vmId() {
      return current().vmId;
    },
    get identities() {
      return principalsOf(current()).map((principal) => simulatedIdentity(principal, current()));
    },
    environment: environmentOf(machine, endpoint.url, identityHeader),
    identity: (name) => simulatedIdentity(identityOf(current(), name), current()),
    configure: (change) => {
      behaviour = { ...behaviour, ...change };
    },
  };
}

/** One of the machine's identities by name; without a name, the one it gets without a selector. Throws `not_found`. */
export function identityOf(machine: Machine, name?: string): Principal {
  const principals = principalsOf(machine);
  if (name !== undefined) return named(principals, name);
  const [first, second] = principals;
  const isClear = machine.systemAssigned !== undefined || second === undefined;
  if (first === undefined || !isClear) throw new PosternError({ code: "not_found", target: `default identity of ${machine.name}` });
  return first;
}

/** As tokens for `principal` name it when `host` asks; without a host, when nobody does. */
export function simulatedIdentity(principal: Principal, host?: Machine): SimulatedIdentity {
  const { name, kind, oid, clientId, mirid } = principal;
  return {
    name,
    kind,
    tenantId: principal.tenant.id,
    oid,
    clientId,
    ...(mirid === undefined ? {} : { mirid }),
    ...(kind === "user-assigned" && host !== undefined ? { azRid: host.resourceId } : {}),
  };
}

function principalsOf(machine: Machine): readonly Principal[] {
  return machine.systemAssigned === undefined ? machine.userAssigned : [machine.systemAssigned, ...machine.userAssigned];
}

function startEndpoint(
  deps: MachineDeps,
  { kind, port, name }: Machine,
  machine: () => Machine,
  { identityHeader, behaviour }: { readonly identityHeader: string; readonly behaviour: () => MachineBehaviour },
): Endpoint<MachineRoute> {
  const identities = createManagedIdentitySource({ ...deps, machine, behaviour });
  const where = { host: deps.host, port, allowNonLoopback: deps.allowNonLoopback };
  switch (dialects[kind]) {
    case "imds":
      return serveEndpoint<MachineRoute>({ ...where, ...createImds({ ...deps, machine, identities, behaviour }) });
    case "arc":
      return serveEndpoint<MachineRoute>({ ...where, ...createArc({ ...deps, machine, identities, behaviour }) });
    case "app-service":
      return serveEndpoint<MachineRoute>({ ...where, ...createAppService({ identities, identityHeader }) });
    case "none":
      return silentEndpoint(name);
  }
}

function environmentOf(machine: Machine, url: string, identityHeader: string): Readonly<Record<string, string>> {
  switch (dialects[machine.kind]) {
    case "imds":
      return { AZURE_POD_IDENTITY_AUTHORITY_HOST: url };
    case "arc":
      return { IDENTITY_ENDPOINT: `${url}${tokenPath}`, IMDS_ENDPOINT: url };
    case "app-service":
      return { IDENTITY_ENDPOINT: `${url}${appServiceTokenPath}`, IDENTITY_HEADER: identityHeader };
    case "none":
      return {};
  }
}

function silentEndpoint(name: string): Endpoint<MachineRoute> {
  return {
    url: "",
    fault: () => {
      throw new PosternError({ code: "unsupported", what: `an endpoint of ${name}`, kind: "feature" });
    },
    clearFaults: () => {},
    requests: () => 0,
    close: () => Promise.resolve(),
  };
}
