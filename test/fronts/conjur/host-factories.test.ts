import { describe, expect, test } from "bun:test";
import { conjur } from "../../../src/fronts/conjur/routes";
import { PosternError } from "../../../src/model/failures";
import { ask, type Case, expectedOf, outcomeOf, quietEdge, titled } from "../ask";
import { apiKey, createFakeBroker } from "../fake-broker";

const front = conjur.serve(createFakeBroker());
const admin = "acme:user:admin";
const web = "acme:host:apps/web";
const form = { "content-type": "application/x-www-form-urlencoded" };
const json = { "content-type": "application/json" };
const factory = "acme:host_factory:apps";
const until = "2025-11-10T10:00:00Z";
const token = (index: number, cidr: readonly string[] = []) => ({ expiration: until, cidr, token: `token${index}` });
const raw = (text: string) => ({ authorization: `Token token="${text}"` });
const host = {
  created_at: "2025-11-10T09:12:13.000+00:00",
  id: "acme:host:apps/new",
  owner: factory,
  permissions: [],
  annotations: [],
  restricted_to: [],
  api_key: apiKey,
};
const problem = (code: string, message: string) => ({ error: { code, message } });
const notFound = {
  error: {
    code: "not_found",
    message: "Host_factory_token not found",
    target: "host_factory_token",
    details: { code: "not_found", target: "id", message: "host_factory_token" },
  },
};

const create = "POST /host_factory_tokens";
const make = "POST /host_factories/hosts";
const base = `host_factory=acme%3Ahost_factory%3Aapps&expiration=${encodeURIComponent(until)}`;

const cases: readonly Case[] = [
  { ask: create, as: admin, headers: form, body: base, status: 200, json: [token(0)] },
  { ask: create, as: admin, body: base, status: 200, json: [token(0)] },
  {
    ask: create,
    as: admin,
    headers: form,
    body: `${base}&count=2&cidr[]=10.0.0.0%2F8&cidr[]=192.0.2.1`,
    status: 200,
    json: [token(0, ["10.0.0.0/8", "192.0.2.1"]), token(1, ["10.0.0.0/8", "192.0.2.1"])],
  },
  { ask: create, as: admin, headers: form, body: `${base}&cidr=10.0.0.0%2F8`, status: 200, json: [token(0, ["10.0.0.0/8"])] },
  { ask: create, as: admin, headers: form, body: `${base}&cidr[]=&count=`, status: 200, json: [token(0)] },
  {
    ask: create,
    as: admin,
    headers: json,
    body: JSON.stringify({ host_factory: "host_factory:apps", expiration: "2025-11-10T12:00:00.5+02:00", count: 1, cidr: ["::1"] }),
    status: 200,
    json: [token(0, ["::1"])],
  },
  {
    ask: create,
    as: admin,
    headers: json,
    body: JSON.stringify({ host_factory: factory, expiration: until, cidr: "::1" }),
    status: 200,
    json: [token(0, ["::1"])],
  },
  { ask: `${create}?${base}&count=2`, as: admin, status: 200, json: [token(0), token(1)] },
  { ask: `${create}?${base}&count=2`, as: admin, headers: form, body: "count=1", status: 200, json: [token(0)] },
  {
    ask: create,
    as: admin,
    headers: form,
    body: `host_factory=${factory}&expiration=2025-11-11`,
    status: 200,
    json: [{ ...token(0), expiration: "2025-11-11T00:00:00Z" }],
  },
  // A body of another type is none.
  {
    ask: create,
    as: admin,
    headers: { "content-type": "text/plain" },
    body: base,
    status: 422,
    json: problem("parameter_missing", "param is missing or the value is empty: host_factory"),
  },
  {
    ask: create,
    as: admin,
    headers: form,
    body: `host_factory=${factory}`,
    status: 422,
    json: problem("parameter_missing", "param is missing or the value is empty: expiration"),
  },
  {
    ask: create,
    as: admin,
    headers: form,
    body: `host_factory=${factory}&expiration=tomorrow`,
    status: 422,
    json: problem("argument_error", "'expiration' must be a date and time such as 2025-11-10T10:00:00Z"),
  },
  { ask: create, as: admin, headers: form, body: `host_factory=${factory}&expiration=2025-02-30T10:00:00Z`, status: 422 },
  ...["0x1", "-1", "1.5", "many", "9999999999"].map((count) => ({
    ask: create,
    as: admin,
    headers: form,
    body: `${base}&count=${count}`,
    status: 422,
  })),
  { ask: create, as: admin, headers: form, body: `${base}&cidr[]=10.0.0.1/8`, status: 422, json: problem("unprocessable_entity", "bits") },
  { ask: create, as: admin, headers: form, body: `host_factory=acme:host:apps/web&expiration=${until}`, status: 422 },
  { ask: create, as: admin, headers: form, body: `host_factory=nonsense&expiration=${until}`, status: 422 },
  { ask: create, as: admin, headers: form, body: `${base}&count=1&count=2`, status: 400, text: "" },
  { ask: create, as: admin, headers: json, body: "{", status: 400, text: "" },
  { ask: create, as: admin, headers: json, body: "[]", status: 400, text: "" },
  { ask: create, as: admin, headers: json, body: JSON.stringify({ host_factory: {}, expiration: until }), status: 400 },
  { ask: create, as: web, headers: form, body: base, status: 404 },
  { ask: create, headers: form, body: base, status: 401 },
  { ask: "DELETE /host_factory_tokens/token0", as: admin, status: 204 },
  { ask: "DELETE /host_factory_tokens/other", as: admin, status: 404, json: notFound },
  { ask: "DELETE /host_factory_tokens/token0", as: web, status: 404, json: notFound },
  { ask: "DELETE /host_factory_tokens/token0", status: 401 },
  { ask: make, headers: { ...raw("token0"), ...form }, body: "id=apps%2Fnew", status: 201, json: host },
  { ask: make, headers: raw("token0"), body: "id=apps/new", status: 201, json: host },
  { ask: `${make}?id=apps%2Fnew`, headers: raw("token0"), status: 201, json: host },
  {
    ask: make,
    headers: { ...raw("token0"), ...form },
    body: "id=apps/new&annotations[a]=b&annotations[c%2Fd]=e%20f",
    status: 201,
    json: {
      ...host,
      annotations: [
        { name: "a", value: "b" },
        { name: "c/d", value: "e f" },
      ],
    },
  },
  {
    ask: make,
    headers: { ...raw("token0"), ...json },
    body: JSON.stringify({ id: "apps/new", annotations: { a: "b", n: 1 } }),
    status: 201,
    json: {
      ...host,
      annotations: [
        { name: "a", value: "b" },
        { name: "n", value: "1" },
      ],
    },
  },
  { ask: `/api${make.slice(5)}`.replace("/api", "POST /api"), headers: raw("token0"), body: "id=apps/new", status: 201 },
  { ask: make, headers: raw("token0"), status: 422, json: problem("parameter_missing", "param is missing or the value is empty: id") },
  { ask: make, headers: raw("token0"), body: "id=conjur/x", status: 422, json: problem("argument_error", "Invalid id: expected another") },
  { ask: make, headers: raw("token0"), body: "id=taken", status: 403, text: "" },
  { ask: make, headers: raw("wrong"), body: "id=x", status: 401, text: "" },
  { ask: make, headers: raw(""), body: "id=x", status: 401, text: "" },
  { ask: make, headers: { authorization: "Token token=token0" }, body: "id=x", status: 401, text: "" },
  { ask: make, headers: { authorization: "Bearer token0" }, body: "id=x", status: 401, text: "" },
  { ask: make, body: "id=x", status: 401, text: "" },
  // A session is no factory's token.
  { ask: make, as: admin, body: "id=x", status: 401, text: "" },
];

describe("host factories over the wire", () => {
  test.each(titled(cases))("%s", async (_title, one) => {
    expect(await outcomeOf(front, one)).toEqual(expectedOf(one));
  });

  test("show their tokens without the tokens", async () => {
    const { text } = await ask(front, { ask: "GET /resources/acme/host_factory/apps", as: admin });
    expect(JSON.parse(text).tokens).toEqual([{ expiration: "2025-11-10T09:13:13Z", cidr: ["10.0.0.0/8"] }]);
  });

  test("can be switched off, and are then no routes", async () => {
    const without = conjur.serve(createFakeBroker(), { hostFactories: false });
    expect((await ask(without, { ask: create, as: admin, headers: form, body: base })).status).toBe(404);
    expect((await ask(without, { ask: "DELETE /host_factory_tokens/token0", as: admin })).status).toBe(404);
    expect((await ask(without, { ask: make, headers: raw("token0"), body: "id=apps/new" })).status).toBe(404);
  });

  test("count an attempt to make a host before its token is looked at", async () => {
    const edge = {
      ...quietEdge,
      admitLogin: () => {
        throw new PosternError({ code: "throttled", retryAfterSeconds: 3 });
      },
    };
    const answer = await ask(front, { ask: make, headers: raw("token0"), body: "id=apps/new" }, edge);
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([429, "3"]);
  });
});
