import { describe, expect, test } from "bun:test";
import { parseId, parseRoleId } from "../../../src/model/ids";
import { failureOfWork } from "../../support/failing";
import { createHouse, type House, jsonAuthenticator, secret } from "../../support/house";

const policy = `
- !policy
  id: conjur/authn-json/prod
  body:
    - !webservice
    - !variable provider-uri
    - !webservice status
- !user operator
- !user reader
- !permit { role: !user operator, privilege: [ update ], resource: !webservice conjur/authn-json/prod }
- !permit { role: !user reader, privilege: [ read ], resource: !webservice conjur/authn-json/prod/status }
`;
const prod = { account: "acme", authenticator: "authn-json", service: "prod" };

async function house(enabled: readonly string[] = []): Promise<House> {
  const made = await createHouse({ authenticators: [jsonAuthenticator("authn-json")], enabledAuthenticators: enabled });
  await made.load(policy);
  return made;
}

describe("the list of authenticators", () => {
  test("tells what is built in, what policy configures, and what is on, sorted", async () => {
    const made = await house(["authn-json/other"]);
    expect(made.broker.listAuthenticators()).toEqual({
      installed: ["authn", "authn-json"],
      configured: ["authn", "authn-json/prod"],
      enabled: ["authn", "authn-json/other"],
    });
  });
});

describe("a status webservice", () => {
  test("is no authenticator of its own, and a service of that name is one", async () => {
    const made = await createHouse({ authenticators: [jsonAuthenticator("authn-json")] });
    await made.load(
      "- !policy { id: conjur/authn-other, body: [ !webservice , !webservice status ] }\n- !webservice conjur/authn-json/status",
    );
    expect(made.broker.listAuthenticators().configured).toEqual(["authn", "authn-json/status", "authn-other"]);
    const page = await made.broker.queryAuthenticators(made.admin, { account: made.account, limit: 10, offset: 0 });
    expect(page.items.map(({ id }) => id.service)).toEqual(["status"]);
  });
});

describe("an authenticator's switch", () => {
  test("takes update on its webservice, and works at once", async () => {
    const made = await house();
    await made.broker.setAuthenticatorEnabled(await made.session("user:operator"), prod, true);
    expect(made.broker.listAuthenticators().enabled).toContain("authn-json/prod");
    expect(made.lastAudit()).toMatchObject({ operation: "authenticator.configure", allowed: true });
    await made.broker.setAuthenticatorEnabled(await made.session("user:operator"), prod, false);
    expect(made.broker.listAuthenticators().enabled).not.toContain("authn-json/prod");
  });

  test("is its account's own", async () => {
    const made = await house();
    await made.operator.createAccount("globex", made.context());
    const globex = made.operator.caller("globex", made.context());
    await made.broker.loadPolicy(globex, { policy: parseRoleId("globex:policy:root"), mode: "create", text: Buffer.from(policy) });
    await made.broker.setAuthenticatorEnabled(globex, { ...prod, account: "globex" }, true);
    const request = {
      authenticator: "authn-json",
      service: "prod",
      account: "acme",
      role: made.id("user:reader"),
      claimed: "reader",
      credential: secret("x"),
    };
    expect(await failureOfWork(made.broker.login(request, made.context()))).toMatchObject({ because: "enabled" });
  });

  test.each([
    ["user:reader", prod, "not_found"],
    ["user:operator", { ...prod, service: "absent" }, "unauthenticated"],
    ["user:operator", { ...prod, account: "absent" }, "unauthenticated"],
    ["user:operator", { ...prod, service: "prod/status" }, "unauthenticated"],
  ] as const)("for %s of %j is %s", async (role, ref, code) => {
    const made = await house();
    const caller = await made.session(role);
    const attempt = (async () => made.broker.setAuthenticatorEnabled(caller, ref, true))();
    expect((await failureOfWork(attempt)).code).toBe(code);
  });
});

describe("an authenticator's status", () => {
  test("is well when it is on, configured and answered", async () => {
    const made = await house(["authn-json/prod"]);
    await made.broker.writeSecret(
      made.admin,
      parseId("acme:variable:conjur/authn-json/prod/provider-uri"),
      secret("https://issuer.example/"),
    );
    await made.broker.authenticatorStatus(await made.session("user:reader"), prod);
  });

  test("says what is missing", async () => {
    const made = await house();
    const reader = await made.session("user:reader");
    const status = async () => made.broker.authenticatorStatus(reader, prod);
    expect((await failureOfWork(status())).because).toBe("enabled");
    await made.broker.setAuthenticatorEnabled(made.admin, prod, true);
    expect((await failureOfWork(status())).because).toBe("setting_provider_uri_empty");
  });

  test("is for those who may read the status webservice", async () => {
    const made = await house(["authn-json/prod"]);
    const operator = await made.session("user:operator");
    expect((await failureOfWork((async () => made.broker.authenticatorStatus(operator, prod))())).code).toBe("not_found");
  });

  test("of the built-in one is not offered, of an unknown one not found", async () => {
    const made = await house();
    const status = async (authenticator: string) => made.broker.authenticatorStatus(made.admin, { account: "acme", authenticator });
    expect((await failureOfWork(status("authn"))).code).toBe("unsupported");
    expect((await failureOfWork(status("authn-magic"))).code).toBe("not_found");
  });
});
