/**
 * A small Azure on loopback, for development and tests: Entra ID, Resource Manager and Microsoft Graph over HTTPS, and the token endpoints of virtual machines, scale sets, Arc servers,
 * App Services and the rest. Unmodified Azure SDKs get their tokens here.
 *
 * Nothing of it is Azure's: every token carries `"xms_sim":"1"`, and it listens on loopback alone. It shares no
 * code with what verifies or obtains tokens, so that a mistake there does not agree with itself.
 * Not simulated: flows with a user, certificates as client credentials, old App Service (`MSI_ENDPOINT`), Service Fabric, Cloud Shell.
 */

import { createAuthority } from "../../crypto/certificate";
import type { KeyPair } from "../../crypto/signing";
import { PosternError } from "../../model/failures";
import type { Clock, HttpClient, Random } from "../../model/ports";
import type { Instant } from "../../model/types";
import { type Audience, buildCloud, type Cloud, findAudience, named, type Tenant } from "./cloud";
import { type CloudChanges, createLiveCloud } from "./cloud-changes";
import type { CloudDescription, FederatedCredential } from "./cloud-description";
import { type Cluster, createCluster } from "./cluster";
import { createDirectory } from "./directory";
import type { Endpoint } from "./endpoint";
import { type Entra, type EntraRoute, serveEntra } from "./entra";
import { createExternalIssuers } from "./external-issuers";
import { type Graph, serveGraph } from "./graph";
import { identityOf, type SimulatedIdentity, type SimulatedMachine, simulatedIdentity, startMachine } from "./machine";
import { type MintRequest, mintToken, type ResolvedMintRequest, type TokenFlaw, tokenFlaws } from "./mint";
import { type ResourceManager, serveResourceManager } from "./resource-manager";
import { createSigningKeys, type SigningKeys } from "./signing-keys";
import { standardCloud } from "./standard-cloud";
import { claimsFor, type IssuerNames, signToken, type TokenRequest } from "./tokens";
import { openTokensFolder, type TokensFolder } from "./tokens-folder";

export type { CloudDescription } from "./cloud-description";
export type { Fault } from "./endpoint";
export type { SimulatedIdentity, SimulatedMachine } from "./machine";
export type { MintRequest, TokenFlaw } from "./mint";

export interface AzureSimulatorOptions {
  readonly clock: Clock;
  /** Of ids; the same bytes give the same tenants, identities and machines. */
  readonly random: Random;
  /** RSA pairs to sign with, in order, before fresh ones are made: four save half a second at the start. */
  readonly signingKeys?: readonly KeyPair[];
  /** Default `standardCloud`. */
  readonly cloud?: CloudDescription;
  /**
   * `own` (default): issuers are addresses of the simulator, `https://127.0.0.1:PORT/<tid>/` and `…/<tid>/v2.0`, so nobody takes them for Azure's.
   * `azure`: `https://sts.windows.net/<tid>/` and `https://login.microsoftonline.com/<tid>/v2.0`, though everything is still served here.
   */
  readonly issuerStyle?: "own" | "azure";
  /** Default `127.0.0.1`. Another address than a loopback one needs `allowNonLoopback`. */
  readonly host?: string;
  readonly allowNonLoopback?: boolean;
  /** Where Entra ID listens. Default: any free port. Machines have ports of their own in the cloud's description. */
  readonly entraPort?: number;
  /** The same for Resource Manager and for Microsoft Graph. */
  readonly resourceManagerPort?: number;
  readonly graphPort?: number;
  /** How Entra ID asks issuers outside for their keys. Default: none can be reached, and only the cluster's tokens are exchanged. */
  readonly http?: HttpClient;
  /**
   * Where Arc's challenge files go. Default: a fresh folder. SDKs accept `/var/opt/azcmagent/tokens` alone; it must then be empty or absent, as on a machine
   * without the real agent, and is removed again when it was absent.
   */
  readonly tokensFolder?: string;
}

export interface SimulatedTenant {
  readonly name: string;
  readonly id: string;
  readonly issuers: { readonly v1: string; readonly v2: string };
  /** Where the metadata is: append `/.well-known/openid-configuration`, with one slash or two. */
  readonly providerUris: { readonly v1: string; readonly v2: string };
}

/** The simulator's time: that of its clock, and an offset. */
export interface SimulatedClock {
  now(): Instant;
  setOffset(offsetMs: number): void;
  advance(byMs: number): void;
}

export interface AzureSimulator {
  /** What to tell whoever starts it. */
  readonly banner: string;
  /** The authority that signed Entra's certificate, for `NODE_EXTRA_CA_CERTS`, `tls.ca` and their like. */
  readonly caPem: string;
  readonly entra: Entra;
  readonly resourceManager: ResourceManager;
  readonly graph: Graph;
  /** What may happen to the cloud. */
  readonly changes: CloudChanges;
  readonly clock: SimulatedClock;
  readonly cluster: Cluster;
  readonly machines: readonly SimulatedMachine[];
  /** Absolute, without a slash at the end. */
  readonly tokensFolder: string;
  /** Default: the first. This and the next two throw `not_found` for names that are not in the cloud. */
  tenant(name?: string): SimulatedTenant;
  machine(name: string): SimulatedMachine;
  /** A user-assigned identity or an application, apart from any machine. */
  identity(name: string): SimulatedIdentity;
  /** Has a user-assigned identity or an application trust somebody's tokens. Throws `not_found`, and `unsupported` for a system-assigned one. */
  federate(identity: string, credential: FederatedCredential): void;
  /** The passwords of an application that count now. */
  secretsOf(application: string): readonly string[];
  /** The application id of an audience: the `aud` of its version 2 tokens. Throws `not_found`. */
  applicationId(resource: string): string;
  /** Every way in which `mint` can make a token wrong that no verifier may overlook. */
  readonly tokenFlaws: readonly TokenFlaw[];
  /** A token for a test, right or wrong. */
  mint(request?: MintRequest): string;
  /** Stops listening, hanging requests included, and removes the challenge files. */
  close(): Promise<void>;
}

interface Closeable {
  close(): Promise<void>;
}

// TLS is judged by the real clock, whatever time is simulated, so certificates hold from 2020 on for thirty years.
const certificateTime = { now: 1_577_836_800_000, days: 30 * 365 };
const defaultResource = "https://management.azure.com/";

/** Builds the cloud and starts all its endpoints (about half a second, for RSA keys). Throws `malformed` and `exists`, with nothing left running. */
export async function createAzureSimulator(options: AzureSimulatorOptions): Promise<AzureSimulator> {
  const cloud = buildCloud(options.cloud ?? standardCloud, options.random);
  const keys = await createSigningKeys(certificateTime.now, options.signingKeys ?? []);
  const folder = await openTokensFolder(options.tokensFolder);
  const running: Closeable[] = [folder];
  try {
    return start(options, cloud, keys, folder, running);
  } catch (error) {
    await closeAll(running);
    throw error;
  }
}

function start(
  options: AzureSimulatorOptions,
  cloud: Cloud,
  keys: SigningKeys,
  folder: TokensFolder,
  running: Closeable[],
): AzureSimulator {
  const { random } = options;
  const listening = { host: options.host ?? "127.0.0.1", allowNonLoopback: options.allowNonLoopback ?? false };
  const clock = createSimulatedClock(options.clock);
  const authority = createAuthority({ name: "Azure Simulator Root (not Azure)", ...certificateTime });
  const cluster = createCluster("https://cluster.example/oidc/", clock.now);

  const live = createLiveCloud(cloud, random);
  const directory = createDirectory({ random, now: clock.now });
  const external = createExternalIssuers({ ...(options.http === undefined ? {} : { http: options.http }), now: clock.now });
  const certify = () => authority.issue({ dnsNames: ["localhost"], ipAddresses: addressesOf(listening.host), ...certificateTime });

  const issuers: IssuerNames = (tenantId, version) => {
    const own = version === 1 ? `${entra.url}/${tenantId}/` : `${entra.url}/${tenantId}/v2.0`;
    if (options.issuerStyle !== "azure") return own;
    return version === 1 ? `https://sts.windows.net/${tenantId}/` : `https://login.microsoftonline.com/${tenantId}/v2.0`;
  };
  const issue = (grant: Omit<TokenRequest, "version">): string => {
    const request = { ...grant, version: grant.audience.tokenVersion };
    return signToken(claimsFor(request, issuers, random), keys.key("current"), request.version);
  };

  const entra: Endpoint<EntraRoute> = serveEntra({
    ...listening,
    port: options.entraPort ?? 0,
    tls: certify(),
    cloud: live.now,
    directory,
    external,
    keys,
    random,
    issuers,
    issue,
    cluster,
    now: clock.now,
  });
  running.push(entra);
  const services = { ...listening, cloud: live.now, keys, random, directory, tls: certify(), now: clock.now };
  const resourceManager = serveResourceManager({
    ...services,
    port: options.resourceManagerPort ?? 0,
    authority: (tenantId) => `${entra.url}/${tenantId}`,
  });
  running.push(resourceManager);
  const graph = serveGraph({ ...services, port: options.graphPort ?? 0 });
  running.push(graph);
  const machineDeps = {
    ...listening,
    cloud: live.now,
    random,
    folder,
    issue,
    now: clock.now,
    monotonicMs: () => options.clock.monotonicMs(),
  };
  const machines = cloud.machines.map((machine) => {
    const started = startMachine(machineDeps, machine);
    running.push(started);
    return started;
  });

  return {
    banner: bannerOf({ "Entra ID": entra.url, "Resource Manager": resourceManager.url, "Microsoft Graph": graph.url }, machines),
    caPem: authority.certificatePem,
    entra: { ...entra, rotate: (mode = "scheduled") => keys.rotate(mode) },
    resourceManager,
    graph,
    changes: live.changes,
    clock,
    cluster,
    machines,
    tokensFolder: folder.path,
    tenant: (name) => simulatedTenant(name === undefined ? cloud.tenants[0] : named(cloud.tenants, name), entra.url, issuers),
    machine: (name) => named(machines, name),
    identity: (name) => simulatedIdentity(named(live.now().principals, name)),
    federate: (name, credential) => directory.federate(named(live.now().principals, name), credential),
    secretsOf: (name) => directory.passwordsOf(named(live.now().principals, name)).map(({ secret }) => secret),
    applicationId: (resource) => {
      const audience = findAudience(cloud, resource);
      if (audience === undefined) throw new PosternError({ code: "not_found", target: `simulated ${resource}` });
      return audience.appId;
    },
    tokenFlaws,
    mint: (request = {}) => mintToken({ keys, issuers, random }, resolve(live.now(), request, clock.now())),
    close: () => closeAll(running),
  };
}

function resolve(cloud: Cloud, request: MintRequest, now: Instant): ResolvedMintRequest {
  const requested = request.resource ?? defaultResource;
  const audience = findAudience(cloud, requested) ?? unknownAudience(requested);
  const common = { audience, requested, version: request.version ?? audience.tokenVersion, now: request.now ?? now, request };
  if (request.machine === undefined && request.identity !== undefined)
    return { ...common, principal: named(cloud.principals, request.identity) };
  const machine = named(cloud.machines, request.machine ?? cloud.machines[0]?.name ?? "machine");
  const principal = identityOf(machine, request.identity);
  return principal.kind === "user-assigned" ? { ...common, principal, hostResourceId: machine.resourceId } : { ...common, principal };
}

function unknownAudience(requested: string): Audience {
  const switches = { resourceClaims: true, groupClaims: false, idtyp: false, assignmentRequired: false };
  return { uris: [requested], appId: requested, tokenVersion: 1, roles: {}, ...switches };
}

function simulatedTenant({ name, id }: Tenant, entraUrl: string, issuers: IssuerNames): SimulatedTenant {
  return {
    name,
    id,
    issuers: { v1: issuers(id, 1), v2: issuers(id, 2) },
    providerUris: { v1: `${entraUrl}/${id}/`, v2: `${entraUrl}/${id}/v2.0` },
  };
}

function createSimulatedClock(clock: Clock): SimulatedClock {
  let offset = 0;
  return {
    now: () => clock.now() + offset,
    setOffset: (offsetMs) => {
      offset = offsetMs;
    },
    advance: (byMs) => {
      offset += byMs;
    },
  };
}

function bannerOf(services: Readonly<Record<string, string>>, machines: readonly SimulatedMachine[]): string {
  const width = Math.max(0, ...machines.map((machine) => machine.name.length));
  const lines = machines.map((machine) => `  ${machine.name.padEnd(width)}  ${machine.kind.padEnd(18)}  ${machine.url || "(no endpoint)"}`);
  return [
    "Azure simulator: not Azure. Anyone on this machine gets tokens here; trust them nowhere else.",
    ...Object.entries(services).map(([name, url]) => `  ${name}: ${url}`),
    ...lines,
  ].join("\n");
}

function addressesOf(host: string): readonly string[] {
  return [...new Set(["127.0.0.1", "::1", ...(host === "localhost" ? [] : [host])])];
}

async function closeAll(running: Closeable[]): Promise<void> {
  // The folder was opened first and goes last.
  for (const part of running.splice(0).reverse()) await part.close();
}
