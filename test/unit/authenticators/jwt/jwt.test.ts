import { describe, expect, test } from "bun:test";
import { generateKeyPairSync, sign } from "node:crypto";
import { createIssuers } from "../../../../src/authenticators/issuer";
import { createJwtAuthenticator } from "../../../../src/authenticators/jwt/jwt";
import type { AuthenticatorSettings } from "../../../../src/model/ports";
import { authenticatorContract, failureFrom } from "../../../contract/authenticator";
import {
  createFakeWeb,
  createLogKeeper,
  createTestClock,
  jwkOf,
  type Members,
  noon,
  part,
  signingKey,
  signToken,
  signWithHmac,
  steadyRandom,
  tokenOf,
} from "../../../support/fake-issuer";

const keysUrl = "https://ci.example/-/jwks";
const provider = "https://idp.example/realms/ci";
const document = `${provider}/.well-known/openid-configuration`;
const seconds = noon / 1000;
const base: AuthenticatorSettings = { "jwks-uri": keysUrl, issuer: "https://ci.example", audience: "postern" };

function claimsOf(overrides: Members = {}): Members {
  const standard = { iss: "https://ci.example", aud: "postern", sub: "job-7", exp: seconds + 300, nbf: seconds - 5, iat: seconds - 5 };
  return {
    ...standard,
    project: "shop",
    ref: "main",
    "kubernetes.io": { namespace: "prod", pod: { name: "web-1" } },
    count: 3,
    ...overrides,
  };
}

function createBench(mayLackIssuer = false) {
  const web = createFakeWeb();
  const clock = createTestClock();
  const issuers = createIssuers({ http: web, clock, random: steadyRandom, logger: createLogKeeper() });
  web.pages.set(keysUrl, { keys: [jwkOf(signingKey(0))] });
  web.pages.set(document, { issuer: provider, jwks_uri: "https://keys.example/all" });
  web.pages.set("https://keys.example/all", { keys: [jwkOf(signingKey(0))] });
  const authenticator = createJwtAuthenticator({ issuers, mayLackIssuer });
  return {
    web,
    clock,
    verify: (text: string, settings: AuthenticatorSettings = base) => authenticator.verify(tokenOf(text), settings, clock.now()),
    status: (settings: AuthenticatorSettings) => authenticator.status(settings, clock.now()),
    authenticator,
  };
}

/** The check that a token fails with these settings. */
async function refusal(
  claims: Members | string,
  settings: AuthenticatorSettings = base,
  options: Parameters<typeof signToken>[1] = {},
): Promise<unknown> {
  const failure = await failureFrom(() => createBench().verify(signToken(claims, options), settings));
  expect(failure.checks?.at(-1)).toMatchObject({ check: failure.because, ok: false });
  return failure.because;
}

authenticatorContract("authn-jwt", () => ({
  authenticator: {
    ...createBench().authenticator,
    restrictions: { required: [], permitted: Object.keys(flat), exclusive: [], ignoreCase: false },
  },
  settings: base,
  good: tokenOf(signToken(claimsOf())),
  expired: tokenOf(signToken(claimsOf({ exp: seconds - 1 }))),
  now: noon,
}));
const flat = { aud: "", iss: "", sub: "", project: "", ref: "", "kubernetes.io/namespace": "", "kubernetes.io/pod/name": "" };

describe("a token of a JWT service", () => {
  test("proves the texts in it, by their paths", async () => {
    const { attributes, subject, login } = await createBench().verify(signToken(claimsOf()));
    expect(attributes).toMatchObject({
      project: "shop",
      ref: "main",
      "kubernetes.io/namespace": "prod",
      "kubernetes.io/pod/name": "web-1",
    });
    expect(attributes).not.toHaveProperty("count");
    expect({ subject, login }).toEqual({ subject: "job-7", login: undefined });
  });

  test("may have claims that every object has, and proves them only when it has them", async () => {
    const odd = '{"iss":"https://ci.example","aud":"postern","exp":9999999999,"__proto__":"p","constructor":"c"}';
    const { attributes } = await createBench().verify(signToken(odd));
    expect(Object.entries(attributes)).toEqual([
      ["iss", "https://ci.example"],
      ["aud", "postern"],
      ["__proto__", "p"],
      ["constructor", "c"],
    ]);
    expect(await refusal(claimsOf(), { ...base, "token-app-property": "constructor" })).toBe("identity_claim");
  });

  test("names its host where a claim is set for that", async () => {
    const named = async (settings: AuthenticatorSettings) =>
      (await createBench().verify(signToken(claimsOf()), { ...base, ...settings })).login;
    expect(await named({ "token-app-property": "project" })).toBe("host/shop");
    expect(await named({ "token-app-property": "project", "identity-path": "ci/apps" })).toBe("host/ci/apps/shop");
    expect(await named({ "token-app-property": "kubernetes.io/pod/name", "identity-path": "/ci/" })).toBe("host/ci/web-1");
    expect(await named({ "identity-path": "ci" })).toBeUndefined();
  });

  test.each([
    ["RS384", "sha384"],
    ["RS512", "sha512"],
  ])("may be signed with %s", async (alg, digest) => {
    const key = signingKey();
    const signed = `${part({ typ: "JWT", alg, kid: key.keyId })}.${part(claimsOf())}`;
    const bench = createBench();
    expect((await bench.verify(`${signed}.${sign(digest, Buffer.from(signed), key.privateKey).toString("base64url")}`)).subject).toBe(
      "job-7",
    );
    // A key of a set that says what it is for is for nothing else.
    bench.web.pages.set(keysUrl, { keys: [jwkOf(key, { alg: "RS256" })] });
    const strict = createBench();
    strict.web.pages.set(keysUrl, { keys: [jwkOf(key, { alg: "RS256" })] });
    const text = `${signed}.${sign(digest, Buffer.from(signed), key.privateKey).toString("base64url")}`;
    expect(await failureFrom(() => strict.verify(text))).toMatchObject({ because: "signature" });
  });

  test("is signed with an elliptic curve only where the service says so", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const bench = createBench();
    bench.web.pages.set(keysUrl, { keys: [{ ...publicKey.export({ format: "jwk" }), kid: "ec" }, jwkOf(signingKey(0))] });
    const signed = `${part({ typ: "JWT", alg: "ES256", kid: "ec" })}.${part(claimsOf())}`;
    const signature = sign("sha256", Buffer.from(signed), { key: privateKey, dsaEncoding: "ieee-p1363" });
    const text = `${signed}.${signature.toString("base64url")}`;
    expect(await failureFrom(() => bench.verify(text))).toMatchObject({ because: "token_algorithm" });
    expect((await bench.verify(text, { ...base, algorithms: "ES256, RS512" })).subject).toBe("job-7");
    // And what it does not name is out, though it is usual.
    expect(await failureFrom(() => bench.verify(signToken(claimsOf()), { ...base, algorithms: "ES256" }))).toMatchObject({
      because: "token_algorithm",
    });
  });

  test("is judged by the provider's own keys, or by keys that were given", async () => {
    const bench = createBench();
    const { issuer: _, "jwks-uri": __, ...rest } = base;
    const claims = claimsOf({ iss: provider });
    expect((await bench.verify(signToken(claims), { ...rest, "provider-uri": provider })).subject).toBe("job-7");
    const given = JSON.stringify({ type: "jwks", value: { keys: [jwkOf(signingKey(0))] } });
    const { web } = bench;
    const before = web.requests.length;
    expect((await bench.verify(signToken(claimsOf()), { ...rest, "public-keys": given, issuer: "https://ci.example" })).subject).toBe(
      "job-7",
    );
    expect(web.requests).toHaveLength(before);
  });

  test("is of the host of the key set where no issuer is set", async () => {
    const { issuer: _, ...rest } = base;
    expect((await createBench().verify(signToken(claimsOf({ iss: "ci.example" })), rest)).subject).toBe("job-7");
    expect(await refusal(claimsOf(), rest)).toBe("issuer");
  });

  test("may name no issuer only where that was allowed, and a wrong one nowhere", async () => {
    const text = signToken(claimsOf({ iss: undefined }));
    expect(await failureFrom(() => createBench(false).verify(text))).toMatchObject({ because: "issuer" });
    expect((await createBench(true).verify(text)).subject).toBe("job-7");
    expect(await failureFrom(() => createBench(true).verify(signToken(claimsOf({ iss: "https://other.example" }))))).toMatchObject({
      because: "issuer",
    });
  });

  test("may be for several audiences, and for any where none is set", async () => {
    expect((await createBench().verify(signToken(claimsOf({ aud: ["other", "postern"] })))).subject).toBe("job-7");
    const { audience: _, ...rest } = base;
    expect((await createBench().verify(signToken(claimsOf({ aud: undefined })), rest)).subject).toBe("job-7");
  });

  test("needs no beginning, and may be as long as its issuer likes", async () => {
    expect((await createBench().verify(signToken(claimsOf({ nbf: undefined, iat: undefined, exp: seconds + 1e8 })))).subject).toBe("job-7");
  });

  test.each([
    ["an issuer that begins like the right one", claimsOf({ iss: "https://ci.example.evil" }), "issuer"],
    ["an issuer that ends like it", claimsOf({ iss: "xhttps://ci.example" }), "issuer"],
    ["an issuer in another case", claimsOf({ iss: "https://CI.example" }), "issuer"],
    ["an issuer that is a list", claimsOf({ iss: ["https://ci.example"] }), "issuer"],
    ["no issuer", claimsOf({ iss: undefined }), "issuer"],
    ["another audience", claimsOf({ aud: "posterns" }), "audience"],
    ["no audience", claimsOf({ aud: undefined }), "audience"],
    ["audiences without this one", claimsOf({ aud: ["a", ["postern"]] }), "audience"],
    ["no end", claimsOf({ exp: undefined }), "token_times"],
    ["an end that is text", claimsOf({ exp: String(seconds + 300) }), "token_times"],
    ["an end that is zero", claimsOf({ exp: 0 }), "token_times"],
    ["an end beyond all numbers", '{"iss":"https://ci.example","aud":"postern","exp":1.5e400}', "token_times"],
    ["an end just now", claimsOf({ exp: seconds }), "expiry"],
    ["a beginning that is still to come", claimsOf({ nbf: seconds + 61 }), "not_before"],
    ["a beginning that is no time", claimsOf({ nbf: null }), "token_times"],
    ["an issue that is still to come", claimsOf({ iat: seconds + 61 }), "issued_at"],
    ["a member twice", '{"iss":"https://ci.example","iss":"https://ci.example","aud":"postern","exp":9999999999}', "token_claims"],
  ] as const)("is refused with %s", async (_what, claims, because) => {
    expect(await refusal(claims)).toBe(because);
  });

  test.each([
    ["none", { typ: "JWT", alg: "none", kid: "key-a" }, "token_algorithm"],
    ["None", { typ: "JWT", alg: "None", kid: "key-a" }, "token_algorithm"],
    ["PS256", { typ: "JWT", alg: "PS256", kid: "key-a" }, "token_algorithm"],
    ["ES256", { typ: "JWT", alg: "ES256", kid: "key-a" }, "token_algorithm"],
    ["an algorithm that is no text", { typ: "JWT", alg: ["RS256"], kid: "key-a" }, "token_algorithm"],
    ["another algorithm than it was signed with", { typ: "JWT", alg: "RS512", kid: "key-a" }, "signature"],
    ["no key", { typ: "JWT", alg: "RS256" }, "token_key_id"],
    ["an unknown key", { typ: "JWT", alg: "RS256", kid: "key-z" }, "signing_key"],
    ["extensions", { typ: "JWT", alg: "RS256", kid: "key-a", crit: ["exp"], exp: 1 }, "token_critical"],
    ["another type", { typ: "at+jwt", alg: "RS256", kid: "key-a" }, "token_type"],
  ] as const)("is refused with %s in its header", async (_what, header, because) => {
    expect(await refusal(claimsOf(), base, { header })).toBe(because);
  });

  test("signed by a secret that is the public key is refused, in every spelling of the key", async () => {
    const key = signingKey().publicKey;
    for (const secret of [
      key.export({ type: "spki", format: "pem" }),
      key.export({ type: "spki", format: "der" }),
      JSON.stringify(key.export({ format: "jwk" })),
    ])
      expect(await failureFrom(() => createBench().verify(signWithHmac(claimsOf(), secret)))).toMatchObject({ because: "token_algorithm" });
  });

  test("that brings its own key is judged by the issuer's, and nothing it names is asked", async () => {
    const bench = createBench();
    const key = signingKey(2);
    const header = {
      typ: "JWT",
      alg: "RS256",
      kid: "key-a",
      jku: "https://evil.example/keys",
      jwk: jwkOf(key),
      x5u: "https://evil.example/x5u",
    };
    expect(await failureFrom(() => bench.verify(signToken(claimsOf(), { key, header })))).toMatchObject({ because: "signature" });
    expect(bench.web.requests).toEqual([keysUrl]);
  });

  test.each([
    ["is missing", claimsOf({ project: undefined })],
    ["is another object's own", claimsOf({ project: undefined, constructor: 7 })],
    ["is empty", claimsOf({ project: "" })],
    ["is a number", claimsOf({ project: 7 })],
    ["is a list", claimsOf({ project: ["shop"] })],
    ["is an object", claimsOf({ project: { name: "shop" } })],
  ])("whose claim for the host %s is refused", async (_what, claims) => {
    expect(await refusal(claims, { ...base, "token-app-property": "project" })).toBe("identity_claim");
  });
});

describe("the settings of a JWT service", () => {
  const given = JSON.stringify({ type: "jwks", value: { keys: [jwkOf(signingKey(0))] } });
  const pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";

  test.each([
    ["no source of keys", { issuer: "x" }, "key_source"],
    ["two of them", { ...base, "provider-uri": provider }, "key_source"],
    ["an address that is none", { ...base, "jwks-uri": "ci.example/keys" }, "key_source"],
    ["an address of a file", { ...base, "jwks-uri": "file:///etc/passwd" }, "key_source"],
    ["an address with a password", { ...base, "jwks-uri": "https://u:p@ci.example/keys" }, "key_source"],
    ["given keys that are no JSON", { "public-keys": "{", issuer: "x" }, "key_source"],
    ["given keys of another type", { "public-keys": '{"type":"pem","value":{}}', issuer: "x" }, "key_source"],
    ["given keys that are none", { "public-keys": '{"type":"jwks","value":{"keys":[]}}', issuer: "x" }, "key_source"],
    ["given keys without an issuer", { "public-keys": given }, "issuer_setting"],
    ["given keys with a certificate", { "public-keys": given, issuer: "x", "ca-cert": pem }, "ca_cert"],
    ["a certificate that is none", { ...base, "ca-cert": "hello" }, "ca_cert"],
    ["a claim for the host that is an index", { ...base, "token-app-property": "roles[0]" }, "token_app_property"],
    ["a claim for the host with an empty step", { ...base, "token-app-property": "a//b" }, "token_app_property"],
    ["an enforced claim that is reserved", { ...base, "enforced-claims": "project,iss" }, "enforced_claims"],
    ["an algorithm that is symmetric", { ...base, algorithms: "RS256,HS256" }, "algorithms"],
    ["an algorithm that is none", { ...base, algorithms: "none" }, "algorithms"],
    ["algorithms that are empty", { ...base, algorithms: "," }, "algorithms"],
    ["an alias without a claim", { ...base, "claim-aliases": "team" }, "claim_aliases"],
    ["an alias that is reserved", { ...base, "claim-aliases": "iss:project" }, "claim_aliases"],
    ["an alias for what is reserved", { ...base, "claim-aliases": "team:aud" }, "claim_aliases"],
    ["an alias with a slash", { ...base, "claim-aliases": "a/b:project" }, "claim_aliases"],
    ["an alias twice", { ...base, "claim-aliases": "a:project,a:ref" }, "claim_aliases"],
    ["an alias for an alias", { ...base, "claim-aliases": "a:b,b:project" }, "claim_aliases"],
  ] as const)("with %s are refused, at a login and in the status", async (_what, settings, because) => {
    const bench = createBench();
    expect(await failureFrom(() => bench.verify(signToken(claimsOf()), settings))).toMatchObject({ code: "unauthenticated", because });
    expect(await failureFrom(() => bench.status(settings))).toMatchObject({ code: "unauthenticated", because });
    expect(bench.web.requests).toEqual([]);
  });

  test("say which claims a host must be annotated with, by their aliases", async () => {
    const settings = {
      ...base,
      "enforced-claims": "project, kubernetes.io/namespace",
      "claim-aliases": "ns:kubernetes.io/namespace, team:sub",
    };
    const { restrictions } = await createBench().verify(signToken(claimsOf()), settings);
    expect(restrictions).toMatchObject({
      required: ["project", "ns"],
      aliases: { ns: "kubernetes.io/namespace", team: "sub" },
      form: "service",
      oneOf: "any",
    });
  });

  test("with a certificate ask with that certificate alone, and remember such keys apart", async () => {
    const asked: (string | undefined)[] = [];
    const bench = createBench();
    const issuers = createIssuers({
      http: {
        ...bench.web,
        getJson: (url, limits) => {
          asked.push(limits.roots);
          return bench.web.getJson(url, limits);
        },
      },
      clock: bench.clock,
      random: steadyRandom,
      logger: createLogKeeper(),
    });
    const authenticator = createJwtAuthenticator({ issuers, mayLackIssuer: false });
    await authenticator.verify(tokenOf(signToken(claimsOf())), { ...base, "ca-cert": pem }, noon);
    await authenticator.verify(tokenOf(signToken(claimsOf())), base, noon);
    expect(asked).toEqual([pem, undefined]);
  });

  test("that take a provider's document for a key set fail alone, and leave the provider's other services their keys", async () => {
    const bench = createBench();
    const { issuer: _, "jwks-uri": __, ...rest } = base;
    const claims = signToken(claimsOf({ iss: provider }));
    const wrong = { ...rest, "jwks-uri": document, issuer: provider };
    for (let round = 0; round < 3; round += 1)
      expect(await failureFrom(() => bench.verify(claims, wrong))).toMatchObject({ code: "upstream_unavailable" });
    expect((await bench.verify(claims, { ...rest, "provider-uri": provider })).subject).toBe("job-7");
  });

  test("of a provider that names another issuer are refused", async () => {
    const bench = createBench();
    bench.web.pages.set(document, { issuer: "https://idp.example/realms/other", jwks_uri: "https://keys.example/all" });
    const settings = { "provider-uri": provider };
    expect(await failureFrom(() => bench.verify(signToken(claimsOf({ iss: provider })), settings))).toMatchObject({
      code: "upstream_unavailable",
      because: "issuer_document",
    });
  });

  test("whose keys cannot be had say so, and keys that were had serve on", async () => {
    const bench = createBench();
    await bench.verify(signToken(claimsOf()));
    bench.web.pages.clear();
    bench.clock.advance(2 * 3_600_000);
    const later = claimsOf({ exp: seconds + 8000 });
    expect((await bench.verify(signToken(later))).subject).toBe("job-7");
    expect(
      await failureFrom(() => createBench().verify(signToken(later), { ...base, "jwks-uri": "https://nowhere.example/" })),
    ).toMatchObject({ code: "upstream_unavailable", because: "connect" });
  });
});
