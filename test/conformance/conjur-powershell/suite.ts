/** The PowerShell steps of the published walkthroughs, as the bytes that reach the server. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { secretsPolicy } from "../../../scripts/walkthrough/policies";
import { startDeployment } from "../support/deployment";
import { administratorOf } from "../support/http";
import { appsPolicy, authenticatorPolicy, azureService, grantPolicy } from "../support/policies";
import { type RawAnswer, sendRaw } from "../support/raw";
import { powerShell7, type Requests, windowsPowerShell } from "./requests";

setDefaultTimeout(30_000);

const deployment = await startDeployment({ tls: "authority", env: { CONJUR_AUTHENTICATORS: `authn,authn-azure/${azureService}` } });
const { account, url, caPem, azure } = deployment;
const http = await administratorOf(deployment);
for (const text of [authenticatorPolicy, appsPolicy(azure), grantPolicy, secretsPolicy]) await http.load("root", text);
await http.set(`conjur/authn-azure/${azureService}/provider-uri`, azure.tenant().providerUris.v1);
await http.set("secrets/test-variable", "m575ec2rtTest888");

afterAll(async () => {
  expect(await deployment.stop()).toBe(0);
});

function send(at: string, request: string, fill: Readonly<Record<string, string>>, body?: string): Promise<RawAnswer> {
  const values = { host: new URL(at).host, length: String(body?.length ?? 0), ...fill };
  const head = Object.entries(values).reduce((text, [name, value]) => text.replace(`{${name}}`, value), request);
  return sendRaw({ url: at, caPem, head, ...(body === undefined ? {} : { body }) });
}

const loginPath = (host: string): string => `/authn-azure/${azureService}/${account}/host%2Fazure-apps%2F${host}/authenticate`;
const secretPath = `/secrets/${account}/variable/secrets%2Ftest-variable`;

/** `$response.access_token` */
async function identityToken(requests: Requests): Promise<string> {
  const { status, body } = await send(azure.machine("ad").url, requests.metadata, {});
  expect(status).toBe(200);
  const { access_token } = JSON.parse(body);
  return access_token;
}

describe.each([
  ["Windows PowerShell 5.1", windowsPowerShell],
  ["PowerShell 7.4", powerShell7],
])("%s", (_name, requests) => {
  test("reads the secret in three requests", async () => {
    const jwt = await identityToken(requests);
    const { status, headers, body: token } = await send(url, requests.login, { path: loginPath("azureVM") }, `jwt=${jwt}`);
    expect(status).toBe(200);
    expect(token).toMatch(/^[A-Za-z0-9+/]+=*$/);
    expect([headers.get("content-encoding"), headers.get("content-length")]).toEqual(["base64", String(token.length)]);
    const read = await send(url, requests.read, { path: secretPath, token });
    expect(read).toMatchObject({ status: 200, body: "m575ec2rtTest888" });
    expect(read.headers.has("content-encoding")).toBe(false);
  });

  test("is forbidden for a host without the grant, with an answer that has an end; the audit names the shell", async () => {
    const jwt = await identityToken(requests);
    const refused = await send(url, requests.login, { path: loginPath("azureVM-outside") }, `jwt=${jwt}`);
    expect([refused.status, refused.body, refused.headers.get("content-length")]).toEqual([403, "", "0"]);
    const line = deployment.audit().findLast((each) => each.operation === "login" && each.allowed === false);
    expect(line).toMatchObject({ because: "authenticate", user_agent_unverified: requests.userAgent });
  });

  test("is not let in with a token that was cut off", async () => {
    const jwt = await identityToken(requests);
    expect(await send(url, requests.login, { path: loginPath("azureVM") }, `jwt=${jwt.slice(0, -9)}`)).toMatchObject({
      status: 401,
      body: "",
    });
    expect(await send(url, requests.login, { path: loginPath("azureVM") }, "jwt=")).toMatchObject({ status: 400 });
  });

  test("is not let in with a token in quotes that a shell took away", async () => {
    const request = requests.read.replace('"{token}"', "{token}");
    expect(await send(url, request, { path: secretPath, token: "eyJ9" })).toMatchObject({
      status: 401,
      body: "Malformed authorization token",
    });
  });
});

test("Windows PowerShell's announced body is called for", async () => {
  const jwt = await identityToken(windowsPowerShell);
  const { continued } = await send(url, windowsPowerShell.login, { path: loginPath("azureVM") }, `jwt=${jwt}`);
  expect(continued).toBe(true);
});
