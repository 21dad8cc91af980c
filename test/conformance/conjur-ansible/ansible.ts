/** Where the lookup is, and what it needs in its environment. */

import { join } from "node:path";
import { clientFolder } from "../../../scripts/clients/install";
import { installedFile } from "../support/client";

export const driverCommand: readonly string[] = [installedFile("conjur-ansible", "venv/bin/python"), join(import.meta.dir, "driver.py")];

export const ansibleEnvironment: Readonly<Record<string, string>> = {
  ANSIBLE_COLLECTIONS_PATH: clientFolder("conjur-ansible"),
  ANSIBLE_NOCOLOR: "1",
  LC_ALL: "C.UTF-8",
};
