/** The Python client's AWS flow: it signs a question to STS by AWS's own library, and the server asks it. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { awsEnvironment, awsRegion, awsRole } from "../support/aws";
import { installedFile } from "../support/client";
import { flowThatWorks, namespaceCommand, playFlow } from "../support/namespace";

setDefaultTimeout(60_000);

const wrapper = namespaceCommand();

describe.skipIf(wrapper === undefined)("the Python client with a role of AWS (needs namespaces)", () => {
  test("logs in with the role", async () => {
    const host = `host/machines/${awsRole.account}/${awsRole.name}`;
    const report = await playFlow(wrapper ?? [], "aws", {
      command: [installedFile("conjur-api-python", "venv/bin/python"), join(import.meta.dir, "driver.py")],
      connect: ["with iam", host, "prod", awsRegion],
      env: { ...awsEnvironment, SERVER_URL: "SERVER_URL", SERVER_ACCOUNT: "SERVER_ACCOUNT", SERVER_CA_FILE: "SERVER_CA_FILE" },
    });
    expect(report).toMatchObject(flowThatWorks);
    expect([report.whoami, report.hidden]).toMatchObject([{ result: { username: host } }, { status: 404 }]);
  });
});
