import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { createIssuers } from "../../../../src/authenticators/issuer";
import { createOidcAuthenticator } from "../../../../src/authenticators/oidc/oidc";
import { createOutgoing } from "../../../../src/authenticators/outgoing";
import type { AuthenticatorSettings, Credential, HttpAnswer, HttpRequest } from "../../../../src/model/ports";
import { SecretBytes } from "../../../../src/model/secret-bytes";
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
  tokenOf,
} from "../../../support/fake-issuer";
import { seededRandom } from "../../../support/house";

const provider = "https://idp.example/realms/staff";
const document = `${provider}/.well-known/openid-configuration`;
const endpoint = `${provider}/token`;
const seconds = noon / 1000;
const forTokens: AuthenticatorSettings = { "provider-uri": `${provider}/`, "id-token-user-property": "preferred_username" };
const forPeople: AuthenticatorSettings = {
  "provider-uri": provider,
  "client-id": "postern:cli",
  "client-secret": "s3cret hunter2&co",
  "claim-mapping": "email",
  "redirect-uri": "http://127.0.0.1:8888/callback",
  "token-ttl": "PT1H30M",
};

function claimsOf(overrides: Members = {}): Members {
  return {
    iss: provider,
    aud: "postern:cli",
    sub: "f3-17",
    exp: seconds + 300,
    iat: seconds - 5,
    nonce: "n-1",
    preferred_username: "alice",
    email: "alice@corp.example",
    email_verified: true,
    ...overrides,
  };
}

const json = (value: unknown, status = 200): HttpAnswer => ({ status, headers: {}, body: Buffer.from(JSON.stringify(value)) });

function createBench(answer: (request: HttpRequest) => HttpAnswer = () => json({ id_token: signToken(claimsOf()) }), more: Members = {}) {
  const web = createFakeWeb();
  web.pages.set(document, {
    issuer: provider,
    jwks_uri: `${provider}/certs`,
    authorization_endpoint: `${provider}/auth?kc=1`,
    token_endpoint: endpoint,
    ...more,
  });
  web.pages.set(`${provider}/certs`, { keys: [jwkOf(signingKey(0))] });
  web.answers.set(endpoint, answer);
  const random = seededRandom(3);
  const issuers = createIssuers({ http: web, clock: createTestClock(), random, logger: createLogKeeper() });
  const authenticator = createOidcAuthenticator({ issuers, outgoing: createOutgoing(web), random });
  return {
    web,
    authenticator,
    verify: (text: string, settings = forTokens) => authenticator.verify(tokenOf(text), settings, noon),
    redeem: (settings = forPeople, changed: Partial<Credential & { kind: "code" }> = {}) => {
      const code: Credential = { kind: "code", value: SecretBytes.ofText("c0de+/="), nonce: "n-1", verifier: "v-1", ...changed };
      return authenticator.verify(code, settings, noon);
    },
  };
}

authenticatorContract("authn-oidc with tokens", () => ({
  authenticator: createBench().authenticator,
  settings: forTokens,
  good: tokenOf(signToken(claimsOf())),
  expired: tokenOf(signToken(claimsOf({ exp: seconds - 1 }))),
  now: noon,
}));

describe("an identity token", () => {
  test("names the user by the claim that was chosen", async () => {
    expect(await createBench().verify(signToken(claimsOf()))).toMatchObject({ login: "alice", subject: "f3-17", attributes: {} });
    const byEmail = { ...forTokens, "id-token-user-property": "email" };
    expect((await createBench().verify(signToken(claimsOf()), byEmail)).login).toBe("alice@corp.example");
  });

  test("is for anybody unless the service says for whom, and then the operator is told so", async () => {
    expect((await createBench().verify(signToken(claimsOf({ aud: "other" })))).warnings).toEqual(["audience_unchecked"]);
    const ours = { ...forTokens, audience: "postern, postern:cli" };
    expect((await createBench().verify(signToken(claimsOf()), ours)).warnings).toEqual([]);
    expect((await createBench().verify(signToken(claimsOf({ aud: ["a", "postern"], azp: "postern" })), ours)).warnings).toEqual([]);
    for (const claims of [
      { aud: "other" },
      { aud: ["a", "postern"] },
      { aud: ["a", "postern"], azp: "a" },
      { aud: undefined },
      { aud: [] },
    ])
      expect(await failureFrom(() => createBench().verify(signToken(claimsOf(claims)), ours))).toMatchObject({ because: "audience" });
    expect(await failureFrom(() => createBench().verify(signToken(claimsOf()), { ...forTokens, audience: "," }))).toMatchObject({
      because: "audience_setting",
    });
  });

  test.each([
    ["of another issuer", { iss: "https://idp.example/realms/other" }, "issuer"],
    ["of no issuer", { iss: undefined }, "issuer"],
    ["without an end", { exp: undefined }, "token_times"],
    ["of the future", { iat: seconds + 61 }, "issued_at"],
    ["without the claim", { preferred_username: undefined }, "identity_claim"],
    ["with an empty claim", { preferred_username: "" }, "identity_claim"],
    ["with a claim that is a list", { preferred_username: ["alice"] }, "identity_claim"],
    ["with a claim that is a number", { preferred_username: 7 }, "identity_claim"],
    ["with a claim without end", { preferred_username: "a".repeat(1025) }, "identity_claim"],
  ] as const)("%s is refused", async (_what, overrides, because) => {
    expect(await failureFrom(() => createBench().verify(signToken(claimsOf(overrides))))).toMatchObject({
      code: "unauthenticated",
      because,
    });
  });

  test("with an address that the provider does not vouch for is refused where the address names the user", async () => {
    const byEmail = { ...forTokens, "id-token-user-property": "email" };
    const text = signToken(claimsOf({ email_verified: false }));
    expect(await failureFrom(() => createBench().verify(text, byEmail))).toMatchObject({ because: "identity_claim" });
    expect((await createBench().verify(text)).login).toBe("alice");
  });

  test("signed by a stranger, by a secret or by no one is refused", async () => {
    const header = { typ: "JWT", alg: "RS256", kid: "key-a" };
    expect(await failureFrom(() => createBench().verify(signToken(claimsOf(), { key: signingKey(2), header })))).toMatchObject({
      because: "signature",
    });
    // The client secret is shared with the provider; a token signed with it would be anybody's who knows it.
    expect(await failureFrom(() => createBench().verify(signWithHmac(claimsOf(), "s3cret hunter2&co"), forPeople))).toMatchObject({
      because: "setting_id_token_user_property",
    });
    expect(await failureFrom(() => createBench().verify(signWithHmac(claimsOf(), "s3cret hunter2&co")))).toMatchObject({
      because: "token_algorithm",
    });
  });
});

describe("a code", () => {
  test("is exchanged once, with the verifier and the client's secret, for a token that is then judged", async () => {
    const bench = createBench();
    expect(await bench.redeem()).toMatchObject({ login: "alice@corp.example", sessionSeconds: 5400, warnings: [] });
    expect(bench.web.sent).toEqual([
      {
        url: endpoint,
        method: "POST",
        headers: { authorization: `Basic ${Buffer.from("postern%3Acli:s3cret+hunter2%26co").toString("base64")}` },
        body: {
          form: {
            grant_type: "authorization_code",
            code: "c0de+/=",
            redirect_uri: "http://127.0.0.1:8888/callback",
            code_verifier: "v-1",
          },
        },
      },
    ]);
  });

  test("goes with the secret in the form where the provider takes it there alone", async () => {
    const bench = createBench(undefined, { token_endpoint_auth_methods_supported: ["client_secret_post"] });
    await bench.redeem();
    expect(bench.web.sent).toMatchObject([
      { headers: {}, body: { form: { client_id: "postern:cli", client_secret: "s3cret hunter2&co" } } },
    ]);
  });

  test.each([
    ["another sign-in", { nonce: "n-2" }, "nonce"],
    ["no sign-in", { nonce: undefined }, "nonce"],
    ["another client", { aud: "other" }, "audience"],
    ["another client too", { aud: ["postern:cli", "other"] }, "audience"],
    ["another issuer", { iss: "https://evil.example" }, "issuer"],
    ["somebody without the claim", { email: undefined }, "identity_claim"],
  ] as const)("that gives a token of %s is refused", async (_what, overrides, because) => {
    const bench = createBench(() => json({ id_token: signToken(claimsOf(overrides)) }));
    expect(await failureFrom(() => bench.redeem())).toMatchObject({ code: "unauthenticated", because });
  });

  test.each([
    ["is refused", json({ error: "invalid_grant" }, 400), "unauthenticated", "code_exchange"],
    ["is refused to this client", json({ error: "invalid_client" }, 401), "unauthenticated", "code_exchange"],
    ["gives no identity token", json({ access_token: "x" }), "unauthenticated", "code_exchange"],
    ["gives what is no text", json({ id_token: 7 }), "unauthenticated", "code_exchange"],
    ["gives no JSON", { status: 200, headers: {}, body: Buffer.from("<html>") }, "unauthenticated", "code_exchange"],
    ["meets a provider in trouble", json({}, 502), "upstream_unavailable", "status"],
    ["gives a token that is none", json({ id_token: "a.b.c" }), "unauthenticated", "token_form"],
  ] as const)("that %s logs nobody in", async (_what, answer, code, because) => {
    const failure = await failureFrom(() => createBench(() => answer).redeem());
    expect(failure).toMatchObject({ code, because });
    expect(failure.checks?.some((check) => !check.ok)).toBe(true);
    expect(JSON.stringify(failure)).not.toContain("c0de");
    expect(JSON.stringify(failure)).not.toContain("hunter2");
  });

  test("is not asked for where the provider names no place for it, nor sent when it is no code", async () => {
    const nowhere = createBench(undefined, { token_endpoint: undefined });
    expect(await failureFrom(() => nowhere.redeem())).toMatchObject({ because: "token_endpoint" });
    const bench = createBench();
    const long = { value: SecretBytes.ofText("x".repeat(5000)) };
    expect(await failureFrom(() => bench.redeem(forPeople, long))).toMatchObject({ because: "code_form" });
    expect(await failureFrom(() => bench.redeem(forPeople, { nonce: "" }))).toMatchObject({ because: "nonce" });
    expect(bench.web.sent).toHaveLength(1);
  });

  test("is nothing for a service that takes tokens alone", async () => {
    const bench = createBench();
    expect(await failureFrom(() => bench.redeem(forTokens))).toMatchObject({ because: "setting_client_id" });
    expect(bench.web.requests).toEqual([]);
  });
});

describe("the settings of an OpenID Connect service", () => {
  test.each([
    ["an address that is none", { ...forPeople, "provider-uri": "idp.example" }, "provider_uri"],
    ["an address with a query", { ...forPeople, "provider-uri": `${provider}?x=1` }, "provider_uri"],
    ["a certificate that is none", { ...forPeople, "ca-cert": "x" }, "ca_cert"],
    ["a place to wait that is none", { ...forPeople, "redirect-uri": "here" }, "redirect_uri"],
    ["another kind of response", { ...forPeople, "response-type": "token" }, "response_type"],
    ["a duration that is none", { ...forPeople, "token-ttl": "60m" }, "token_ttl"],
    ["a duration of nothing", { ...forPeople, "token-ttl": "PT0S" }, "token_ttl"],
  ] as const)("with %s are refused, at a sign-in, before it and in the status", async (_what, settings, because) => {
    const bench = createBench();
    for (const work of [
      () => bench.redeem(settings),
      () => bench.authenticator.status(settings, noon),
      async () => bench.authenticator.invite?.(settings, "okta"),
    ])
      expect(await failureFrom(work)).toMatchObject({ code: "unauthenticated", because });
    expect(bench.web.requests).toEqual([]);
  });

  test("invite people to the provider's page, each time with secrets of its own", async () => {
    const { authenticator } = createBench();
    const first = await authenticator.invite?.({ ...forPeople, "provider-scope": "groups email" }, "abc-my_okta");
    const second = await authenticator.invite?.({ ...forPeople, name: "Staff" }, "abc-my_okta");
    if (first === undefined || second === undefined) throw new Error("people are invited");
    expect([first.name, second.name]).toEqual(["Abc My Okta", "Staff"]);
    expect(new Set([first.nonce, first.verifier, second.nonce, second.verifier]).size).toBe(4);
    // RFC 7636 asks for 43 characters at least.
    expect(first.verifier).toMatch(/^[\w-]{43,128}$/);
    const address = new URL(first.address);
    expect(`${address.origin}${address.pathname}`).toBe(`${provider}/auth`);
    expect(Object.fromEntries(address.searchParams)).toEqual({
      kc: "1",
      client_id: "postern:cli",
      response_type: "code",
      scope: "openid email profile groups",
      nonce: first.nonce,
      code_challenge: createHash("sha256").update(first.verifier).digest("base64url"),
      code_challenge_method: "S256",
      redirect_uri: "http://127.0.0.1:8888/callback",
    });
    expect(first.address).not.toContain("hunter2");
  });

  test("invite nobody where they are for tokens, or the provider has no page", async () => {
    expect(await createBench().authenticator.invite?.(forTokens, "x")).toBeUndefined();
    const { "client-secret": _, ...incomplete } = forPeople;
    expect(await createBench().authenticator.invite?.(incomplete, "x")).toBeUndefined();
    const pageless = createBench(undefined, { authorization_endpoint: undefined });
    expect(await failureFrom(async () => pageless.authenticator.invite?.(forPeople, "x"))).toMatchObject({
      because: "authorization_endpoint",
    });
  });
});
