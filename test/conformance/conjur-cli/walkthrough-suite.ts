/**
 * The walkthrough of Conjur's Azure authenticator from the empty machine to the last refusal, by Conjur's command line and, on the VM, by curl. The numbers are
 * those of the steps; they build on each other. Sources: "Azure Authenticator" of Conjur's documentation, and the published walkthroughs that follow it.
 */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { curl, imdsLine, platformToken } from "../../../scripts/walkthrough/machines";
import { secretsPolicy } from "../../../scripts/walkthrough/policies";
import { installedFile } from "../support/client";
import { type Deployment, startDeployment } from "../support/deployment";
import { administratorOf } from "../support/http";
import { appsPolicy, authenticatorPolicy, azureService, grantPolicy } from "../support/policies";
import { createShell } from "../support/shell";

setDefaultTimeout(30_000);

const conjur = installedFile("conjur-cli", "venv/bin/conjur");
const deployment = await startDeployment({ tls: "self-signed", env: { CONJUR_AUTHENTICATORS: `authn,authn-azure/${azureService}` } });
const { account, url, namedUrl, adminKey, caFile, azure } = deployment;
const cli = createShell(conjur, deployment.folder("operator"));
const target = { url, caFile };
const login = (host: string): string =>
  `curl -s -X POST -H 'Accept-Encoding: base64' --data-urlencode "jwt=$jwt" ${url}/authn-azure/${azureService}/${account}/host%2Fazure-apps%2F${host}/authenticate`;
const read = (path: string, at = url): string =>
  `curl -s -H "Authorization: Token token=\\"$token\\"" ${at}/secrets/${account}/variable/${path}`;
const id = (rest: string): string => `${account}:${rest}`;

/** What the VM holds as it goes on. */
let jwt = "";
let token = "";

afterAll(async () => {
  expect(await deployment.stop()).toBe(0);
});

async function load(file: string, text: string): Promise<unknown> {
  cli.file(file, text);
  return JSON.parse(await cli.must(["policy", "load", "-b", "root", "-f", file]));
}

describe("the walkthrough, by the operator", () => {
  test("1: the server answers, and enables what its environment names", async () => {
    expect(await curl(target, `curl -s ${url}/`)).toMatchObject({ status: 200, body: expect.stringContaining("Version 1.24.0") });
    const { body } = await curl(target, `curl -s ${url}/authenticators`);
    const { installed, configured, enabled } = JSON.parse(body);
    expect(installed).toEqual(expect.arrayContaining(["authn", "authn-azure"]));
    expect({ configured, enabled }).toEqual({ configured: ["authn"], enabled: ["authn", `authn-azure/${azureService}`] });
  });

  test("2: the account's key is printed again on demand", () => {
    expect(deployment.postern(["role", "retrieve-key", id("user:admin")])).toEqual({ code: 0, stdout: `${adminKey}\n`, stderr: "" });
  });

  test("3: the command line takes the self-signed certificate from the server", async () => {
    expect(await cli.must(["init", "-u", namedUrl, "-a", account, "--self-signed"], "yes\nyes\n")).toContain("Successfully initialized");
    expect(existsSync(join(cli.home, "conjur-server.pem"))).toBe(true);
  });

  test("4: the administrator logs in", async () => {
    expect(await cli.must(["login", "-i", "admin", "-p", adminKey])).toContain("Successfully logged in");
  });

  test("5: the authenticator's policy is loaded", async () => {
    expect(await load("authn-azure.yml", authenticatorPolicy)).toEqual({ created_roles: {}, version: 1 });
  });

  test("6: the tenant is named", async () => {
    const variable = `conjur/authn-azure/${azureService}/provider-uri`;
    await cli.must(["variable", "set", "-i", variable, "-v", azure.tenant().providerUris.v1]);
  });

  test("7: the hosts are loaded, and get keys", async () => {
    const made = { api_key: expect.any(String) };
    expect(await load("azure-apps.yml", appsPolicy(azure))).toMatchObject({
      version: 2,
      created_roles: { [id("host:azure-apps/azureVM")]: made, [id("host:azure-apps/azureVM-outside")]: made },
    });
  });

  test("8: the group is granted", async () => {
    expect(await load("grant.yml", grantPolicy)).toEqual({ created_roles: {}, version: 3 });
  });

  test("9: the secrets' policy is loaded", async () => {
    expect(await load("secrets.yml", secretsPolicy)).toEqual({ created_roles: {}, version: 4 });
  });

  test("10: the secret is set, and read by the operator", async () => {
    await cli.must(["variable", "set", "-i", "secrets/test-variable", "-v", "test-secret"]);
    expect(await cli.must(["variable", "get", "-i", "secrets/test-variable"])).toBe("test-secret\n");
  });

  test("11: the authenticator is switched on, and none that is not there", async () => {
    const http = await administratorOf(deployment);
    const form = { "content-type": "application/x-www-form-urlencoded" };
    expect((await http.ask("PATCH", `/authn-azure/${azureService}/${account}`, "enabled=true", form)).status).toBe(204);
    expect((await http.ask("PATCH", `/authn-azure/Nothing/${account}`, "enabled=true", form)).status).toBe(401);
  });
});

describe("the walkthrough, on the virtual machine", () => {
  test("12: it gets a token of its identity from the metadata service", async () => {
    expect(imdsLine).toContain("http://169.254.169.254/metadata/identity/oauth2/token");
    jwt = await platformToken(azure.machine("ad"));
    expect(jwt.split(".")).toHaveLength(3);
  });

  test("13: it logs in with that token, and gets one line of base64", async () => {
    const answer = await curl(target, login("azureVM"), { jwt });
    expect(answer).toEqual({ status: 200, body: expect.stringMatching(/^[A-Za-z0-9+/]+=*$/) });
    token = answer.body;
    expect(Object.keys(JSON.parse(atob(token))).sort()).toEqual(["payload", "protected", "signature"]);
  });

  test.each([
    ["an encoded slash", "secrets%2Ftest-variable", url],
    ["a raw slash", "secrets/test-variable", url],
    ["the prefix of an appliance", "secrets%2Ftest-variable", `${url}/api`],
  ])("14: it reads the secret by %s", async (_title, path, at) => {
    expect(await curl(target, read(path, at), { token })).toEqual({ status: 200, body: "test-secret" });
  });

  test("15: a host without the grant is forbidden", async () => {
    expect(await curl(target, login("azureVM-outside"), { jwt })).toEqual({ status: 403, body: "" });
  });

  test("16: a variable that is not permitted is not there", async () => {
    const refused = await curl(target, read("secrets%2Fsomebody-elses"), { token });
    const absent = await curl(target, read("secrets%2Fnobodys"), { token });
    expect(refused.status).toBe(404);
    expect(refused.body.replace("somebody-elses", "nobodys")).toBe(absent.body);
  });

  test("18: without the wish for base64 it gets JSON of three strings", async () => {
    const answer = await curl(target, login("azureVM").replace("-H 'Accept-Encoding: base64' ", ""), { jwt });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body)).toEqual({ protected: expect.any(String), payload: expect.any(String), signature: expect.any(String) });
  });

  test("19: the collector of logs gets what it would get of Conjur", () => {
    const events = deployment.events();
    const host = id("host:azure-apps/azureVM");
    const said = (msgid: string, result: string, sentence: string): RegExp =>
      new RegExp(`^<\\d+>1 \\S+ - conjur \\S+ ${msgid} .*result="${result}".* ${sentence}`);
    for (const wanted of [
      said(
        "authn",
        "success",
        `${host} successfully authenticated with authenticator authn-azure service ${id(`webservice:conjur/authn-azure/${azureService}`)}`,
      ),
      said("authn", "failure", `${host}-outside failed to authenticate with authenticator authn-azure service .*: CONJ00006E `),
      said("fetch", "success", `${host} fetched ${id("variable:secrets/test-variable")}`),
      said("fetch", "failure", `${host} tried to fetch ${id("variable:secrets/somebody-elses")}: .*Forbidden`),
    ])
      expect(events.filter((event) => wanted.test(event))).not.toEqual([]);
  });

  test("19: the audit tells what the client was not told", () => {
    const lines = deployment.audit();
    const host = id("host:azure-apps/azureVM");
    const variable = id("variable:secrets/test-variable");
    expect(lines).toContainEqual(expect.objectContaining({ operation: "login", allowed: true, role: host }));
    expect(lines).toContainEqual(
      expect.objectContaining({
        operation: "login",
        allowed: false,
        claimed_unverified: "host/azure-apps/azureVM-outside",
        because: "authenticate",
      }),
    );
    expect(lines).toContainEqual(expect.objectContaining({ operation: "secret.read", allowed: true, role: host, resource: variable }));
    expect(lines).toContainEqual(
      expect.objectContaining({ operation: "secret.read", allowed: false, role: host, resource: id("variable:secrets/somebody-elses") }),
    );
  });
});

describe("the walkthrough, eight minutes later", () => {
  let brief: Deployment;
  beforeAll(async () => {
    brief = await startDeployment({
      tls: "self-signed",
      env: { CONJUR_AUTHENTICATORS: `authn,authn-azure/${azureService}`, CONJUR_HOST_AUTHORIZATION_TOKEN_TTL: "3" },
    });
  });
  afterAll(async () => {
    expect(await brief.stop()).toBe(0);
  });

  test("17: the token has ended (here after three seconds)", async () => {
    const http = await administratorOf(brief);
    for (const text of [authenticatorPolicy, appsPolicy(brief.azure), grantPolicy, secretsPolicy]) await http.load("root", text);
    await http.set(`conjur/authn-azure/${azureService}/provider-uri`, brief.azure.tenant().providerUris.v1);
    await http.set("secrets/test-variable", "test-secret");
    const here = { url: brief.url, caFile: brief.caFile };
    const machine = await platformToken(brief.azure.machine("ad"));
    const { body } = await curl(here, login("azureVM").replaceAll(url, brief.url), { jwt: machine });
    const line = read("secrets%2Ftest-variable", brief.url);
    expect(await curl(here, line, { token: body })).toEqual({ status: 200, body: "test-secret" });
    const deadline = performance.now() + 10_000;
    let answer = await curl(here, line, { token: body });
    while (answer.status === 200 && performance.now() < deadline) answer = await curl(here, line, { token: body });
    expect(answer).toEqual({ status: 401, body: "Unauthorized: Invalid token" });
  });
});
