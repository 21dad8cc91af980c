import { describe, expect, test } from "bun:test";
import { versionTwo } from "../../../src/fronts/conjur/access";
import { conjur } from "../../../src/fronts/conjur/routes";
import { type Case, expectedOf, outcomeOf, titled } from "../ask";
import { createFakeBroker } from "../fake-broker";

const front = conjur.serve(createFakeBroker());
const admin = "acme:user:admin";
const web = "acme:host:apps/web";
const headers = { accept: versionTwo };
const has = { "content-type": versionTwo };
const as = { as: admin, headers };
const make = (body: unknown) => ({ ask: "POST /authenticators/acme", ...as, body: JSON.stringify(body) });
const problem = (status: number, message: string) => ({ status, has, json: { code: String(status), message } });
const owner = { id: "root", kind: "policy" };
const azure = { type: "azure", branch: "conjur/authn-azure", name: "prod", enabled: true, owner };
const gcp = { ...azure, type: "gcp", branch: "conjur/authn-gcp", name: "default" };
const jwt = {
  ...azure,
  type: "jwt",
  branch: "conjur/authn-jwt",
  name: "ci",
  data: { jwks_uri: "https://ci.example/jwks", identity: { enforced_claims: ["a", "b"], claim_aliases: { n: "k/n" } } },
};
const tenant = { provider_uri: "https://sts.windows.net/t/" };
const keys = { type: "jwks", value: { keys: [] } };

const cases: readonly Case[] = [
  { ask: "GET /authenticators/acme", ...as, status: 200, has, json: { authenticators: [azure, gcp, jwt], count: 3 } },
  { ask: "GET /authenticators/acme?limit=1&offset=2", ...as, status: 200, json: { authenticators: [jwt], count: 3 } },
  { ask: "GET /authenticators/acme?type=jwt", ...as, status: 200, json: { authenticators: [jwt], count: 1 } },
  { ask: "GET /authenticators/acme?type=aws", ...as, status: 200, json: { authenticators: [], count: 0 } },
  ...["type=k8s", "type=", "type=authn-jwt", "limit=0", "limit=1001", "offset=-1"].map((query) => ({
    ask: `GET /authenticators/acme?${query}`,
    ...as,
    status: 422,
    has,
  })),
  { ask: "GET /authenticators/acme", as: admin, status: 400, has },
  { ask: "GET /authenticators/acme", headers, status: 401, text: "" },
  // The open list is another route, and none of version 2.
  { ask: "GET /authenticators", status: 200, has: { "content-type": "application/json; charset=utf-8" } },
  { ask: "GET /authenticators/", status: 200 },

  { ask: "GET /authenticators/acme/azure/prod", ...as, status: 200, has, json: azure },
  { ask: "GET /authenticators/acme/gcp/default", ...as, status: 200, json: gcp },
  {
    ask: "GET /authenticators/acme/azure/absent",
    ...as,
    ...problem(404, "Authenticator 'absent' of type 'azure' not found in account 'acme'"),
  },
  { ask: "GET /authenticators/acme/gcp", ...as, status: 200, json: gcp },
  { ask: "PATCH /authenticators/acme/gcp", ...as, body: `{"enabled":false}`, status: 200, json: { ...gcp, enabled: false } },
  { ask: "DELETE /authenticators/acme/gcp", ...as, status: 204, text: "" },
  { ask: "GET /authenticators/acme/azure", ...as, status: 404 },
  ...["k8s/prod", "azure/a%2Fb", "gcp/other", "azure/%2e%2e%20", "azure/a%00b"].map((path) => ({
    ask: `GET /authenticators/acme/${path}`,
    ...as,
    status: 404,
  })),

  { ...make({ type: "azure", name: "prod", data: tenant }), status: 201, has, json: { ...azure, data: tenant } },
  {
    ...make({
      type: "jwt",
      name: "ci",
      enabled: false,
      owner: { kind: "group", id: "ops" },
      annotations: { description: "of CI" },
      data: {
        public_keys: keys,
        issuer: "https://ci.example",
        identity: {
          identity_path: "apps",
          token_app_property: "project",
          enforced_claims: ["ref", "k/n"],
          claim_aliases: { ns: "k/n", team: "sub" },
        },
      },
    }),
    status: 201,
    json: {
      type: "jwt",
      branch: "conjur/authn-jwt",
      name: "ci",
      enabled: false,
      owner: { kind: "group", id: "ops" },
      annotations: { description: "of CI" },
      data: {
        public_keys: JSON.stringify(keys),
        issuer: "https://ci.example",
        identity: {
          identity_path: "apps",
          token_app_property: "project",
          enforced_claims: ["ref", "k/n"],
          claim_aliases: { ns: "k/n", team: "sub" },
        },
      },
    },
  },
  { ...make({ type: "gcp", name: "default" }), status: 201, json: gcp },
  { ...make({ type: "azure", name: "taken", data: tenant }), ...problem(409, "Authenticator 'taken' of type 'azure' already exists") },
  {
    ...make({ type: "azure", name: "branchless", data: tenant }),
    ...problem(404, "Branch 'conjur/authn-azure' not found in account 'acme'"),
  },
  { ask: "POST /authenticators/acme", as: web, headers, body: JSON.stringify({ type: "gcp", name: "default" }), status: 403, text: "" },
  { ask: "POST /authenticators/acme", ...as, body: "", status: 400, has },
  { ask: "POST /authenticators/acme", ...as, body: "[]", status: 400, has },
  ...[
    {},
    { type: "azure", name: "prod" },
    { type: "azure", name: "prod", data: {} },
    { type: "azure", name: "prod", data: { provider_uri: " " } },
    { type: "azure", name: "prod", data: { provider_uri: 7 } },
    { type: "azure", name: "prod", data: { ...tenant, client_id: "x" } },
    { type: "azure", name: "a/b", data: tenant },
    { type: "azure", name: "", data: tenant },
    { type: "azure", name: "a".repeat(61), data: tenant },
    { type: "azure", name: "prod", data: tenant, colour: "red" },
    { type: "azure", name: "prod", data: tenant, enabled: "yes" },
    { type: "azure", name: "prod", data: tenant, owner: { kind: "layer", id: "x" } },
    { type: "azure", name: "prod", data: tenant, owner: { kind: "user", id: "a//b" } },
    { type: "azure", name: "prod", data: tenant, annotations: { "a<": "b" } },
    { type: "gcp", name: "other" },
    { type: "gcp", name: "default", data: tenant },
    { type: "ldap", name: "x" },
    { type: "k8s", name: "x" },
    { type: "authn-azure", name: "x", data: tenant },
    { type: "__proto__", name: "x" },
    { type: "jwt", name: "ci", data: {} },
    { type: "jwt", name: "ci", data: { jwks_uri: "a", provider_uri: "b" } },
    { type: "jwt", name: "ci", data: { public_keys: keys } },
    { type: "jwt", name: "ci", data: { public_keys: keys, issuer: "x", ca_cert: "y" } },
    { type: "jwt", name: "ci", data: { jwks_uri: "a", identity: { enforced_claims: ["a,b"] } } },
    { type: "jwt", name: "ci", data: { jwks_uri: "a", identity: { claim_aliases: { "a:b": "c" } } } },
    { type: "jwt", name: "ci", data: { jwks_uri: "a", identity: { colour: "red" } } },
    { type: "oidc", name: "okta", data: tenant },
    { type: "oidc", name: "okta", data: { ...tenant, client_id: "a", client_secret: "b" } },
  ].map((body) => ({ ...make(body), status: 422, has })),

  {
    ask: "PATCH /authenticators/acme/azure/prod",
    ...as,
    body: `{"enabled":false}`,
    status: 200,
    has,
    json: { ...azure, enabled: false },
  },
  ...["{}", `{"enabled":"false"}`, `{"enabled":true,"x":1}`].map((body) => ({
    ask: "PATCH /authenticators/acme/azure/prod",
    ...as,
    body,
    status: 422,
    has,
  })),
  { ask: "PATCH /authenticators/acme/azure/prod", as: web, headers, body: `{"enabled":false}`, status: 403, text: "" },
  { ask: "DELETE /authenticators/acme/azure/prod", ...as, status: 204, text: "" },
  { ask: "DELETE /authenticators/acme/azure/prod", as: web, headers, status: 403, text: "" },
  {
    ask: "DELETE /authenticators/acme/azure/absent",
    ...as,
    ...problem(404, "Authenticator 'absent' of type 'azure' not found in account 'acme'"),
  },
  { ask: "DELETE /authenticators/acme/azure/prod", as: admin, status: 400, has },
];

describe("authenticators as records", () => {
  test.each(titled(cases))("%s", async (_title, one) => {
    expect(await outcomeOf(front, one)).toEqual(expectedOf(one));
  });
});
