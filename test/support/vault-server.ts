/** A Postern that speaks Vault's protocol at an address of its own, to machines of a simulated Azure. All in this process and at one time. */

import { createVerifiers } from "../../src/authenticators/registry";
import { createHttpClient } from "../../src/runtime/http-client";
import { createListener, type Listener } from "../../src/server/listener";
import type { AzureSimulator } from "../../src/simulator/azure/simulator";
import { createVaultClient, type VaultClient } from "../fronts/vault/client";
import { startCloud } from "./azure-house";
import { createLogKeeper, noDirectory } from "./fake-issuer";
import { createTestClock, seededRandom, type TestClock } from "./house";

export interface VaultServer {
  readonly listener: Listener;
  readonly clock: TestClock;
  readonly azure: AzureSimulator;
  /** With a root token, past the listener. */
  readonly operator: VaultClient;
  close(): Promise<void>;
}

export const audience = "https://management.azure.com/";

/** The method `azure` is there, for the simulated tenant. */
export async function startVaultServer(): Promise<VaultServer> {
  const clock = createTestClock();
  const azure = await startCloud(clock);
  const logger = createLogKeeper();
  const random = seededRandom(11);
  const http = createHttpClient({ allowOutbound: [`${azure.entra.url}/`], extraRoots: [azure.caPem], clock, logger });
  const machineToken = () => Promise.reject(new Error("this server is no machine of Azure's"));
  const verifiers = createVerifiers({
    azure: { pause: async (ms) => clock.advance(ms), machineToken, addresses: { authority: azure.entra.url } },
    http,
    directory: noDirectory,
    clock,
    random,
    logger,
  });
  const operator = await createVaultClient({ clock, azure: verifiers.azure });
  const listener = createListener({
    fronts: [operator.front],
    clock,
    random,
    logger,
    meter: { began: () => undefined, ended: () => undefined, rejected: () => undefined },
    health: () => ({ status: "ready" }),
    config: { listen: "127.0.0.1:0", dialect: "vault", trustedProxies: [], keyVaultHosts: [] },
  });
  await operator.as("POST", "sys/auth/azure", { body: { type: "azure" } });
  await operator.as("POST", "auth/azure/config", { body: { tenant_id: azure.tenant().id, resource: audience } });
  return {
    listener,
    clock,
    azure,
    operator,
    async close() {
      await listener.stop();
      await azure.close();
    },
  };
}
