/** Authenticators made, shown, switched, asked how they do and removed, over the Conjur wire and the whole core. */

import { describe, expect, test } from "bun:test";
import { versionTwo } from "../../src/fronts/conjur/access";
import { signToken } from "../support/fake-issuer";
import { ciKeys, createLoginHouse, form, jobClaims, type LoginHouse, staff } from "../support/login-house";
import { loginPolicy, loginValues } from "../support/login-policies";

const branches = `
- !policy conjur/authn-azure
- !policy conjur/authn-jwt
- !policy conjur/authn-oidc
- !policy conjur/authn-gcp
- !user alice
- !user bob
- !group makers
- !permit { role: !user alice, privileges: [ create ], resource: !policy conjur/authn-jwt }
- !host { id: shop, annotations: { authn-jwt/ci/project: shop } }
`;
const ci = {
  type: "jwt",
  name: "ci",
  annotations: { description: "of CI" },
  data: { jwks_uri: ciKeys, issuer: "https://ci.example", identity: { enforced_claims: ["project"] } },
};

async function asker(made: LoginHouse, role = "user:admin") {
  const authorization = await made.tokenOf(role);
  return async (ask: string, body?: unknown) => {
    const headers = { authorization, accept: versionTwo, "content-type": "application/json" };
    const answer = await made.attempt({ ask, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    return { status: answer.status, json: answer.body === "" ? undefined : JSON.parse(answer.body), lines: answer.lines };
  };
}

const logIn = (made: LoginHouse) =>
  made.attempt({ ask: "POST /authn-jwt/ci/acme/host%2Fshop/authenticate", body: form({ jwt: signToken(jobClaims()) }) });

describe("an authenticator that is made", () => {
  test("lets in whom its group holds, from the same moment on, until it is switched off or removed", async () => {
    const made = await createLoginHouse(branches);
    const ask = await asker(made);
    const created = await ask("POST /authenticators/acme", ci);
    const shown = {
      type: "jwt",
      branch: "conjur/authn-jwt",
      name: "ci",
      enabled: true,
      owner: { id: "conjur/authn-jwt/ci", kind: "policy" },
      data: { jwks_uri: ciKeys, issuer: "https://ci.example", identity: { enforced_claims: ["project"] } },
      annotations: { description: "of CI" },
    };
    expect(created).toMatchObject({ status: 201, json: shown });
    expect(created.lines).toMatchObject([{ operation: "authenticator.create", allowed: true, privilege: "create" }]);
    expect((await logIn(made)).status).toBe(403);
    await made.house.load("- !grant { role: !group conjur/authn-jwt/ci/apps, member: !host shop }");
    expect((await logIn(made)).status).toBe(200);

    expect(await ask("GET /authenticators/acme/jwt/ci")).toMatchObject({ status: 200, json: shown });
    expect((await ask("GET /authenticators/acme")).json).toEqual({ authenticators: [shown], count: 1 });
    expect((await ask("POST /authenticators/acme", ci)).status).toBe(409);

    // `ci` is also on by this house's configuration, which the switch does not override.
    expect(await ask("PATCH /authenticators/acme/jwt/ci", { enabled: false })).toMatchObject({ status: 200, json: { enabled: true } });
    expect(await ask("DELETE /authenticators/acme/jwt/ci")).toMatchObject({ status: 204 });
    expect(made.house.lastAudit()).toMatchObject({ operation: "authenticator.remove", allowed: true, privilege: "delete" });
    expect((await logIn(made)).status).toBe(401);
    expect((await ask("GET /authenticators/acme/jwt/ci")).status).toBe(404);
    expect(await made.house.broker.countResources(made.house.admin, { search: "authn-jwt" })).toBe(1);
  });

  test("is off when it is made so, and off again when it is made anew", async () => {
    const made = await createLoginHouse(branches);
    const ask = await asker(made);
    const data = { provider_uri: "https://sts.windows.net/11111111-2222-4333-8444-555555555555/" };
    const azure = { type: "azure", name: "prod", enabled: false, data };
    expect(await ask("POST /authenticators/acme", azure)).toMatchObject({ status: 201, json: { enabled: false, data } });
    expect(await ask("PATCH /authenticators/acme/azure/prod", { enabled: true })).toMatchObject({ json: { enabled: true } });
    expect(made.house.broker.listAuthenticators().enabled).toContain("authn-azure/prod");
    await ask("DELETE /authenticators/acme/azure/prod");
    expect(made.house.broker.listAuthenticators().enabled).not.toContain("authn-azure/prod");
    await made.house.load("- !policy { id: conjur/authn-azure/prod, body: [ !webservice ] }");
    expect(await ask("GET /authenticators/acme/azure/prod")).toMatchObject({ json: { enabled: false } });
  });

  test("of Google's has no service, and leaves its policy behind", async () => {
    const made = await createLoginHouse(branches);
    const ask = await asker(made);
    expect(await ask("POST /authenticators/acme", { type: "gcp", name: "default" })).toMatchObject({
      status: 201,
      json: { type: "gcp", name: "default", branch: "conjur/authn-gcp", enabled: true },
    });
    expect((await ask("GET /authenticators/acme?type=gcp")).json.count).toBe(1);
    expect((await ask("DELETE /authenticators/acme/gcp/default")).status).toBe(204);
    expect((await ask("GET /authenticators/acme/gcp/default")).status).toBe(404);
    expect((await ask("POST /authenticators/acme", { type: "gcp", name: "default" })).status).toBe(201);
  });

  test("never shows its client's secret, nor any value to those who may not read it", async () => {
    const made = await createLoginHouse(branches);
    const ask = await asker(made);
    const data = {
      provider_uri: staff,
      client_id: "postern-cli",
      client_secret: "canary-client-secret",
      claim_mapping: "username",
      redirect_uri: "http://127.0.0.1:8888/callback",
    };
    const { client_secret: _, ...shown } = data;
    const created = await ask("POST /authenticators/acme", { type: "oidc", name: "okta", data });
    expect(created.json.data).toEqual(shown);
    expect(JSON.stringify([created, made.house.audit])).not.toContain("canary-client-secret");
    await made.house.load("- !permit { role: !user bob, privileges: [ read ], resource: !webservice conjur/authn-oidc/okta }");
    const asBob = await asker(made, "user:bob");
    expect(await asBob("GET /authenticators/acme/oidc/okta")).toMatchObject({ status: 200, json: { name: "okta" } });
    expect((await asBob("GET /authenticators/acme/oidc/okta")).json).not.toHaveProperty("data");
    expect((await asBob("GET /authenticators/acme")).json.count).toBe(1);
    expect(await asBob("PATCH /authenticators/acme/oidc/okta", { enabled: false })).toMatchObject({ status: 403 });
    expect(await asBob("DELETE /authenticators/acme/oidc/okta")).toMatchObject({ status: 404 });
    expect(made.house.lastAudit()).toMatchObject({ operation: "authenticator.remove", allowed: false, failure: "not_found" });
  });

  test("takes the right to make it, an owner whom one sees, and the policy of its type", async () => {
    const made = await createLoginHouse(branches);
    const asAlice = await asker(made, "user:alice");
    const asBob = await asker(made, "user:bob");
    expect((await asBob("POST /authenticators/acme", ci)).status).toBe(404);
    expect(made.house.lastAudit()).toMatchObject({ operation: "authenticator.create", allowed: false, failure: "not_found" });
    expect((await asAlice("POST /authenticators/acme", { ...ci, owner: { kind: "group", id: "makers" } })).status).toBe(404);
    expect((await asAlice("POST /authenticators/acme", { ...ci, owner: { kind: "user", id: "alice" } })).status).toBe(201);
    // Whoever made it, and gave it to themselves, holds it.
    expect((await asAlice("GET /authenticators/acme/jwt/ci")).json).toMatchObject({ owner: { id: "alice", kind: "user" } });
    const ask = await asker(made);
    const aws = await ask("POST /authenticators/acme", {
      type: "jwt",
      name: "second",
      owner: { kind: "group", id: "makers" },
      data: ci.data,
    });
    expect(aws).toMatchObject({ status: 201, json: { owner: { kind: "group", id: "makers" } } });
    await made.house.load("- !delete { record: !policy conjur/authn-azure }", "update");
    const azure = { type: "azure", name: "x", data: { provider_uri: "https://sts.windows.net/t/" } };
    expect((await ask("POST /authenticators/acme", azure)).json).toEqual({
      code: "404",
      message: "Branch 'conjur/authn-azure' not found in account 'acme'",
    });
  });

  test.each(["!variable jwks-uri", "!group apps", "!webservice status", "!webservice", "!policy"])(
    "takes nothing over that bears one of its names already: %s",
    async (record) => {
      const made = await createLoginHouse(branches);
      const [kind, name] = record.split(" ");
      await made.house.load(`- ${kind} { id: conjur/authn-jwt/ci${name === undefined ? "" : `/${name}`}, owner: !user bob }`);
      const before = made.house.store.position().revision;
      const asAlice = await asker(made, "user:alice");
      expect((await asAlice("POST /authenticators/acme", ci)).status).toBe(409);
      expect(made.house.lastAudit()).toMatchObject({ allowed: false, because: "authenticator_exists" });
      expect(made.house.store.position().revision).toBe(before);
    },
  );

  test("of another account is nobody's here", async () => {
    const made = await createLoginHouse(branches);
    await made.house.operator.createAccount("globex", made.house.context());
    const ask = await asker(made);
    expect((await ask("GET /authenticators/globex")).json).toEqual({ authenticators: [], count: 0 });
    expect((await ask("POST /authenticators/globex", ci)).status).toBe(404);
  });
});

describe("the status of an authenticator", () => {
  const error = (status: number, text: string) => ({ status, body: { status: "error", error: `#<Errors::${text}>` } });
  const why = (name: string) => `acme:variable:conjur/authn-jwt/ci/${name}`;

  async function statusOf(made: LoginHouse, path: string, role = "user:admin") {
    const answer = await made.attempt({ ask: `GET ${path}/status`, headers: { authorization: await made.tokenOf(role) } });
    const lines = answer.lines.filter(({ operation }) => operation === "authenticator.status");
    return { status: answer.status, body: JSON.parse(answer.body), lines };
  }

  const troubles: readonly [string, string, string | undefined, number, string][] = [
    [
      "nobody built it",
      "/authn-magic/x/acme",
      undefined,
      404,
      "Authentication::AuthenticatorNotSupported: CONJ00001E Authenticator 'authn-magic/x' is not supported in Conjur",
    ],
    [
      "it has none",
      "/authn/acme",
      undefined,
      501,
      "Authentication::StatusNotSupported: CONJ00056E Status check not supported for authenticator 'authn'",
    ],
    [
      "there is no account",
      "/authn-jwt/ci/nobody",
      undefined,
      500,
      "Authentication::Security::AccountNotDefined: CONJ00008E Account 'nobody' is not defined in Conjur",
    ],
    [
      "it has no status webservice",
      "/authn-jwt/named/acme",
      undefined,
      404,
      "Authentication::Security::WebserviceNotFound: CONJ00005E Webservice 'authn-jwt/named/status' not found",
    ],
    [
      "the caller may not read it",
      "/authn-jwt/ci/acme",
      "user:alice",
      403,
      "Authentication::Security::RoleNotAuthorizedOnResource: CONJ00006E 'acme:user:alice' does not have 'read' privilege on acme:webservice:conjur/authn-jwt/ci/status",
    ],
    [
      "it is off",
      "/authn-jwt/quiet/acme",
      undefined,
      500,
      "Authentication::Security::AuthenticatorNotWhitelisted: CONJ00004E 'authn-jwt/quiet' is not enabled",
    ],
    [
      "it has no webservice",
      "/authn-jwt/half/acme",
      undefined,
      404,
      "Authentication::Security::WebserviceNotFound: CONJ00005E Webservice 'authn-jwt/half' not found",
    ],
  ];
  const more = `
- !policy
  id: conjur/authn-jwt/quiet
  body: [ !webservice , !webservice status ]
- !policy
  id: conjur/authn-jwt/half
  body: [ !webservice status ]
`;

  test.each(troubles)("tells when %s", async (_what, path, role, status, text) => {
    const made = await createLoginHouse(loginPolicy + more, loginValues);
    const { lines, ...told } = await statusOf(made, path, role);
    expect(told).toEqual(error(status, text));
    expect(lines).toMatchObject([{ allowed: false }]);
  });

  test("is well for those who may ask", async () => {
    const made = await createLoginHouse(loginPolicy, loginValues);
    for (const [path, role] of [
      ["/authn-jwt/ci/acme", "user:carol"],
      ["/authn-gcp/acme", "user:admin"],
      ["/authn-oidc/web/acme", "user:admin"],
    ] as const) {
      const { lines, ...told } = await statusOf(made, path, role);
      expect([path, told]).toEqual([path, { status: 200, body: { status: "ok" } }]);
      expect(lines).toMatchObject([{ allowed: true, privilege: "read", authenticator: path.slice(1, -"/acme".length) }]);
    }
  });

  test("tells which variable is missing, and which has no value", async () => {
    const { "conjur/authn-jwt/ci/audience": _, ...rest } = loginValues;
    const empty = await createLoginHouse(loginPolicy, rest);
    expect(await statusOf(empty, "/authn-jwt/ci/acme")).toMatchObject(
      error(500, `Conjur::RequiredSecretMissing: CONJ00037E Missing value for resource: ${why("audience")}`),
    );
    await empty.house.load("- !delete { record: !variable conjur/authn-oidc/web/provider-uri }", "update");
    expect(await statusOf(empty, "/authn-oidc/web/acme")).toMatchObject(
      error(500, "Conjur::RequiredResourceMissing: CONJ00036E Missing required resource: acme:variable:conjur/authn-oidc/web/provider-uri"),
    );
    await empty.house.load("- !delete { record: !variable conjur/authn-jwt/ci/audience }", "update");
    await empty.house.load("- !delete { record: !variable conjur/authn-jwt/ci/jwks-uri }", "update");
    expect((await statusOf(empty, "/authn-jwt/ci/acme")).body.error).toMatch(/^#<Errors::Authentication::KeySource: set: none; /);
  });

  test("tells when the provider is away, and when its keys are broken", async () => {
    const made = await createLoginHouse(loginPolicy, loginValues);
    made.web.pages.set(ciKeys, { keys: 7 });
    expect((await statusOf(made, "/authn-jwt/ci/acme")).body.error).toContain("FetchProviderKeysFailed: CONJ00012E");
    made.web.pages.clear();
    expect((await statusOf(made, "/authn-oidc/web/acme")).body.error).toContain("ProviderDiscoveryFailed: CONJ00011E");
  });

  test("is for nobody unknown", async () => {
    const made = await createLoginHouse(loginPolicy, loginValues);
    expect(await made.attempt({ ask: "GET /authn-jwt/ci/acme/status" })).toMatchObject({ status: 401, body: "" });
  });
});
