/** How the Go client is started on a machine of a cloud, where everything it needs stands in its environment. */

import { installedFile } from "../support/client";
import type { CloudFlow } from "../support/namespace";

export function goFlow(env: Readonly<Record<string, string>>): CloudFlow {
  const server = { CONJUR_APPLIANCE_URL: "SERVER_URL", CONJUR_ACCOUNT: "SERVER_ACCOUNT", CONJUR_CERT_FILE: "SERVER_CA_FILE" };
  return {
    command: [installedFile("conjur-api-go", "driver")],
    connect: ["from environment"],
    env: { ...server, CONJUR_CREDENTIAL_STORAGE: "none", ...env },
  };
}
