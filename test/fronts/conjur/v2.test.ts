import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import { createApp, requireToken, versionTwo } from "../../../src/fronts/conjur/access";
import { beginVersionTwo, versionTwoBody, versionTwoPage, versionTwoWire } from "../../../src/fronts/conjur/v2";
import { type FrontApp, print } from "../../../src/fronts/front";
import { type Failure, PosternError } from "../../../src/model/failures";
import { type Case, expectedOf, outcomeOf, titled } from "../ask";
import { createFakeBroker } from "../fake-broker";

const Body = v.strictObject({ name: v.pipe(v.string(), v.regex(/^[a-z]{1,5}$/, "one to five letters")), on: v.optional(v.boolean()) });

/** A route of version 2 that echoes its body, lists numbers, or fails as its path says. */
const front: FrontApp = (() => {
  const app = createApp();
  app.use(requireToken(createFakeBroker()));
  app.post("/things", async (c) => {
    beginVersionTwo(c);
    return print(versionTwoWire(201, await versionTwoBody(c, Body)));
  });
  app.get("/things", (c) => {
    beginVersionTwo(c);
    const { limit, offset } = versionTwoPage(c.req.url);
    return print(versionTwoWire(200, { limit, offset }));
  });
  app.get("/failing/:failure", (c) => {
    beginVersionTwo(c);
    const failure: Failure = JSON.parse(c.req.param("failure"));
    throw new PosternError(failure);
  });
  return { name: "conjur", app, hot: [], takesPolicy: () => false, refuse: () => new Response() };
})();

const admin = "acme:user:admin";
const headers = { accept: versionTwo };
const has = { "content-type": versionTwo };
const failing = (failure: object) => ({ ask: `GET /failing/${encodeURIComponent(JSON.stringify(failure))}`, as: admin, headers });
const post = (body: string) => ({ ask: "POST /things", as: admin, headers, body, has });
const advice = `CONJ00194W The API belongs to version 2 and takes the header Accept: ${versionTwo}`;

const cases: readonly Case[] = [
  { ...post(`{"name":"a"}`), status: 201, json: { name: "a" } },
  // The header is compared to the byte.
  { ask: "GET /things", as: admin, status: 400, has, json: { code: "400", message: advice } },
  ...[`${versionTwo}, */*`, "*/*", "application/json", `${versionTwo};q=1`, versionTwo.toUpperCase()].map((accept) => ({
    ask: "GET /things",
    as: admin,
    headers: { accept },
    status: 400,
    has,
    json: { code: "400", message: advice },
  })),
  { ask: "GET /things", headers, status: 401, text: "" },
  { ask: "GET /things", status: 401, text: "Authorization missing" },
  // A body that is no object is broken; a member that is wrong is wrong.
  { ...post(""), status: 400, json: { code: "400", message: "'body' must be JSON" } },
  { ...post("{"), status: 400, json: { code: "400", message: "'body' must be JSON" } },
  { ...post("[]"), status: 400, json: { code: "400", message: "'body' must be a JSON object" } },
  { ...post("null"), status: 400, json: { code: "400", message: "'body' must be a JSON object" } },
  { ...post(`{"name":"a","name":"b"}`), status: 400, json: { code: "400", message: "'body' must be JSON without repeated members" } },
  { ...post("{}"), status: 422, json: { code: "422", message: `'name' must be "name"` } },
  { ...post(`{"name":"toolong"}`), status: 422, json: { code: "422", message: "'name' must be one to five letters" } },
  { ...post(`{"name":"a","on":"yes"}`), status: 422, json: { code: "422", message: "'on' must be boolean" } },
  { ...post(`{"name":"a","b":1}`), status: 422, json: { code: "422", message: "'b' must be absent: there is no such member" } },
  // Pages.
  { ask: "GET /things", as: admin, headers, status: 200, json: { limit: 1000, offset: 0 } },
  { ask: "GET /things?limit=1000&offset=7", as: admin, headers, status: 200, json: { limit: 1000, offset: 7 } },
  ...["limit=0", "limit=1001", "limit=x", "offset=-1"].map((page) => ({
    ask: `GET /things?${page}`,
    as: admin,
    headers,
    status: 422,
    has,
  })),
  // Failures of the core.
  {
    ...failing({ code: "not_found", target: "acme:policy:a/b" }),
    status: 404,
    has,
    json: { code: "404", message: "Branch 'a/b' not found in account 'acme'" },
  },
  {
    ...failing({ code: "not_found", target: "acme:user:alice", hidden: true }),
    status: 404,
    has,
    json: { code: "404", message: "User 'alice' not found in account 'acme'" },
  },
  {
    ...failing({ code: "exists", target: "acme:policy:a" }),
    status: 409,
    has,
    json: { code: "409", message: "Branch 'a' already exists" },
  },
  {
    ...failing({ code: "conflict", what: "facts changed", retryAfterSeconds: 2 }),
    status: 409,
    has,
    json: { code: "409", message: "facts changed" },
  },
  { ...failing({ code: "forbidden", because: "secret reason" }), status: 403, text: "" },
  { ...failing({ code: "unauthenticated", reason: "weak" }), status: 401, text: "" },
  { ...failing({ code: "sealed", reason: "seal_key_missing" }), status: 503, text: "" },
  { ...failing({ code: "throttled", retryAfterSeconds: 3 }), status: 429, text: "", has: { "retry-after": "3" } },
  { ...failing({ code: "internal", what: "x" }), status: 500, text: "" },
];

describe("routes of version 2", () => {
  test.each(titled(cases))("%s", async (_title, one) => {
    expect(await outcomeOf(front, one)).toEqual(expectedOf(one));
  });
});
