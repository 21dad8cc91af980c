/** The Python client's Azure flow, which it plays by itself against the metadata service's fixed address. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { installedFile } from "../support/client";
import { flowThatWorks, namespaceCommand, playFlow } from "../support/namespace";
import { azureService } from "../support/policies";

setDefaultTimeout(60_000);

const wrapper = namespaceCommand();

describe.skipIf(wrapper === undefined)("the Python client on an Azure VM (needs a network namespace)", () => {
  test("logs in with the machine's identity", async () => {
    const report = await playFlow(wrapper ?? [], "azure", {
      command: [installedFile("conjur-api-python", "venv/bin/python"), join(import.meta.dir, "driver.py")],
      connect: ["with azure", azureService, "host/azure-apps/azureVM"],
      env: { SERVER_URL: "SERVER_URL", SERVER_ACCOUNT: "SERVER_ACCOUNT", SERVER_CA_FILE: "SERVER_CA_FILE" },
    });
    expect(report).toMatchObject(flowThatWorks);
    expect([report.whoami, report.hidden]).toMatchObject([{ result: { username: "host/azure-apps/azureVM" } }, { status: 404 }]);
  });
});
