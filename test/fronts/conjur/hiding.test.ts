/**
 * The hiding rule, route by route, over the whole core: what is not there and what one cannot see get the same answer to the byte; what one sees
 * without the right to it is refused as such; and each refusal has its line in the audit.
 */

import { beforeEach, describe, expect, test } from "bun:test";
import { versionTwo } from "../../../src/fronts/conjur/access";
import { conjur } from "../../../src/fronts/conjur/routes";
import type { FrontApp } from "../../../src/fronts/front";
import { parseRoleId } from "../../../src/model/ids";
import { createHouse, createTestClock, type House, jsonAuthenticator } from "../../support/house";
import { type Answer, ask, contextOf } from "../ask";
import { now } from "../fake-broker";

/** The stranger has no right to anything, the onlooker `read` alone, the holder what each route takes. `x` is there, `absent` is not. */
const policy = `
- !user stranger
- !user onlooker
- !user holder
- !user member
- !policy
  id: x
  owner: !user holder
  annotations: { a: b }
  body:
    - !variable x
    - !user { id: x, public_keys: [ ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDeq0SwVeo5AqMyS5w2WzlgvUEQ9J4VPmBH4o7NQqyPN x ] }
    - !host x
    - !group x
    - !layer x
    - !host-factory { id: x, layers: [ !layer x ] }
    - !policy { id: x }
    - !permit { role: !user /onlooker, privileges: [ read ], resource: !variable x }
    - !permit { role: !user /onlooker, privileges: [ read ], resource: !host x }
    - !permit { role: !user /onlooker, privileges: [ read ], resource: !group x }
    - !permit { role: !user /onlooker, privileges: [ read ], resource: !host-factory x }
    - !permit { role: !user /onlooker, privileges: [ read ], resource: !policy x }
- !permit { role: !user onlooker, privileges: [ look ], resource: !policy x }
- !permit { role: !user holder, privileges: [ read ], resource: !user member }
- !policy
  id: conjur/authn-azure
  owner: !user holder
  body:
    - !webservice x
    - !webservice x/status
    - !variable x/provider-uri
    - !permit { role: !user /onlooker, privileges: [ look ], resource: !webservice x }
    - !permit { role: !user /onlooker, privileges: [ look ], resource: !webservice x/status }
`;

interface Route {
  /** Asked with `NAME` once as `x` and once as `absent`. */
  readonly ask: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** For what is absent and for what is unseen. */
  readonly hidden: number;
  readonly seen: number;
  readonly allowed: number;
  /** The operation in the audit; without one the route leaves no refusal of its own. */
  readonly operation?: string;
}

const v2 = { accept: versionTwo };
const form = { "content-type": "application/x-www-form-urlencoded" };
const end = encodeURIComponent(new Date(now + 60_000).toISOString());
const routes: readonly Route[] = [
  { ask: "GET /secrets/acme/variable/x%2FNAME", hidden: 404, seen: 403, allowed: 200, operation: "secret.read" },
  { ask: "HEAD /secrets/acme/variable/x%2FNAME", hidden: 404, seen: 403, allowed: 200, operation: "secret.read" },
  { ask: "GET /secrets?variable_ids=acme:variable:x%2FNAME", hidden: 404, seen: 403, allowed: 200, operation: "secret.read" },
  { ask: "POST /secrets/acme/variable/x%2FNAME", body: "v", hidden: 404, seen: 403, allowed: 201, operation: "secret.write" },
  { ask: "POST /secrets/acme/variable/x%2FNAME?expirations", hidden: 404, seen: 403, allowed: 201, operation: "secret.expire" },
  { ask: "GET /resources/acme/variable/x%2FNAME", hidden: 404, seen: 200, allowed: 200, operation: "resource.show" },
  { ask: "GET /resources/acme/variable/x%2FNAME?check=true&privilege=execute", hidden: 404, seen: 404, allowed: 204 },
  {
    ask: "GET /resources/acme/variable/x%2FNAME?permitted_roles=true&privilege=execute",
    hidden: 404,
    seen: 200,
    allowed: 200,
    operation: "resource.permitted_roles",
  },
  { ask: "GET /roles/acme/group/x%2FNAME", hidden: 404, seen: 200, allowed: 200, operation: "role.show" },
  { ask: "GET /roles/acme/group/x%2FNAME?all", hidden: 404, seen: 200, allowed: 200, operation: "role.held" },
  { ask: "GET /roles/acme/group/x%2FNAME?memberships", hidden: 404, seen: 200, allowed: 200, operation: "role.memberships" },
  { ask: "GET /roles/acme/group/x%2FNAME?members", hidden: 404, seen: 200, allowed: 200, operation: "role.members" },
  { ask: "GET /roles/acme/group/x%2FNAME?graph", hidden: 404, seen: 200, allowed: 200, operation: "role.graph" },
  { ask: "POST /roles/acme/group/x%2FNAME?members&member=user:member", hidden: 404, seen: 403, allowed: 204 },
  { ask: "POST /policies/acme/policy/x%2FNAME", body: "- !variable y", hidden: 404, seen: 403, allowed: 201, operation: "policy.load" },
  { ask: "PATCH /policies/acme/policy/x%2FNAME", body: "- !variable y", hidden: 404, seen: 403, allowed: 201, operation: "policy.load" },
  { ask: "PUT /policies/acme/policy/x%2FNAME", body: "- !variable y", hidden: 404, seen: 403, allowed: 201, operation: "policy.load" },
  {
    ask: "POST /policies/acme/policy/x%2FNAME?dryRun=true",
    body: "[]",
    hidden: 404,
    seen: 403,
    allowed: 200,
    operation: "policy.validate",
  },
  { ask: "GET /policies/acme/policy/x%2FNAME", hidden: 404, seen: 403, allowed: 200, operation: "policy.read" },
  { ask: "PUT /authn/acme/api_key?role=host:x%2FNAME", hidden: 404, seen: 403, allowed: 200, operation: "api_key.rotate" },
  { ask: "GET /authn/acme/api_key?role=host:x%2FNAME", hidden: 404, seen: 403, allowed: 200, operation: "api_key.age" },
  {
    ask: "POST /host_factory_tokens",
    body: `host_factory=acme:host_factory:x%2FNAME&expiration=${end}`,
    headers: form,
    hidden: 404,
    seen: 403,
    allowed: 200,
    operation: "host_factory.create_tokens",
  },
  { ask: "PATCH /authn-azure/NAME/acme", body: "enabled=true", hidden: 401, seen: 403, allowed: 204 },
  { ask: "POST /branches/acme", body: `{"name":"y","branch":"x/NAME"}`, headers: v2, hidden: 404, seen: 404, allowed: 201 },
  { ask: "GET /branches/acme/x%2FNAME", headers: v2, hidden: 404, seen: 200, allowed: 200, operation: "branch.show" },
  { ask: "PATCH /branches/acme/x%2FNAME", body: "{}", headers: v2, hidden: 404, seen: 404, allowed: 200, operation: "branch.update" },
  { ask: "DELETE /branches/acme/x%2FNAME", headers: v2, hidden: 404, seen: 404, allowed: 204, operation: "branch.remove" },
  {
    ask: "POST /groups/acme/x%2FNAME/members",
    body: `{"kind":"user","id":"member"}`,
    headers: v2,
    hidden: 404,
    seen: 403,
    allowed: 201,
  },
];

let house: House;
let front: FrontApp;

beforeEach(async () => {
  const clock = createTestClock();
  clock.setWall(now);
  house = await createHouse({ clock, authenticators: [jsonAuthenticator("authn-azure")] });
  await house.load(policy);
  front = conjur.serve(house.broker);
  const written = await asked("holder", { ask: "POST /secrets/acme/variable/x%2Fx", body: "value" });
  expect(written.status).toBe(201);
});

async function asked(
  who: string,
  question: { readonly ask: string; readonly body?: string; readonly headers?: Route["headers"] },
): Promise<Answer> {
  const role = parseRoleId(`acme:user:${who}`);
  const context = contextOf("conjur");
  const credential = await house.operator.retrieveKey(role, context);
  const session = await house.broker.login({ authenticator: "authn", account: "acme", role, claimed: who, credential }, context);
  const token = Buffer.from(session.token.reveal()).toString("base64");
  return ask(front, { ...question, headers: { ...question.headers, authorization: `Token token="${token}"` } });
}

function named(route: Route, name: string): { readonly ask: string; readonly body?: string; readonly headers?: Route["headers"] } {
  const body = route.body?.replaceAll("NAME", name);
  return {
    ask: route.ask.replaceAll("NAME", name),
    ...(body === undefined ? {} : { body }),
    ...(route.headers === undefined ? {} : { headers: route.headers }),
  };
}

/** What a client gets, but for the name that it asked for itself. */
function shape({ status, headers, text }: Answer, name: string): unknown {
  const kept = ["content-type", "retry-after", "www-authenticate", "location"].map((each) => headers.get(each));
  return { status, kept, text: text.replaceAll(`x/${name}`, "x/NAME").replaceAll(`/${name}`, "/NAME") };
}

describe("the hiding rule", () => {
  test.each(routes.map((route): [string, Route] => [route.ask, route]))("of %s", async (_title, route) => {
    const absent = await asked("stranger", named(route, "absent"));
    const before = house.audit.length;
    const unseen = await asked("stranger", named(route, "x"));
    const lines = house.audit.slice(before).filter(({ operation }) => !["login", "api_key.retrieve"].includes(operation));
    expect([absent.status, unseen.status]).toEqual([route.hidden, route.hidden]);
    expect(shape(unseen, "x")).toEqual(shape(absent, "absent"));
    if (route.operation !== undefined)
      expect(lines).toMatchObject([{ operation: route.operation, allowed: false, failure: "not_found", role: "acme:user:stranger" }]);

    const seen = await asked("onlooker", named(route, "x"));
    expect(seen.status).toBe(route.seen);
    if (route.seen === 403) expect(seen.text).toBe("");
    expect((await asked("holder", named(route, "x"))).status).toBe(route.allowed);
  });

  test("of public keys tells nothing of who there is", async () => {
    const there = await ask(front, { ask: "GET /public_keys/acme/user/x@x" });
    expect(there.text).toBe("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDeq0SwVeo5AqMyS5w2WzlgvUEQ9J4VPmBH4o7NQqyPN x\n");
    for (const user of ["holder", "absent", "x@", "x", "%25", "_@x"]) {
      const answer = await ask(front, { ask: `GET /public_keys/acme/user/${user}` });
      expect([answer.status, answer.text]).toEqual([200, "\n"]);
    }
  });

  test("of a batch refuses before it says what is missing, and hides what is unseen", async () => {
    const ids = (...names: readonly string[]) => `GET /secrets?variable_ids=${names.map((name) => `acme:variable:${name}`).join(",")}`;
    expect((await asked("onlooker", { ask: ids("x/absent", "x/x") })).status).toBe(403);
    expect((await asked("stranger", { ask: ids("x/absent", "x/x") })).status).toBe(404);
    expect((await asked("holder", { ask: ids("x/x", "x/absent") })).status).toBe(404);
    expect((await asked("holder", { ask: ids("x/x", "x/x") })).text).toBe('{"acme:variable:x/x":"value"}');
  });

  test("of lists shows each what they see, and through the eyes of a role only to who holds it", async () => {
    const listed = async (who: string, query = "") => {
      const { status, text } = await asked(who, { ask: `GET /resources/acme${query}` });
      return status === 200 ? JSON.parse(text).map(({ id }: { readonly id: string }) => id) : status;
    };
    expect(await listed("stranger")).toEqual([]);
    expect(await listed("onlooker", "?kind=variable")).toEqual(["acme:variable:x/x"]);
    expect(await listed("holder", "?kind=variable&owner=policy:x")).toEqual(["acme:variable:x/x"]);
    expect(await listed("onlooker", "?role=acme:user:holder")).toBe(403);
    expect(await listed("onlooker", "?role=acme:user:absent")).toBe(403);
    expect(await listed("holder", "?acting_as=acme:policy:x&kind=host_factory")).toEqual(["acme:host_factory:x/x"]);
    expect(await listed("onlooker", "?owner=user:stranger")).toBe(404);
    expect(await listed("onlooker", "?owner=user:absent")).toBe(404);
  });
});
