/** An Azure for the method `azure`, out of memory: a tenant that signs tokens, and a Resource Manager that knows a few machines. Written apart from the verifier. */

import { createVerifiers } from "../../../src/authenticators/registry";
import type { AzureDefaults, HttpAnswer, HttpRequest } from "../../../src/model/ports";
import { createFactsOnlyStore } from "../../support/facts-only-store";
import {
  createFakeWeb,
  createLogKeeper,
  type FakeWeb,
  jwkOf,
  type Members,
  noDirectory,
  signingKey,
  signToken,
} from "../../support/fake-issuer";
import { createTestClock, seededRandom, startOfTime, type TestClock } from "../../support/house";
import { createFakeGraph, type FakeGraph } from "./azure-graph";
import { createVaultClient, type VaultClient, type VaultReply } from "./client";

export const tenant = "11111111-2222-4333-8444-555555555555";
export const S1 = "0b1f26cd-6c77-4d1c-8e0e-1b3a4c5d6e01";
export const S2 = "0b1f26cd-6c77-4d1c-8e0e-1b3a4c5d6e02";
const principal = (number: number): string => `b54c26cd-6c77-4d1c-8e0e-1b3a4c5d6e0${number}`;
export const [P1, P2, P5, P7, P8, P9] = [1, 2, 5, 7, 8, 9].map(principal) as [string, string, string, string, string, string];
export const C2 = "7e2c26cd-6c77-4d1c-8e0e-1b3a4c5d6e02";
export const issuer = `https://sts.windows.net/${tenant}/`;
export const resource = "https://management.azure.com/";
export const seconds = startOfTime / 1000;
const authority = "https://login.microsoftonline.com";
const manager = "https://management.azure.com";

export const idOf = (group: string, type: string, name: string, subscription = S1): string =>
  `/subscriptions/${subscription}/resourceGroups/${group}/providers/${type}/${name}`;
export const vm = (name: string, group = "rg-app", subscription = S1): string =>
  idOf(group, "Microsoft.Compute/virtualMachines", name, subscription);
export const vmss = (name: string): string => idOf("rg-app", "Microsoft.Compute/virtualMachineScaleSets", name);
export const id1 = idOf("rg-ids", "Microsoft.ManagedIdentity/userAssignedIdentities", "id1");
export const fn1 = idOf("rg-app", "Microsoft.Web/sites", "fn1");
export const arc1 = idOf("rg-app", "Microsoft.HybridCompute/machines", "arc1");

const assigned = { [id1]: { principalId: P2, clientId: C2 } };
const both = { principalId: P1, userAssignedIdentities: assigned };
const location = "westeurope";

/** What the Resource Manager knows, by path without the query. */
const known: Readonly<Record<string, object>> = {
  [vm("vm1")]: { location, identity: both },
  [vm("vm10")]: { location, identity: { principalId: P9, userAssignedIdentities: assigned } },
  [vm("vm9")]: { location: "northeurope", identity: { principalId: P9, userAssignedIdentities: assigned } },
  [vm("bare")]: { location },
  [vm("vm1", "rg-ids")]: { location, identity: { userAssignedIdentities: assigned } },
  [vm("vm1", "rg-app", S2)]: { location, identity: both },
  [vm("vm1", "rg-other")]: { location, identity: both },
  [vm("vmss1_0a1b2c3d")]: {
    location,
    identity: { userAssignedIdentities: assigned },
    properties: { virtualMachineScaleSet: { id: vmss("vmss1") } },
  },
  [vm("vmss3_0a1b2c3d")]: {
    location,
    identity: { userAssignedIdentities: assigned },
    properties: { virtualMachineScaleSet: { id: vmss("vmss3") } },
  },
  [vm("vmss1_x")]: { location, identity: { userAssignedIdentities: assigned }, properties: {} },
  [vmss("vmss1")]: { location, identity: { userAssignedIdentities: { [id1]: { principalId: null, clientId: null } } } },
  [vmss("vmss2")]: { location, identity: { userAssignedIdentities: assigned } },
  [vmss("vmss3")]: { location, identity: { userAssignedIdentities: assigned } },
  [id1]: { properties: { principalId: P2, clientId: C2 } },
  [`/subscriptions/${S1}/providers/Microsoft.Web`]: {
    resourceTypes: [{ resourceType: "sites", apiVersions: ["2099-01-01-preview", "2023-12-01"] }],
  },
  [`/subscriptions/${S1}/providers/Microsoft.HybridCompute`]: {
    resourceTypes: [{ resourceType: "machines", apiVersions: ["2024-07-10"] }],
  },
  [fn1]: { location, identity: { principalId: P5, userAssignedIdentities: assigned } },
  [idOf("rg-app", "Microsoft.Web/sites", "plain")]: { location },
  [arc1]: { location, identity: { principalId: P8 } },
  [`/subscriptions/${S1}/resourceGroups/rg-app/providers/Microsoft.ManagedIdentity/userAssignedIdentities`]: { value: [] },
  [`/subscriptions/${S1}/resourceGroups/rg-ids/providers/Microsoft.ManagedIdentity/userAssignedIdentities`]: {
    value: [{ id: id1, properties: { clientId: C2 } }],
  },
};

export interface AzureDesk {
  readonly vault: VaultClient;
  readonly clock: TestClock;
  readonly web: FakeWeb;
  /** What was asked of the Resource Manager, by path. */
  readonly asked: string[];
  /** How often a token for it was asked for. */
  readonly tokens: HttpRequest[];
  /** The directory, whose passwords of the application are what Entra ID takes. */
  readonly graph: FakeGraph;
  /** The same installation started again, as after a crash: what was kept is there, and what was only remembered is not. */
  restarted(): Promise<VaultClient>;
  /** What it answers in place of what it knows: by path, or `*` for all. */
  readonly instead: Map<string, HttpAnswer>;
  /** The Resource Manager thinks about what it is asked next until then. */
  hold(until: Promise<void>): void;
  /** From now on whatever is under way takes too long. */
  runOut(): void;
  role(name: string, body: object): Promise<VaultReply>;
  login(jwt: string | undefined, fields?: object, from?: string): Promise<VaultReply>;
}

const answer = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): HttpAnswer => ({
  status,
  headers,
  body: Buffer.from(JSON.stringify(body)),
});

export { answer };

export async function createAzureDesk(
  options: Readonly<Record<string, string>> = {},
  azureDefaults: AzureDefaults = {},
): Promise<AzureDesk> {
  const clock = createTestClock();
  const web = createFakeWeb();
  const asked: string[] = [];
  const tokens: HttpRequest[] = [];
  const instead = new Map<string, HttpAnswer>();
  const graph = createFakeGraph(answer);
  const store = createFactsOnlyStore();
  web.pages.set(`${authority}/${tenant}/.well-known/openid-configuration`, { issuer, jwks_uri: `${authority}/${tenant}/discovery/keys` });
  web.pages.set(`${authority}/${tenant}/discovery/keys`, { keys: [jwkOf(signingKey(0))] });
  const send = async (request: HttpRequest): Promise<HttpAnswer> => {
    if (request.url === `${authority}/${tenant}/oauth2/v2.0/token`) {
      tokens.push(request);
      const form = request.body !== undefined && "form" in request.body ? request.body.form : {};
      const service = form.scope === "https://graph.microsoft.com/.default" ? "graph" : "arm";
      return graph.takes(form.client_secret ?? "") || form.client_assertion !== undefined
        ? answer(200, { access_token: `${service}-token-${tokens.length}`, expires_in: 3599 })
        : answer(401, { error: "invalid_client", error_codes: [7000215], error_description: "the secret was wrong" });
    }
    if (/^Bearer graph-token-\d+$/.test(request.headers?.authorization ?? "")) return graph.send(request);
    const path = request.url.slice(manager.length).split("?")[0] ?? "";
    if (!request.url.startsWith(`${manager}/`)) throw new Error(`nobody is at ${request.url}`);
    asked.push(path);
    await held;
    if (!/^Bearer arm-token-\d+$/.test(request.headers?.authorization ?? "")) return answer(401, {});
    const found = Object.entries(known).find(([id]) => id.toLowerCase() === path.toLowerCase());
    return instead.get(path) ?? instead.get("*") ?? (found === undefined ? answer(404, {}) : answer(200, found[1]));
  };
  const deps = { http: { ...web, send }, directory: noDirectory, clock, logger: createLogKeeper() };
  const pause = async (ms: number): Promise<void> => clock.advance(ms);
  let held: Promise<void> | undefined;
  const end = Promise.withResolvers<void>();
  const within = <Result>(_ms: number, work: Promise<Result>, late: () => never): Promise<Result> =>
    Promise.race([work, end.promise.then(late)]);
  const machineToken = () => Promise.reject(new Error("no machine"));
  let starts = 0;
  const open = async (): Promise<VaultClient> => {
    starts += 1;
    const random = seededRandom(starts);
    const { azure } = createVerifiers({ ...deps, random, azure: { pause, within, machineToken } });
    return createVaultClient({ azure, clock, store, random, settings: { azureDefaults } });
  };
  const vault = await open();
  await vault.as("POST", "sys/auth/azure", { body: { type: "azure", options } });
  await vault.as("POST", "auth/azure/config", { body: { tenant_id: tenant, resource, client_id: "app", client_secret: "right" } });
  return {
    vault,
    clock,
    web,
    asked,
    tokens,
    instead,
    graph,
    restarted: open,
    hold(until) {
      held = until;
    },
    runOut: end.resolve,
    role: (name, body) => vault.as("POST", `auth/azure/role/${name}`, { body }),
    login: (jwt, fields = {}, from) =>
      vault.as("POST", "auth/azure/login", {
        token: null,
        body: { role: "dev-role", jwt, ...fields },
        ...(from === undefined ? {} : { from }),
      }),
  };
}

export function claims(overrides: Members = {}): Members {
  const times = { iat: seconds - 300, nbf: seconds - 300, exp: seconds + 86_400 };
  return { aud: resource, iss: issuer, ...times, oid: P1, sub: P1, tid: tenant, ver: "1.0", ...overrides };
}

const lower = (id: string): string => id.replace("resourceGroups", "resourcegroups");

/** The kinds of tokens that the rows of the contract name. */
export const kinds: Readonly<Record<string, Members>> = {
  sys: { oid: P1, xms_mirid: lower(vm("vm1")) },
  ua: { oid: P2, appid: C2, xms_az_rid: lower(vm("vm1")), xms_mirid: lower(id1) },
  flex: { oid: P2, appid: C2, xms_az_rid: lower(vm("vmss1_0a1b2c3d")), xms_mirid: lower(id1) },
  uni: { oid: P2, appid: C2, xms_az_rid: lower(vmss("vmss2")), xms_mirid: lower(id1) },
  fn: { oid: P5, xms_mirid: lower(fn1) },
  bare: { oid: P1 },
};

export const token = (kind: string, overrides: Members = {}): string => signToken(claims({ ...kinds[kind], ...overrides }));
export const std = { subscription_id: S1, resource_group_name: "rg-app" };
