/**
 * Runs inside a mount namespace: a simulator whose Arc servers keep their challenges where Azure's library insists on, and every Arc case against it.
 * Prints the outcomes by name, and who the machine's identities are.
 */

import { createClock } from "../../../src/runtime/clock";
import { createRandom } from "../../../src/runtime/random";
import { createAzureSimulator } from "../../../src/simulator/azure/simulator";
import { getToken, type Outcome, type TokenCase } from "./token-case";

const simulator = await createAzureSimulator({ clock: createClock(), random: createRandom(), tokensFolder: "/var/opt/azcmagent/tokens" });
try {
  const machine = simulator.machine("arc-both");
  const assigned = machine.identity("id-app");
  const scope = "https://postern.example/.default";
  const byClientId: TokenCase = { scope, credential: "managed", clientId: assigned.clientId };

  const outcomes: Record<string, Outcome> = {
    system: await getToken({ scope, credential: "managed" }, machine.environment),
    default: await getToken({ scope, credential: "default" }, machine.environment),
    byClientId: await getToken(byClientId, machine.environment),
    byObjectId: await getToken({ scope, credential: "managed", objectId: assigned.oid }, machine.environment),
    byResourceId: await getToken({ scope, credential: "managed", resourceId: assigned.mirid ?? "" }, machine.environment),
    unknown: await getToken({ scope, credential: "managed", clientId: machine.tenantId }, machine.environment),
  };
  machine.configure({ legacyAgent: true });
  outcomes.legacyAgent = await getToken(byClientId, machine.environment);
  machine.configure({ legacyAgent: false, echo: false });
  outcomes.noEcho = await getToken(byClientId, machine.environment);
  const identities = { system: machine.identity(), assigned, resourceId: machine.resourceId };
  process.stdout.write(JSON.stringify({ outcomes, identities, challenges: machine.requests("challenge") }));
} finally {
  await simulator.close();
}
