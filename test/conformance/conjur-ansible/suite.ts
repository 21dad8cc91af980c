/**
 * Ansible's lookup `cyberark.conjur.conjur_variable`, which makes its requests by itself, through none of the API clients. What it is refused it asks for again, five
 * times and ten seconds apart, so the refusals of a variable are left to the other suites.
 */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { installedFile } from "../support/client";
import { startDeployment } from "../support/deployment";
import { type Driver, startDriver } from "../support/driver";
import { administratorOf } from "../support/http";
import { organisationPolicy } from "../support/policies";
import { createShell } from "../support/shell";
import { ansibleEnvironment, driverCommand } from "./ansible";

setDefaultTimeout(60_000);

const deployment = await startDeployment({ tls: "authority" });
const { account, url, namedUrl, caFile } = deployment;
const http = await administratorOf(deployment);
const keys = await http.load("root", organisationPolicy);
await http.set("db/password", "first");
await http.set("db/user name", "Jürgen");
const home = deployment.folder("ansible");
const server = { CONJUR_APPLIANCE_URL: namedUrl, CONJUR_ACCOUNT: account, CONJUR_CERT_FILE: caFile };
const web = { CONJUR_AUTHN_LOGIN: "host/web", CONJUR_AUTHN_API_KEY: keys["host:web"] ?? "" };
const drivers: Driver[] = [];

afterAll(async () => {
  for (const driver of drivers) await driver.stop();
  expect(await deployment.stop()).toBe(0);
});

function lookup(env: Readonly<Record<string, string>>): Driver {
  const driver = startDriver({ command: driverCommand, cwd: home, env: { ...ansibleEnvironment, ...server, ...env } });
  drivers.push(driver);
  return driver;
}

describe("Ansible's lookup", () => {
  const host = lookup(web);

  test("reads a variable as a host", async () => {
    expect(await host.must("get", "db/password")).toBe("first");
  });

  test("reads one with a space in its name, and text that is not English", async () => {
    expect(await host.must("get", "db/user name")).toBe("Jürgen");
  });

  test("gives the value as a file to those who want one", async () => {
    const path = String(await host.must("get", "db/password", { as_file: true }));
    expect(readFileSync(path, "utf8")).toBe("first");
    rmSync(path);
  });

  test("is refused with a wrong key", async () => {
    expect(await lookup({ ...web, CONJUR_AUTHN_API_KEY: "wrong" }).call("get", "db/password")).toMatchObject({ status: 401 });
  });

  test("takes a token from a file", async () => {
    const file = join(home, "token");
    writeFileSync(file, await http.token("host/web", keys["host:web"] ?? ""));
    expect(await lookup({ CONJUR_AUTHN_TOKEN_FILE: file }).must("get", "db/password")).toBe("first");
  });

  test("takes an identity as a machine keeps it, and its server from a file", async () => {
    const identity = join(home, "conjur.identity");
    const config = join(home, "conjur.conf");
    writeFileSync(identity, `machine ${url}/authn\n  login host/web\n  password ${keys["host:web"]}\n`);
    writeFileSync(config, `---\naccount: ${account}\nappliance_url: ${url}\ncert_file: ${caFile}\n`);
    const files = { CONJUR_IDENTITY_FILE: identity, CONJUR_CONFIG_FILE: config, CONJUR_CERT_FILE: caFile };
    const driver = startDriver({ command: driverCommand, cwd: home, env: { ...ansibleEnvironment, ...files, CONJUR_ACCOUNT: account } });
    drivers.push(driver);
    expect(await driver.must("get", "db/password")).toBe("first");
  });

  test("does not talk to a server that nobody vouches for", async () => {
    const lost = lookup({ ...web, CONJUR_CERT_FILE: "" });
    expect(await lost.call("get", "db/password")).toMatchObject({ error: expect.stringMatching(/certificate/i) });
  });

  test("fills a template of a play", async () => {
    const shell = createShell(installedFile("conjur-ansible", "venv/bin/ansible"), home, { ...ansibleEnvironment, ...server, ...web });
    const message = "msg={{ lookup('cyberark.conjur.conjur_variable', 'db/password') }}";
    expect(await shell.must(["localhost", "-i", "localhost,", "-c", "local", "-m", "debug", "-a", message])).toContain('"msg": "first"');
  });
});
