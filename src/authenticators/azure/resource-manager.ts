/**
 * Azure's Resource Manager, as far as logins ask it: what a machine, a scale set or another resource is run as, and where.
 *
 * The credential's token is kept until shortly before its end. What Azure knew of a resource serves again for a little while, asked once by however many; what it
 * did not know or refused does not. While it cannot be reached the last answer serves for as long as the operator says, by default not at all.
 * Source: Azure REST API, Compute 2023-07-01, Managed Identity 2023-01-31, Resources 2021-04-01; vault-plugin-auth-azure v0.24.0 for which is asked.
 */

import * as v from "valibot";
import { failureOf, PosternError } from "../../model/failures";
import type { AzureAccess, AzureResource, AzureResources, Clock, HttpAnswer, HttpClient } from "../../model/ports";
import type { CloudAddresses } from "./proofs";
import { isAwayStatus, type NoServiceToken, type ServiceTokens } from "./service-tokens";

export interface ResourceManager {
  /** For one login: everything that it asks is answered within half a minute from now, or by those who asked the same. */
  resources(access: AzureAccess): AzureResources;
  /** By the beginning of their names. */
  forget(credentialName: string): void;
}

export interface ResourceManagerDeps {
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly pause: (ms: number) => Promise<void>;
  readonly tokens: ServiceTokens;
  readonly addressesOf: (cloud: AzureAccess["cloud"]) => CloudAddresses;
}

interface Entry {
  readonly document: unknown;
  readonly atMs: number;
}

const secondMs = 1000;
const deadlineMs = 30 * secondMs;
const limits = { maxBytes: 1_048_576, timeoutMs: 10 * secondMs, connectTimeoutMs: 3 * secondMs };
const maxEntries = 4096;
const maxFlights = 256;
const maxPages = 50;
/** Whatever a mount says: nobody is asked more often or faster than this. */
const mostRetries = 10;
const leastPauseMs = secondMs;

const Identity = v.optional(
  v.nullable(
    v.object({
      principalId: v.optional(v.nullable(v.string())),
      userAssignedIdentities: v.optional(
        v.nullable(
          v.record(v.string(), v.object({ principalId: v.optional(v.nullable(v.string())), clientId: v.optional(v.nullable(v.string())) })),
        ),
      ),
    }),
  ),
);
const Resource = v.object({
  location: v.optional(v.string()),
  identity: Identity,
  properties: v.optional(v.nullable(v.object({ virtualMachineScaleSet: v.optional(v.nullable(v.object({ id: v.string() }))) }))),
});
const IdentityResource = v.object({ properties: v.object({ principalId: v.optional(v.nullable(v.string())) }) });
const IdentityList = v.object({
  value: v.array(v.object({ id: v.string(), properties: v.object({ clientId: v.optional(v.nullable(v.string())) }) })),
  nextLink: v.optional(v.nullable(v.string())),
});
const Provider = v.object({ resourceTypes: v.array(v.object({ resourceType: v.string(), apiVersions: v.array(v.string()) })) });

const compute = "2023-07-01";
const managedIdentity = "2023-01-31";
const providers = "2021-04-01";
/** For types that the provider does not list. */
const usualVersion = "2022-03-01";

export function createResourceManager(deps: ResourceManagerDeps): ResourceManager {
  const { http, clock, pause, addressesOf, tokens } = deps;
  const known = new Map<string, Entry>();
  const flights = new Map<string, Promise<Outcome>>();
  const versions = new Map<string, string>();

  /** Asks until there is an answer, a final refusal, or no patience left. */
  async function ask(access: AzureAccess, url: string, endMs: number): Promise<Outcome> {
    const { most, delaySeconds, maxDelaySeconds } = access.retries;
    for (let attempt = 0; ; attempt += 1) {
      const outcome = await once(access, url, endMs);
      if ("document" in outcome || !outcome.isTransient || attempt >= Math.min(most, mostRetries)) return outcome;
      const wantedMs = outcome.retryAfterMs ?? delaySeconds * secondMs * 2 ** attempt;
      const waitMs = Math.max(leastPauseMs, Math.min(wantedMs, maxDelaySeconds * secondMs));
      if (clock.monotonicMs() + waitMs >= endMs) return outcome;
      await pause(waitMs);
    }
  }

  async function once(access: AzureAccess, url: string, endMs: number): Promise<Outcome> {
    const held = await tokens.token(access, addressesOf(access.cloud).resourceManagerAudience);
    if (!("token" in held)) return { ...held, isTransient: false };
    const timeoutMs = Math.min(limits.timeoutMs, endMs - clock.monotonicMs());
    if (timeoutMs <= 0) return { failure: unavailable(url, "deadline").failure, isAway: true, isTransient: false };
    try {
      const answer = await http.send({ url, headers: { authorization: `Bearer ${held.token}` } }, { ...limits, timeoutMs });
      if (answer.status === 401) tokens.forget(access.credentialName);
      return outcomeOf(answer, url);
    } catch (error) {
      const failure = failureOf(error);
      if (failure.code !== "upstream_unavailable") throw error;
      return { failure, isAway: true, isTransient: failure.because === "timeout" || failure.because === "connect" };
    }
  }

  /** What is known, what is on its way, or a question of one's own. */
  async function documentAt(access: AzureAccess, url: string, endMs: number): Promise<unknown> {
    const key = `${access.credentialName} ${url}`;
    const entry = known.get(key);
    const isYounger = (seconds: number): boolean => entry !== undefined && clock.monotonicMs() - entry.atMs < seconds * secondMs;
    if (entry !== undefined && isYounger(access.freshSeconds)) return entry.document;
    const outcome = await (flights.get(key) ?? begin(access, url, key, endMs));
    if ("document" in outcome) return outcome.document;
    if (outcome.isAway && entry !== undefined && isYounger(access.staleSeconds)) return entry.document;
    // Whatever Azure says now, what it said before does not count any more.
    if (!outcome.isAway) known.delete(key);
    throw new PosternError(outcome.failure);
  }

  function begin(access: AzureAccess, url: string, key: string, endMs: number): Promise<Outcome> {
    if (flights.size >= maxFlights) throw unavailable(url, "overloaded", true);
    const flight = ask(access, url, endMs)
      .then((outcome) => {
        // What was on its way when the credential changed is for those who wait, and for nobody after them.
        if (!("document" in outcome) || flights.get(key) !== flight) return outcome;
        const oldest = known.keys().next();
        if (known.size >= maxEntries && oldest.done !== true) known.delete(oldest.value);
        known.set(key, { document: outcome.document, atMs: clock.monotonicMs() });
        return outcome;
      })
      .finally(() => (flights.get(key) === flight ? flights.delete(key) : undefined));
    flights.set(key, flight);
    return flight;
  }

  return {
    forget(credentialName) {
      for (const of of [known, flights]) for (const key of of.keys()) if (key.startsWith(credentialName)) of.delete(key);
    },

    resources(access) {
      const { resourceManager } = addressesOf(access.cloud);
      const base = resourceManager.replace(/\/*$/u, "");
      const endMs = clock.monotonicMs() + deadlineMs;
      const at = (path: string, version: string): Promise<unknown> =>
        documentAt(access, `${base}${encoded(path)}${path.includes("?") ? "&" : "?"}api-version=${version}`, endMs);
      const inGroup = (subscription: string, group: string, rest: string): string =>
        `/subscriptions/${subscription}/resourceGroups/${group}/providers/${rest}`;

      /** The newest version of the type's interface that is no preview, as the provider lists them. */
      async function versionFor(id: string): Promise<string> {
        const [, , subscription = "", , , , namespace = "", ...pairs] = id.split("/");
        const type = pairs.filter((_, index) => index % 2 === 0).join("/");
        const name = `${access.cloud} ${namespace}/${type}`.toLowerCase();
        const remembered = versions.get(name);
        if (remembered !== undefined) return remembered;
        const provider = understood(Provider, await at(`/subscriptions/${subscription}/providers/${namespace}`, providers), base);
        const listed = provider.resourceTypes.find(({ resourceType }) => resourceType.toLowerCase() === type.toLowerCase());
        const version = listed?.apiVersions.find((each) => !each.includes("preview") && /^[\w.-]{1,40}$/.test(each));
        if (version !== undefined) versions.set(name, version);
        return version ?? usualVersion;
      }

      return {
        virtualMachine: async (subscription, group, name) =>
          resourceIn(
            await at(`${inGroup(subscription, group, `Microsoft.Compute/virtualMachines/${name}`)}?$expand=instanceView`, compute),
            base,
          ),
        scaleSet: async (subscription, group, name) =>
          resourceIn(await at(inGroup(subscription, group, `Microsoft.Compute/virtualMachineScaleSets/${name}`), compute), base),
        resource: async (id) => resourceIn(await at(id, await versionFor(id)), base),
        principalOf: async (id) => understood(IdentityResource, await at(id, managedIdentity), base).properties.principalId ?? undefined,

        async identitiesIn(subscription, group) {
          const found: { readonly id: string; readonly clientId: string }[] = [];
          const first = inGroup(subscription, group, "Microsoft.ManagedIdentity/userAssignedIdentities");
          let url: string | undefined = `${base}${encoded(first)}?api-version=${managedIdentity}`;
          for (let page = 0; url !== undefined && page < maxPages; page += 1) {
            const { value, nextLink }: v.InferOutput<typeof IdentityList> = understood(
              IdentityList,
              await documentAt(access, url, endMs),
              base,
            );
            for (const { id, properties } of value) if (properties.clientId) found.push({ id, clientId: properties.clientId });
            // A next page is on the same host, or there is none.
            url = nextLink?.startsWith(`${base}/`) === true ? nextLink : undefined;
          }
          return found;
        },
      };
    },
  };
}

/** `isTransient`: it is worth asking again at once. */
type Outcome = { readonly document: unknown } | (NoServiceToken & { readonly isTransient: boolean; readonly retryAfterMs?: number });

function outcomeOf({ status, headers, body }: HttpAnswer, url: string): Outcome {
  if (status === 200) {
    try {
      return { document: JSON.parse(Buffer.from(body).toString("utf8")) };
    } catch {
      return { failure: unavailable(url, "not_json").failure, isAway: false, isTransient: false };
    }
  }
  if (status === 404)
    return { failure: { code: "not_found", target: "a resource of Azure", because: "arm_not_found" }, isAway: false, isTransient: false };
  const seconds = /^\d{1,4}$/.test(headers["retry-after"] ?? "") ? Number(headers["retry-after"]) : undefined;
  const isAway = isAwayStatus(status);
  return {
    failure: unavailable(url, `http_${status}`).failure,
    isAway,
    isTransient: isAway,
    ...(seconds === undefined ? {} : { retryAfterMs: seconds * secondMs }),
  };
}

function resourceIn(document: unknown, base: string): AzureResource {
  const { location, identity, properties } = understood(Resource, document, base);
  const scaleSet = properties?.virtualMachineScaleSet?.id;
  return {
    ...(location === undefined ? {} : { location }),
    ...(scaleSet === undefined ? {} : { scaleSet }),
    ...(identity === undefined || identity === null
      ? {}
      : {
          identity: {
            ...(identity.principalId ? { systemPrincipal: identity.principalId } : {}),
            assigned: Object.entries(identity.userAssignedIdentities ?? {}).map(([id, { principalId, clientId }]) => ({
              id,
              ...(principalId ? { principal: principalId } : {}),
              ...(clientId ? { clientId } : {}),
            })),
          },
        }),
  };
}

/** Each segment by itself; the words of the query are ours. */
function encoded(path: string): string {
  const [before = "", query] = path.split("?", 2);
  const segments = before.split("/").map(encodeURIComponent).join("/");
  return query === undefined ? segments : `${segments}?${query}`;
}

function understood<Value>(schema: v.GenericSchema<unknown, Value>, document: unknown, base: string): Value {
  const parsed = v.safeParse(schema, document);
  if (parsed.success) return parsed.output;
  throw unavailable(base, "arm_document");
}

function unavailable(url: string, because: string, overloaded = false): PosternError {
  const upstream = URL.parse(url)?.origin ?? "azure";
  return new PosternError({ code: "upstream_unavailable", upstream, because, ...(overloaded ? { overloaded } : {}) });
}
