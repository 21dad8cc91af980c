/** The Go client's OpenID Connect flows: the code that a browser brings back, as the command line redeems it, and an identity token that a program has. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createClock } from "../../../src/runtime/clock";
import { startTlsIssuer } from "../../support/tls-issuer";
import { installedFile } from "../support/client";
import { startDeployment } from "../support/deployment";
import { type Driver, startDriver } from "../support/driver";
import { administratorOf } from "../support/http";

setDefaultTimeout(30_000);

const issuer = startTlsIssuer();
const deployment = await startDeployment({
  tls: "authority",
  issuer,
  env: { CONJUR_AUTHENTICATORS: "authn,authn-oidc/staff,authn-oidc/programs" },
});
const { account, url, caFile } = deployment;
const http = await administratorOf(deployment);
const service = (name: string, variables: readonly string[]): string => `- !policy
  id: conjur/authn-oidc/${name}
  body:
    - !webservice
${variables.map((variable) => `    - !variable ${variable}\n`).join("")}    - !group users
    - !permit
      role: !group users
      privileges: [ read, authenticate ]
      resource: !webservice
- !grant
  role: !group conjur/authn-oidc/${name}/users
  member: !user alice
`;
const staff = {
  "provider-uri": issuer.url,
  "client-id": "postern-cli",
  "client-secret": issuer.clientSecret,
  "claim-mapping": "username",
  "redirect-uri": "http://127.0.0.1:8888/callback",
};
const programs = { "provider-uri": issuer.url, "id-token-user-property": "username" };
await http.load("root", "- !user alice\n");
for (const [name, values] of Object.entries({ staff, programs })) {
  await http.load("root", service(name, Object.keys(values)));
  for (const [variable, value] of Object.entries(values)) await http.set(`conjur/authn-oidc/${name}/${variable}`, value);
}
const drivers: Driver[] = [];

afterAll(async () => {
  for (const driver of drivers) await driver.stop();
  await issuer.stop();
  expect(await deployment.stop()).toBe(0);
});

function client(name: string): Driver {
  const cwd = deployment.folder(`home-${drivers.length}`);
  const env = { CONJUR_APPLIANCE_URL: url, CONJUR_ACCOUNT: account, CONJUR_CERT_FILE: caFile, CONJUR_CREDENTIAL_STORAGE: "none" };
  const type = { CONJUR_AUTHN_TYPE: "oidc", CONJUR_SERVICE_ID: name };
  const driver = startDriver({ command: [installedFile("conjur-api-go", "driver")], cwd, env: { ...env, ...type } });
  drivers.push(driver);
  return driver;
}

/** The client writes a code into a URL as it is. Those of providers need no escape; those of this one do. */
const written = encodeURIComponent;

const claims = (username: string) => ({ sub: "f3", username, exp: Math.floor(createClock().now() / 1000) + 300 });

/** The one provider that is offered: the address to open, and what proves who opened it. */
async function invitation(driver: Driver): Promise<Readonly<Record<string, string>>> {
  await driver.must("without credentials");
  const [offered, ...more] = [await driver.must("oidc providers")].flat();
  expect(more).toEqual([]);
  return JSON.parse(JSON.stringify(offered));
}

describe("the Go client's OpenID Connect", () => {
  test("redeems the code of a sign-in", async () => {
    const driver = client("staff");
    const { service_id: id, redirect_uri: address = "", nonce = "", code_verifier: verifier = "" } = await invitation(driver);
    expect(id).toBe("staff");
    await driver.must("with oidc code", written(issuer.signIn(address, claims("alice"))), nonce, verifier);
    expect(await driver.must("whoami")).toMatchObject({ username: "alice" });
  });

  test("redeems no code of a sign-in that others began, nor one of a stranger's", async () => {
    const driver = client("staff");
    const [mine, theirs] = [await invitation(driver), await invitation(driver)];
    for (const [address = "", who] of [
      [theirs.redirect_uri, "alice"],
      [mine.redirect_uri, "mallory"],
    ] as const) {
      await driver.must("with oidc code", written(issuer.signIn(address, claims(who))), mine.nonce, mine.code_verifier);
      expect(await driver.call("whoami")).toMatchObject({ status: 401 });
    }
  });

  test("logs a program in by an identity token", async () => {
    const driver = client("programs");
    await driver.must("with oidc token", issuer.sign(claims("alice")));
    expect(await driver.must("whoami")).toMatchObject({ username: "alice" });
  });

  test.each([
    ["of the administrator", () => issuer.sign(claims("admin"))],
    ["of nobody", () => issuer.sign(claims("mallory"))],
    ["that has ended", () => issuer.sign({ ...claims("alice"), exp: Math.floor(createClock().now() / 1000) - 10 })],
    ["that is cut off", () => issuer.sign(claims("alice")).slice(0, -8)],
  ])("takes no identity token %s", async (_title, token) => {
    const driver = client("programs");
    await driver.must("with oidc token", token());
    expect(await driver.call("whoami")).toMatchObject({ status: 401 });
  });
});
