/** The Go client with a machine's agent in place of a server: nothing but the address and the app's own token are told to it. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { secretsPolicy } from "../../../scripts/walkthrough/policies";
import { startAgent } from "../support/agent";
import { installedFile } from "../support/client";
import { startDeployment } from "../support/deployment";
import { type Driver, startDriver } from "../support/driver";
import { administratorOf } from "../support/http";
import { appsPolicy, authenticatorPolicy, azureService, grantPolicy } from "../support/policies";

setDefaultTimeout(30_000);

const deployment = await startDeployment({ tls: "authority", env: { CONJUR_AUTHENTICATORS: `authn,authn-azure/${azureService}` } });
const http = await administratorOf(deployment);
for (const text of [authenticatorPolicy, appsPolicy(deployment.azure), grantPolicy, secretsPolicy]) await http.load("root", text);
await http.set(`conjur/authn-azure/${azureService}/provider-uri`, deployment.azure.tenant().providerUris.v1);
await http.set("secrets/test-variable", "test-secret");

const home = deployment.folder("agent");
const token = "the app's own token";
writeFileSync(join(home, "app.token"), token, { mode: 0o600 });
const agent = await startAgent(home, {
  apps: 1,
  text: `data = "${home}/data"
[primary]
url = "${deployment.url}"
account = "${deployment.account}"
service = "${azureService}"
ca = "${deployment.caFile}"
[identity]
source = "imds"
endpoint = "${deployment.azure.machine("ad").url}/metadata/identity/oauth2/token"
[apps.app]
role = "host/azure-apps/azureVM"
listen = "127.0.0.1:0"
token_file = "${home}/app.token"
`,
});
const [url = ""] = agent.addresses;
const drivers: Driver[] = [];

afterAll(async () => {
  for (const driver of drivers) await driver.stop();
  expect(await agent.stop()).toBe(0);
  expect(await deployment.stop()).toBe(0);
});

function client(login: string, key: string): Driver {
  const server = { CONJUR_APPLIANCE_URL: url, CONJUR_ACCOUNT: deployment.account, CONJUR_CREDENTIAL_STORAGE: "none" };
  const env = { ...server, CONJUR_AUTHN_LOGIN: login, CONJUR_AUTHN_API_KEY: key };
  const driver = startDriver({ command: [installedFile("conjur-api-go", "driver")], cwd: home, env });
  drivers.push(driver);
  return driver;
}

describe("the Go client of a machine's agent", () => {
  test("reads one secret and several, with the app's token for its key", async () => {
    const app = client("host/azure-apps/azureVM", token);
    await app.must("from environment");
    expect(await app.must("get", "secrets/test-variable")).toBe("test-secret");
    const id = `${deployment.account}:variable:secrets/test-variable`;
    expect(await app.must("get many as text", "secrets/test-variable")).toEqual({ [id]: "test-secret" });
    const line = deployment.audit().findLast(({ operation }) => operation === "secret.read");
    expect(line).toMatchObject({ role: `${deployment.account}:host:azure-apps/azureVM` });
  });

  test("is refused what the primary refuses", async () => {
    const app = client("host/azure-apps/azureVM", token);
    await app.must("from environment");
    expect(await app.call("get", "secrets/somebody-elses")).toMatchObject({ status: 404 });
    expect(await app.call("set", "secrets/test-variable", "x")).toMatchObject({ status: 404 });
  });

  test.each([
    ["another token", "host/azure-apps/azureVM", "guessed"],
    ["another host of the machine", "host/azure-apps/azureVM-outside", token],
    ["the administrator's name", "admin", token],
  ])("gets nothing with %s", async (_title, login, key) => {
    const app = client(login, key);
    await app.must("from environment");
    expect(await app.call("get", "secrets/test-variable")).toMatchObject({ status: 401 });
  });
});
