/** Where `./scripts/conformance` has put a client. Throws for one that is not installed: a suite runs by that script alone. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { clientFolder } from "../../../scripts/clients/install";

/** A file of an installed client: `installedFile("conjur-api-go", "driver")`. */
export function installedFile(name: string, path: string): string {
  const file = join(clientFolder(name), path);
  if (!existsSync(file)) throw new Error(`${name} is not installed: run ./scripts/conformance ${name}`);
  return file;
}
