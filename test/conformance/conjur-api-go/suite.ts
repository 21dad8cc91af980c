/** Conjur's Go API client: everything that the Go CLI, summon, Terraform's provider and the secrets providers of Kubernetes do, they do through it. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { installedFile } from "../support/client";
import { type Deployment, startDeployment } from "../support/deployment";
import { type Driver, startDriver } from "../support/driver";
import { createJwtIssuer } from "../support/jwt-issuer";
import { jwtService } from "../support/policies";
import { type Row, tellOf } from "../support/rows";
import { accessRows, authenticatorRows, branchRows, factoryRows, listRows, policyRows, prepare, type Setting, secretRows } from "./rows";

setDefaultTimeout(30_000);

const deployment = await startDeployment({ tls: "authority" });
const admin = connect("admin", {});
const setting = await prepare(deployment, admin);
const strangers: Driver[] = [];

afterAll(async () => {
  for (const driver of [admin, ...strangers]) await driver.stop();
  expect(await deployment.stop()).toBe(0);
});

/** A client with a home of its own. All it knows stands in its environment. */
function connect(home: string, env: Readonly<Record<string, string>>, of: Deployment = deployment): Driver {
  const cwd = of.folder(home);
  const command = [installedFile("conjur-api-go", "driver")];
  const files = { CONJUR_CREDENTIAL_STORAGE: "file", CONJUR_NETRC_PATH: join(cwd, "netrc") };
  const server = { CONJUR_APPLIANCE_URL: of.url, CONJUR_ACCOUNT: of.account, CONJUR_CERT_FILE: of.caFile };
  return startDriver({ command, cwd, env: { ...server, ...files, ...env } });
}

/** One who is not the administrator, for a few calls. */
function stranger(home: string, env: Readonly<Record<string, string>>): Driver {
  const driver = connect(home, env);
  strangers.push(driver);
  return driver;
}

function rows(title: string, table: (setting: Setting) => readonly Row[]): void {
  describe(title, () => {
    test.each(table(setting).map((row): [string, Row] => [row.name, row]))("%s", async (_name, row) => {
      expect(tellOf(await admin.call(...row.ask), row)).toEqual(tellOf(row.gives, row));
    });
  });
}

describe("the Go client's ways in", () => {
  test("logs in by password or key, keeps the key, and needs nothing more", async () => {
    const home = stranger("login", {});
    await home.must("without credentials");
    expect(await home.call("login", "admin", "wrong")).toEqual({ error: "401 Unauthorized", status: 401 });
    expect(await home.must("login", "admin", deployment.adminKey)).toBe(deployment.adminKey);
    await home.must("from environment");
    expect(await home.must("whoami")).toMatchObject({ username: "admin", account: deployment.account, client_ip: "127.0.0.1" });
    await home.must("logout");
    expect(await home.call("from environment")).toMatchObject({ error: expect.stringContaining("not found") });
  });

  test("takes login and key from the environment, for a host too", async () => {
    const env = { CONJUR_AUTHN_LOGIN: "host/web", CONJUR_AUTHN_API_KEY: setting.keys["host:web"] ?? "" };
    const host = stranger("host", env);
    await host.must("from environment");
    expect(await host.must("whoami")).toMatchObject({ username: "host/web" });
    expect(await host.must("get", "db/password")).toBe("first");
    expect(await host.call("get", "db/hidden")).toMatchObject({ status: 404 });
    expect(await host.call("set", "db/password", "mine")).toMatchObject({ status: 403 });
  });

  test("takes a token as text or in a file, as a sidecar leaves it", async () => {
    const token = String(await admin.must("authenticate"));
    const byText = stranger("token", { CONJUR_AUTHN_TOKEN: token });
    await byText.must("from environment");
    expect(await byText.must("whoami")).toMatchObject({ username: "admin" });
    const file = join(deployment.folder("token-file"), "access-token");
    writeFileSync(file, token);
    const byFile = stranger("token-by-file", { CONJUR_AUTHN_TOKEN_FILE: file });
    await byFile.must("from environment");
    expect(await byFile.must("get", "db/password")).toBe("first");
  });

  test("reads the time in the token's payload, in base64 of the standard alphabet", async () => {
    const token: { payload: string } = JSON.parse(String(await admin.must("authenticate")));
    expect(token.payload).toMatch(/^[A-Za-z0-9+/]+=*$/);
    expect(JSON.parse(atob(token.payload))).toMatchObject({ sub: "admin", iat: expect.any(Number), exp: expect.any(Number) });
  });

  test("finds everything below the prefix of an appliance too", async () => {
    const prefixed = stranger("prefixed", { CONJUR_APPLIANCE_URL: `${deployment.url}/api` });
    await prefixed.must("with key", "admin", deployment.adminKey);
    expect(await prefixed.must("whoami")).toMatchObject({ username: "admin" });
    expect(await prefixed.must("get", "db/password")).toBe("first");
    expect(await prefixed.must("get many as text", "db/password")).toEqual({ [`${deployment.account}:variable:db/password`]: "first" });
    expect(await prefixed.must("list", "kind=layer")).toEqual([`${deployment.account}:layer:apps`]);
  });

  test("gets a new token before the old one ends, and is never refused", async () => {
    const brief = await startDeployment({ tls: "authority", env: { CONJUR_USER_AUTHORIZATION_TOKEN_TTL: "2" } });
    try {
      const lasting = connect("lasting", { CONJUR_AUTHN_LOGIN: "admin", CONJUR_AUTHN_API_KEY: brief.adminKey }, brief);
      await lasting.must("from environment");
      const issued = new Set<string>();
      const deadline = performance.now() + 10_000;
      while (issued.size < 3 && performance.now() < deadline) {
        const who = JSON.stringify(await lasting.must("whoami"));
        issued.add(/"token_issued_at":"([^"]+)"/.exec(who)?.[1] ?? "");
      }
      expect(issued.size).toBe(3);
      await lasting.stop();
    } finally {
      await brief.stop();
    }
  });

  test("does not talk to a server whose certificate it was not told to trust", async () => {
    const other = await startDeployment({ tls: "authority" });
    try {
      const lost = connect("lost", { CONJUR_CERT_FILE: deployment.caFile }, other);
      await lost.must("without credentials");
      expect(await lost.call("login", "admin", other.adminKey)).toMatchObject({ error: expect.stringContaining("certificate") });
      await lost.stop();
    } finally {
      await other.stop();
    }
  });

  test("logs in by a JWT of an issuer whose keys are in the policy, and not by one that another key signed", async () => {
    const issuer = await createJwtIssuer();
    for (const [variable, value] of issuer.variables) await admin.must("set", variable, value);
    await admin.must("enable", "jwt", jwtService);
    const file = join(deployment.folder("jwt-file"), "jwt");
    writeFileSync(file, issuer.token());
    const bySettings = stranger("jwt", { CONJUR_AUTHN_TYPE: "jwt", CONJUR_SERVICE_ID: jwtService, JWT_TOKEN_PATH: file });
    await bySettings.must("from environment");
    expect(await bySettings.must("whoami")).toMatchObject({ username: "host/pipeline" });
    const byText = stranger("jwt-text", { CONJUR_AUTHN_JWT_SERVICE_ID: jwtService, CONJUR_AUTHN_JWT_TOKEN: issuer.forged() });
    await byText.must("from environment");
    expect(await byText.call("whoami")).toMatchObject({ error: expect.stringContaining("401") });
  });
});

rows("the Go client's secrets", secretRows);
rows("the Go client's policies", policyRows);
rows("the Go client's lists", listRows);
rows("the Go client's questions about resources and roles", accessRows);
rows("the Go client's host factories", factoryRows);
rows("the Go client's authenticators", authenticatorRows);
rows("the Go client's branches", branchRows);

describe("the Go client's credentials", () => {
  test("change their password and key, and the old ones end", async () => {
    const alice = stranger("alice", {});
    await alice.must("without credentials");
    const key = setting.keys["user:alice"] ?? "";
    await alice.must("login", "alice", key);
    await alice.must("from environment");
    expect(await alice.call("change password", "weak")).toMatchObject({ status: 422, error: expect.stringContaining("CONJ00046E") });
    await alice.must("change password", "Str0ng!Pass-Word");
    expect(await alice.must("login", "alice", "Str0ng!Pass-Word")).toBe(key);
    const rotated = String(await alice.must("rotate own key"));
    expect(rotated).not.toBe(key);
    expect(await alice.call("login", "alice", key)).toMatchObject({ status: 401 });
    expect(await alice.must("login", "alice", rotated)).toBe(rotated);
  });

  test("are rotated by those who may, and by nobody else", async () => {
    const key = String(await admin.must("rotate user key", "bob"));
    const bob = stranger("bob", { CONJUR_AUTHN_LOGIN: "bob", CONJUR_AUTHN_API_KEY: key });
    await bob.must("from environment");
    expect(await bob.must("whoami")).toMatchObject({ username: "bob" });
    expect(await bob.call("rotate host key", "web")).toMatchObject({ status: 404 });
    expect(await admin.must("rotate host key", "web")).toMatch(/^[0-9a-z]{40,64}$/);
    expect(await admin.call("rotate key", "group:ops")).toMatchObject({ status: 405 });
    expect(await admin.call("rotate key", "host:nobody")).toMatchObject({ status: 404 });
  });
});
