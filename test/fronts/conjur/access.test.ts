import { describe, expect, test } from "bun:test";
import { accessOf } from "../../../src/fronts/conjur/access";
import { conjur } from "../../../src/fronts/conjur/routes";
import { frontContract } from "../../contract/front";
import { ask, basicFor, type Case, expectedOf, outcomeOf, titled, tokenFor } from "../ask";
import { apiKey, createFakeBroker } from "../fake-broker";

frontContract(conjur);

const front = conjur.serve(createFakeBroker());
const web = "acme:host:apps/web";
const tokenText = `{"role":"${web}"}`;
const header = (authorization: string) => ({ authorization });
const base64 = Buffer.from(tokenText).toString("base64");

const cases: readonly Case[] = [
  // An unknown path tells by the token alone whether it asks for one.
  { ask: "GET /no/such/path", status: 401, text: "Authorization missing", has: { "content-type": "text/plain; charset=utf-8" } },
  { ask: "GET /no/such/path", as: web, status: 404, text: "" },
  { ask: "GET /info", status: 401 },
  { ask: "GET /info", as: web, status: 404 },
  { ask: "GET /remote_health/x", as: web, status: 404 },
  { ask: "GET /metrics", as: web, status: 404 },
  { ask: "DELETE /whoami", as: web, status: 404 },
  { ask: "GET /resources/acme/nokind", as: web, status: 404 },
  { ask: "GET /assets/x.css", status: 404 },
  { ask: "GET /authn/acme/nothing", status: 404 },
  { ask: "GET /authn/acme/nothing", headers: header("Token x"), status: 401, text: "Malformed authorization token" },
  {
    ask: "GET /public_keys/acme/user/alice",
    status: 200,
    text: "ssh-ed25519 AAAA alice@desk\nssh-rsa BBBB alice@home\n",
    has: { "content-type": "text/plain; charset=utf-8" },
  },
  { ask: "GET /public_keys/acme/user/nobody", status: 200, text: "\n" },
  // No pattern: upstream's would have matched every user.
  { ask: "GET /public_keys/acme/user/%25", status: 200, text: "\n" },
  { ask: "GET /public_keys/acme/user/al_ce", status: 200, text: "\n" },
  { ask: "GET /public_keys/acme/host/apps%2Fweb", status: 404, text: "" },
  { ask: "GET /public_keys/acme/user/alice", headers: { authorization: "Token token=nonsense" }, status: 401 },
  // The header's forms.
  { ask: "GET /whoami", status: 401, text: "Authorization missing" },
  { ask: "GET /whoami", headers: header(""), status: 401, text: "Malformed authorization token" },
  { ask: "GET /whoami", headers: header(basicFor("alice", apiKey)), status: 401, text: "Malformed authorization token" },
  { ask: "GET /whoami", headers: header(`Bearer ${base64}`), status: 401, text: "Malformed authorization token" },
  { ask: "GET /whoami", headers: header(`token token="${base64}"`), status: 401, text: "Malformed authorization token" },
  { ask: "GET /whoami", headers: header(`Token token=${base64}`), status: 401, text: "Malformed authorization token" },
  { ask: "GET /whoami", headers: header('Token token="'), status: 401, text: "Malformed authorization token" },
  { ask: "GET /whoami", headers: header('Token token=""'), status: 401, text: "Malformed authorization token" },
  { ask: "GET /whoami", headers: header('Token token="%%%%"'), status: 401, text: "Malformed authorization token" },
  {
    ask: "GET /whoami",
    headers: header(`Token token="${Buffer.from("[1]").toString("base64")}"`),
    status: 401,
    text: "Malformed authorization token",
  },
  {
    ask: "GET /whoami",
    headers: header(`Token token="${base64}", Token token="${base64}"`),
    status: 401,
    text: "Malformed authorization token",
  },
  {
    ask: "GET /whoami",
    headers: header(`Token token="${Buffer.from("{}").toString("base64")}"`),
    status: 401,
    text: "Unauthorized: Invalid token",
  },
  { ask: "GET /whoami", headers: header(`Token token="${base64}"`), status: 200 },
  { ask: "GET /whoami", headers: header(`Token token="${base64.replaceAll("=", "")}"`), status: 200 },
  { ask: "GET /whoami", headers: header(`Token token="${Buffer.from(tokenText).toString("base64url")}"`), status: 200 },
  { ask: "GET /whoami", headers: header(`Token token="${base64.slice(0, 8)} ${base64.slice(8)} "; more`), status: 200 },
  { ask: "GET /whoami", as: "elsewhere", status: 403, text: "IP address rejected" },
  { ask: "GET /whoami", as: "gone", status: 403, text: "" },
  { ask: "GET /whoami", headers: { accept: "application/x.secretsmgr.v2beta+json" }, status: 401, text: "" },
  // The token comes before the route, and before what is wrong with the path.
  { ask: "GET /%ff", status: 401 },
  { ask: "GET /%ff", as: web, status: 400, text: "" },
  { ask: "GET /resources/acme/variable/%ff", as: web, status: 400 },
  { ask: "GET /resources/acme/variable/%zz", as: web, status: 400 },
  { ask: "GET /resources/acme/variable/a%00b", as: web, status: 400 },
  { ask: "GET /resources/acme/variable/a%5Cb", as: web, status: 400 },
  { ask: "GET /resources/acme/variable/..%2fb", as: web, status: 400 },
  { ask: "GET /resources/acme/variable/a%2F%2Fb", as: web, status: 400 },
  { ask: "GET /resources/acme/variable/%20a", as: web, status: 400 },
  { ask: "GET /resources/acme/variable/e%CC%81", as: web, status: 400 },
  { ask: "GET /resources/ac%2Fme/variable/a", as: web, status: 404 },
  { ask: "GET /resources/!/variable/a", as: web, status: 400 },
  { ask: "GET /%77hoami", as: web, status: 404 },
  { ask: "GET //whoami", as: web, status: 404 },
  // One slash at the end is nothing, as in upstream's routes; the Go client puts one before the query of two of its requests.
  { ask: "GET /whoami/", as: web, status: 200 },
  { ask: "GET /whoami//", as: web, status: 404 },
  { ask: "GET /resources/acme/?kind=host", as: web, status: 200 },
  { ask: "GET /api/", status: 200 },
  { ask: "GET /whoami;x", as: web, status: 404 },
  // Everything also below /api, once.
  { ask: "GET /api/whoami", as: web, status: 200 },
  { ask: "GET /api/whoami", status: 401 },
  { ask: "GET /api", headers: { accept: "application/json" }, status: 200, json: { version: "1.24.0" } },
  { ask: "GET /api/authenticators", status: 200 },
  { ask: "GET /api/api/whoami", as: web, status: 404 },
  { ask: "GET /apiwhoami", as: web, status: 404 },
  // Nothing overrides the method.
  {
    ask: "GET /secrets/acme/variable/apps%2Fdb?_method=DELETE",
    as: web,
    headers: { "x-http-method-override": "POST" },
    status: 200,
    text: "hunter2\n",
  },
];

describe("access to Conjur's routes", () => {
  test.each(titled(cases))("%s", async (_title, one) => {
    expect(await outcomeOf(front, one)).toEqual(expectedOf(one));
  });

  test.each([
    ["/", "open"],
    ["/authenticators", "open"],
    ["/authenticators/", "required"],
    ["/host_factories/hosts", "open"],
    ["/assets/a/b", "open"],
    ["/authn/acme/alice/authenticate", "open"],
    ["/authn-azure/prod/acme/host%2Fx/authenticate", "open"],
    ["/authn-oidc/acme/providers", "open"],
    ["/authn-jwt/acme/providers", "optional"],
    ["/authn/acme/login", "optional"],
    ["/authn-azure/prod/acme", "optional"],
    ["/public_keys/acme/user/alice", "optional"],
    ["/authn", "required"],
    ["/authnx/acme/alice/authenticate", "required"],
    ["/x/authn/acme/alice/authenticate", "required"],
    ["/whoami", "required"],
    ["/anything", "required"],
  ])("to the path %p is %p", (path, access) => {
    expect<string>(accessOf(path)).toBe(access);
  });

  test("is judged before the route for every method, so that no method opens a path", async () => {
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
      for (const path of [
        "/secrets/acme/variable/apps%2Fdb",
        "/secrets?variable_ids=x",
        "/resources",
        "/policies/acme/policy/root",
        "/roles/acme/host/apps%2Fweb",
      ])
        expect([method, path, (await ask(front, { ask: `${method} ${path}` })).status]).toEqual([method, path, 401]);
  });

  test("is remembered by nobody: the next request of the same path without a token is refused", async () => {
    const path = "GET /secrets/acme/variable/apps%2Fdb";
    expect((await ask(front, { ask: path, headers: { authorization: tokenFor(web) } })).status).toBe(200);
    expect((await ask(front, { ask: path })).status).toBe(401);
  });
});
