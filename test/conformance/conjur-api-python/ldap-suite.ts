/** The Python client with a directory. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { installedFile } from "../support/client";
import { startDriver } from "../support/driver";
import { dave, ldapService, startLdapDeployment } from "../support/ldap";

setDefaultTimeout(30_000);

const { deployment, stop } = await startLdapDeployment();
const driver = startDriver({
  command: [installedFile("conjur-api-python", "venv/bin/python"), join(import.meta.dir, "driver.py")],
  cwd: deployment.folder("python"),
  env: { SERVER_URL: deployment.namedUrl, SERVER_ACCOUNT: deployment.account, SERVER_CA_FILE: deployment.caFile },
});

afterAll(async () => {
  await driver.stop();
  expect(await stop()).toBe(0);
});

describe("the Python client with a directory", () => {
  test("logs in by the directory's password, and goes on with the key it got", async () => {
    await driver.must("with ldap", ldapService, dave.login, dave.password);
    expect(await driver.must("login")).toMatch(/^[0-9a-z]{40,64}$/);
    expect(await driver.must("whoami")).toMatchObject({ username: dave.login });
  });

  test("does not log in with a wrong password", async () => {
    await driver.must("with ldap", ldapService, dave.login, "dave's passwore");
    expect(await driver.call("login")).toMatchObject({ status: 401 });
  });
});
