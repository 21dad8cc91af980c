/** The Go client with a directory: a password is shown once, the API key that it gives is kept. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { installedFile } from "../support/client";
import { type Driver, startDriver } from "../support/driver";
import { dave, ldapService, startLdapDeployment } from "../support/ldap";

setDefaultTimeout(30_000);

const { deployment, stop } = await startLdapDeployment();
const drivers: Driver[] = [];

afterAll(async () => {
  for (const driver of drivers) await driver.stop();
  expect(await stop()).toBe(0);
});

async function client(): Promise<Driver> {
  const cwd = deployment.folder(`home-${drivers.length}`);
  const server = { CONJUR_APPLIANCE_URL: deployment.url, CONJUR_ACCOUNT: deployment.account, CONJUR_CERT_FILE: deployment.caFile };
  const env = {
    ...server,
    CONJUR_CREDENTIAL_STORAGE: "file",
    CONJUR_NETRC_PATH: join(cwd, "netrc"),
    CONJUR_AUTHN_TYPE: "ldap",
    CONJUR_SERVICE_ID: ldapService,
  };
  const driver = startDriver({ command: [installedFile("conjur-api-go", "driver")], cwd, env });
  drivers.push(driver);
  await driver.must("without credentials");
  return driver;
}

describe("the Go client with a directory", () => {
  test("logs in by the directory's password, and goes on with the key it got", async () => {
    const driver = await client();
    expect(await driver.must("login", dave.login, dave.password)).toMatch(/^[0-9a-z]{40,64}$/);
    await driver.must("from environment");
    expect(await driver.must("whoami")).toMatchObject({ username: dave.login });
  });

  test.each([
    ["a wrong password", dave.login, "dave's passwore", 401],
    ["no password", dave.login, "", 401],
    ["a name that the directory does not know", "mallory", dave.password, 401],
    ["a name that is not granted", "erin", "erin's password", 403],
    ["the administrator's name", "admin", dave.password, 401],
  ])("does not log in with %s", async (_title, login, password, status) => {
    expect(await (await client()).call("login", login, password)).toMatchObject({ status });
  });
});
