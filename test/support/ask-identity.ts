/** Asks the endpoint whose address and kind are given for this machine's token, with whatever is in the environment of the process. Prints what comes of it. */

import { createTestClock } from "./house";
import { createTestMachine, outcomeOf } from "./machine";

const [source = "", endpoint = "", tokensFolder = ""] = process.argv.slice(2);
if (source !== "imds" && source !== "arc" && source !== "app-service") throw new Error(`no source: ${source}`);
const environment = { IDENTITY_HEADER: "x" };
const machine = createTestMachine({ source, endpoint, tokensFolder }, { clock: createTestClock(), environment });
process.stdout.write(await outcomeOf(machine.identity, "https://management.azure.com/"));
