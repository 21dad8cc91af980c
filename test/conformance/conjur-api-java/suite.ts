/** Conjur's Java API client, which Java applications, Spring's and Jenkins' integrations are built on. It trusts what a trust store made by keytool holds. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { installedFile } from "../support/client";
import { startDeployment } from "../support/deployment";
import { type Driver, startDriver } from "../support/driver";
import { administratorOf } from "../support/http";
import { organisationPolicy } from "../support/policies";

setDefaultTimeout(60_000);

const jar = installedFile("conjur-api-java", "conjur-api-java.jar");
const classes = join(installedFile("conjur-api-java", "Driver.class"), "..");
const deployment = await startDeployment({ tls: "authority" });
const { account, namedUrl, adminKey, caFile } = deployment;
const home = deployment.folder("java");
const trustStore = join(home, "trust.p12");
const drivers: Driver[] = [];

afterAll(async () => {
  for (const driver of drivers) await driver.stop();
  expect(await deployment.stop()).toBe(0);
});

const http = await administratorOf(deployment);
const keys = await http.load("root", organisationPolicy);
await http.set("db/password", "first");
await http.set("db/user name", "Jürgen");

const made = Bun.spawnSync(
  ["keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", caFile, "-keystore", trustStore, "-storetype", "PKCS12"].concat([
    "-storepass",
    "changeit",
  ]),
);
if (made.exitCode !== 0) throw new Error(`keytool: ${made.stdout}${made.stderr}`);

function connect(env: Readonly<Record<string, string>>, isTrusting = true): Driver {
  const trust = [`-Djavax.net.ssl.trustStore=${trustStore}`, "-Djavax.net.ssl.trustStorePassword=changeit"];
  // The client reaches into the platform by reflection, as its own documentation asks for on newer runtimes.
  const opens = ["java.lang", "java.net"].flatMap((name) => ["--add-opens", `java.base/${name}=ALL-UNNAMED`]);
  const driver = startDriver({
    command: ["java", ...opens, ...(isTrusting ? trust : []), "-cp", `${jar}:${classes}`, "Driver"],
    cwd: home,
    env: { CONJUR_APPLIANCE_URL: namedUrl, CONJUR_ACCOUNT: account, ...env },
  });
  drivers.push(driver);
  return driver;
}

describe("the Java client", () => {
  const admin = connect({ CONJUR_AUTHN_LOGIN: "admin", CONJUR_AUTHN_API_KEY: adminKey });
  const web = connect({ CONJUR_AUTHN_LOGIN: "host/web", CONJUR_AUTHN_API_KEY: keys["host:web"] ?? "" });

  test("takes its login and key from the environment", async () => {
    await admin.must("from environment");
    expect(await admin.must("get", "db/password")).toBe("first");
  });

  test("writes what it then reads", async () => {
    await admin.must("set", "db/url", "postgres://db?a=b&c=d%20e");
    expect(await admin.must("get", "db/url")).toBe("postgres://db?a=b&c=d%20e");
  });

  test("finds a name with a space, and reads text that is not English", async () => {
    expect(await admin.must("get", "db/user name")).toBe("Jürgen");
  });

  test("logs a host in, which reads what it may and nothing else", async () => {
    await web.must("from environment");
    expect(await web.must("get", "db/password")).toBe("first");
    expect(await web.call("get", "db/hidden")).toMatchObject({ error: expect.stringContaining("404") });
    expect(await web.call("get", "db/nothing")).toMatchObject({ error: expect.stringContaining("404") });
    expect(await web.call("set", "db/password", "mine")).toMatchObject({ error: expect.stringContaining("403") });
  });

  test("takes login and key as arguments, and is refused with a wrong key", async () => {
    expect(await admin.call("with key", "admin", "wrong")).toMatchObject({ error: expect.stringContaining("401") });
    await admin.must("with key", "admin", adminKey);
    expect(await admin.must("get", "db/password")).toBe("first");
  });

  test("takes a token that somebody else got", async () => {
    await admin.must("with token", await http.token("host/web", keys["host:web"] ?? ""));
    expect(await admin.must("get", "db/password")).toBe("first");
    expect(await admin.call("get", "db/hidden")).toMatchObject({ error: expect.stringContaining("404") });
  });

  test("does not talk to a server that its trust store does not vouch for", async () => {
    const lost = connect({ CONJUR_AUTHN_LOGIN: "admin", CONJUR_AUTHN_API_KEY: adminKey }, false);
    const connected = await lost.call("from environment");
    const answer = connected.error === undefined ? await lost.call("get", "db/password") : connected;
    expect(answer).toMatchObject({ error: expect.stringMatching(/PKIX|certificat|SSL/i) });
  });
});
