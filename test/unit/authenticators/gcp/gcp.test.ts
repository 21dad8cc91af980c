import { describe, expect, test } from "bun:test";
import { createGcpAuthenticator } from "../../../../src/authenticators/gcp/gcp";
import { createIssuers } from "../../../../src/authenticators/issuer";
import { authenticatorContract, failureFrom } from "../../../contract/authenticator";
import {
  createFakeWeb,
  createLogKeeper,
  createTestClock,
  jwkOf,
  type Members,
  noon,
  signingKey,
  signToken,
  signWithHmac,
  steadyRandom,
  tokenOf,
} from "../../../support/fake-issuer";

const document = "https://accounts.google.com/.well-known/openid-configuration";
const keys = "https://www.googleapis.com/oauth2/v3/certs";
const seconds = noon / 1000;
const machine = { project_id: "shop-prod", project_number: 7, instance_id: "42", instance_name: "vm-1", zone: "europe-west1-b" };

function claimsOf(overrides: Members = {}): Members {
  return {
    iss: "https://accounts.google.com",
    aud: "conjur/acme/host/apps/vm",
    azp: "108551234567890",
    sub: "108551234567890",
    email: "vm@shop-prod.iam.gserviceaccount.com",
    email_verified: true,
    iat: seconds - 10,
    exp: seconds + 3590,
    google: { compute_engine: machine },
    ...overrides,
  };
}

function createBench() {
  const web = createFakeWeb();
  const issuers = createIssuers({ http: web, clock: createTestClock(), random: steadyRandom, logger: createLogKeeper() });
  web.pages.set(document, { issuer: "https://accounts.google.com", jwks_uri: keys });
  web.pages.set(keys, { keys: [jwkOf(signingKey(0))] });
  const authenticator = createGcpAuthenticator({ issuers });
  return { web, authenticator, verify: (text: string) => authenticator.verify(tokenOf(text), {}, noon) };
}

authenticatorContract("authn-gcp", () => ({
  authenticator: createBench().authenticator,
  settings: {},
  good: tokenOf(signToken(claimsOf())),
  expired: tokenOf(signToken(claimsOf({ exp: seconds - 1 }))),
  now: noon,
}));

describe("a Google token", () => {
  test("says whose it is by its audience, and what it is of", async () => {
    expect(await createBench().verify(signToken(claimsOf()))).toMatchObject({
      account: "acme",
      login: "host/apps/vm",
      attributes: {
        "project-id": "shop-prod",
        "instance-name": "vm-1",
        "service-account-id": "108551234567890",
        "service-account-email": "vm@shop-prod.iam.gserviceaccount.com",
      },
    });
    expect((await createBench().verify(signToken(claimsOf({ aud: "conjur/acme/apps/vm" })))).login).toBe("host/apps/vm");
    // A host that is called `host` needs the word twice.
    expect((await createBench().verify(signToken(claimsOf({ aud: "conjur/acme/host/host/vm" })))).login).toBe("host/host/vm");
  });

  test("without the full format proves nothing of a machine, and an address that nobody verified is none", async () => {
    const { attributes } = await createBench().verify(signToken(claimsOf({ google: undefined, email_verified: "true" })));
    expect(attributes).toEqual({ "service-account-id": "108551234567890" });
    for (const google of ["x", [], { compute_engine: "x" }, { compute_engine: { project_id: 7, instance_name: "" } }])
      expect(Object.keys((await createBench().verify(signToken(claimsOf({ google })))).attributes)).toEqual([
        "service-account-id",
        "service-account-email",
      ]);
  });

  test.each([
    ["for something else", { aud: "https://example.com" }, "audience"],
    ["for Conjur in other letters", { aud: "Conjur/acme/host/apps/vm" }, "audience"],
    ["for no host", { aud: "conjur/acme" }, "audience"],
    ["for a host without a name", { aud: "conjur/acme/host/" }, "audience"],
    ["for a host with an empty part", { aud: "conjur/acme/host/apps//vm" }, "audience"],
    ["for no account", { aud: "conjur//host/apps/vm" }, "audience"],
    ["for several", { aud: ["conjur/acme/host/apps/vm"] }, "audience"],
    ["for nobody", { aud: undefined }, "audience"],
    ["by another issuer", { iss: "https://accounts.google.com.evil.example" }, "issuer"],
    ["by Google without its scheme", { iss: "accounts.google.com" }, "issuer"],
    ["without an issuer", { iss: undefined }, "issuer"],
    ["without an end", { exp: undefined }, "token_times"],
    ["of the future", { iat: seconds + 61 }, "issued_at"],
    ["that lives for days", { exp: seconds + 25 * 3600 }, "token_lifetime"],
    ["without a subject", { sub: undefined }, "principal_claim"],
    ["with a subject that is a number", { sub: 7 }, "principal_claim"],
  ] as const)("%s is refused", async (_what, overrides, because) => {
    const failure = await failureFrom(() => createBench().verify(signToken(claimsOf(overrides))));
    expect(failure).toMatchObject({ code: "unauthenticated", because });
    expect(failure).not.toHaveProperty("reason");
  });

  test("signed by somebody else, or not at all, is refused", async () => {
    const bench = createBench();
    const header = { typ: "JWT", alg: "RS256", kid: "key-a", jku: "https://evil.example/keys" };
    expect(await failureFrom(() => bench.verify(signToken(claimsOf(), { key: signingKey(2), header })))).toMatchObject({
      because: "signature",
    });
    const pem = signingKey().publicKey.export({ type: "spki", format: "pem" });
    expect(await failureFrom(() => bench.verify(signWithHmac(claimsOf(), pem)))).toMatchObject({ because: "token_algorithm" });
    expect(bench.web.requests).toEqual([document, keys]);
  });

  test("is judged by Google's own keys alone", async () => {
    const bench = createBench();
    bench.web.pages.set(document, { issuer: "https://accounts.google.com", jwks_uri: "https://evil.example/certs" });
    expect(await failureFrom(() => bench.verify(signToken(claimsOf())))).toMatchObject({
      code: "upstream_unavailable",
      because: "key_host",
    });
    const other = createBench();
    other.web.pages.set(document, { issuer: "https://evil.example", jwks_uri: keys });
    expect(await failureFrom(() => other.authenticator.status({}, noon))).toMatchObject({
      code: "upstream_unavailable",
      because: "issuer_document",
    });
  });
});
