/**
 * A Postern of the source text in a process of its own, whole but for its audit trail: `bun from-source.ts CONFIG [unaudited]`.
 *
 * The binary cannot be told to answer without an audit line, and must not be. So the price of that line is measured here, on two of these, one of which has
 * the writing taken out after it was put together.
 */

import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { loadConfig } from "../../src/config/config";
import { openListeners, openPremises } from "../../src/server/compose";

const [path = "", mode] = process.argv.slice(2);
const { config } = loadConfig({
  flags: {},
  environment: {},
  file: { path, text: readFileSync(path, "utf8") },
  folder: dirname(path),
  authenticatorForms: ["authn-azure/SERVICE"],
});
const premises = await openPremises(config);
if (mode === "unaudited") Object.assign(premises.audit, { append: () => Promise.resolve() });
const listeners = openListeners(config, premises);
process.on("SIGTERM", async () => {
  for (const listener of listeners) await listener.stop();
  await premises.close();
  process.exit(0);
});
