/**
 * A whole Postern but for its disk: the Conjur front behind a listener on loopback, the core over facts in memory, and the Azure authenticator, which
 * gets its keys over TLS from a simulated Entra ID. Time stands until it is moved, here and there alike.
 */

import { createAuthenticators } from "../../src/authenticators/registry";
import { conjur } from "../../src/fronts/conjur/routes";
import type { FrontApp } from "../../src/fronts/front";
import { parseId } from "../../src/model/ids";
import type { HttpClient } from "../../src/model/ports";
import type { AuditRecord } from "../../src/model/types";
import { createHttpClient } from "../../src/runtime/http-client";
import { explainDecision } from "../../src/server/explanation";
import { createListener, type Listener } from "../../src/server/listener";
import type { AzureSimulator, MintRequest } from "../../src/simulator/azure/simulator";
import { standardCloud } from "../../src/simulator/azure/standard-cloud";
import { startSimulator } from "../unit/simulator/azure/fixture";
import { createLogKeeper, noDirectory } from "./fake-issuer";
import { createHouse, createTestClock, type House, secret, seededRandom, type TestClock } from "./house";

/** A user or host, with what restricts it. */
export interface LoginPolicy {
  /** `host/apps/vm` or `alice`. */
  readonly login: string;
  /** By their whole names: `authn-azure/resource-group`. */
  readonly annotations?: Readonly<Record<string, string>>;
  readonly restrictedTo?: readonly string[];
  /** Services whose group `apps` it is in. Default: `AzureAE1`. */
  readonly services?: readonly string[];
}

export interface Attempt {
  readonly login: string;
  /** Default `AzureAE1`. */
  readonly service?: string;
  readonly account?: string;
  /** The form field `jwt`. */
  readonly token?: string;
  /** The whole body, instead of a form with the token. */
  readonly body?: string;
  /** The whole path, instead of the one made of the names above. */
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default `192.0.2.10`. */
  readonly from?: string;
}

/** What came back, and what was written down: the lines about logins. */
export interface Outcome {
  readonly status: number;
  readonly body: string;
  readonly headers: Headers;
  readonly lines: readonly AuditRecord[];
  /** What `postern why` says of the last line; empty without one. */
  readonly why: string;
}

export interface AzureHouse {
  readonly house: House;
  readonly front: FrontApp;
  readonly listener: Listener;
  /** Declares a service with its webservice, its variables, its status webservice and its group `apps`; gives the variables their values. */
  addService(service: string, values: Readonly<Record<string, string>>): Promise<void>;
  addLogins(logins: readonly LoginPolicy[]): Promise<void>;
  setVariable(id: string, value: string): Promise<void>;
  attempt(attempt: Attempt): Promise<Outcome>;
  /** `Token token="…"` of the administrator. */
  adminToken(): Promise<string>;
  close(): Promise<void>;
}

export const service = "AzureAE1";
export const tokenExpired = '{"error":{"code":"unauthorized","message":"CONJ00016E Token expired"}}';

/** Long enough for loopback, and no longer than a test may wait for an issuer that never answers. */
const patienceMs = 400;
const trustedProxies = ["127.0.0.1/32"];
const manyLogins = { perSecond: 1_000_000, burst: 1_000_000 };
const nowhere = "https://127.0.0.1:1/";

/** A cloud with a few more tenants and machines than the standard one, at the house's time. `http`: how it asks issuers outside. */
export function startCloud(clock: TestClock = createTestClock(), http?: HttpClient): Promise<AzureSimulator> {
  return startSimulator({
    clock,
    ...(http === undefined ? {} : { http }),
    cloud: {
      ...standardCloud,
      tenants: [...standardCloud.tenants, { name: "slow" }, { name: "broken" }, { name: "keyless" }, { name: "lost" }],
      machines: [
        ...standardCloud.machines,
        { name: "function-uami", kind: "function", userAssigned: ["id-web"] },
        { name: "web-uami", kind: "app-service", userAssigned: ["id-web"] },
        { name: "container-app", kind: "container-app" },
        { name: "vm-elsewhere", kind: "vm", resourceGroup: "rg-other", subscription: "0b1f26cd-6c77-4d1c-8e0e-1b3a4c5d6e7f" },
      ],
    },
  });
}

/** A house with the service `AzureAE1` of the simulator's first tenant, enabled by configuration with all that are `enabled` here. */
export async function createAzureHouse(
  simulator: AzureSimulator,
  options: { readonly enabled?: readonly string[]; readonly clock?: TestClock } = {},
): Promise<AzureHouse> {
  const clock = options.clock ?? createTestClock();
  const logger = createLogKeeper();
  const http = createHttpClient({ allowOutbound: [simulator.entra.url, nowhere], extraRoots: [simulator.caPem], clock, logger });
  const house = await createHouse({
    clock,
    authenticators: createAuthenticators({ directory: noDirectory, http: impatient(http), clock, random: seededRandom(5), logger }),
    enabledAuthenticators: (options.enabled ?? [service]).map((name) => `authn-azure/${name}`),
  });
  const front = conjur.serve(house.broker);
  const listener = createListener({
    fronts: [front],
    clock,
    random: seededRandom(6),
    logger,
    meter: { began: () => undefined, ended: () => undefined, rejected: () => undefined },
    health: () => ({ status: "ready" }),
    config: {
      listen: "127.0.0.1:0",
      trustedProxies,
      keyVaultHosts: [],
      limits: { loginsPerAddress: manyLogins, loginsPerIdentity: manyLogins },
    },
  });

  async function setVariable(id: string, value: string): Promise<void> {
    await house.broker.writeSecret({ ...house.admin, context: house.context() }, parseId(`acme:variable:${id}`), secret(value));
  }

  async function addService(name: string, values: Readonly<Record<string, string>>): Promise<void> {
    await house.load(servicePolicy(name, Object.keys(values)));
    for (const [variable, value] of Object.entries(values)) {
      if (value !== "") await setVariable(`conjur/authn-azure/${name}/${variable}`, value);
    }
  }

  await addService(service, { "provider-uri": simulator.tenant().providerUris.v1 });
  return {
    house,
    front,
    listener,
    addService,
    setVariable,
    async addLogins(logins) {
      await house.load(logins.map(loginPolicy).join(""));
    },
    async attempt(attempt) {
      const before = house.audit.length;
      const answer = await fetch(`${listener.url}${attempt.path ?? pathOf(attempt)}`, requestOf(attempt));
      const body = await answer.text();
      const lines = house.audit.slice(before).filter((line) => line.operation === "login");
      const last = lines.at(-1);
      return { status: answer.status, body, headers: answer.headers, lines, why: last === undefined ? "" : explainDecision(last) };
    },
    async adminToken() {
      const url = `${listener.url}/authn/acme/admin/authenticate`;
      const body = Buffer.from(house.adminKey.reveal()).toString();
      const answer = await fetch(url, { method: "POST", body, headers: { "accept-encoding": "base64" }, decompress: false });
      return `Token token="${await answer.text()}"`;
    },
    close: () => listener.stop(),
  };
}

/** What a case says of its answer and of the line about it, in one comparison. */
export function toldBy({ status, body, lines }: Outcome) {
  const [line, ...more] = lines;
  const failed = line?.checks?.findLast((check) => !check.ok)?.check;
  return { status, body, lines: more.length + (line === undefined ? 0 : 1), because: line?.because, failed };
}

/** `/authn-azure/AzureAE1/acme/host%2Fapps%2Fvm/authenticate` */
export function pathOf(attempt: Pick<Attempt, "service" | "account" | "login">): string {
  const parts = [attempt.service ?? service, attempt.account ?? "acme", attempt.login].map(encodeURIComponent);
  return `/authn-azure/${parts.join("/")}/authenticate`;
}

/** The annotations that a machine's own token satisfies, without one for its identity. */
export function whereabouts(simulator: AzureSimulator, machine = "vm", identity?: string): Record<string, string> {
  const mirid = simulator.machine(machine).identity(identity).mirid?.split("/") ?? [];
  return { "authn-azure/subscription-id": mirid[2] ?? "", "authn-azure/resource-group": mirid[4] ?? "" };
}

/** A token of now, whatever the house's time. */
export function tokenAt(simulator: AzureSimulator, clock: TestClock, request: MintRequest = {}): string {
  return simulator.mint({ now: clock.now(), ...request });
}

function requestOf({ token, body, method, headers, from }: Attempt) {
  const sent = body ?? (token === undefined ? "" : `jwt=${token}`);
  const verb = method ?? "POST";
  return {
    method: verb,
    headers: { "x-forwarded-for": from ?? "192.0.2.10", "content-type": "application/x-www-form-urlencoded", ...headers },
    // `Content-Encoding: base64` is Conjur's word for a body that is base64 text.
    decompress: false,
    ...(verb === "GET" || verb === "HEAD" ? {} : { body: sent }),
  };
}

function servicePolicy(name: string, variables: readonly string[]): string {
  return `
- !policy
  id: conjur/authn-azure/${name}
  body:
    - !webservice
    - !webservice status
    - !group apps
${variables.map((variable) => `    - !variable ${variable}\n`).join("")}
    - !permit
      role: !group apps
      privileges: [ read, authenticate ]
      resource: !webservice
`;
}

function loginPolicy({ login, annotations = {}, restrictedTo, services = [service] }: LoginPolicy): string {
  const [kind, id] = login.startsWith("host/") ? ["host", login.slice("host/".length)] : ["user", login];
  const conditions = Object.entries(annotations).map(([name, value]) => `    ${JSON.stringify(name)}: ${JSON.stringify(value)}\n`);
  return [
    `- !${kind}\n  id: ${id}\n`,
    restrictedTo === undefined ? "" : `  restricted_to: [ ${restrictedTo.join(", ")} ]\n`,
    conditions.length === 0 ? "" : `  annotations:\n${conditions.join("")}`,
    ...services.map((name) => `- !grant\n  role: !group conjur/authn-azure/${name}/apps\n  member: !${kind} ${id}\n`),
  ].join("");
}

function impatient(http: HttpClient): HttpClient {
  const patience = { timeoutMs: patienceMs, connectTimeoutMs: patienceMs };
  return {
    getJson: (url, limits) => http.getJson(url, { ...limits, ...patience }),
    send: (request, limits) => http.send(request, { ...limits, ...patience }),
  };
}
