import { describe, expect, test } from "bun:test";
import type { GrantQuery, ResourceQuery } from "../../../src/core/broker";
import { conjur } from "../../../src/fronts/conjur/routes";
import { ask, type Case, expectedOf, outcomeOf, titled } from "../ask";
import { createFakeBroker } from "../fake-broker";

const front = conjur.serve(createFakeBroker());
const web = "acme:host:apps/web";
const admin = "acme:user:admin";
const createdAt = "2025-11-10T09:12:13.000+00:00";
const variable = {
  created_at: createdAt,
  id: "acme:variable:apps/db",
  owner: admin,
  policy: "acme:policy:root",
  permissions: [{ privilege: "read", role: web, policy: "acme:policy:root" }],
  annotations: [{ name: "description", value: "x", policy: "acme:policy:root" }],
  secrets: [{ version: 1, expires_at: null }],
};
const bare = { created_at: createdAt, owner: admin, permissions: [], annotations: [] };
const missing = (kind: string, identifier: string, named = kind) => ({
  error: {
    code: "not_found",
    message: `${named} '${identifier}' not found in account 'acme'`,
    target: kind,
    details: { code: "not_found", target: "id", message: `acme:${kind}:${identifier}` },
  },
});
const limitText = "'limit' contains an invalid value. 'limit' must be a positive integer.";
const unprocessable = (message: string) => ({ error: { code: "unprocessable_entity", message } });

const cases: readonly Case[] = [
  { ask: "GET /resources/acme/variable/apps%2Fdb", as: web, status: 200, json: variable },
  { ask: "GET /resources/acme/host/apps/web", as: web, status: 200, json: { ...bare, id: web, restricted_to: ["10.0.0.0/8"] } },
  {
    ask: "GET /resources/acme/webservice/conjur/authn-azure/prod",
    as: admin,
    status: 200,
    json: { ...bare, id: "acme:webservice:conjur/authn-azure/prod" },
  },
  {
    ask: "GET /resources/acme/host_factory/apps",
    as: admin,
    status: 200,
    json: { ...bare, id: "acme:host_factory:apps", tokens: [{ expiration: "2025-11-10T09:13:13Z", cidr: ["10.0.0.0/8"] }], layers: [] },
  },
  {
    ask: "GET /resources/acme/policy/root",
    as: admin,
    status: 200,
    json: {
      ...bare,
      id: "acme:policy:root",
      policy_versions: [
        {
          version: 1,
          created_at: createdAt,
          policy_text: "- !user x",
          policy_sha256: "ab",
          finished_at: createdAt,
          client_ip: "10.0.0.7",
          id: "acme:policy:root",
          role: admin,
        },
      ],
    },
  },
  { ask: "GET /resources/acme/variable/nothing", as: web, status: 404, json: missing("variable", "nothing", "Variable") },
  { ask: "GET /resources/acme/user/alice", as: web, status: 404, json: missing("user", "alice", "User") },
  { ask: "GET /resources/acme/host_factory/apps", as: web, status: 404, json: missing("host_factory", "apps", "Host_factory") },
  { ask: "GET /resources/acme/host-factory/apps", as: admin, status: 404, text: "" },
  { ask: "GET /resources/acme/secret/x", as: admin, status: 404, text: "" },
  { ask: "HEAD /resources/acme/variable/apps%2Fdb", as: web, status: 200, text: "" },
  { ask: "HEAD /resources/acme/variable/nothing", as: web, status: 404, text: "" },
  // Checks.
  { ask: "GET /resources/acme/variable/apps%2Fdb?check=true&privilege=execute", as: web, status: 204, text: "" },
  { ask: "GET /resources/acme/variable/apps%2Fdb?check&privilege=update", as: web, status: 404, text: "" },
  { ask: "GET /resources/acme/variable/nothing?check=true&privilege=read", as: web, status: 404, text: "" },
  { ask: "GET /resources/acme/variable/apps%2Fdb?check=true&privilege=execute&role=", as: web, status: 204 },
  { ask: "GET /resources/acme/variable/apps%2Fdb?check=true&privilege=execute&role=acme:host:apps/web", as: web, status: 204 },
  { ask: "GET /resources/acme/variable/apps%2Fdb?check=true&privilege=execute&role=acme:user:alice", as: web, status: 403, text: "" },
  { ask: "GET /resources/acme/variable/apps%2Fdb?check=true&privilege=execute&role=nonsense", as: web, status: 403 },
  { ask: "GET /resources/acme/variable/apps%2Fdb?check=true&privilege=execute&role=acme:variable:x", as: web, status: 403 },
  { ask: "GET /resources/acme/variable/apps%2Fdb?check=true&privilege=a&privilege=b", as: web, status: 400 },
  {
    ask: "GET /resources/acme/variable/apps%2Fdb?check=true",
    as: web,
    status: 422,
    json: { error: { code: "argument_error", message: "privilege" } },
  },
  { ask: "HEAD /resources/acme/variable/apps%2Fdb?check=true&privilege=execute", as: web, status: 204 },
  // Who may.
  { ask: "GET /resources/acme/variable/apps%2Fdb?permitted_roles=true&privilege=read", as: web, status: 200, json: [web, admin] },
  { ask: "GET /resources/acme/variable/apps%2Fdb?permitted_roles&permission=read", as: web, status: 200, json: [web, admin] },
  { ask: "GET /resources/acme/variable/apps%2Fdb?permitted_roles=true", as: web, status: 422 },
  { ask: "GET /resources/acme/variable/nothing?permitted_roles=true&privilege=read", as: web, status: 404 },
  // Lists.
  { ask: "GET /resources/acme/host", as: web, status: 200, json: [{ ...bare, id: web, restricted_to: ["10.0.0.0/8"] }] },
  { ask: "GET /resources?kind=group", as: web, status: 200, json: [] },
  { ask: "GET /resources?kind=nonsense", as: web, status: 200, json: [] },
  { ask: "GET /resources?kind=nonsense&count=true", as: web, status: 200, json: { count: 0 } },
  { ask: "GET /resources?count=true&limit=1", as: admin, status: 200, json: { count: 15 } },
  { ask: "GET /resources/acme/variable?count=true", as: web, status: 200, json: { count: 8 } },
  { ask: "GET /resources/other", as: web, status: 200, json: [] },
  { ask: "GET /resources?limit=0", as: web, status: 422, json: unprocessable(limitText) },
  { ask: "GET /resources?limit=x", as: web, status: 422, json: unprocessable(limitText) },
  { ask: "GET /resources?limit=", as: web, status: 422 },
  { ask: "GET /resources?limit=1001", as: web, status: 422, json: unprocessable("'Limit' parameter must not exceed 1000") },
  { ask: "GET /resources?limit=10000", as: web, status: 200 },
  {
    ask: "GET /resources?offset=-1",
    as: web,
    status: 422,
    json: unprocessable("'offset' contains an invalid value. 'offset' must be an integer greater than or equal to 0."),
  },
  { ask: "GET /resources?limit=1&limit=2", as: web, status: 400 },
  { ask: "GET /resources?owner=nonsense", as: web, status: 404 },
  { ask: "GET /resources?acting_as=nonsense", as: web, status: 403, text: "" },
  { ask: "GET /resources?role=a:user:b&acting_as=a:user:c", as: web, status: 400 },
  { ask: "GET /resources?search=%ff", as: web, status: 400 },
  // Roles.
  {
    ask: "GET /roles/acme/host/apps%2Fweb",
    as: web,
    status: 200,
    json: { created_at: createdAt, id: web, members: [{ admin_option: true, ownership: true, role: web, member: admin }] },
  },
  { ask: "GET /roles/acme/user/nobody", as: web, status: 404, json: missing("user", "nobody", "User") },
  { ask: "GET /roles/acme/variable/apps%2Fdb", as: web, status: 404, text: "" },
  { ask: "HEAD /roles/acme/host/apps%2Fweb", as: web, status: 200, text: "" },
  { ask: "GET /roles/acme/host/apps%2Fweb?all", as: web, status: 200, json: ["acme:group:ops", web] },
  { ask: "GET /roles/acme/host/apps%2Fweb?all=true&members", as: web, status: 200, json: ["acme:group:ops", web] },
  { ask: "GET /roles/acme/host/apps%2Fweb?all&filter=group:ops&filter=acme:user:none", as: web, status: 200, json: ["acme:group:ops"] },
  { ask: "GET /roles/acme/host/apps%2Fweb?all&filter[]=acme:host:apps/web&filter%5B%5D=x", as: web, status: 200, json: [web] },
  { ask: "GET /roles/acme/host/apps%2Fweb?all&count=true", as: web, status: 200, json: { count: 2 } },
  { ask: "GET /roles/acme/host/apps%2Fweb?all&count", as: web, status: 200, json: { count: 2 } },
  { ask: "GET /roles/acme/host/apps%2Fweb?all&count=false", as: web, status: 200, json: ["acme:group:ops", web] },
  {
    ask: "GET /roles/acme/host/apps%2Fweb?memberships",
    as: web,
    status: 200,
    json: [{ admin_option: false, ownership: false, role: "acme:group:ops", member: web, policy: "acme:policy:root" }],
  },
  { ask: "GET /roles/acme/host/apps%2Fweb?memberships&count=true", as: web, status: 200, json: { count: 1 } },
  {
    ask: "GET /roles/acme/group/ops?members",
    as: admin,
    status: 200,
    json: [{ admin_option: false, ownership: false, role: "acme:group:ops", member: "acme:user:alice" }],
  },
  {
    ask: "GET /roles/acme/group/ops?members&limit=1",
    as: admin,
    status: 200,
    json: [{ admin_option: false, ownership: false, role: "acme:group:ops", member: web }],
  },
  { ask: "GET /roles/acme/group/ops?members&count=true", as: admin, status: 200, json: { count: 7 } },
  { ask: "GET /roles/acme/group/ops?members&kind=nonsense", as: admin, status: 200, json: [] },
  { ask: "GET /roles/acme/group/ops?members&limit=0", as: admin, status: 422 },
  { ask: "GET /roles/acme/group/ops?graph", as: admin, status: 200, json: [{ parent: "acme:group:ops", child: "acme:group:ops" }] },
  { ask: "GET /roles/acme/host/apps%2Fweb?all&graph", as: web, status: 200, json: [{ parent: "acme:group:ops", child: web }] },
  { ask: "GET /roles/acme/group/ops?graph", as: web, status: 404, json: missing("group", "ops", "Group") },
  // Members by API.
  { ask: "POST /roles/acme/group/ops?members&member=acme:user:alice", as: admin, status: 204, text: "" },
  { ask: "POST /roles/acme/group/ops?members&member=user:alice", as: admin, status: 204 },
  { ask: "POST /roles/acme/group/ops?members&member=acme:user:nobody", as: admin, status: 404, json: missing("user", "nobody", "User") },
  { ask: "POST /roles/acme/group/ops?members&member=acme:variable:apps/db", as: admin, status: 404 },
  { ask: "POST /roles/acme/group/ops?members&member=acme:user:a&member=acme:user:b", as: admin, status: 400 },
  {
    ask: "POST /roles/acme/group/ops?members",
    as: admin,
    status: 422,
    json: { error: { code: "parameter_missing", message: "param is missing or the value is empty: member" } },
  },
  { ask: "POST /roles/acme/group/ops?member=acme:user:alice", as: admin, status: 404, text: "" },
  { ask: "POST /roles/acme/host/apps%2Fweb?members&member=acme:user:alice", as: web, status: 403, text: "" },
  { ask: "DELETE /roles/acme/group/ops?members&member=acme:host:apps/web", as: admin, status: 204, text: "" },
  { ask: "DELETE /roles/acme/group/ops?members&member=acme:user:alice", as: admin, status: 404 },
  { ask: "DELETE /roles/acme/group/ops", as: admin, status: 404, text: "" },
];

describe("resources and roles at Conjur's front", () => {
  test.each(titled(cases))("%s", async (_title, one) => {
    expect(await outcomeOf(front, one)).toEqual(expectedOf(one));
  });

  test.each([
    ["/resources", { limit: 1000 }],
    ["/resources?offset=5", { limit: 10, offset: 5 }],
    ["/resources?limit=7&offset=5", { limit: 7, offset: 5 }],
    ["/resources/acme", { account: "acme", limit: 1000 }],
    ["/resources/acme/variable?kind=host", { account: "acme", kind: "variable", limit: 1000 }],
    ["/resources?kind=variable&search=a+b%2Bc", { kind: "variable", search: "a b+c", limit: 1000 }],
    ["/resources?search=&owner=&role=", { limit: 1000 }],
    ["/resources?owner=group:ops", { owner: "acme:group:ops", limit: 1000 }],
    ["/resources/b?owner=group:ops", { account: "b", owner: "b:group:ops", limit: 1000 }],
    ["/resources?acting_as=acme:group:ops", { actingAs: "acme:group:ops", limit: 1000 }],
    ["/resources?role=acme:group:a:b", { actingAs: "acme:group:a:b", limit: 1000 }],
  ])("asks for %p as %p", async (path, expected) => {
    const asked: ResourceQuery[] = [];
    const listResources = async (_caller: unknown, query: ResourceQuery) => {
      asked.push(query);
      return { items: [], total: 0 };
    };
    await ask(conjur.serve(createFakeBroker({ listResources })), { ask: `GET ${path}`, as: web });
    expect<unknown>(asked).toEqual([expected]);
  });

  test("passes on what narrows a list of members", async () => {
    const asked: GrantQuery[] = [];
    const members = async (_caller: unknown, _role: unknown, query: GrantQuery) => {
      asked.push(query);
      return { items: [], total: 0 };
    };
    await ask(conjur.serve(createFakeBroker({ members })), {
      ask: "GET /roles/acme/group/ops?members&kind=user&search=al&limit=2&offset=4&filter=user:alice",
      as: admin,
    });
    expect<unknown>(asked).toEqual([{ kind: "user", search: "al", limit: 2, offset: 4, filter: ["acme:user:alice"] }]);
  });

  test("asks for ten members where a page only says where it begins", async () => {
    const asked: GrantQuery[] = [];
    const members = async (_caller: unknown, _role: unknown, query: GrantQuery) => {
      asked.push(query);
      return { items: [], total: 0 };
    };
    for (const query of ["members&offset=3", "members"])
      await ask(conjur.serve(createFakeBroker({ members })), { ask: `GET /roles/acme/group/ops?${query}`, as: admin });
    expect<unknown>(asked).toEqual([{ limit: 10, offset: 3 }, {}]);
  });

  test("shows the newest twenty versions of a variable, oldest first", async () => {
    const broker = createFakeBroker();
    const showResource: typeof broker.showResource = async (caller, id) => {
      const view = await broker.showResource(caller, id);
      const secretVersions = Array.from({ length: 25 }, (_, index) => ({ resource: id, version: index + 1, createdAt: 0, revision: 1 }));
      return { ...view, secretVersions };
    };
    const answer = await ask(conjur.serve(createFakeBroker({ showResource })), { ask: "GET /resources/acme/variable/apps%2Fdb", as: web });
    const shown: readonly { readonly version: number }[] = JSON.parse(answer.text).secrets;
    expect(shown.map(({ version }) => version)).toEqual(Array.from({ length: 20 }, (_, index) => index + 6));
  });
});

describe("the limit of a list, as the operator sets it", () => {
  const limited = conjur.serve(createFakeBroker(), { resourceListMax: 5 });
  const unlimited = conjur.serve(createFakeBroker(), { resourceListMax: 0 });

  test("refuses more than that", async () => {
    expect((await ask(limited, { ask: "GET /resources?limit=6", as: admin })).status).toBe(422);
    expect((await ask(limited, { ask: "GET /resources?limit=5", as: admin })).status).toBe(200);
  });

  test("refuses nothing when lifted", async () => {
    expect((await ask(unlimited, { ask: "GET /resources?limit=2000", as: admin })).status).toBe(200);
  });
});
