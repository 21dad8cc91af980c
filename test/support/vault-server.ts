/** A Postern that speaks Vault's protocol at an address of its own, to machines of a simulated Azure. All in this process and at one time. */

import { createVerifiers } from "../../src/authenticators/registry";
import type { FrontApp } from "../../src/fronts/front";
import type { HttpClient } from "../../src/model/ports";
import { createHttpClient } from "../../src/runtime/http-client";
import { createListener, type Listener } from "../../src/server/listener";
import type { AzureSimulator } from "../../src/simulator/azure/simulator";
import { contextOf, quietEdge } from "../fronts/ask";
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

/** Where Azure finds this server: what it asks there, the server answers. */
export const outsideAddress = "https://postern.example:8200";

function askOf(front: () => FrontApp | undefined): HttpClient {
  return {
    getJson: () => Promise.reject(new Error("asked otherwise than expected")),
    async send({ url }) {
      if (!url.startsWith(`${outsideAddress}/`)) throw new Error(`nobody is at ${url}`);
      const bindings = { context: contextOf("vault"), edge: quietEdge };
      const answer = await front()?.app.fetch(new Request(url), bindings);
      if (answer === undefined) throw new Error("nobody is there yet");
      return { status: answer.status, headers: answer.headers.toJSON(), body: await answer.bytes() };
    },
  };
}

export const audience = "https://management.azure.com/";

/** What a token of the policy `app` may read. */
const appPolicy = ["secret/data/app/*", "old/app/*"]
  .map((path) => `path "${path}" { capabilities = ["read"] }`)
  .concat('path "secret/metadata/app/*" { capabilities = ["list"] }')
  .join("\n");

/** The method `azure` is there, for the simulated tenant, and keys of both versions below `secret` and `old`. */
export async function startVaultServer(): Promise<VaultServer> {
  const clock = createTestClock();
  let front: FrontApp | undefined;
  const azure = await startCloud(
    clock,
    askOf(() => front),
  );
  const logger = createLogKeeper();
  const random = seededRandom(11);
  const addresses = { authority: azure.entra.url, resourceManager: azure.resourceManager.url, graph: azure.graph.url };
  const allowOutbound = Object.values(addresses).map((url) => `${url}/`);
  const http = createHttpClient({ allowOutbound, extraRoots: [azure.caPem], clock, logger });
  const machineToken = () => Promise.reject(new Error("this server is no machine of Azure's"));
  const verifiers = createVerifiers({
    azure: { pause: async (ms) => clock.advance(ms), within: (_ms, work) => work, machineToken, addresses },
    http,
    directory: noDirectory,
    clock,
    random,
    logger,
  });
  const operator = await createVaultClient({ clock, azure: verifiers.azure });
  front = operator.front;
  const listener = createListener({
    fronts: [operator.front],
    clock,
    random,
    logger,
    meter: { began: () => undefined, ended: () => undefined, rejected: () => undefined },
    health: () => ({ status: "ready" }),
    config: { listen: "127.0.0.1:0", dialect: "vault", trustedProxies: [], keyVaultHosts: [] },
  });
  const done = async (path: string, body: object): Promise<void> => {
    const { status, text } = await operator.as("POST", path, { body });
    if (status > 204) throw new Error(`${path}: ${status} ${text}`);
  };
  await done("sys/auth/azure", { type: "azure" });
  await done("auth/azure/config", { tenant_id: azure.tenant().id, resource: audience });
  await done("sys/mounts/secret", { type: "kv", options: { version: "2" } });
  await done("sys/mounts/old", { type: "kv" });
  await done("secret/data/app/db", { data: { password: "first" } });
  await done("secret/data/app/db", { data: { password: "hunter2", big: 1 } });
  await done("old/app/db", { password: "kv one" });
  await done("sys/policies/acl/app", { policy: appPolicy });
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
