/** Logins by JWT, Google Cloud and OpenID Connect over the Conjur wire, against issuers in memory: who gets in, and everybody who must not. */

import { describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { conjurReason } from "../../src/audit/conjur-reasons";
import { type Members, part, signingKey, signToken } from "../support/fake-issuer";
import { startOfTime } from "../support/house";
import {
  type Attempt,
  createLoginHouse,
  form,
  googleClaims,
  jobClaims,
  json,
  type LoginHouse,
  staff,
  staffClaims,
} from "../support/login-house";
import { loginPolicy, loginValues } from "../support/login-policies";
import { identityAnswer, type SigningChange, signedRequest, stsUrl } from "../support/signed-request";

const expired = '{"error":{"code":"unauthorized","message":"CONJ00016E Token expired"}}';
const open = () => createLoginHouse(loginPolicy, loginValues);

const job = (overrides: Members = {}, options: Parameters<typeof signToken>[1] = {}) =>
  form({ jwt: signToken(jobClaims(overrides), options) });
const vm = (overrides: Members = {}, options: Parameters<typeof signToken>[1] = {}) =>
  form({ jwt: signToken(googleClaims(overrides), options) });
const id = (overrides: Members = {}, options: Parameters<typeof signToken>[1] = {}) =>
  form({ id_token: signToken(staffClaims(overrides), options) });
const jwt = (login: string, service = "ci", account = "acme") =>
  `POST /authn-jwt/${service}/${account}/${encodeURIComponent(login)}/authenticate`;
const named = "POST /authn-jwt/named/acme/authenticate";
const gcp = "POST /authn-gcp/acme/authenticate";
const oidc = "POST /authn-oidc/token/acme/authenticate";
const web = "GET /authn-oidc/web/acme/authenticate";
const iam = (login: string) => `POST /authn-iam/prod/acme/${encodeURIComponent(login)}/authenticate`;
const aws = iam("host/aws/123456789012/app-role");
const request = (change: SigningChange = {}) => signedRequest(startOfTime, change);
const ldap = (login: string, service = "corp") => `POST /authn-ldap/${service}/acme/${encodeURIComponent(login)}/authenticate`;
const basic = (login: string, password: string) => ({ authorization: `Basic ${Buffer.from(`${login}:${password}`).toString("base64")}` });
const code = `${web}?code=c0de&nonce=n-1&code_verifier=v-1`;

interface Entry extends Attempt {
  readonly role: string;
  readonly seconds?: number;
}

const entries: readonly Entry[] = [
  { ask: jwt("host/jwt/shop"), body: job(), role: "host/jwt/shop" },
  { ask: jwt("host/jwt/shop"), body: job({ aud: ["a", "postern"] }), role: "host/jwt/shop" },
  { ask: named, body: job(), role: "host/jwt/shop" },
  { ask: gcp, body: vm(), role: "host/gcp/vm" },
  { ask: gcp, body: vm({ aud: "conjur/acme/gcp/account", google: undefined }), role: "host/gcp/account" },
  { ask: oidc, body: id(), role: "alice" },
  { ask: oidc, body: id({ username: "host/robot" }), role: "host/robot" },
  { ask: oidc, headers: { authorization: `Bearer ${signToken(staffClaims())}` }, role: "alice" },
  { ask: code, role: "alice", seconds: 1200 },
  { ask: aws, body: request(), role: "host/aws/123456789012/app-role" },
  { ask: aws, body: request(), headers: { "content-type": "text/plain" }, role: "host/aws/123456789012/app-role" },
  { ask: iam("host/123456789012/app-role"), body: request(), role: "host/123456789012/app-role" },
  { ask: ldap("dave"), body: "dave's password", role: "dave" },
  { ask: ldap("user/dave"), body: "dave's password", role: "dave" },
];

describe("who may", () => {
  test.each(entries.map((entry): [string, Entry] => [`${entry.ask} as ${entry.role}`, entry]))("logs in: %s", async (_title, entry) => {
    const { attempt } = await open();
    const { status, body, lines } = await attempt(entry);
    expect(status).toBe(200);
    const session = JSON.parse(body);
    const { sub, exp, iat } = JSON.parse(Buffer.from(session.payload, "base64url").toString());
    expect({ sub, seconds: exp - iat }).toEqual({ sub: entry.role, seconds: entry.seconds ?? 480 });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ operation: "login", allowed: true });
  });

  test("gets the token as base64 text where it asks for that", async () => {
    const { attempt } = await open();
    const answer = await attempt({ ask: gcp, body: vm(), headers: { "accept-encoding": "gzip, base64" } });
    expect(answer.headers.get("content-encoding")).toBe("base64");
    expect(JSON.parse(Buffer.from(answer.body, "base64").toString())).toHaveProperty("signature");
  });
});

interface Refusal extends Attempt {
  readonly title: string;
  readonly status: number;
  readonly because: string | undefined;
  readonly answer?: string;
  readonly before?: (made: LoginHouse) => void | Promise<void>;
}

const hmac = (claims: Members): string => {
  const signed = `${part({ typ: "JWT", alg: "HS256", kid: "key-a" })}.${part(claims)}`;
  const pem = signingKey().publicKey.export({ type: "spki", format: "pem" });
  return `${signed}.${createHmac("sha256", pem).update(signed).digest("base64url")}`;
};
const shop = jwt("host/jwt/shop");
const forged = { key: signingKey(2), header: { typ: "JWT", alg: "RS256", kid: "key-a" } };
const no = (because: string, status = 401) => ({ status, because });
const header = (members: Members) => ({ header: { typ: "JWT", alg: "RS256", kid: "key-a", ...members } });

const refusals: readonly Refusal[] = [
  { title: "an account that does not exist", ask: jwt("host/jwt/shop", "ci", "nobody"), body: job(), ...no("account") },
  { title: "a service that is off", ask: jwt("host/jwt/shop", "off"), body: job(), ...no("enabled") },
  { title: "a service that no policy declares", ask: jwt("host/jwt/shop", "ghost"), body: job(), ...no("key_source") },
  { title: "a variable without a value", ask: jwt("host/jwt/shop", "unset"), body: job(), ...no("setting_jwks_uri") },
  { title: "a login in the path, and one in the token", ask: jwt("host/jwt/shop", "named"), body: job(), ...no("identity_named_once") },
  { title: "no login at all", ask: "POST /authn-jwt/ci/acme/authenticate", body: job(), ...no("identity_named_once") },
  { title: "no body", ask: shop, ...no("credential_presented", 400) },
  { title: "an empty token", ask: shop, body: "jwt=", ...no("credential_presented", 400) },
  { title: "the token without its name", ask: shop, body: signToken(jobClaims()), ...no("credential_presented", 400) },
  { title: "two tokens", ask: shop, body: `${job()}&${job()}`, status: 400, because: undefined },
  { title: "GET", ask: "GET /authn-jwt/ci/acme/host%2Fjwt%2Fshop/authenticate", status: 404, because: undefined },
  {
    title: "a login with raw slashes",
    ask: "POST /authn-jwt/ci/acme/host/jwt/shop/authenticate",
    body: job(),
    status: 404,
    because: undefined,
  },
  { title: "what is no token", ask: shop, body: "jwt=hello", ...no("token_form") },
  { title: "a token of 20 kB", ask: shop, body: job({ pad: "x".repeat(20_000) }), ...no("token_size") },
  { title: "no algorithm", ask: shop, body: job({}, header({ alg: "none" })), ...no("token_algorithm") },
  { title: "a symmetric algorithm", ask: shop, body: form({ jwt: hmac(jobClaims()) }), ...no("token_algorithm") },
  { title: "an algorithm the service does not take", ask: shop, body: job({}, header({ alg: "PS256" })), ...no("token_algorithm") },
  { title: "another algorithm than it was signed by", ask: shop, body: job({}, header({ alg: "RS384" })), ...no("signature") },
  { title: "no key", ask: shop, body: job({}, header({ kid: undefined })), ...no("token_key_id") },
  { title: "a key that is a path", ask: shop, body: job({}, header({ kid: "../../dev/null" })), ...no("signing_key") },
  { title: "a key that nobody knows", ask: shop, body: job({}, header({ kid: "key-z" })), ...no("signing_key") },
  { title: "a key of its own", ask: shop, body: job({}, { ...forged, ...header({ jku: "https://evil.example" }) }), ...no("signature") },
  { title: "critical extensions", ask: shop, body: job({}, header({ crit: ["b64"], b64: false })), ...no("token_critical") },
  {
    title: "a claim twice",
    ask: shop,
    body: form({ jwt: signToken('{"iss":"https://ci.example","iss":"x","exp":9999999999}') }),
    ...no("token_claims"),
  },
  { title: "another issuer", ask: shop, body: job({ iss: "https://evil.example" }), ...no("issuer") },
  { title: "no issuer", ask: shop, body: job({ iss: undefined }), ...no("issuer") },
  { title: "another audience", ask: shop, body: job({ aud: "other" }), ...no("audience") },
  { title: "no audience", ask: shop, body: job({ aud: undefined }), ...no("audience") },
  { title: "no end", ask: shop, body: job({ exp: undefined }), ...no("token_times") },
  { title: "an end in the past", ask: shop, body: job({ exp: 1 }), ...no("expiry"), answer: expired },
  { title: "a beginning in the future", ask: shop, body: job({ nbf: 9_999_999_999 }), ...no("not_before") },
  { title: "an end in the past, and another's signature", ask: shop, body: job({ exp: 1 }, forged), ...no("signature") },
  { title: "a token without the claim that names the host", ask: named, body: job({ project: undefined }), ...no("identity_claim") },
  { title: "a token that names nobody known", ask: named, body: job({ project: "nobody" }), ...no("role") },
  { title: "a token that names its way out of the path", ask: named, body: job({ project: "../../admin" }), ...no("role") },
  { title: "a token that names a host without the privilege", ask: named, body: job({ project: "stranger" }), ...no("authenticate", 403) },
  {
    title: "a token that names a host without the enforced claim",
    ask: named,
    body: job({ project: "loose" }),
    ...no("annotation_missing"),
  },
  { title: "a host that does not exist", ask: jwt("host/jwt/nobody"), body: job(), ...no("role") },
  { title: "a group", ask: jwt("group/jwt/all"), body: job(), ...no("role") },
  { title: "a host without the privilege", ask: jwt("host/jwt/stranger"), body: job(), ...no("authenticate", 403) },
  { title: "an address outside the host's networks", ask: jwt("host/jwt/far"), body: job(), from: "192.0.2.1", ...no("restricted_to") },
  { title: "a host bound to another project", ask: jwt("host/jwt/wrong"), body: job(), ...no("claim_mismatch") },
  { title: "a host bound to a claim that is absent", ask: jwt("host/jwt/absent"), body: job(), ...no("claim_missing") },
  { title: "a host bound to a claim that is a number", ask: jwt("host/jwt/number"), body: job(), ...no("claim_missing") },
  { title: "a host bound to nothing", ask: jwt("host/jwt/bare"), body: job(), ...no("annotations_none") },
  { title: "a host bound in the general form", ask: jwt("host/jwt/general"), body: job(), ...no("annotations_none") },
  { title: "a host bound for another service", ask: jwt("host/jwt/other-service"), body: job(), ...no("annotations_none") },
  { title: "a host bound to an empty value", ask: jwt("host/jwt/empty"), body: job(), ...no("annotation_empty") },
  { title: "a host bound to a reserved claim", ask: jwt("host/jwt/reserved"), body: job(), ...no("annotation_forbidden") },
  { title: "the administrator", ask: jwt("admin"), body: job(), ...no("annotations_none") },
  { title: "an issuer that is away", ask: shop, body: job(), ...no("connect"), before: ({ web: pages }) => pages.pages.clear() },
  {
    title: "an issuer with broken keys",
    ask: shop,
    body: job(),
    ...no("key_document"),
    before: ({ web: { pages } }) => void pages.set("https://ci.example/-/jwks", { keys: "none" }),
  },

  { title: "a token for another account", ask: gcp, body: vm({ aud: "conjur/globex/host/gcp/vm" }), ...no("proof_account") },
  { title: "a token for something else", ask: gcp, body: vm({ aud: "https://example.com" }), ...no("audience") },
  { title: "a token for nobody known", ask: gcp, body: vm({ aud: "conjur/acme/host/gcp/nobody" }), ...no("role") },
  { title: "a token for a name that is none", ask: gcp, body: vm({ aud: "conjur/acme/host/gcp/.." }), ...no("role") },
  {
    title: "a login in the path of Google's",
    ask: "POST /authn-gcp/acme/host%2Fgcp%2Fvm/authenticate",
    body: vm(),
    ...no("identity_named_once"),
  },
  { title: "no token for Google's", ask: gcp, body: "", ...no("credential_presented", 400) },
  { title: "an expired token of Google's", ask: gcp, body: vm({ iat: 1, exp: 2 }), ...no("expiry"), answer: expired },
  { title: "a forged token of Google's", ask: gcp, body: vm({}, forged), ...no("signature") },
  { title: "another issuer than Google", ask: gcp, body: vm({ iss: "https://ci.example" }), ...no("issuer") },
  {
    title: "a host bound by the name of the machine alone",
    ask: gcp,
    body: vm({ aud: "conjur/acme/gcp/name-alone" }),
    ...no("annotations_none"),
  },
  { title: "a host of Google's bound to nothing", ask: gcp, body: vm({ aud: "conjur/acme/gcp/bare" }), ...no("annotations_none") },
  { title: "a host bound to what is not proven", ask: gcp, body: vm({ aud: "conjur/acme/gcp/unknown" }), ...no("annotation_unknown") },
  { title: "a host of another project", ask: gcp, body: vm({ aud: "conjur/acme/gcp/wrong" }), ...no("project_id_mismatch") },
  { title: "a machine's host with a token that is not full", ask: gcp, body: vm({ google: undefined }), ...no("project_id_mismatch") },
  {
    title: "another machine of the project",
    ask: gcp,
    body: vm({ google: { compute_engine: { project_id: "shop-prod", instance_name: "vm-2" } } }),
    ...no("instance_name_mismatch"),
  },
  {
    title: "another service account",
    ask: gcp,
    body: vm({ aud: "conjur/acme/gcp/account", sub: "1" }),
    ...no("service_account_id_mismatch"),
  },
  { title: "a host bound in the service form", ask: gcp, body: vm({ aud: "conjur/acme/gcp/special" }), ...no("annotations_none") },
  {
    title: "a host without the privilege at Google's",
    ask: gcp,
    body: vm({ aud: "conjur/acme/gcp/stranger" }),
    ...no("authenticate", 403),
  },

  { title: "no identity token", ask: oidc, body: "", ...no("credential_presented", 400) },
  {
    title: "a jwt instead of an identity token",
    ask: oidc,
    body: form({ jwt: signToken(staffClaims()) }),
    ...no("credential_presented", 400),
  },
  { title: "a user in the path, without a token", ask: "POST /authn-oidc/token/acme/alice/authenticate", status: 404, because: undefined },
  {
    title: "a user in the path, with a token",
    ask: "POST /authn-oidc/token/acme/alice/authenticate",
    body: id(),
    status: 404,
    because: undefined,
  },
  { title: "no service", ask: "POST /authn-oidc/acme/authenticate", body: id(), ...no("enabled") },
  { title: "a token for another client", ask: oidc, body: id({ aud: "other" }), ...no("audience") },
  { title: "a token of another realm", ask: oidc, body: id({ iss: "https://idp.example/realms/guests" }), ...no("issuer") },
  { title: "a forged identity token", ask: oidc, body: id({}, forged), ...no("signature") },
  { title: "an expired identity token", ask: oidc, body: id({ exp: 1 }), ...no("expiry"), answer: expired },
  { title: "somebody unknown", ask: oidc, body: id({ username: "mallory" }), ...no("role") },
  { title: "somebody without a name", ask: oidc, body: id({ username: undefined }), ...no("identity_claim") },
  { title: "a user who may not", ask: oidc, body: id({ username: "bob" }), ...no("authenticate", 403) },
  { title: "the administrator's name", ask: oidc, body: id({ username: "admin" }), ...no("administrator") },
  { title: "a group's name", ask: oidc, body: id({ username: "group/jwt/all" }), ...no("role") },
  { title: "a name with outer white space", ask: oidc, body: id({ username: " alice" }), ...no("role") },
  { title: "a name in other letters", ask: oidc, body: id({ username: "Alice" }), ...no("role") },
  {
    title: "a token at a service for codes",
    ask: "POST /authn-oidc/web/acme/authenticate",
    body: id(),
    ...no("setting_id_token_user_property"),
  },
  { title: "a code at a service for tokens", ask: code.replace("/web/", "/token/"), ...no("setting_client_id") },

  { title: "no signed request", ask: aws, body: "", ...no("credential_presented", 400) },
  { title: "a token instead of a signed request", ask: aws, body: job(), ...no("request_form") },
  { title: "a request signed for another host", ask: aws, body: request({ host: "evil.example" }), ...no("request_host") },
  {
    title: "a request signed for a made-up region",
    ask: aws,
    body: request({ region: "eu-west-1.evil.example" }),
    ...no("request_signature"),
  },
  { title: "a request signed an hour ago", ask: aws, body: request({ date: "20251124T150000Z" }), ...no("request_date") },
  { title: "a host named for another role", ask: iam("host/aws/123456789012/other-role"), body: request(), ...no("login_mismatch") },
  { title: "a host named for another account", ask: iam("host/aws/210987654321/app-role"), body: request(), ...no("login_mismatch") },
  {
    title: "a host whose name only ends like the account",
    ask: iam("host/aws/x123456789012/app-role"),
    body: request(),
    ...no("login_mismatch"),
  },
  {
    title: "a host named for the role in other letters",
    ask: iam("host/aws/123456789012/APP-ROLE"),
    body: request(),
    ...no("login_mismatch"),
  },
  { title: "a host named for the role alone", ask: iam("host/app-role"), body: request(), ...no("login_mismatch") },
  { title: "a host of AWS that does not exist", ask: iam("host/aws/nobody"), body: request(), ...no("role") },
  { title: "a host of AWS without the privilege", ask: iam("host/robot"), body: request(), ...no("authenticate", 403) },
  { title: "the administrator, by AWS", ask: iam("admin"), body: request(), ...no("administrator") },
  {
    title: "AWS without a service that is on",
    ask: "POST /authn-iam/acme/host%2Fapp-role/authenticate",
    body: request(),
    ...no("enabled"),
  },
  {
    title: "a role that AWS does not know",
    ask: aws,
    body: request(),
    ...no("caller_identity"),
    before: ({ web: { answers } }) => void answers.set(stsUrl(), () => json({}, 403)),
  },
  {
    title: "a user of AWS",
    ask: aws,
    body: request(),
    ...no("assumed_role"),
    before: ({ web: { answers } }) => void answers.set(stsUrl(), () => identityAnswer("arn:aws:iam::123456789012:user/app-role")),
  },

  { title: "no password", ask: ldap("dave"), body: "", ...no("credential_presented") },
  { title: "a wrong password", ask: ldap("dave"), body: "dave's passwore", ...no("directory_password") },
  { title: "a password with a line break after it", ask: ldap("dave"), body: "dave's password\n", ...no("directory_password") },
  { title: "a user whom the directory does not know", ask: ldap("erin"), body: "dave's password", ...no("directory_password") },
  { title: "a user whom only the directory knows", ask: ldap("frank"), body: "dave's password", ...no("role") },
  { title: "a user of the directory who may not", ask: ldap("bob"), body: "bob's password", ...no("authenticate", 403) },
  { title: "the administrator, by the directory", ask: ldap("admin"), body: "admin's password", ...no("administrator") },
  { title: "a login that is a filter", ask: ldap("dave)(uid=*"), body: "dave's password", ...no("role") },
  { title: "a directory that is away", ask: ldap("dave", "away"), body: "dave's password", ...no("connect") },
  {
    title: "a directory that does not know its searcher",
    ask: ldap("dave"),
    body: "dave's password",
    ...no("directory_password"),
    before: (made) => made.set("conjur/authn-ldap/corp/bind-password", "another"),
  },
  {
    title: "a directory without TLS",
    ask: ldap("dave"),
    body: "dave's password",
    ...no("directory_uri"),
    before: async ({ house }) => {
      await house.load("- !webservice { id: conjur/authn-ldap/corp, annotations: { ldap-authn/uri: ldap://dc.example } }", "update");
    },
  },

  { title: "no code", ask: `${web}?nonce=n-1&code_verifier=v-1`, ...no("credential_presented", 400) },
  { title: "a code without its nonce", ask: `${web}?code=c0de&code_verifier=v-1`, ...no("credential_presented", 400) },
  { title: "a code without its verifier", ask: `${web}?code=c0de&nonce=n-1`, ...no("credential_presented", 400) },
  { title: "two codes", ask: `${code}&code=other`, status: 400, because: undefined },
  { title: "a code of another sign-in", ask: code.replace("n-1", "n-2"), ...no("nonce") },
  {
    title: "a code that the provider refuses",
    ask: code,
    ...no("code_exchange"),
    before: ({ web: { answers } }) => void answers.set(`${staff}/token`, () => json({ error: "invalid_grant" }, 400)),
  },
  {
    title: "a code for a user who may not",
    ask: code,
    ...no("authenticate", 403),
    before: ({ web: { answers } }) =>
      void answers.set(`${staff}/token`, () => json({ id_token: signToken(staffClaims({ username: "bob" })) })),
  },
  { title: "a code while the provider is away", ask: code, ...no("connect"), before: ({ web: { answers } }) => answers.clear() },
];

describe("who may not", () => {
  test.each(refusals.map((refusal): [string, Refusal] => [refusal.title, refusal]))("is refused: %s", async (_title, refusal) => {
    const made = await open();
    await refusal.before?.(made);
    const { status, body, lines, why } = await made.attempt(refusal);
    const [line, ...more] = lines;
    expect({ status, body, because: line?.because, lines: lines.length }).toEqual({
      status: refusal.status,
      body: refusal.answer ?? "",
      because: refusal.because,
      lines: refusal.because === undefined ? 0 : 1,
    });
    expect(more).toEqual([]);
    if (line === undefined) return;
    // What failed stands last of all checks, and the operator is shown it; nothing of the credential is written anywhere.
    expect(line).toMatchObject({ operation: "login", allowed: false });
    expect(line.checks?.at(-1)?.ok).toBe(false);
    expect(why).toContain(`because ${refusal.because}`);
    // For these there is none that is known.
    if (refusal.because !== "code_exchange" && refusal.because !== "directory_uri") expect(conjurReason(line)).toMatch(/^CONJ\d{5}E /u);
    const written = JSON.stringify(lines) + why;
    for (const shown of [
      refusal.body?.split("=")[1] ?? "",
      "c0de",
      "canary-client-secret",
      "token/canary",
      "canary-bind-password",
      "dave's password",
    ])
      if (shown.length > 3) expect(written).not.toContain(shown);
  });
});

describe("a right that is taken away while a proof is verified", () => {
  const revoked = (group: string, member: string) => `- !revoke { role: !group conjur/${group}, member: ${member} }`;

  test.each([
    ["a token that names its host", code, undefined, staff, revoked("authn-oidc/web/users", "!user alice")],
    ["a role that was claimed", aws, request(), "sts", revoked("authn-iam/prod/apps", "!host aws/123456789012/app-role")],
  ] as const)("is gone: %s", async (_what, ask, body, upstream, policy) => {
    const made = await open();
    const url = upstream === "sts" ? stsUrl() : `${staff}/token`;
    const answer = made.web.answers.get(url);
    // The policy is loaded while the provider thinks.
    const send: typeof made.web.send = async (asked) => {
      await made.house.load(policy, "update");
      if (answer === undefined) throw new Error("the provider answers");
      return answer(asked);
    };
    Object.assign(made.web, { send });
    const { status, lines } = await made.attempt({ ask, ...(body === undefined ? {} : { body }) });
    expect(status).toBe(403);
    expect(lines.at(-1)).toMatchObject({ operation: "login", allowed: false, because: "authenticate" });
  });
});

describe("a password of a directory", () => {
  test("is exchanged for the API key, with which its holder goes on; what is refused is refused in the same words", async () => {
    const { attempt, house } = await open();
    const login = "GET /authn-ldap/corp/acme/login";
    const { status, body, lines } = await attempt({ ask: login, headers: basic("dave", "dave's password") });
    expect([status, lines.length]).toEqual([200, 1]);
    expect(lines[0]).toMatchObject({
      operation: "api_key.exchange",
      allowed: true,
      authenticator: "authn-ldap/corp",
      role: "acme:user:dave",
    });
    expect(body).toBe(Buffer.from((await house.operator.retrieveKey(house.id("user:dave"), house.context())).reveal()).toString());
    expect((await attempt({ ask: ldap("dave"), body })).status).toBe(200);
    // The administrator's key opens nothing here, though it is a key.
    const key = Buffer.from(house.adminKey.reveal()).toString();
    expect(await attempt({ ask: ldap("admin"), body: key })).toMatchObject({ status: 401 });
    for (const [headers, expected, because] of [
      [basic("dave", "wrong"), 401, "directory_password"],
      [basic("dave", ""), 401, "credential_presented"],
      [basic("bob", "bob's password"), 403, "authenticate"],
      [basic("admin", "admin's password"), 401, "administrator"],
      [{}, 401, undefined],
    ] as const) {
      const refused = await attempt({ ask: login, headers });
      expect([refused.status, refused.body, refused.lines.at(-1)?.because]).toEqual([expected, "", because]);
    }
    for (const other of ["/authn-jwt/ci", "/authn-gcp", "/authn-magic/x"])
      expect(await attempt({ ask: `GET ${other}/acme/login`, headers: basic("dave", "dave's password") })).toMatchObject({
        status: 401,
        body: "",
      });
    expect(house.lastAudit()).toMatchObject({ operation: "api_key.exchange", allowed: false, because: "takes_passwords" });
  });
});

describe("the explanation of a login", () => {
  test("names the annotation that matched, the one that did not, and where the policy declares it", async () => {
    const { attempt } = await open();
    const { why } = await attempt({ ask: shop, body: job({ "kubernetes.io": { namespace: "test" } }) });
    expect(why).toContain("✓ project: policy wants 'shop', the proof says 'shop'");
    expect(why).toContain("✗ kubernetes.io/namespace: policy wants 'prod', the proof says 'test'");
    expect(why).toMatch(/✗ kubernetes.io\/namespace.*acme:policy:root/u);
  });

  test("says what to add where an annotation is missing", async () => {
    const { attempt } = await open();
    const { why } = await attempt({ ask: named, body: job({ project: "loose" }) });
    expect(why).toContain("authn-jwt/named/project: loose");
  });
});

describe("the providers to sign in with", () => {
  test("are those that are on, complete and can be asked, open to everybody", async () => {
    const { attempt, web: pages } = await open();
    const { status, body } = await attempt({ ask: "GET /authn-oidc/acme/providers" });
    expect(status).toBe(200);
    expect(JSON.parse(body)).toEqual([
      {
        service_id: "web",
        type: "authn-oidc",
        name: "Web",
        nonce: expect.stringMatching(/^[\w-]{43}$/),
        code_verifier: expect.stringMatching(/^[\w-]{43}$/),
        redirect_uri: expect.stringContaining(`${staff}/auth?client_id=postern-cli&response_type=code`),
      },
    ]);
    expect(body).not.toContain("canary-client-secret");
    pages.pages.clear();
    const away = await open();
    away.web.pages.clear();
    expect((await away.attempt({ ask: "GET /authn-oidc/acme/providers" })).body).toBe("[]");
    expect((await away.attempt({ ask: "GET /authn-oidc/nobody/providers" })).body).toBe("[]");
    expect((await away.attempt({ ask: "GET /authn-jwt/acme/providers" })).status).toBe(404);
  });
});
