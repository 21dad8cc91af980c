/**
 * What stands in a body and what a client says of it: only few handlers believe the type, all others take the bytes as they are. And the words of every
 * refusal. Source: Conjur 5.3.1, application_controller.rb and the controllers of the routes.
 */

import { describe, expect, test } from "bun:test";
import { type Case, compared, createTown, titled } from "./town";

const town = await createTown();
const apiKey = await town.key("keeper");
const form = { "content-type": "application/x-www-form-urlencoded" };
const json = { "content-type": "application/json" };
const typed = (type: string) => ({ headers: { "content-type": type } });
const error = (code: string, message: string, more: Readonly<Record<string, unknown>> = {}) => ({ error: { code, message, ...more } });
const future = "2030-01-01T00:00:00Z";
const factory = "acme:host_factory:vault/births";
const tokenFor = (body: string, headers: Readonly<Record<string, string>>) => ({
  ask: "POST /host_factory_tokens",
  as: "keeper",
  body,
  headers,
});
const authenticate = { ask: "POST /authn/acme/keeper/authenticate", body: apiKey };
const basic = (login: string, secret: string) => ({ authorization: `Basic ${Buffer.from(`${login}:${secret}`).toString("base64")}` });
const secret = "POST /secrets/acme/variable/vault%2Fsecond";
const notFound = (kind: string, noun: string, id: string) =>
  error("not_found", `${noun} '${id}' not found in account 'acme'`, {
    target: kind,
    details: { code: "not_found", target: "id", message: `acme:${kind}:${id}` },
  });
const empty = (id: string) => error("not_found", `CONJ00076E Variable acme:variable:${id} is empty or not found.`);
const policyError = (line: number, column: number, text: string) => ({
  error: expect.objectContaining({
    code: "policy_invalid",
    message: expect.stringContaining(`Error at line ${line}, column ${column} in policy : ${text}`),
    innererror: { code: "policy_invalid", filename: "policy", line, column },
  }),
});

const decoding: readonly Case[] = [
  // An API key is the whole body, whatever it is called.
  ...["text/plain", "application/x-www-form-urlencoded", "application/json", "application/octet-stream", "nonsense", "a/b; c=d; e"].map(
    (type): Case => ({ ...authenticate, ...typed(type), status: 200 }),
  ),
  { ask: authenticate.ask, body: `"${apiKey}"`, ...typed("application/json"), status: 401, text: "" },
  { ask: authenticate.ask, body: `api_key=${apiKey}`, headers: form, status: 401, text: "" },
  { ask: authenticate.ask, body: `${apiKey}\n`, status: 401, text: "" },
  { ask: authenticate.ask, body: ` ${apiKey}`, status: 401, text: "" },
  { ask: authenticate.ask, body: apiKey.toUpperCase(), status: 401, text: "" },
  // So is a value, and a policy.
  ...["application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=x", "nonsense"].map(
    (type): Case => ({ ask: secret, as: "keeper", body: "a=b&c=%20+{}", ...typed(type), status: 201, text: "" }),
  ),
  { ask: "GET /secrets/acme/variable/vault%2Fsecond", as: "keeper", status: 200, text: "a=b&c=%20+{}" },
  ...["application/x-yaml", "text/yaml", "application/json", "application/x-www-form-urlencoded", "nonsense"].map(
    (type): Case => ({ ask: "POST /policies/acme/policy/vault%2Fdeep", as: "keeper", body: "- !group g\n", ...typed(type), status: 201 }),
  ),
  // Tokens of host factories are asked for by a form or by JSON.
  { ...tokenFor(`host_factory=${encodeURIComponent(factory)}&expiration=${future}`, form), status: 200 },
  { ...tokenFor(JSON.stringify({ host_factory: factory, expiration: future }), json), status: 200 },
  { ...tokenFor(JSON.stringify({ host_factory: factory, expiration: future, cidr: ["10.0.0.0/8"], count: 2 }), json), status: 200 },
  {
    ...tokenFor(`host_factory=${encodeURIComponent(factory)}&expiration=${future}&cidr[]=10.0.0.0/8&cidr[]=192.0.2.0/24`, form),
    status: 200,
  },
  { ...tokenFor(`host_factory=${encodeURIComponent(factory)}&expiration=2030-01-01T12:00:00.250%2B02:00`, form), status: 200 },
  { ...tokenFor(`host_factory=${encodeURIComponent(factory)}&expiration=2030-01-01T12:00:00.123456`, form), status: 200 },
  { ...tokenFor(`host_factory=${encodeURIComponent(factory)}&expiration=2030-01-01`, form), status: 200 },
  {
    ...tokenFor(`host_factory=${encodeURIComponent(factory)}&expiration=${future}`, { "content-type": "text/plain" }),
    status: 422,
    json: error("parameter_missing", "param is missing or the value is empty: host_factory"),
  },
  { ...tokenFor("{", json), status: 400, text: "" },
  {
    ...tokenFor("", form),
    status: 422,
    json: error("parameter_missing", "param is missing or the value is empty: host_factory"),
  },
  {
    ...tokenFor(`host_factory=${encodeURIComponent(factory)}`, form),
    status: 422,
    json: error("parameter_missing", "param is missing or the value is empty: expiration"),
  },
  { ...tokenFor(`host_factory=${encodeURIComponent(factory)}&expiration=2020-01-01T00:00:00Z`, form), status: 422 },
  { ...tokenFor(`host_factory=${encodeURIComponent(factory)}&expiration=soon`, form), status: 422 },
  { ...tokenFor(`host_factory=${encodeURIComponent(factory)}&expiration=${future}&count=0`, form), status: 422 },
  { ...tokenFor(`host_factory=${encodeURIComponent(factory)}&expiration=${future}&count=1.5`, form), status: 422 },
  { ...tokenFor(`host_factory=${encodeURIComponent(factory)}&expiration=${future}&count=1001`, form), status: 422 },
  { ...tokenFor(`host_factory=${encodeURIComponent(factory)}&expiration=${future}&cidr[]=10.0.0.1/8`, form), status: 422 },
  { ...tokenFor(`host_factory=acme:group:ops&expiration=${future}`, form), status: 422 },
  // The switch of an authenticator is on for `true` alone.
  { ask: "PATCH /authn-azure/prod/acme", as: "keeper", body: "enabled=true", headers: form, status: 204, text: "" },
  { ask: "PATCH /authn-azure/prod/acme", as: "keeper", body: '{"enabled":true}', headers: json, status: 204, text: "" },
  // The Python client's type for the same.
  { ask: "PATCH /authn-azure/prod/acme", as: "keeper", body: "enabled=true", ...typed("text/plain; charset=utf-8"), status: 204, text: "" },
  { ask: "PATCH /authn-azure/prod/acme", as: "keeper", body: "{", headers: json, status: 400, text: "" },
  { ask: "PATCH /authn-azure/prod/acme", as: "keeper", status: 204, text: "" },
  { ask: "PATCH /authn-azure/prod/acme", as: "viewer", body: "enabled=true", headers: form, status: 403, text: "" },
  { ask: "PATCH /authn-azure/none/acme", as: "keeper", body: "enabled=true", headers: form, status: 401, text: "" },
  { ask: "PATCH /authn-azure/prod%2Fstatus/acme", as: "keeper", body: "enabled=true", headers: form, status: 401, text: "" },
  { ask: "PATCH /authn-azure/prod/globex", as: "keeper", body: "enabled=true", headers: form, status: 401, text: "" },
];

const refusals: readonly Case[] = [
  { ask: "GET /resources/acme/variable/vault%2Fgone", as: "keeper", status: 404, json: notFound("variable", "Variable", "vault/gone") },
  {
    ask: "GET /resources/acme/host_factory/vault%2Fgone",
    as: "keeper",
    status: 404,
    json: notFound("host_factory", "Host_factory", "vault/gone"),
  },
  {
    ask: "GET /resources/acme/webservice/conjur%2Fgone",
    as: "keeper",
    status: 404,
    json: notFound("webservice", "Webservice", "conjur/gone"),
  },
  { ask: "GET /roles/acme/layer/gone", as: "keeper", status: 404, json: notFound("layer", "Layer", "gone") },
  { ask: "GET /secrets/acme/variable/vault%2Fempty", as: "keeper", status: 404, json: empty("vault/empty") },
  { ask: "GET /secrets/acme/variable/vault%2Fthing?version=7", as: "keeper", status: 404, json: empty("vault/thing") },
  { ask: "POST /secrets/acme/variable/gone", as: "keeper", body: "x", status: 404, json: notFound("variable", "Variable", "gone") },
  { ask: secret, as: "keeper", body: "", status: 422, json: error("argument_error", "'value' may not be empty") },
  { ask: secret, as: "keeper", body: " \t\r\n", status: 422, json: error("argument_error", "'value' may not be empty") },
  {
    ask: "GET /resources/acme?limit=none",
    as: "keeper",
    status: 422,
    json: error("unprocessable_entity", "'limit' contains an invalid value. 'limit' must be a positive integer."),
  },
  { ask: "GET /resources/acme/variable/vault%2Fthing?check=true", as: "keeper", status: 422, json: error("argument_error", "privilege") },
  { ask: "GET /secrets", as: "keeper", status: 422, json: error("argument_error", "variable_ids") },
  {
    ask: "POST /policies/acme/policy/vault%2Fdeep",
    as: "keeper",
    body: "",
    status: 422,
    json: error("validation_failed", "policy_text is not present", {
      details: [{ code: "validation_failed", target: "policy_text", message: "is not present" }],
    }),
  },
  {
    ask: "POST /policies/acme/policy/vault%2Fdeep",
    as: "keeper",
    body: "- !group a\n- !grp b\n",
    status: 422,
    json: policyError(2, 3, "Unrecognized data type '!grp'"),
  },
  {
    ask: "POST /policies/acme/policy/vault%2Fdeep",
    as: "keeper",
    body: "- !host\n  id: a\n  nonsense: b\n",
    status: 422,
    json: policyError(3, 3, "No such attribute 'nonsense' on type Host"),
  },
  {
    ask: "POST /policies/acme/policy/vault%2Fdeep",
    as: "keeper",
    body: "- !group a\n- !delete\n  record: !group a\n",
    status: 422,
    json: {
      error: expect.objectContaining({ code: "validation_failed", message: "policy_text may not contain deletion statements" }),
    },
  },
  {
    ask: "POST /policies/acme/policy/root",
    as: "admin",
    body: "- !grant\n  role: !group ops\n  member: !user nobody\n",
    status: 422,
    json: {
      error: expect.objectContaining({
        code: "policy_invalid",
        message: expect.stringContaining("User 'nobody' not found in account 'acme'"),
      }),
    },
  },
  { ask: "PUT /authn/acme/api_key", as: "keeper", status: 401, json: error("unauthorized", "Credential strength is insufficient") },
  {
    ask: "PUT /authn/acme/api_key?role=acme:user:keeper",
    as: "keeper",
    status: 401,
    json: error("unauthorized", "Credential strength is insufficient"),
  },
  {
    ask: "PUT /authn/acme/api_key?role=acme:host:gone",
    as: "keeper",
    status: 404,
    json: error("not_found", "CONJ00123E Resource 'acme:host:gone' requested by role 'keeper' not found"),
  },
  {
    ask: "PUT /authn/acme/password",
    headers: basic("keeper", apiKey),
    body: "weak",
    status: 422,
    json: { error: expect.objectContaining({ code: "validation_failed", message: expect.stringContaining("CONJ00046E") }) },
  },
  { ask: "PUT /authn/acme/password", headers: basic("keeper", "wrong"), body: "Str0ng!Pass-Word", status: 401, text: "" },
  {
    ask: "PUT /authn/acme/password",
    headers: basic("host/apps/web", await town.key("host/apps/web")),
    body: "Str0ng!Pass-Word",
    status: 403,
    text: "",
  },
  {
    ask: "GET /authn/acme/login",
    headers: basic("keeper", apiKey),
    status: 200,
    text: apiKey,
    has: { "content-type": "text/plain; charset=utf-8" },
  },
  { ask: "GET /authn/acme/login", headers: basic("gone", apiKey), status: 401, text: "" },
  { ask: "GET /authn/acme/login", headers: basic("group/ops", apiKey), status: 401, text: "" },
  { ask: "GET /authn/none/login", headers: basic("keeper", apiKey), status: 401, text: "" },
  {
    ask: "GET /authn-azure/prod/acme/status",
    as: "viewer",
    status: 403,
    json: { status: "error", error: expect.stringContaining("#<Errors::") },
  },
  {
    ask: "GET /authn-azure/gone/acme/status",
    as: "keeper",
    status: 404,
    json: { status: "error", error: expect.stringContaining("#<Errors::") },
  },
  { ask: "GET /authn/acme/status", as: "keeper", status: 501, json: { status: "error", error: expect.stringContaining("#<Errors::") } },
];

describe("a body", () => {
  test.each(titled(decoding))("%s", async (_title, one) => {
    const { got, wanted } = await compared(town, one);
    expect(got).toEqual(wanted);
  });

  test("of a host made by a factory may be a form with nested names, or JSON", async () => {
    const made = await town.ask({ ...tokenFor(JSON.stringify({ host_factory: factory, expiration: future }), json) });
    const token = /"token":"([^"]+)"/.exec(made.text)?.[1] ?? "";
    const authorization = `Token token="${token}"`;
    const ask = "POST /host_factories/hosts";
    const byForm = await town.ask({
      ask,
      headers: { authorization, ...form },
      body: "id=born%2Fa&annotations[one]=1&annotations[two%2Fthree]=2+3",
    });
    expect(byForm.status).toBe(201);
    expect(JSON.parse(byForm.text)).toMatchObject({
      id: "acme:host:born/a",
      annotations: [
        { name: "one", value: "1" },
        { name: "two/three", value: "2 3" },
      ],
    });
    const byJson = await town.ask({ ask, headers: { authorization, ...json }, body: '{"id":"born/b","annotations":{"one":"1"}}' });
    expect([byJson.status, JSON.parse(byJson.text).annotations]).toEqual([201, [{ name: "one", value: "1" }]]);
    for (const [body, status] of [
      ["", 422],
      ["id=", 422],
      ["id=conjur%2Fevil", 422],
      ["id=%2Fevil", 422],
      ["id=host%2Fevil", 422],
      ["id=..%2Fevil", 422],
      ["id=apps%2Fweb", 403],
    ] as const)
      expect([body, (await town.ask({ ask, headers: { authorization, ...form }, body })).status]).toEqual([body, status]);
    expect((await town.ask({ ask, headers: { authorization, "content-type": "text/plain" }, body: "id=born%2Fc" })).status).toBe(422);
  });
});

describe("a refusal", () => {
  test.each(titled(refusals))("%s", async (_title, one) => {
    const { got, wanted } = await compared(town, one);
    expect(got).toEqual(wanted);
  });
});
