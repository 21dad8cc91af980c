/** Configurations of mounts of the method `azure`: who reads and writes them, and how Azure is asked by one. */

import { sha256Hex } from "../../crypto/digest";
import type { MethodVerb, MountMethod } from "../../model/audited-operations";
import type { PathAccess } from "../../model/paths";
import type { AzureAccess, AzureCredential, AzureDefaults, AzureProofs } from "../../model/ports";
import type { Caller, Instant } from "../../model/types";
import type { Demand, Gate } from "../gate";
import type { Graph } from "../graph";
import type { Projection } from "../projection";
import {
  type AzureConfig,
  type AzureConfigChange,
  AzureConfigDocument,
  changedConfig,
  type SettledConfig,
  settledConfig,
} from "./azure-config";
import type { IdentityTokens } from "./identity-tokens";
import { createMethodConfiguration, type MethodConfiguration, type MethodDeps, methodName } from "./method-roles";
import type { Mount } from "./mount";

export interface AzureConfigurations extends Pick<MethodConfiguration<AzureConfig>, "find" | "put"> {
  /** What holds of one. Throws `malformed` where neither it nor the environment says what must be said. */
  settled(config: AzureConfig): SettledConfig;
  /** What tokens must be for; empty where nothing says. */
  audience(graph: Graph, mount: Mount): string;
  /** How Azure is asked by it. Throws like `settled`. */
  access(config: AzureConfig, mount: Mount, now: Instant): AzureAccess;
  demand(operation: MethodVerb, access: PathAccess, mount: Mount): Demand;
  read(caller: Caller, access: PathAccess, mount: Mount): Promise<AzureConfig | undefined>;
  write(caller: Caller, access: PathAccess, mount: Mount, change: AzureConfigChange): Promise<void>;
  /** Does nothing when there is none. */
  remove(caller: Caller, access: PathAccess, mount: Mount): Promise<void>;
}

export interface AzureConfigurationsDeps extends MethodDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly azure: Pick<AzureProofs, "forget">;
  readonly identityTokens: Pick<IdentityTokens, "prepare" | "token">;
  readonly defaults: AzureDefaults;
}

export function createAzureConfigurations(deps: AzureConfigurationsDeps, mountType: MountMethod): AzureConfigurations {
  const { projection, gate, mounts, azure, identityTokens, defaults } = deps;
  const { find, put, remove, idOf } = createMethodConfiguration(deps, mountType, AzureConfigDocument);

  const demand = (operation: MethodVerb, access: PathAccess, mount: Mount): Demand => ({
    operation: `${mountType}.${operation}`,
    access,
    about: { resource: idOf(projection.graph(), mount), authenticator: methodName(mount) },
  });

  /** A secret; or tokens of Postern's own, for which there is none; or the identity of the machine that it runs on. */
  function credentialOf(
    { clientId, clientSecret, identityTokenAudience: audience }: SettledConfig,
    ttl: number,
    mount: Mount,
    now: Instant,
  ) {
    if (clientSecret !== undefined) return { by: "secret", clientId, secret: clientSecret } satisfies AzureCredential;
    if (audience === "") return { by: "machine" } satisfies AzureCredential;
    const assertion = () => identityTokens.token(mount, { audience, ttlSeconds: ttl, now });
    return { by: "assertion", clientId, assertion } satisfies AzureCredential;
  }

  return {
    find,
    put,
    demand,
    audience: (graph, mount) => find(graph, mount)?.resource || (defaults.resource ?? ""),
    settled: (config) => settledConfig(config, defaults),

    access(config, mount, now) {
      const settled = settledConfig(config, defaults);
      const { cloud, tenantId, clientId, identityTokenAudience } = settled;
      // Another secret, or another cloud, is another credential, and has to ask for itself.
      const parts = [cloud, tenantId, clientId, config.clientSecret, identityTokenAudience];
      return {
        cloud,
        tenant: tenantId,
        credential: credentialOf(settled, config.identityTokenTtlSeconds, mount, now),
        credentialName: `${mount.accessor} ${sha256Hex(JSON.stringify(parts))}`,
        retries: {
          most: Math.max(0, config.maxRetries),
          delaySeconds: config.retryDelaySeconds,
          maxDelaySeconds: config.maxRetryDelaySeconds,
        },
        freshSeconds: secondsOption(mount, "arm_fresh_seconds", 60, 300),
        staleSeconds: secondsOption(mount, "arm_stale_seconds", 0, 86_400),
      };
    },

    read: (caller, access, mount) => gate.release(caller, demand("read_config", access, mount), (graph) => find(graph, mount)),

    async write(caller, access, mount, change) {
      const { now } = caller.context;
      const exists = (graph: Graph): boolean => find(graph, mount) !== undefined;
      await gate.change(caller, { ...demand("write_config", access, mount), exists }, async () => {
        const wanted = changedConfig(find(projection.graph(), mount), change, defaults);
        if (wanted.identityTokenAudience !== "") await identityTokens.prepare(mount, { ttlSeconds: wanted.identityTokenTtlSeconds, now });
        await projection.write(mounts.account(projection.graph()), now, (graph) => ({
          changes: put(graph, mount, changedConfig(find(graph, mount), change, defaults), now),
          result: undefined,
        }));
      });
      azure.forget(mount.accessor);
    },

    async remove(caller, access, mount) {
      await gate.change(caller, demand("remove_config", access, mount), () =>
        projection.write(mounts.account(projection.graph()), caller.context.now, (graph) => ({
          changes: remove(graph, mount),
          result: undefined,
        })),
      );
      azure.forget(mount.accessor);
    },
  };
}

/** Seconds of an option of the mount: what is out of range is as if it were not set. */
function secondsOption({ options }: Mount, name: string, usual: number, most: number): number {
  const value = options[name] ?? "";
  return /^\d{1,6}$/.test(value) && Number(value) <= most ? Number(value) : usual;
}
