import { beforeEach, describe, expect, test } from "bun:test";
import { generateKeyPairSync, sign } from "node:crypto";
import { createVerifiers } from "../../../src/authenticators/registry";
import {
  createFakeWeb,
  createLogKeeper,
  type FakeWeb,
  jwkOf,
  type Members,
  noDirectory,
  part,
  signingKey,
  signToken,
  signWithHmac,
} from "../../support/fake-issuer";
import { createTestClock, seededRandom, startOfTime, type TestClock } from "../../support/house";
import { createVaultClient, type VaultClient } from "./client";

let vault: VaultClient;
let web: FakeWeb;
let clock: TestClock;
const seconds = startOfTime / 1000;
const entra = "https://sts.windows.net/11111111-2222-4333-8444-555555555555/";
const entraKeys = "https://login.windows.net/common/discovery/keys";
const resource = "https://management.azure.com/";
const oid = "b54c26cd-6c77-4d1c-8e0e-1b3a4c5d6e7f";
const pem = (at: number): string => String(signingKey(at).publicKey.export({ format: "pem", type: "spki" }));

function claims(overrides: Members = {}): Members {
  return { iss: entra, aud: resource, sub: oid, oid, iat: seconds - 5, nbf: seconds - 5, exp: seconds + 3600, ...overrides };
}

beforeEach(async () => {
  web = createFakeWeb();
  clock = createTestClock();
  web.pages.set(`${entra}.well-known/openid-configuration`, { issuer: entra, jwks_uri: entraKeys });
  web.pages.set(entraKeys, { keys: [jwkOf(signingKey(0))] });
  const { signedTokens } = createVerifiers({
    http: web,
    directory: noDirectory,
    clock,
    random: seededRandom(5),
    logger: createLogKeeper(),
  });
  vault = await createVaultClient({ signedTokens, clock });
  await vault.as("POST", "sys/auth/jwt", { body: { type: "jwt" } });
});

const config = (body: object) => vault.as("POST", "auth/jwt/config", { body });
const role = (name: string, body: object) => vault.as("POST", `auth/jwt/role/${name}`, { body: { role_type: "jwt", ...body } });
const login = (jwt: string | undefined, name: string | undefined = "vm", from?: string) =>
  vault.as("POST", "auth/jwt/login", { token: null, body: { role: name, jwt }, ...(from === undefined ? {} : { from }) });
const refused = (says: string) => ({ status: 400, body: { errors: [says] } });

/** What a client without azure support bridges with: the machine's own token. */
async function bridge(more: object = {}): Promise<void> {
  expect((await config({ oidc_discovery_url: entra })).status).toBe(204);
  expect(
    (await role("vm", { bound_audiences: resource, bound_claims: { oid }, user_claim: "oid", token_policies: "app", ...more })).status,
  ).toBe(204);
}

describe("the configuration of the method jwt", () => {
  test("is read as it was written, and not there before", async () => {
    expect((await vault.as("GET", "auth/jwt/config")).status).toBe(404);
    expect((await config({ jwt_validation_pubkeys: [pem(0)], bound_issuer: "https://ci.example", default_role: "ci" })).status).toBe(204);
    expect((await vault.as("GET", "auth/jwt/config")).body.data).toMatchObject({
      jwt_validation_pubkeys: [pem(0).trim()],
      bound_issuer: "https://ci.example",
      default_role: "ci",
      oidc_discovery_url: "",
      jwks_url: "",
    });
  });

  test.each([
    ["no keys", {}, "exactly one of 'jwt_validation_pubkeys', 'jwks_url' or 'oidc_discovery_url' must be set"],
    [
      "two places of keys",
      { jwks_url: "https://a.example/k", oidc_discovery_url: entra },
      "exactly one of 'jwt_validation_pubkeys', 'jwks_url' or 'oidc_discovery_url' must be set",
    ],
    ["more keys than are tried", { jwt_validation_pubkeys: Array.from({ length: 17 }, () => pem(0)) }, "at most 16 public keys"],
    ["keys that are none", { jwt_validation_pubkeys: "hello" }, "error parsing public key 1: no RSA or EC public key in PEM"],
    ["the algorithm none", { oidc_discovery_url: entra, jwt_supported_algs: "none" }, 'unsupported signing algorithm "none"'],
    ["a shared secret", { oidc_discovery_url: entra, jwt_supported_algs: ["HS256"] }, 'unsupported signing algorithm "HS256"'],
    ["an address that is none", { jwks_url: "file:///etc/passwd" }, "the address is not an http or https URL"],
    [
      "sign-in by browser",
      { oidc_discovery_url: entra, oidc_client_id: "x" },
      "'oidc_client_id' is for sign-in by browser or several key sets, which are not served",
    ],
  ])("takes not %s, and stores nothing", async (_title, body, says) => {
    expect(await config(body)).toMatchObject(refused(says));
    expect((await vault.as("GET", "auth/jwt/config")).status).toBe(404);
  });

  test("takes no private key for a public one", async () => {
    const secret = String(signingKey(0).privateKey.export({ format: "pem", type: "pkcs8" }));
    const { status, text } = await config({ jwt_validation_pubkeys: [secret] });
    expect(status).toBe(400);
    expect(text).not.toContain(secret.slice(60, 90));
  });
});

describe("roles of the method jwt", () => {
  test.each(["constructor", "prototype", "__proto__"])("do not forget what they want of a claim that is called %p", async (name) => {
    await bridge({ bound_claims: JSON.parse(`{"oid":"${oid}",${JSON.stringify(name)}:"x"}`) });
    const withClaim = JSON.parse(`{${JSON.stringify(name)}:"x"}`);
    expect(await login(signToken(claims()))).toMatchObject(refused(`error validating claims: claim "${name}" is missing`));
    expect((await login(signToken(Object.fromEntries([...Object.entries(claims()), ...Object.entries(withClaim)])))).status).toBe(200);
  });

  test.each([
    [
      "without the kind of role",
      { role_type: "oidc", user_claim: "sub", bound_subject: "x" },
      "'allowed_redirect_uris' must be set if 'role_type' is 'oidc' or unspecified.",
    ],
    ["without a user's claim", { bound_subject: "x" }, "a user claim must be defined on the role"],
    ["that anybody's token would do for", { user_claim: "sub" }, "must have at least one bound constraint when creating/updating a role"],
    [
      "of sign-in by browser",
      { role_type: "oidc", user_claim: "sub", allowed_redirect_uris: ["https://app.example/cb"] },
      "roles of the type 'oidc' are for sign-in by browser, which is not served; set 'role_type' to 'jwt'",
    ],
    [
      "with a tolerance in milliseconds",
      { user_claim: "sub", bound_subject: "x", clock_skew_leeway: 90_000 },
      "'clock_skew_leeway' cannot be more than 86400 seconds",
    ],
    [
      "with a tolerance of years",
      { user_claim: "sub", bound_subject: "x", expiration_leeway: "87600h" },
      "'expiration_leeway' cannot be more than 86400 seconds",
    ],
    ["with an empty list of values", { user_claim: "sub", bound_claims: { a: [] } }, "claim is not a string or list: a"],
    ["with values that are objects", { user_claim: "sub", bound_claims: { a: { b: 1 } } }, "claim is not a string or list: a"],
    [
      "with another kind of match",
      { user_claim: "sub", bound_subject: "x", bound_claims_type: "regex" },
      "invalid 'bound_claims_type': regex",
    ],
    [
      "with two claims of one name",
      { user_claim: "sub", bound_subject: "x", claim_mappings: { a: "n", b: "n" } },
      'multiple keys are mapped to metadata key "n"',
    ],
    [
      "with a mapping to role",
      { user_claim: "sub", bound_subject: "x", claim_mappings: { a: "role" } },
      'metadata key "role" is reserved and may not be a mapping destination',
    ],
  ])("are not made %s", async (_title, body, says) => {
    expect(await role("bad", body)).toMatchObject(refused(says));
    expect((await vault.as("GET", "auth/jwt/role/bad")).status).toBe(404);
  });

  test("are read, listed, changed in part and deleted", async () => {
    await role("ci", { user_claim: "sub", bound_claims: { project: ["a", "b"], protected: true }, bound_claims_type: "glob" }).then(
      ({ status }) => expect(status).toBe(400),
    );
    expect(
      (await role("ci", { user_claim: "sub", bound_claims: { project: ["a", "b"], ref: "main" }, claim_mappings: { ref: "branch" } }))
        .status,
    ).toBe(204);
    expect((await role("ci", { clock_skew_leeway: -1, token_ttl: "5m" })).status).toBe(204);
    expect((await vault.as("GET", "auth/jwt/role/ci")).body.data).toMatchObject({
      role_type: "jwt",
      user_claim: "sub",
      bound_claims: { project: ["a", "b"], ref: "main" },
      bound_claims_type: "string",
      claim_mappings: { ref: "branch" },
      bound_audiences: null,
      clock_skew_leeway: -1,
      token_ttl: 300,
    });
    expect((await vault.as("LIST", "auth/jwt/role")).body.data).toEqual({ keys: ["ci"] });
    expect((await vault.as("DELETE", "auth/jwt/role/ci")).status).toBe(204);
    expect((await vault.as("LIST", "auth/jwt/role")).status).toBe(404);
  });
});

describe("a login by a machine's token of Entra, by the method jwt", () => {
  test("gives a token of the role's for the identity that is bound", async () => {
    await bridge({ claim_mappings: { iss: "issuer" } });
    const { status, body } = await login(signToken(claims()));
    expect([status, body.auth]).toMatchObject([
      200,
      { policies: ["app", "default"], metadata: { role: "vm", issuer: entra }, orphan: true, token_type: "service" },
    ]);
    expect(vault.house.lastAudit()).toMatchObject({
      operation: "login",
      allowed: true,
      authenticator: "jwt/jwt",
      role: "acme:host:vault/role/jwt/vm",
      attributes: { iss: entra, aud: resource, sub: oid },
    });
    const again = await login(signToken(claims()));
    expect(again.body.auth.entity_id).toBe(body.auth.entity_id);
  });

  test.each<[string, () => string, string]>([
    [
      "another identity",
      () => signToken(claims({ oid: "somebody" })),
      'error validating claims: claim "oid" does not match any associated bound claim values',
    ],
    ["no identity", () => signToken(claims({ oid: undefined })), 'error validating claims: claim "oid" is missing'],
    [
      "another audience",
      () => signToken(claims({ aud: "https://vault.azure.net" })),
      "error validating token: invalid audience (aud) claim: audience claim does not match any bound audience",
    ],
    [
      "no audience",
      () => signToken(claims({ aud: undefined })),
      "error validating token: invalid audience (aud) claim: audience claim does not match any bound audience",
    ],
    ["another issuer", () => signToken(claims({ iss: "https://sts.windows.net/other/" })), "error validating token: issuer"],
    [
      "an end that is past",
      () => signToken(claims({ exp: seconds - 61 })),
      "error validating token: invalid expiration time (exp) claim: token is expired",
    ],
    [
      "a beginning that is to come",
      () => signToken(claims({ nbf: seconds + 120 })),
      "error validating token: invalid not before (nbf) claim: token not yet valid",
    ],
    ["a time that is none", () => signToken(claims({ exp: "tomorrow" })), "error validating token: invalid time in the exp claim"],
    [
      "no times",
      () => signToken(claims({ exp: undefined, nbf: undefined, iat: undefined })),
      "error validating token: no issued at (iat), not before (nbf), or expiration time (exp) claims in token",
    ],
    ["another key", () => signToken(claims(), { key: signingKey(1) }), "error validating token: signing_key"],
    [
      "another key under a known name",
      () => signToken(claims(), { key: signingKey(1), header: { alg: "RS256", kid: "key-a" } }),
      "error validating token: signature",
    ],
    ["no signature", () => `${part({ alg: "none" })}.${part(claims())}.`, "error validating token: token_algorithm"],
    ["the algorithm none", () => signToken(claims(), { header: { alg: "none", kid: "key-a" } }), "error validating token: token_algorithm"],
    ["the public key as a shared secret", () => signWithHmac(claims(), pem(0)), "error validating token: token_algorithm"],
    [
      "an algorithm that was not named",
      () => signToken(claims(), { header: { alg: "RS512", kid: "key-a" } }),
      "error validating token: token_algorithm",
    ],
    [
      "a key of its own",
      () =>
        signToken(claims(), {
          key: signingKey(1),
          header: { alg: "RS256", kid: "x", jwk: jwkOf(signingKey(1)), jku: "https://evil.example" },
        }),
      "error validating token: signing_key",
    ],
    [
      "a claim twice",
      () => signToken(`{"oid":"${oid}","oid":"x","exp":${seconds + 60},"aud":"${resource}","iss":"${entra}"}`),
      "error validating token: token_claims",
    ],
    ["nothing of a token", () => "hello", "error validating token: token_form"],
  ])("refuses a token with %s; the audit says why", async (_title, token, says) => {
    await bridge();
    expect(await login(token())).toMatchObject(refused(says));
    expect(vault.house.lastAudit()).toMatchObject({ operation: "login", allowed: false, failure: "malformed", checks: expect.any(Array) });
    expect(web.requests.every((url) => url.startsWith(entra) || url === entraKeys)).toBe(true);
  });

  test("misses what is missing, and knows no role by another's name", async () => {
    expect(await login(signToken(claims()))).toMatchObject(refused("could not load configuration"));
    await bridge();
    expect(await login(undefined)).toMatchObject(refused("missing token"));
    expect(await login(signToken(claims()), "")).toMatchObject(refused("missing role"));
    expect(await login(signToken(claims()), "no/such")).toMatchObject(refused('role "no/such" could not be found'));
    expect(await login("not even a token", "nobody")).toMatchObject(refused('role "nobody" could not be found'));
  });

  test("says that the issuer cannot be reached as what it is, and may be tried again", async () => {
    await bridge();
    web.pages.delete(entraKeys);
    expect((await login(signToken(claims()))).status).toBe(502);
    expect(vault.house.lastAudit()).toMatchObject({ allowed: false, failure: "upstream_unavailable" });
  });

  test("knows the issuer's next key from the first token of it", async () => {
    await bridge();
    expect((await login(signToken(claims()))).status).toBe(200);
    web.pages.set(entraKeys, { keys: [jwkOf(signingKey(0)), jwkOf(signingKey(1))] });
    expect((await login(signToken(claims(), { key: signingKey(1) }))).status).toBe(200);
  });

  test("is renewed for as long as the role would still take what was proven", async () => {
    await bridge();
    const token: string = (await login(signToken(claims()))).body.auth.client_token;
    const renew = () => vault.as("POST", "auth/token/renew-self", { token, body: {} });
    expect((await renew()).status).toBe(200);
    await role("vm", { bound_claims: { oid: "somebody else" } });
    expect(await renew()).toMatchObject({ status: 403, body: { errors: ["the token's claims no longer satisfy the role"] } });
    await role("vm", { bound_claims: { oid } });
    expect((await renew()).status).toBe(200);
    await vault.as("DELETE", "auth/jwt/role/vm");
    expect((await renew()).status).toBe(403);
  });
});

describe("a login by any issuer's token", () => {
  test("takes keys in PEM, of whichever kind, from tokens that name none", async () => {
    const curve = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const text = String(curve.publicKey.export({ format: "pem", type: "spki" }));
    await config({ jwt_validation_pubkeys: [pem(2), text], bound_issuer: "https://ci.example" });
    await role("vm", { bound_subject: "job", user_claim: "sub" });
    const job = { iss: "https://ci.example", sub: "job", exp: seconds + 60 };
    const signed = `${part({ alg: "ES256" })}.${part(job)}`;
    const signature = sign("sha256", Buffer.from(signed), { key: curve.privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url");
    expect((await login(`${signed}.${signature}`)).status).toBe(200);
    expect((await login(signToken(job, { key: signingKey(2), header: { alg: "RS256" } }))).status).toBe(200);
    expect(await login(signToken(job, { key: signingKey(1), header: { alg: "RS256" } }))).toMatchObject(
      refused("error validating token: signature"),
    );
    const stranger = signToken({ ...job, iss: "https://evil.example" }, { key: signingKey(2), header: { alg: "RS256" } });
    expect(await login(stranger)).toMatchObject(refused("error validating token: invalid issuer (iss) claim"));
    // An elliptic curve's token is not verified by an RSA key whose algorithm it names.
    expect((await login(signToken(job, { key: signingKey(2), header: { alg: "ES256" } }))).status).toBe(400);
  });

  test("takes a key set by its address, the mount's default role, and names in any case", async () => {
    web.pages.set("https://ci.example/keys", { keys: [jwkOf(signingKey(1))] });
    await config({ jwks_url: "https://ci.example/keys", default_role: "VM" });
    await role("vm", {
      bound_audiences: ["vault", "postern"],
      bound_claims: { "/project/path": "shop/*" },
      bound_claims_type: "glob",
      user_claim: "/project/id",
      user_claim_json_pointer: true,
    });
    const job = (path: string) =>
      signToken({ aud: ["x", "postern"], exp: seconds + 60, project: { path, id: "7" } }, { key: signingKey(1) });
    expect((await login(job("shop/till"), "")).body.auth).toMatchObject({ metadata: { role: "vm" } });
    expect(await login(job("shopping/till"), "")).toMatchObject(
      refused('error validating claims: claim "/project/path" does not match any associated bound claim values'),
    );
  });

  test.each<[unknown, number]>([
    [[resource, "other"], 200],
    [["other", resource], 200],
    [[], 400],
    [["other"], 400],
    [[[resource]], 400],
    [[resource, 7], 400],
    [{ [resource]: true }, 400],
    [`${resource} other`, 400],
    [resource.slice(0, -1), 400],
    [resource.toUpperCase(), 400],
  ])("with the audience %j is answered with %d", async (aud, status) => {
    await bridge();
    expect((await login(signToken(claims({ aud })))).status).toBe(status);
  });

  test.each(["job ", " job", "job\n", "jo\u0000b", "e\u0301", "\u212b", "\ud800"])(
    "takes nobody of the name %j, which is another's to the eye",
    async (sub) => {
      await config({ jwt_validation_pubkeys: [pem(0)] });
      await role("job", { bound_audiences: "here", user_claim: "sub" });
      const { status, body } = await login(signToken({ aud: "here", sub, exp: seconds + 60 }), "job");
      expect([status, body.errors[0]]).toEqual([400, expect.stringContaining('claim "sub" is no name')]);
      expect((await login(signToken({ aud: "here", sub: "repo:o/r//x: \u00e9", exp: seconds + 60 }), "job")).status).toBe(200);
    },
  );

  test("does not take a token with an audience for a role that binds none", async () => {
    await config({ jwt_validation_pubkeys: pem(0) });
    await role("vm", { bound_subject: "job", user_claim: "sub" });
    const token = signToken({ sub: "job", aud: "somebody else", exp: seconds + 60 });
    expect(await login(token)).toMatchObject(refused("audience claim found in JWT but no audiences bound to the role"));
  });

  test("comes from the role's networks alone, before anybody is asked for keys", async () => {
    await bridge({ token_bound_cidrs: "10.0.0.0/8" });
    expect(await login(signToken(claims()), "vm", "203.0.113.9")).toMatchObject({ status: 403, body: { errors: ["permission denied"] } });
    expect(web.requests).toEqual([]);
  });
});
