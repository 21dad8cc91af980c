/** A simulated Azure for a network namespace: an Arc server and a virtual machine at their real addresses. Prints what a primary must know, and serves until it is ended. */

import { chmodSync, chownSync } from "node:fs";
import { createClock } from "../../src/runtime/clock";
import { createAzureSimulator } from "../../src/simulator/azure/simulator";
import { seededRandom } from "./house";

const [group = "0", tokensFolder = "/var/opt/azcmagent/tokens"] = process.argv.slice(2);
const simulator = await createAzureSimulator({
  clock: createClock(),
  random: seededRandom(11),
  host: "0.0.0.0",
  allowNonLoopback: true,
  tokensFolder,
  cloud: {
    tenants: [{ name: "acme" }],
    audiences: [
      { uris: ["https://management.azure.com/"], appId: "797f4846-ba00-4fd7-ba43-dac1f8f63013" },
      { uris: ["https://vault.azure.net"] },
    ],
    machines: [
      { name: "box", kind: "arc", resourceGroup: "rg-branch", port: 40342 },
      { name: "vm", kind: "vm", resourceGroup: "rg-branch", port: 80 },
    ],
  },
});
// As the real agent has it: its group reads what is put here.
chownSync(simulator.tokensFolder, 0, Number(group));
chmodSync(simulator.tokensFolder, 0o2750);
const box = simulator.machine("box");
process.stdout.write(
  `${JSON.stringify({
    ca: simulator.caPem,
    provider: simulator.tenant().providerUris.v1,
    entra: simulator.entra.url,
    subscription: box.subscriptionId,
    oid: box.identity().oid,
    vmOid: simulator.machine("vm").identity().oid,
  })}\n`,
);
await new Promise<void>((resolve) => process.on("SIGTERM", () => resolve()));
await simulator.close();
