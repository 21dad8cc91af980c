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
const owner = { kind: "user", id: "admin" };
const as = { as: admin, headers };
const make = (body: unknown) => ({ ask: "POST /branches/acme", ...as, body: JSON.stringify(body) });
const change = (path: string, body: unknown) => ({ ask: `PATCH /branches/acme/${path}`, ...as, body: JSON.stringify(body) });
const add = (group: string, body: unknown) => ({ ask: `POST /groups/acme/${group}/members`, ...as, body: JSON.stringify(body) });
const problem = (status: number, message: string) => ({ status, has, json: { code: String(status), message } });
const noBranch = (path: string) => problem(404, `Branch '${path}' not found in account 'acme'`);
const deep = (levels: number) => Array.from({ length: levels }, (_, index) => `p${index}`).join("/");

const cases: readonly Case[] = [
  // The root goes by several names.
  ...["root", "/", "/root"].map((branch) => ({
    ...make({ name: "data", branch }),
    status: 201,
    has,
    json: { name: "data", branch: "/", owner, annotations: {} },
  })),
  {
    ...make({ name: "x", branch: "root", owner: { kind: "host", id: "apps/web" }, annotations: { "my key": "a b" } }),
    status: 201,
    json: { name: "x", branch: "/", owner: { kind: "host", id: "apps/web" }, annotations: { "my key": "a b" } },
  },
  { ...make({ name: "taken", branch: "root" }), ...problem(409, "Branch 'taken' already exists") },
  { ...make({ name: "x", branch: "absent" }), ...noBranch("absent") },
  { ...make({ name: "x", branch: "/absent/below" }), ...noBranch("absent/below") },
  { ask: "POST /branches/acme", as: web, headers, body: `{"name":"x","branch":"root"}`, ...noBranch("root") },
  { ...make({ name: "a/b", branch: "root" }), ...problem(422, "'name' must be 1 to 60 letters, digits, '-' or '_'") },
  ...["", ".", "..", "ä", "a b", "a".repeat(61), 7, null, ["a"]].map((name) => ({ ...make({ name, branch: "root" }), status: 422, has })),
  ...["", "a//b", "a/", "../a", "a b", "ä", "a".repeat(951), deep(16)].map((branch) => ({
    ...make({ name: "x", branch }),
    has,
    status: 422,
  })),
  { ...make({ name: "x", branch: deep(15) }), ...problem(422, "'branch' must be at most 15 levels deep with what is made in it") },
  { ...make({ branch: "root" }), status: 422, has },
  { ...make({ name: "x" }), status: 422, has },
  { ...make({ name: "x", branch: "root", colour: "red" }), ...problem(422, "'colour' must be absent: there is no such member") },
  { ...make({ name: "x", branch: "root", owner: { kind: "layer", id: "l" } }), status: 422, has },
  { ...make({ name: "x", branch: "root", owner: { kind: "user" } }), status: 422, has },
  { ...make({ name: "x", branch: "root", owner: { kind: "user", id: "a//b" } }), status: 422, has },
  ...["<", ">", "'", "a".repeat(121), ""].flatMap((word) => [
    { ...make({ name: "x", branch: "root", annotations: { [word]: "v" } }), status: 422, has },
    { ...make({ name: "x", branch: "root", annotations: { n: word } }), status: 422, has },
  ]),
  { ...make({ name: "x", branch: "root", annotations: { n: 1 } }), status: 422, has },
  { ask: "POST /branches/acme", ...as, body: "", status: 400, has },
  { ask: "POST /branches/acme", as: admin, body: `{"name":"x","branch":"root"}`, status: 400, has },
  { ask: "POST /branches/acme", headers, body: `{"name":"x","branch":"root"}`, status: 401, text: "" },
  // Lists and single ones.
  {
    ask: "GET /branches/acme",
    ...as,
    status: 200,
    has,
    json: {
      branches: [
        { name: "a", branch: "/", owner, annotations: {} },
        { name: "b", branch: "a", owner, annotations: {} },
        { name: "c", branch: "/", owner, annotations: {} },
      ],
      count: 3,
    },
  },
  {
    ask: "GET /branches/acme?limit=1&offset=1",
    ...as,
    status: 200,
    json: { branches: [{ name: "b", branch: "a", owner, annotations: {} }], count: 3 },
  },
  { ask: "GET /branches/acme?limit=1001", ...as, status: 422, has },
  { ask: "GET /branches/acme", as: web, headers, status: 200, json: { branches: [], count: 0 } },
  { ask: "GET /branches/acme", as: admin, status: 400, has },
  { ask: "GET /branches/acme/root", ...as, status: 200, has, json: { name: "root", branch: "/", owner, annotations: {} } },
  { ask: "GET /branches/acme/a%2Fb", ...as, ...noBranch("a/b") },
  { ask: "GET /branches/acme/a/b", ...as, ...noBranch("a/b") },
  { ask: "GET /branches/acme/root", as: web, headers, ...noBranch("root") },
  { ask: "HEAD /branches/acme/root", ...as, status: 200, text: "" },
  { ask: "GET /branches/acme/..%2Fa", ...as, status: 400, has },
  // Changes.
  {
    ...change("root", { annotations: { a: "b" } }),
    status: 200,
    has,
    json: { name: "root", branch: "/", owner, annotations: { a: "b" } },
  },
  { ...change("root", {}), status: 200 },
  // Earlier Go clients send all of it, with the whole path as the branch.
  { ...change("root", { name: "root", branch: "root", owner }), status: 200 },
  { ...change("root", { name: "root", branch: "/" }), status: 200 },
  { ...change("root", { name: "other" }), ...problem(422, "'name' must be that of the branch") },
  { ...change("root", { branch: "elsewhere" }), ...problem(422, "'branch' must be that of the branch") },
  { ...change("root", { id: "x" }), status: 422 },
  { ...change("absent", {}), ...noBranch("absent") },
  { ask: "PATCH /branches/acme/root", as: web, headers, body: "{}", ...noBranch("root") },
  { ask: "DELETE /branches/acme/root", ...as, status: 204, text: "" },
  { ask: "DELETE /branches/acme/absent", ...as, ...noBranch("absent") },
  { ask: "DELETE /branches/acme/root", as: web, headers, ...noBranch("root") },
  { ask: "PUT /branches/acme/root", ...as, body: "{}", status: 404, text: "" },
  // Members of groups.
  { ...add("ops", { kind: "user", id: "alice" }), status: 201, has, json: { kind: "user", id: "alice" } },
  { ...add("ops", { kind: "host", id: "apps/web" }), ...problem(409, `CONJ00180W ${web} is a member of the group already`) },
  { ...add("ops", { kind: "user", id: "nobody" }), ...problem(422, "'id' must be somebody who exists") },
  { ...add("absent", { kind: "user", id: "alice" }), ...problem(404, "Group 'absent' not found in account 'acme'") },
  { ...add("a%2Fb", { kind: "user", id: "alice" }), ...problem(404, "Group 'a/b' not found in account 'acme'") },
  { ...add("a/b", { kind: "user", id: "alice" }), ...problem(404, "Group 'a/b' not found in account 'acme'") },
  { ...add("ops", { kind: "layer", id: "x" }), status: 422, has },
  { ...add("ops", { kind: "user" }), status: 422, has },
  { ...add("ops", { kind: "user", id: "alice", more: 1 }), status: 422, has },
  { ask: "POST /groups/acme/ops", ...as, body: "{}", status: 404, text: "" },
  { ask: "POST /groups/acme/members", ...as, body: "{}", status: 404, text: "" },
  { ask: "DELETE /groups/acme/ops/members/host/apps%2Fweb", ...as, status: 204, text: "" },
  { ask: "DELETE /groups/acme/ops/members/host/apps/web", ...as, status: 204, text: "" },
  { ask: "DELETE /groups/acme/ops/members/user/alice", ...as, ...problem(404, "User 'alice' not found in account 'acme'") },
  { ask: "DELETE /groups/acme/ops/members/layer/x", ...as, status: 422, has },
  { ask: "DELETE /groups/acme/ops/members/host", ...as, status: 404, text: "" },
  { ask: "DELETE /groups/acme/ops/members/host/apps%2Fweb", as: web, headers, status: 404, has },
  { ask: "DELETE /groups/acme/ops/members/host/apps%2Fweb", as: admin, status: 400, has },
];

describe("branches and groups over the wire", () => {
  test.each(titled(cases))("%s", async (_title, one) => {
    expect(await outcomeOf(front, one)).toEqual(expectedOf(one));
  });
});
