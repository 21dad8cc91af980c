import { describe, expect, test } from "bun:test";
import { conjur } from "../../../src/fronts/conjur/routes";
import { PosternError } from "../../../src/model/failures";
import { ask, type Case, contextOf, expectedOf, outcomeOf, quietEdge, titled, tokenFor } from "../ask";
import { createFakeBroker, fail } from "../fake-broker";

const front = conjur.serve(createFakeBroker());
const web = "acme:host:apps/web";
const admin = "acme:user:admin";
const notThere = (id: string) => ({
  status: 404,
  json: { error: { code: "not_found", message: `CONJ00076E Variable ${id} is empty or not found.` } },
});
const batch = (...ids: string[]) => `GET /secrets?variable_ids=${ids.map(encodeURIComponent).join(",")}`;
const base64 = { headers: { "accept-encoding": "base64" } };

const cases: readonly Case[] = [
  {
    ask: "GET /secrets/acme/variable/apps%2Fdb",
    as: web,
    status: 200,
    text: "hunter2\n",
    has: { "content-type": "application/octet-stream", "cache-control": "no-store", "x-content-type-options": "nosniff" },
  },
  { ask: "GET /secrets/acme/variable/apps/db", as: web, status: 200, text: "hunter2\n" },
  { ask: "GET /secrets/acme/variable/apps%2fdb#fragment", as: web, status: 200, text: "hunter2\n" },
  { ask: "GET /secrets/acme/variable/apps/%C3%A4%C3%B6%C3%BC", as: web, status: 200, text: "umlaut" },
  { ask: "GET /secrets/acme/variable/a%252Fb", as: web, status: 200, text: "percent" },
  { ask: "GET /secrets/acme/variable/a%25252Fb", as: web, ...notThere("acme:variable:a%252Fb") },
  { ask: "GET /api/secrets/acme/variable/apps%2Fdb", as: web, status: 200, text: "hunter2\n" },
  { ask: "GET /secrets/acme/variable/apps%2Fdb?version=1", as: web, status: 200, text: "hunter2\n" },
  { ask: "GET /secrets/acme/variable/apps%2Fdb?version=2", as: web, ...notThere("acme:variable:apps/db") },
  {
    ask: "GET /secrets/acme/variable/apps%2Fdb?version=0",
    as: web,
    status: 422,
    json: { error: { code: "argument_error", message: "'version' must be a positive integer" } },
  },
  { ask: "GET /secrets/acme/variable/apps%2Fdb?version=-1", as: web, status: 422 },
  { ask: "GET /secrets/acme/variable/apps%2Fdb?version=1e3", as: web, status: 422 },
  { ask: "GET /secrets/acme/variable/apps%2Fdb?version=", as: web, status: 422 },
  { ask: "GET /secrets/acme/variable/apps%2Fdb?version=1&version=2", as: web, status: 400, text: "" },
  { ask: "GET /secrets/acme/variable/apps%2Fdb?version=1&%76ersion=2", as: web, status: 400 },
  {
    ask: "GET /secrets/acme/variable/apps%2Fdb",
    as: web,
    ...base64,
    status: 200,
    text: "hunter2\n",
    has: { "content-encoding": "absent" },
  },
  {
    ask: "GET /secrets/acme/variable/apps%2Fpage",
    as: web,
    status: 200,
    text: "<b>",
    has: { "content-type": "text/html", "content-disposition": "attachment" },
  },
  {
    ask: "GET /secrets/acme/variable/apps%2Fodd%20type",
    as: web,
    status: 200,
    has: { "content-type": "application/octet-stream", "x-evil": "absent" },
  },
  { ask: "GET /secrets/acme/variable/apps%2Fempty", as: web, ...notThere("acme:variable:apps/empty") },
  { ask: "GET /secrets/acme/variable/nothing", as: web, ...notThere("acme:variable:nothing") },
  { ask: "GET /secrets/other/variable/apps%2Fdb", as: web, ...notThere("other:variable:apps/db") },
  { ask: "GET /secrets/acme/variable/apps%2Fseen", as: web, status: 403, text: "" },
  { ask: "GET /secrets/acme/variable/apps%2Fdb", status: 401, text: "Authorization missing" },
  { ask: "GET /secrets/acme/variable/apps%2Fdb", as: "elsewhere", status: 403, text: "IP address rejected" },
  { ask: "GET /secrets/acme/variable/%ff", as: web, status: 400 },
  { ask: "GET /secrets/acme/variable/%ff", status: 401 },
  { ask: "GET /secrets/acme/variable/apps%2F..%2Fdb", as: web, status: 400 },
  { ask: "GET /secrets/acme/variable/", as: web, status: 404 },
  { ask: "GET /secrets/acme/host/apps%2Fweb", as: web, status: 404 },
  { ask: "GET /secrets/ac%2Fme/variable/x", as: web, status: 404 },
  // Several at once.
  {
    ask: batch("acme:variable:apps/db"),
    as: web,
    ...base64,
    status: 200,
    json: { "acme:variable:apps/db": "aHVudGVyMgo=" },
    has: { "content-encoding": "base64", vary: "Accept-Encoding", "cache-control": "no-store" },
  },
  {
    ask: batch("acme:variable:apps/db", "acme:variable:apps/page"),
    as: web,
    status: 200,
    json: { "acme:variable:apps/db": "hunter2\n", "acme:variable:apps/page": "<b>" },
    has: { "content-encoding": "absent" },
  },
  { ask: "GET /secrets/?variable_ids=acme%3Avariable%3Aapps%2Fdb", as: web, status: 200, json: { "acme:variable:apps/db": "hunter2\n" } },
  { ask: batch("acme:variable:apps/db", "acme:variable:apps/db"), as: web, status: 200, json: { "acme:variable:apps/db": "hunter2\n" } },
  {
    ask: batch("acme:variable:apps/binary"),
    as: web,
    headers: { "accept-encoding": "Base64" },
    status: 200,
    json: { "acme:variable:apps/binary": "/wD+" },
  },
  { ask: batch("acme:variable:apps/binary"), as: web, headers: { "accept-encoding": "gzip, base64" }, status: 406 },
  {
    ask: batch("acme:variable:apps/binary"),
    as: web,
    status: 406,
    json: {
      error: {
        code: "not_acceptable",
        message: "CONJ00074E Issue encoding secret into JSON format, try including 'Accept-Encoding: base64' header in request.",
      },
    },
  },
  { ask: batch("acme:variable:apps/db", "acme:variable:nothing"), as: web, ...notThere("acme:variable:nothing") },
  { ask: batch("acme:variable:apps/db", "acme:variable:apps/seen"), as: web, status: 403, text: "" },
  { ask: batch("acme:host:apps/web"), as: web, ...notThere("acme:host:apps/web") },
  { ask: batch("variable:apps/db"), as: web, ...notThere("variable:apps/db") },
  { ask: batch("nonsense"), as: web, ...notThere("nonsense") },
  { ask: batch("acme:variable:a\u0000b"), as: web, status: 400 },
  { ask: "GET /secrets?variable_ids=", as: web, status: 422, json: { error: { code: "argument_error", message: "variable_ids" } } },
  { ask: "GET /secrets?variable_ids=%20,,", as: web, status: 422 },
  { ask: "GET /secrets", as: web, status: 422 },
  { ask: "GET /secrets?variable_ids=a&variable_ids=b", as: web, status: 400 },
  { ask: batch("acme:variable:apps/db"), status: 401 },
  // Writing.
  {
    ask: "POST /secrets/acme/variable/apps%2Fdb",
    as: admin,
    body: "new",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    status: 201,
    text: "",
  },
  { ask: "POST /secrets/acme/variable/apps%2Fdb", as: admin, body: Buffer.from([0, 255]), status: 201 },
  {
    ask: "POST /secrets/acme/variable/apps%2Fdb",
    as: admin,
    body: " \n",
    status: 422,
    json: { error: { code: "argument_error", message: "'value' may not be empty" } },
  },
  { ask: "POST /secrets/acme/variable/apps%2Fdb", as: admin, status: 422 },
  { ask: "POST /secrets/acme/variable/apps%2Fdb", as: web, body: "new", status: 403, text: "" },
  {
    ask: "POST /secrets/acme/variable/nothing",
    as: web,
    body: "new",
    status: 404,
    json: {
      error: {
        code: "not_found",
        message: "Variable 'nothing' not found in account 'acme'",
        target: "variable",
        details: { code: "not_found", target: "id", message: "acme:variable:nothing" },
      },
    },
  },
  { ask: "POST /secrets/acme/variable/apps%2Fdb?expirations", as: admin, body: "new", status: 201, text: "" },
  { ask: "POST /secrets/acme/variable/apps%2Fdb?expirations=", as: admin, status: 201, text: "" },
  { ask: "POST /secrets/acme/variable/apps%2Fempty?expirations", as: admin, status: 404 },
  { ask: "POST /secrets/acme/variable/apps%2Fdb?expirations", as: web, status: 403, text: "" },
  { ask: "POST /secrets/acme/public_key/user%2Falice%2Fdesk", as: web, body: "ssh-rsa AAAA x", status: 404 },
  { ask: "POST /secrets/acme/host/apps%2Fweb", as: admin, body: "x", status: 404, text: "" },
  { ask: "POST /secrets/acme/variable/apps%2Fdb", body: "new", status: 401 },
];

describe("secrets at Conjur's front", () => {
  test.each(titled(cases))("%s", async (_title, one) => {
    expect(await outcomeOf(front, one)).toEqual(expectedOf(one));
  });

  test("come as the bytes that were stored", async () => {
    const { bytes } = await ask(front, { ask: "GET /secrets/acme/variable/apps%2Fbinary", as: web });
    expect([...bytes]).toEqual([0xff, 0x00, 0xfe]);
  });

  test("are stored as the bytes that came, whatever type the client gives them", async () => {
    const stored: number[][] = [];
    const listening = conjur.serve(createFakeBroker({ writeSecret: async (_caller, _id, value) => void stored.push([...value.reveal()]) }));
    const body = Buffer.from([0x61, 0x3d, 0xff, 0x26, 0x0a]);
    await ask(listening, {
      ask: "POST /secrets/acme/variable/x",
      as: admin,
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body,
    });
    expect(stored).toEqual([[...body]]);
  });

  test("answer HEAD like GET, without the value", async () => {
    for (const path of ["/secrets/acme/variable/apps%2Fdb", "/api/secrets/acme/variable/apps%2Fdb"]) {
      const answer = await ask(front, { ask: `HEAD ${path}`, as: web });
      expect([answer.status, answer.headers.get("content-length"), answer.bytes.byteLength]).toEqual([200, "8", 0]);
    }
  });

  test("show nothing of a defect, and report it", async () => {
    const reported: unknown[] = [];
    const broken = conjur.serve(
      createFakeBroker({ read: async () => Promise.reject(new Error("canary")), whoAmI: () => Promise.reject(new Error("canary")) }),
    );
    for (const question of ["GET /secrets/acme/variable/apps%2Fdb", "GET /whoami"]) {
      const answer = await ask(broken, { ask: question, as: web }, { ...quietEdge, report: (error) => reported.push(error) });
      expect([answer.status, answer.text]).toEqual([500, ""]);
    }
    expect(reported).toHaveLength(2);
  });

  test.each([
    [{ code: "integrity", what: "acme:variable:x version 1" }, 500],
    [{ code: "integrity", what: "account acme" }, 503],
    [{ code: "sealed", reason: "seal_key_missing" }, 503],
    [{ code: "storage_full" }, 507],
    [{ code: "read_only" }, 503],
    [{ code: "stale" }, 503],
    [{ code: "not_replicated" }, 503],
    [{ code: "internal", what: "audit", because: "audit_unavailable" }, 500],
  ] as const)("fail for %p with %p, without a body", async (failure, status) => {
    const failing = conjur.serve(createFakeBroker({ read: async () => Promise.reject(new PosternError(failure)) }));
    const answer = await ask(failing, { ask: "GET /secrets/acme/variable/apps%2Fdb", as: web });
    expect([answer.status, answer.text]).toEqual([status, ""]);
  });

  test("fail where identifying fails at once, too", async () => {
    const failing = conjur.serve(
      createFakeBroker({
        identify: () => {
          throw fail({ code: "sealed", reason: "seal_key_missing" });
        },
      }),
    );
    for (const question of ["GET /secrets/acme/variable/apps%2Fdb", "GET /whoami"])
      expect((await ask(failing, { ask: question, as: web })).status).toBe(503);
  });
});

describe("the hot route for one secret", () => {
  const [hot] = front.hot;
  const get = (path: string, headers: Record<string, string> = { authorization: tokenFor(web) }) =>
    hot?.answer(new Request(`http://postern.test${path}`, { headers }), { context: contextOf("conjur"), edge: quietEdge });

  test.each([
    "/secrets/acme/variable/apps%2Fdb",
    "/secrets/acme/variable/nothing",
    "/secrets/acme/variable/%ff",
    "/secrets/acme/variable/",
    "/secrets/acme/variable/apps%2Fseen",
    "/secrets/acme/host/x",
    "/secrets/acme/variable/apps%2Fdb?version=x",
  ])("answers %p as the router's does", async (path) => {
    const direct = await get(path);
    const routed = await ask(front, { ask: `GET ${path}`, as: web });
    expect([direct?.status, await direct?.text()]).toEqual([routed.status, routed.text]);
  });

  test("takes no answer to another caller's question for its own", async () => {
    expect((await get("/secrets/acme/variable/apps%2Fseen", { authorization: tokenFor(admin) }))?.status).toBe(404);
    expect((await get("/secrets/acme/variable/apps%2Fseen"))?.status).toBe(403);
    expect((await get("/secrets/acme/variable/apps%2Fseen", {}))?.status).toBe(401);
  });

  test("changes no header of the next answer", async () => {
    const first = await get("/secrets/acme/variable/apps%2Fpage");
    first?.headers.set("x-request-id", "mine");
    const second = await get("/secrets/acme/variable/apps%2Fdb");
    expect([second?.headers.get("content-type"), second?.headers.get("x-request-id")]).toEqual(["application/octet-stream", null]);
  });
});
