/** Runs where nobody else uses the agent's folder of challenges: a simulator that does, and every Arc case of the library for Python. Prints what came of them. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClock } from "../../../src/runtime/clock";
import { createRandom } from "../../../src/runtime/random";
import { createAzureSimulator } from "../../../src/simulator/azure/simulator";
import type { Outcome } from "../azure-identity/token-case";
import { startLibrary } from "./library";

const simulator = await createAzureSimulator({ clock: createClock(), random: createRandom(), tokensFolder: "/var/opt/azcmagent/tokens" });
const home = mkdtempSync(join(tmpdir(), "arc-python-"));
const library = startLibrary(home);
try {
  const machine = simulator.machine("arc-both");
  const assigned = machine.identity("id-app");
  const chosen = { client_id: assigned.clientId };
  const outcomes: Record<string, Outcome> = {
    system: await library.get("managed", machine.environment),
    default: await library.get("default", machine.environment),
    byClientId: await library.get("managed", machine.environment, chosen),
    byResourceId: await library.get("managed", machine.environment, { identity_config: { resource_id: assigned.mirid ?? "" } }),
    unknown: await library.get("managed", machine.environment, { client_id: machine.tenantId }),
  };
  machine.configure({ legacyAgent: true });
  outcomes.legacyAgent = await library.get("managed", machine.environment, chosen);
  machine.configure({ legacyAgent: false, echo: false });
  outcomes.noEcho = await library.get("managed", machine.environment, chosen);
  const identities = { system: machine.identity(), assigned, resourceId: machine.resourceId };
  process.stdout.write(JSON.stringify({ outcomes, identities, challenges: machine.requests("challenge") }));
} finally {
  await library.stop();
  rmSync(home, { recursive: true });
  await simulator.close();
}
