import { describe, expect, test } from "bun:test";
import { conjur } from "../../../src/fronts/conjur/routes";
import { PosternError } from "../../../src/model/failures";
import { ask, basicFor, type Case, expectedOf, outcomeOf, titled, tokenFor } from "../ask";
import { apiKey, createFakeBroker, fail } from "../fake-broker";

const front = conjur.serve(createFakeBroker());
const payload = Buffer.from("acme:host:apps/web").toString("base64");
const token = `{"protected":"cA==","payload":"${payload}","signature":"cw=="}`;
const key = { body: apiKey };
const azure = "/authn-azure/prod/acme/host%2Fapps%2Fweb/authenticate";
const jwt = { body: `jwt=${apiKey}` };
const basic = (login: string, secret = apiKey) => ({ headers: { authorization: basicFor(login, secret) } });
const admin = "acme:user:admin";
const refusedByNothing = { status: 401, text: "" };

const cases: readonly Case[] = [
  {
    ask: "POST /authn/acme/host%2Fapps%2Fweb/authenticate",
    ...key,
    status: 200,
    text: token,
    has: { "content-type": "application/json; charset=utf-8", vary: "Accept-Encoding", "cache-control": "no-store" },
  },
  {
    ask: "POST /authn/acme/host%2Fapps%2Fweb/authenticate",
    ...key,
    headers: { "accept-encoding": "gzip, BASE64 " },
    status: 200,
    text: Buffer.from(token).toString("base64"),
    has: { "content-encoding": "base64", "content-type": "text/plain; charset=utf-8" },
  },
  {
    ask: "POST /authn/acme/host%2Fapps%2Fweb/authenticate",
    ...key,
    headers: { "accept-encoding": "base64x" },
    status: 200,
    text: token,
    has: { "content-encoding": "absent" },
  },
  {
    ask: "POST /authn/acme/host%2Fapps%2Fweb/authenticate",
    ...key,
    headers: { "content-type": "application/x-www-form-urlencoded" },
    status: 200,
  },
  { ask: "POST /authn/acme/alice/authenticate", ...key, status: 200 },
  { ask: "POST /authn/acme/user%2Falice/authenticate", ...key, status: 200 },
  { ask: "POST /authn/acme/alice/authenticate", ...key, headers: { authorization: "nonsense" }, status: 200 },
  { ask: "POST /authn/acme/alice/authenticate", body: `${apiKey}\n`, ...refusedByNothing },
  { ask: "POST /authn/acme/alice/authenticate", body: "", ...refusedByNothing },
  { ask: "POST /authn/acme/alice/authenticate", ...refusedByNothing },
  { ask: "POST /authn/acme/nobody/authenticate", ...key, ...refusedByNothing },
  { ask: "POST /authn/other/alice/authenticate", ...key, ...refusedByNothing },
  { ask: "POST /authn/!/alice/authenticate", ...key, ...refusedByNothing },
  { ask: "POST /authn/acme/group%2Fops/authenticate", ...key, ...refusedByNothing },
  { ask: "POST /authn/acme/layer%2Fx/authenticate", ...key, ...refusedByNothing },
  { ask: "POST /authn/acme/a%00b/authenticate", ...key, ...refusedByNothing },
  { ask: "POST /authn/acme/%20alice/authenticate", ...key, ...refusedByNothing },
  { ask: "POST /authn/acme/alice%252F/authenticate", ...key, ...refusedByNothing },
  { ask: "POST /authn/acme/host/apps/web/authenticate", ...key, status: 404 },
  { ask: "POST /authn/ac%2Fme/alice/authenticate", ...key, status: 404 },
  { ask: "GET /authn/acme/alice/authenticate", status: 404 },
  { ask: "PUT /authn/acme/alice/authenticate", ...key, status: 404 },
  { ask: "POST /authn/acme/%ff/authenticate", ...key, status: 400 },
  // A machine's own token.
  { ask: `POST ${azure}`, ...jwt, status: 200, text: token },
  { ask: `POST ${azure}`, ...jwt, headers: { "accept-encoding": "base64" }, status: 200, text: Buffer.from(token).toString("base64") },
  { ask: `POST ${azure}`, body: `other=1&jwt=${apiKey}&x=%20`, headers: { "content-type": "text/plain" }, status: 200 },
  { ask: `POST ${azure}`, body: "jwt=", status: 400, text: "" },
  { ask: `POST ${azure}`, body: "", status: 400, text: "" },
  { ask: `POST ${azure}`, body: `jwt=${apiKey}&jwt=${apiKey}`, status: 400 },
  { ask: `POST ${azure}`, body: "jwt=%ff", status: 400 },
  { ask: `POST ${azure}`, body: Buffer.from([0x6a, 0xff]), status: 400 },
  { ask: `POST ${azure}`, body: "jwt=wrong", ...refusedByNothing },
  { ask: "POST /authn-azure/other/acme/alice/authenticate", ...jwt, ...refusedByNothing },
  { ask: "POST /authn-iam/prod/acme/alice/authenticate", ...jwt, ...refusedByNothing },
  { ask: "POST /authn-azure/prod/acme/authenticate", ...jwt, ...refusedByNothing },
  { ask: "POST /authn-jwt/prod/acme/authenticate", ...jwt, ...refusedByNothing },
  { ask: "GET /authn-azure/prod/acme/alice/authenticate", status: 404 },
  // One's own API key.
  { ask: "GET /authn/acme/login", ...basic("alice"), status: 200, text: apiKey, has: { "content-type": "text/plain; charset=utf-8" } },
  { ask: "GET /authn/acme/login", ...basic("host/apps/web"), status: 200, text: apiKey },
  { ask: "GET /authn/acme/login", ...basic("alice", "wrong"), ...refusedByNothing },
  { ask: "GET /authn/acme/login", ...basic("nobody"), ...refusedByNothing },
  { ask: "GET /authn/acme/login", ...refusedByNothing },
  { ask: "GET /authn/acme/login", headers: { authorization: "Basic %%%" }, ...refusedByNothing },
  { ask: "GET /authn/acme/login", headers: { authorization: `Basic ${Buffer.from("alice").toString("base64")}` }, ...refusedByNothing },
  { ask: "GET /authn/acme/login", headers: { authorization: tokenFor(admin) }, ...refusedByNothing },
  { ask: "GET /authn/ac%2Fme/login", ...basic("alice"), status: 404 },
  // Passwords.
  { ask: "PUT /authn/acme/password", ...basic("alice"), body: "A long enough one", status: 204, text: "" },
  {
    ask: "PUT /authn/acme/password",
    ...basic("alice"),
    body: "short",
    status: 422,
    json: {
      error: {
        code: "validation_failed",
        message: "password CONJ00046E Choose a password that includes: 12-128 characters",
        details: [
          { code: "validation_failed", target: "password", message: "CONJ00046E Choose a password that includes: 12-128 characters" },
        ],
      },
    },
  },
  { ask: "PUT /authn/acme/password", ...basic("host/apps/web"), body: "A long enough one", status: 403, text: "" },
  { ask: "PUT /authn/acme/password", ...basic("alice", "wrong"), body: "A long enough one", ...refusedByNothing },
  { ask: "PUT /authn/acme/password", as: admin, body: "A long enough one", ...refusedByNothing },
  { ask: "PUT /authn/acme/password", body: "A long enough one", ...refusedByNothing },
  { ask: "PUT /authn/acme/password?role=user:admin", ...basic("alice"), body: "A long enough one", ...refusedByNothing },
  // New API keys.
  { ask: "PUT /authn/acme/api_key", ...basic("alice"), status: 200, text: "newkey" },
  { ask: "PUT /authn/acme/api_key?role=user:alice", ...basic("alice"), status: 200, text: "newkey" },
  { ask: "PUT /authn/acme/api_key?role=acme:user:alice", ...basic("alice"), status: 200 },
  { ask: "PUT /authn/acme/api_key?role=user:admin", ...basic("alice"), ...refusedByNothing },
  { ask: "PUT /authn/acme/api_key", ...basic("alice", "wrong"), ...refusedByNothing },
  { ask: "PUT /authn/acme/api_key", ...refusedByNothing },
  { ask: "PUT /authn/acme/api_key?role=user:alice", ...refusedByNothing },
  {
    ask: "PUT /authn/acme/api_key",
    as: admin,
    status: 401,
    json: { error: { code: "unauthorized", message: "Credential strength is insufficient" } },
  },
  {
    ask: "PUT /authn/acme/api_key?role=user:admin",
    as: admin,
    status: 401,
    json: { error: { code: "unauthorized", message: "Credential strength is insufficient" } },
  },
  { ask: "PUT /authn/acme/api_key?role=host:apps/web", as: admin, status: 200, text: "newkey" },
  {
    ask: "PUT /authn/acme/api_key?role=acme:user:alice",
    as: "acme:host:apps/web",
    status: 404,
    json: { error: { code: "not_found", message: "CONJ00123E Resource 'acme:user:alice' requested by role 'host/apps/web' not found" } },
  },
  {
    ask: "PUT /authn/acme/api_key?role=nonsense",
    as: admin,
    status: 404,
    json: { error: { code: "not_found", message: "CONJ00123E Resource 'nonsense' requested by role 'admin' not found" } },
  },
  { ask: "PUT /authn/acme/api_key?role=host:apps/web", as: "acme:host:apps/web", status: 401 },
  {
    ask: "PUT /authn/acme/api_key?role=group:ops",
    as: admin,
    status: 405,
    json: { error: { code: "method_not_allowed", message: "CONJ00126E Role 'group:ops' has no API key to rotate" } },
  },
  { ask: "PUT /authn/acme/api_key?role=user:alice&role=user:admin", as: admin, status: 400 },
  { ask: "PUT /authn-ldap/acme/api_key", ...basic("alice"), status: 200, text: "newkey" },
  { ask: "PUT /authn-iam/acme/api_key?role=host:apps/web", as: admin, status: 200, text: "newkey" },
  { ask: "PUT /authn-ldap/acme/api_key", as: admin, status: 401 },
  { ask: "POST /authn/acme/api_key", ...basic("alice"), status: 404 },
  // How old they are.
  {
    ask: "GET /authn/acme/api_key",
    ...basic("alice"),
    status: 200,
    json: { role: "acme:user:alice", timestamp: "2025-11-10T09:12:13.000+00:00" },
    has: { "content-type": "application/json; charset=utf-8" },
  },
  { ask: "HEAD /authn/acme/api_key", ...basic("alice"), status: 200, text: "" },
  { ask: "GET /authn/acme/api_key?role=user:alice", ...basic("alice"), status: 200 },
  { ask: "GET /authn/acme/api_key?role=user:admin", ...basic("alice"), ...refusedByNothing },
  { ask: "GET /authn/acme/api_key", ...basic("alice", "wrong"), ...refusedByNothing },
  { ask: "GET /authn/acme/api_key", ...refusedByNothing },
  {
    ask: "GET /authn/acme/api_key",
    as: admin,
    status: 401,
    json: { error: { code: "unauthorized", message: "Credential strength is insufficient" } },
  },
  {
    ask: "GET /authn/acme/api_key?role=host:apps/web",
    as: admin,
    status: 200,
    json: { role: "acme:host:apps/web", timestamp: "2025-11-10T09:12:13.000+00:00" },
  },
  { ask: "GET /authn/acme/api_key?role=host:apps/web", as: "acme:host:apps/web", status: 401 },
  { ask: "GET /authn/acme/api_key?role=acme:user:alice", as: "acme:host:apps/web", status: 404 },
  { ask: "GET /authn/acme/api_key?role=group:ops", as: admin, status: 405 },
  { ask: "GET /authn/acme/api_key?role=host:apps/web", ...refusedByNothing },
];

describe("logging in at Conjur's front", () => {
  test.each(titled(cases))("%s", async (_title, one) => {
    expect(await outcomeOf(front, one)).toEqual(expectedOf(one));
  });

  test.each([
    [
      "the proof's end, as clients know it",
      { code: "unauthenticated", reason: "expired" },
      401,
      '{"error":{"code":"unauthorized","message":"CONJ00016E Token expired"}}',
    ],
    ["a missing right as 403", { code: "forbidden" }, 403, ""],
    ["an unreachable provider as 401", { code: "upstream_unavailable", upstream: "issuer" }, 401, ""],
    ["an overloaded provider as 503", { code: "upstream_unavailable", upstream: "issuer", overloaded: true }, 503, ""],
    ["an authenticator that is not there as 401", { code: "unsupported", what: "authn-x" }, 401, ""],
    ["anything that is not there as 401", { code: "not_found", target: "acme:webservice:x" }, 401, ""],
    ["a missing root key as 503", { code: "sealed", reason: "seal_key_missing" }, 503, ""],
  ] as const)("prints %s", async (_title, failure, status, text) => {
    const failing = conjur.serve(createFakeBroker({ login: async () => Promise.reject(fail(failure)) }));
    const answer = await ask(failing, { ask: `POST ${azure}`, ...jwt });
    expect([answer.status, answer.text]).toEqual([status, text]);
  });

  test("passes the login as claimed, and as the role it means", async () => {
    const seen: unknown[] = [];
    const listening = conjur.serve(
      createFakeBroker({
        login: async ({ authenticator, service, account, role, claimed }) => {
          seen.push({ authenticator, service, account, role, claimed });
          throw fail({ code: "unauthenticated" });
        },
      }),
    );
    for (const path of [
      "/authn/acme/alice",
      "/authn-azure/a%2Fb/acme/host%2Fx",
      "/authn-jwt/prod/acme",
      "/authn-azure/acme/layer%2Fx",
      "/authn/acme/a+b%2540",
    ])
      await ask(listening, { ask: `POST ${path}/authenticate`, ...jwt });
    expect(seen).toEqual([
      { authenticator: "authn", service: undefined, account: "acme", role: "acme:user:alice", claimed: "alice" },
      { authenticator: "authn-azure", service: "a/b", account: "acme", role: "acme:host:x", claimed: "host/x" },
      { authenticator: "authn-jwt", service: "prod", account: "acme", role: undefined, claimed: "" },
      { authenticator: "authn-azure", service: undefined, account: "acme", role: undefined, claimed: "layer/x" },
      { authenticator: "authn", service: undefined, account: "acme", role: "acme:user:a+b%40", claimed: "a+b%40" },
    ]);
  });

  test("counts every attempt under the one name that all spellings of a login share, before it reads the body", async () => {
    const counted: string[] = [];
    const edge = {
      admitLogin: (_context: unknown, identity: string) => {
        counted.push(identity);
        throw new PosternError({ code: "throttled", retryAfterSeconds: 3 });
      },
      report: () => {},
    };
    const spellings = [
      "/authn/acme/alice",
      "/authn/acme/user%2Falice",
      "/authn/acme/%61lice",
      "/api/authn/acme/user%2falice",
      "/authn-azure/prod/acme/alice",
    ];
    for (const path of spellings) {
      const answer = await ask(front, { ask: `POST ${path}/authenticate`, body: "%ff" }, edge);
      expect([answer.status, answer.headers.get("retry-after")]).toEqual([429, "3"]);
    }
    for (const question of ["GET /authn/acme/login", "PUT /authn/acme/password", "PUT /authn/acme/api_key"]) {
      expect((await ask(front, { ask: question, ...basic("user/alice") }, edge)).status).toBe(429);
    }
    expect(new Set(counted)).toEqual(new Set(["acme:user:alice"]));
  });
});
