/** Where the lookup is, and what it needs in its environment. */

import { join } from "node:path";
import { clientFolder } from "../../../scripts/clients/install";
import { installedFile } from "../support/client";
import type { CloudFlow } from "../support/namespace";

export const driverCommand: readonly string[] = [installedFile("conjur-ansible", "venv/bin/python"), join(import.meta.dir, "driver.py")];

export const ansibleEnvironment: Readonly<Record<string, string>> = {
  ANSIBLE_COLLECTIONS_PATH: clientFolder("conjur-ansible"),
  ANSIBLE_NOCOLOR: "1",
  LC_ALL: "C.UTF-8",
};

/** How the lookup is started on a machine of a cloud. */
export function ansibleFlow(env: Readonly<Record<string, string>>): CloudFlow {
  const server = { CONJUR_APPLIANCE_URL: "SERVER_URL", CONJUR_ACCOUNT: "SERVER_ACCOUNT", CONJUR_CERT_FILE: "SERVER_CA_FILE" };
  return { command: driverCommand, connect: ["from environment"], isPersistent: true, env: { ...ansibleEnvironment, ...server, ...env } };
}
