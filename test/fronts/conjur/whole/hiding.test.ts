/**
 * What a caller may not see is absent, in the same words as what is not there; what they may see and not use is forbidden, without a word. For every route
 * that names a thing.
 */

import { describe, expect, test } from "bun:test";
import { versionTwo } from "../../../../src/fronts/conjur/access";
import { type Asked, createTown } from "./town";

const town = await createTown();

interface Route {
  readonly name: string;
  /** With THING for the encoded identifier. */
  readonly ask: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** What there is, and what could be there and is not. */
  readonly there: string;
  readonly absent: string;
  /** For one who may see and not use. */
  readonly viewer: number;
  readonly keeper: number;
  /** In place of 404. */
  readonly stranger?: number;
}

const variable = { there: "vault/thing", absent: "vault/gone" };
const host = { there: "vault/box", absent: "vault/gone" };
const group = { there: "vault/staff", absent: "vault/gone" };
const branch = { there: "vault/deep", absent: "vault/gone" };
const form = { "content-type": "application/x-www-form-urlencoded" };
const versionTwoHeaders = { accept: versionTwo };
const shows = { viewer: 200, keeper: 200 };
const guards = (keeper: number) => ({ viewer: 403, keeper });

const routes: readonly Route[] = [
  { name: "S2", ask: "GET /secrets/acme/variable/THING", ...variable, ...guards(200) },
  { name: "S2 by version", ask: "GET /secrets/acme/variable/THING?version=1", ...variable, ...guards(200) },
  { name: "S3", ask: "GET /secrets?variable_ids=acme%3Avariable%3ATHING", ...variable, ...guards(200) },
  {
    name: "S3, named twice",
    ask: "GET /secrets?variable_ids=acme%3Avariable%3ATHING,acme%3Avariable%3ATHING",
    ...variable,
    ...guards(200),
  },
  { name: "S1", ask: "POST /secrets/acme/variable/THING", body: "first", ...variable, ...guards(201) },
  { name: "S1 without a value", ask: "POST /secrets/acme/variable/THING", ...variable, ...guards(422) },
  { name: "S4", ask: "POST /secrets/acme/variable/THING?expirations", ...variable, ...guards(201) },
  { name: "R2 of a variable", ask: "GET /resources/acme/variable/THING", ...variable, ...shows },
  { name: "R2 of a host", ask: "GET /resources/acme/host/THING", ...host, ...shows },
  { name: "R2 of a policy", ask: "GET /resources/acme/policy/THING", ...branch, ...shows },
  { name: "R2 by HEAD", ask: "HEAD /resources/acme/group/THING", ...group, ...shows },
  { name: "R3", ask: "GET /resources/acme/variable/THING?check=true&privilege=execute", ...variable, viewer: 404, keeper: 204 },
  {
    name: "R3 of what the viewer has",
    ask: "GET /resources/acme/variable/THING?check=true&privilege=look",
    ...variable,
    viewer: 204,
    keeper: 204,
  },
  { name: "R4", ask: "GET /resources/acme/variable/THING?permitted_roles=true&privilege=execute", ...variable, ...shows },
  { name: "L1", ask: "GET /roles/acme/group/THING", ...group, ...shows },
  { name: "L1 by HEAD", ask: "HEAD /roles/acme/host/THING", ...host, ...shows },
  { name: "L2", ask: "GET /roles/acme/host/THING?all", ...host, ...shows },
  { name: "L3", ask: "GET /roles/acme/host/THING?memberships", ...host, ...shows },
  { name: "L4", ask: "GET /roles/acme/group/THING?members", ...group, ...shows },
  { name: "L5", ask: "GET /roles/acme/group/THING?graph", ...group, ...shows },
  { name: "L6", ask: "POST /roles/acme/group/THING?members&member=acme:group:vault/staff2", ...group, viewer: 403, keeper: 404 },
  { name: "L7", ask: "DELETE /roles/acme/group/THING?members&member=acme:user:viewer", ...group, viewer: 403, keeper: 404 },
  { name: "P1", ask: "POST /policies/acme/policy/THING", body: "[]", ...branch, ...guards(201) },
  { name: "P2", ask: "PATCH /policies/acme/policy/THING", body: "[]", ...branch, ...guards(201) },
  { name: "P3", ask: "PUT /policies/acme/policy/THING", body: "[]", ...branch, ...guards(201) },
  { name: "P1 of what is no policy text", ask: "POST /policies/acme/policy/THING", body: "nonsense", ...branch, ...guards(422) },
  { name: "P4 of P1", ask: "POST /policies/acme/policy/THING?dryRun=true", body: "[]", ...branch, ...guards(200) },
  { name: "P4 of P3", ask: "PUT /policies/acme/policy/THING?dryRun=true", body: "[]", ...branch, ...guards(200) },
  // Privileges do not do here: one must hold the role that owns the policy.
  { name: "P5", ask: "GET /policies/acme/policy/THING", ...branch, viewer: 403, keeper: 403 },
  { name: "A5", ask: "PUT /authn/acme/api_key?role=acme:host:THING", ...host, ...guards(200) },
  { name: "A5 by half an id", ask: "PUT /authn/acme/api_key?role=host:THING", ...host, ...guards(200) },
  { name: "A5 of what has no key", ask: "PUT /authn/acme/api_key?role=group:THING", ...group, ...guards(405) },
  { name: "A6", ask: "GET /authn/acme/api_key?role=acme:host:THING", ...host, ...guards(200) },
  {
    name: "H1",
    ask: "POST /host_factory_tokens",
    body: "host_factory=acme%3Ahost_factory%3ATHING&expiration=2030-01-01T00%3A00%3A00Z",
    headers: form,
    there: "vault/births",
    absent: "vault/gone",
    ...guards(200),
  },
  // Of branches nobody who lacks a right is told that they are there.
  { name: "V8", ask: "GET /branches/acme/THING", headers: versionTwoHeaders, ...branch, viewer: 404, keeper: 200 },
  { name: "V9", ask: "PATCH /branches/acme/THING", body: "{}", headers: versionTwoHeaders, ...branch, viewer: 404, keeper: 200 },
  {
    name: "V11 of one who cannot be seen",
    ask: "POST /groups/acme/THING/members",
    body: `{"kind":"user","id":"viewer"}`,
    headers: versionTwoHeaders,
    ...group,
    ...guards(422),
  },
  { name: "V12", ask: "DELETE /groups/acme/THING/members/host/vault%2Fbox", headers: versionTwoHeaders, ...group, ...guards(404) },
  { name: "V10", ask: "DELETE /branches/acme/THING", headers: versionTwoHeaders, ...branch, viewer: 404, keeper: 204 },
];

function question(route: Route, identifier: string, as?: string): Asked {
  const fill = (text: string): string => text.replaceAll("THING", encodeURIComponent(identifier));
  return {
    ask: fill(route.ask),
    ...(route.body === undefined ? {} : { body: fill(route.body) }),
    ...(route.headers === undefined ? {} : { headers: route.headers }),
    ...(as === undefined ? {} : { as }),
  };
}

describe.each(routes.map((route): [string, Route] => [`${route.name}, ${route.ask}`, route]))("%s", (_title, route) => {
  test("without a token is 401, whether the thing is there or not", async () => {
    // Below /authn/ a token may be absent, and the handler refuses without a word.
    const text = /^HEAD|^\w+ \/authn/.test(route.ask) || route.headers === versionTwoHeaders ? "" : "Authorization missing";
    for (const identifier of [route.there, route.absent])
      expect(await town.ask(question(route, identifier))).toMatchObject({ status: 401, text });
  });

  test("of a hidden thing is word for word that of an absent one", async () => {
    const hidden = await town.ask(question(route, route.there, "stranger"));
    const absent = await town.ask(question(route, route.absent, "stranger"));
    expect(hidden.status).toBe(route.stranger ?? 404);
    expect(absent.status).toBe(hidden.status);
    expect(hidden.text.replaceAll(route.there, route.absent)).toBe(absent.text);
    const names = (headers: Headers): readonly string[] => [...headers.keys()].sort();
    expect(names(hidden.headers)).toEqual(names(absent.headers));
  });

  test(`of a thing that may be seen and no more is ${route.viewer}`, async () => {
    const { status, text } = await town.ask(question(route, route.there, "viewer"));
    expect(status).toBe(route.viewer);
    if (status === 403) expect(text).toBe("");
  });

  test(`with the privilege is ${route.keeper}`, async () => {
    expect((await town.ask(question(route, route.there, "keeper"))).status).toBe(route.keeper);
  });

  test("of an absent thing is 404 for the administrator too", async () => {
    expect((await town.ask(question(route, route.absent, "admin"))).status).toBe(404);
  });
});

test("the trail tells a hidden thing from an absent one", async () => {
  await town.ask({ ask: "GET /secrets/acme/variable/vault%2Fthing", as: "stranger" });
  expect(town.house.lastAudit()).toMatchObject({ allowed: false, because: "privilege_missing" });
  await town.ask({ ask: "GET /secrets/acme/variable/vault%2Fgone", as: "stranger" });
  expect(town.house.lastAudit()).toMatchObject({ allowed: false, because: "resource_missing" });
});
