import { describe, expect, test } from "bun:test";
import { createIssuers } from "../../../src/authenticators/issuer";
import { createJwtAuthenticator } from "../../../src/authenticators/jwt/jwt";
import { parseId, parseRoleId } from "../../../src/model/ids";
import { failureOfWork } from "../../support/failing";
import { createFakeWeb, createLogKeeper, jwkOf, type Members, signingKey, signToken, steadyRandom } from "../../support/fake-issuer";
import { createHouse, createTestClock, type House, secret, startOfTime } from "../../support/house";

const keysUrl = "https://ci.example/-/jwks";
const policy = `
- !policy
  id: conjur/authn-jwt/ci
  body:
    - !webservice
    - !variable jwks-uri
    - !variable issuer
    - !variable token-app-property
    - !variable identity-path
    - !variable enforced-claims
    - !variable claim-aliases
    - !group apps
    - !permit { role: !group apps, privileges: [ read, authenticate ], resource: !webservice }
- !policy
  id: apps
  body:
    - !host { id: shop, annotations: { authn-jwt/ci/project: shop, authn-jwt/ci/ns: prod } }
    - !host { id: wrong, annotations: { authn-jwt/ci/project: other } }
    - !host { id: bare }
    - !host { id: general, annotations: { authn-jwt/project: shop } }
    - !host { id: empty, annotations: { authn-jwt/ci/project: "" } }
    - !host { id: reserved, annotations: { authn-jwt/ci/iss: https://ci.example } }
    - !host { id: number, annotations: { authn-jwt/ci/count: "3" } }
    - !host { id: inherited, annotations: { authn-jwt/ci/constructor: "function Object() { [native code] }" } }
    - !host { id: nested, annotations: { authn-jwt/ci/kubernetes.io/namespace: prod } }
    - !host { id: far, restricted_to: 10.0.0.0/8, annotations: { authn-jwt/ci/project: shop } }
    - !host { id: stranger, annotations: { authn-jwt/ci/project: shop } }
    - !host { id: other-service, annotations: { authn-jwt/cd/project: shop } }
    - !group all
    - !grant { role: !group all, members: [ !host shop, !host wrong, !host bare, !host general, !host empty, !host reserved, !host number, !host inherited, !host nested, !host far, !host other-service ] }
- !grant { role: !group conjur/authn-jwt/ci/apps, member: !group apps/all }
`;

async function createJwtHouse(settings: Readonly<Record<string, string>> = {}): Promise<House> {
  const web = createFakeWeb();
  web.pages.set(keysUrl, { keys: [jwkOf(signingKey(0))] });
  const clock = createTestClock();
  const issuers = createIssuers({ http: web, clock, random: steadyRandom, logger: createLogKeeper() });
  const house = await createHouse({
    clock,
    authenticators: [createJwtAuthenticator({ issuers, mayLackIssuer: false })],
    enabledAuthenticators: ["authn-jwt/ci"],
  });
  const declared = ["token-app-property", "identity-path", "enforced-claims", "claim-aliases"].filter(
    (name) => settings[name] === undefined,
  );
  const text = policy
    .split("\n")
    .filter((line) => !declared.some((name) => line.includes(`!variable ${name}`)))
    .join("\n");
  await house.load(text);
  for (const [name, value] of Object.entries({ "jwks-uri": keysUrl, issuer: "https://ci.example", ...settings }))
    if (value !== "") await house.broker.writeSecret(house.admin, parseId(`acme:variable:conjur/authn-jwt/ci/${name}`), secret(value));
  return house;
}

function tokenWith(overrides: Members = {}): string {
  const seconds = startOfTime / 1000;
  return signToken({
    iss: "https://ci.example",
    sub: "job",
    exp: seconds + 300,
    project: "shop",
    count: 3,
    "kubernetes.io": { namespace: "prod" },
    ...overrides,
  });
}

function logIn(house: House, login: string, token = tokenWith()) {
  const role = login === "" ? undefined : parseRoleId(`acme:${login.includes("/") ? login.replace("/", ":") : `user:${login}`}`);
  return house.broker.login(
    { authenticator: "authn-jwt", service: "ci", account: "acme", role, claimed: login, credential: secret(token) },
    house.context(),
  );
}

describe("a JWT login", () => {
  test("of the host in the URL takes its annotations, each of them", async () => {
    const house = await createJwtHouse({ "claim-aliases": "ns:kubernetes.io/namespace" });
    expect((await logIn(house, "host/apps/shop")).role).toBe(parseRoleId("acme:host:apps/shop"));
    expect(house.lastAudit()).toMatchObject({
      operation: "login",
      allowed: true,
      authenticator: "authn-jwt/ci",
      attributes: { iss: "https://ci.example", sub: "job" },
    });
    expect(house.lastAudit().attributes).not.toHaveProperty("project");
    // What has another name goes by that name alone.
    expect(await failureOfWork(logIn(house, "host/apps/nested"))).toMatchObject({ because: "annotation_forbidden" });
    const plain = await createJwtHouse();
    expect((await logIn(plain, "host/apps/nested")).role).toBe(parseRoleId("acme:host:apps/nested"));
  });

  test("of the host that the token names takes no login in the URL", async () => {
    const house = await createJwtHouse({
      "token-app-property": "project",
      "identity-path": "apps",
      "claim-aliases": "ns:kubernetes.io/namespace",
    });
    expect((await logIn(house, "")).role).toBe(parseRoleId("acme:host:apps/shop"));
    expect(await failureOfWork(logIn(house, "host/apps/shop"))).toMatchObject({ code: "unauthenticated", because: "identity_named_once" });
    expect(await failureOfWork(logIn(house, "", tokenWith({ project: "nobody" })))).toMatchObject({
      code: "unauthenticated",
      because: "role",
    });
    expect(await failureOfWork(logIn(house, "", tokenWith({ project: "../admin" })))).toMatchObject({
      code: "unauthenticated",
      because: "role",
    });
    expect(house.lastAudit()).toMatchObject({ operation: "login", allowed: false, because: "role" });
  });

  test("must name the host once, one way or the other", async () => {
    const house = await createJwtHouse();
    expect(await failureOfWork(logIn(house, ""))).toMatchObject({ code: "unauthenticated", because: "identity_named_once" });
  });

  test.each([
    ["host/apps/wrong", "unauthenticated", "claim_mismatch"],
    ["host/apps/bare", "unauthenticated", "annotations_none"],
    ["host/apps/general", "unauthenticated", "annotations_none"],
    ["host/apps/other-service", "unauthenticated", "annotations_none"],
    ["host/apps/empty", "unauthenticated", "annotation_empty"],
    ["host/apps/reserved", "unauthenticated", "annotation_forbidden"],
    ["host/apps/number", "unauthenticated", "claim_missing"],
    ["host/apps/inherited", "unauthenticated", "claim_missing"],
    ["host/apps/far", "unauthenticated", "restricted_to"],
    ["host/apps/stranger", "forbidden", "authenticate"],
    ["host/apps/nobody", "unauthenticated", "role"],
    // Who owns everything may authenticate everywhere, and still needs a proof that is bound to it.
    ["admin", "unauthenticated", "annotations_none"],
  ] as const)("as %s is refused: %s, because of %s", async (login, code, because) => {
    const house = await createJwtHouse();
    expect(await failureOfWork(logIn(house, login))).toMatchObject({ code, because });
    expect(house.lastAudit()).toMatchObject({ operation: "login", allowed: false, because });
  });

  test("takes the enforced claims of the service", async () => {
    const house = await createJwtHouse({ "enforced-claims": "ref" });
    expect(await failureOfWork(logIn(house, "host/apps/shop"))).toMatchObject({
      because: "annotation_missing",
      remedy: expect.stringContaining("authn-jwt/ci/ref: …"),
    });
  });

  test("is refused while a variable of the service is declared without a value", async () => {
    const house = await createJwtHouse({ "token-app-property": "" });
    expect(await failureOfWork(logIn(house, "host/apps/shop"))).toMatchObject({
      code: "unauthenticated",
      because: "setting_token_app_property",
    });
  });

  test("without a token is malformed, and with an expired one says so", async () => {
    const house = await createJwtHouse();
    expect(await failureOfWork(logIn(house, "host/apps/shop", ""))).toMatchObject({ code: "malformed", where: "jwt" });
    expect(await failureOfWork(logIn(house, "host/apps/shop", tokenWith({ exp: startOfTime / 1000 })))).toMatchObject({
      code: "unauthenticated",
      reason: "expired",
    });
  });
});
