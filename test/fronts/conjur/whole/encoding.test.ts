/** How names stand in URLs, logins, parameters and answers. Sources: Conjur 5.3.1, config/routes.rb; conjur-api-go 0.15 and conjur-api-python 0.2, how they escape. */

import { describe, expect, test } from "bun:test";
import { type Case, compared, createTown, titled } from "./town";

const town = await createTown();
const web = { as: "host/apps/web" };
const read = (path: string) => ({ ask: `GET /secrets/acme/variable/${path}`, ...web });
const batch = (...ids: readonly string[]) => ({ ask: `GET /secrets?variable_ids=${ids.join(",")}`, ...web });
const full = (name: string): string => encodeURIComponent(`acme:variable:vault/${name}`);
const variable = (name: string): string => `acme:variable:vault/${name}`;
const empty = (id: string) => ({
  status: 404,
  json: { error: { code: "not_found", message: `CONJ00076E Variable ${id} is empty or not found.` } },
});
const base64 = (text: string): string => Buffer.from(text).toString("base64");
const keeperKey = await town.key("keeper");
const webKey = await town.key("host/apps/web");
const authenticate = (login: string, body: string) => ({ ask: `POST /authn/acme/${login}/authenticate`, body });
const accept = (value: string) => ({ headers: { "accept-encoding": value } });
const plain = { "content-encoding": "absent" };
const coded = { "content-encoding": "base64" };

const paths: readonly Case[] = [
  { ...read("vault%2Fthing"), status: 200, text: "first" },
  { ...read("vault/thing"), status: 200, text: "first" },
  { ...read("vault%2fthing"), status: 200, text: "first" },
  { ...read("%76ault/thing"), status: 200, text: "first" },
  { ...read("vault%2Fa+b"), status: 200, text: "plus" },
  { ...read("vault%2Fa%2Bb"), status: 200, text: "plus" },
  { ...read("vault%2Fa%20b"), ...empty("acme:variable:vault/a b") },
  { ...read("vault%2Fname%20with%20spaces"), status: 200, text: "spaces" },
  // Upstream too: the Go client's older escaping of a space does not come back.
  { ...read("vault%2Fname+with+spaces"), ...empty("acme:variable:vault/name+with+spaces") },
  { ...read("vault%2FStra%C3%9Fe%2F%D0%BA%D0%BB%D1%8E%D1%87"), status: 200, text: "unicode" },
  { ...read("vault/Straße/ключ"), status: 200, text: "unicode" },
  { ...read("vault%2Fit%252Fem"), status: 200, text: "percent" },
  { ...read("vault%2Fit%2Fem"), status: 404 },
  { ...read("vault%2Fc%3Ad"), status: 200, text: "colon" },
  { ...read("vault%2Fc:d"), status: 200, text: "colon" },
  { ...read("vault%2FTHING"), ...empty("acme:variable:vault/THING") },
  { ...read("vault%2Fthing?"), status: 200, text: "first" },
  { ...read("vault%2Fthing/"), status: 200, text: "first" },
  { ...read("vault%2Fthing%2F"), status: 400, text: "" },
  { ...read("vault%2F%2Fthing"), status: 400, text: "" },
  { ...read("vault%2Fthing%00"), status: 400, text: "" },
  { ...read("vault%2Fthing%0A"), status: 400, text: "" },
  { ...read("vault%5Cthing"), status: 400, text: "" },
  { ...read("vault%2F.%2Fthing"), status: 400, text: "" },
  { ...read("vault%2F%ff"), status: 400, text: "" },
  { ...read("vault%2F%c3%28"), status: 400, text: "" },
  { ask: "GET /secrets/acme%2Fx/variable/thing", ...web, status: 404, text: "" },
  { ask: "GET /secrets/ACME/variable/vault%2Fthing", ...web, ...empty("ACME:variable:vault/thing") },
  { ask: "GET /resources/acme/variable/vault%2Fthing", ...web, status: 200 },
  { ask: "GET /resources/acme/variable/vault/thing", ...web, status: 200 },
  { ask: "GET /resources/acme%3Avariable%3Avault%2Fthing", ...web, status: 404, text: "" },
  { ask: "GET /roles/acme/host/apps%2Fweb?all", ...web, status: 404 },
  { ask: "GET /roles/acme/user/alice%40app-prod", as: "admin", status: 200 },
  { ask: "GET /roles/acme/user/alice@app-prod", as: "admin", status: 200 },
  { ask: "GET /roles/acme/host_factory/vault%2Fbirths", as: "keeper", status: 200 },
  { ask: "GET /roles/acme/host-factory/vault%2Fbirths", as: "keeper", status: 404, text: "" },
  { ask: "POST /policies/acme/policy/vault%2Fdeep", as: "keeper", body: "[]", status: 201 },
  { ask: "POST /policies/acme/policy/vault/deep", as: "keeper", body: "[]", status: 201 },
  { ask: "POST /policies/acme/nopolicy/vault", as: "keeper", body: "[]", status: 404, text: "" },
];

const logins: readonly Case[] = [
  { ...authenticate("keeper", keeperKey), status: 200 },
  { ...authenticate("user%2Fkeeper", keeperKey), status: 200 },
  { ...authenticate("alice%40app-prod", await town.key("alice@app-prod")), status: 200 },
  { ...authenticate("alice@app-prod", await town.key("alice@app-prod")), status: 200 },
  { ...authenticate("host%2Fapps%2Fweb", webKey), status: 200 },
  { ...authenticate("host/apps/web", webKey), status: 404, text: "" },
  { ...authenticate("host%252Fapps%252Fweb", webKey), status: 401, text: "" },
  { ...authenticate("apps%2Fweb", webKey), status: 401, text: "" },
  { ...authenticate("HOST%2Fapps%2Fweb", webKey), status: 401, text: "" },
  { ...authenticate("Keeper", keeperKey), status: 401, text: "" },
  { ...authenticate("acme%3Auser%3Akeeper", keeperKey), status: 401, text: "" },
  { ...authenticate("group%2Fops", keeperKey), status: 401, text: "" },
  { ...authenticate("layer%2Ffleet", keeperKey), status: 401, text: "" },
  { ...authenticate("policy%2Fvault", keeperKey), status: 401, text: "" },
  { ...authenticate("host_factory%2Fvault%2Fbirths", keeperKey), status: 401, text: "" },
  { ...authenticate("host%2F", webKey), status: 401, text: "" },
  { ...authenticate("%2Fkeeper", keeperKey), status: 401, text: "" },
  { ...authenticate("keeper", webKey), status: 401, text: "" },
  { ask: "POST /authn/globex/keeper/authenticate", body: keeperKey, status: 401, text: "" },
  { ask: "POST /authn/none/keeper/authenticate", body: keeperKey, status: 401, text: "" },
  { ask: "GET /authn/acme/keeper/authenticate", status: 404, text: "" },
  { ask: "POST /authn-azure/prod/acme/host%2Fapps%2Fweb/authenticate", body: "", status: 403, text: "" },
  { ask: "POST /authn-azure/gone/acme/host%2Fapps%2Fweb/authenticate", body: "jwt=a.b.c", status: 401, text: "" },
  { ask: "POST /authn-azure/prod/acme/host%2Fgone/authenticate", body: "jwt=a.b.c", status: 401, text: "" },
  { ask: "POST /authn-azure/acme/host%2Fapps%2Fweb/authenticate", body: "jwt=a.b.c", status: 401, text: "" },
  { ...authenticate("host%2Fnear", await town.key("host/near")), from: "192.0.2.77", status: 200 },
  { ...authenticate("host%2Fnear", await town.key("host/near")), from: "198.51.100.7", status: 401, text: "" },
  { ...authenticate("host%2Fnear", await town.key("host/near")), from: "::ffff:192.0.2.77", status: 200 },
];

const batches: readonly Case[] = [
  { ...batch(full("thing"), full("second")), status: 200, json: { [variable("thing")]: "first", [variable("second")]: "another" } },
  { ...batch("acme:variable:vault/thing"), status: 200, json: { [variable("thing")]: "first" } },
  {
    ...batch(`${full("thing")}%2C${full("second")}`),
    status: 200,
    json: { [variable("thing")]: "first", [variable("second")]: "another" },
  },
  { ...batch(full("a+b")), status: 200, json: { [variable("a+b")]: "plus" } },
  { ...batch(full("name with spaces").replaceAll("%20", "+")), status: 200, json: { [variable("name with spaces")]: "spaces" } },
  { ...batch(full("c:d")), status: 200, json: { [variable("c:d")]: "colon" } },
  { ...batch(full("it%2Fem")), status: 200, json: { [variable("it%2Fem")]: "percent" } },
  { ...batch(full("thing"), full("thing")), status: 200, json: { [variable("thing")]: "first" } },
  { ...batch(full("thing"), ""), status: 200, json: { [variable("thing")]: "first" } },
  { ...batch(full("thing"), full("gone")), ...empty(variable("gone")) },
  { ...batch(full("empty")), as: "keeper", ...empty(variable("empty")) },
  { ...batch(full("thing"), full("second")), as: "viewer", status: 403, text: "" },
  { ...batch(full("gone"), full("thing")), as: "stranger", status: 404 },
  { ...batch(encodeURIComponent("globex:variable:vault/thing")), ...empty("globex:variable:vault/thing") },
  { ...batch(encodeURIComponent("acme:host:apps/web")), ...empty("acme:host:apps/web") },
  { ...batch("vault%2Fthing"), ...empty("vault/thing") },
  { ...batch(full("binary")), status: 406 },
  { ...batch(full("thing"), full("binary")), status: 406 },
  {
    ...batch(full("binary"), full("thing")),
    ...accept("base64"),
    status: 200,
    json: { [variable("binary")]: "/wD+", [variable("thing")]: base64("first") },
    has: coded,
  },
];

const codings: readonly Case[] = [
  { ...batch(full("thing")), ...accept("BASE64"), status: 200, json: { [variable("thing")]: base64("first") }, has: coded },
  // Unlike a login, a batch takes the word alone.
  { ...batch(full("thing")), ...accept("base64, gzip"), status: 200, json: { [variable("thing")]: "first" }, has: plain },
  { ...batch(full("thing")), ...accept("gzip, deflate, br"), status: 200, json: { [variable("thing")]: "first" }, has: plain },
  { ...read("vault%2Fthing"), ...accept("base64"), status: 200, text: "first", has: plain },
  { ...read("vault%2Fbinary"), ...accept("base64"), status: 200, text: "\u00ff\u0000\u00fe", has: plain },
  { ...read("vault%2Fpage"), status: 200, text: "<b>", has: { "content-type": "text/html", "content-disposition": "attachment" } },
  { ...read("vault%2Fthing"), status: 200, has: { "content-type": "application/octet-stream", "cache-control": "no-store" } },
  ...["base64", "Base64", " base64 ", "gzip, base64", "base64,gzip", "identity,BASE64;"].map(
    (value): Case => ({
      ...authenticate("keeper", keeperKey),
      ...accept(value),
      status: 200,
      has: value.endsWith(";") ? plain : { ...coded, "content-type": "text/plain; charset=utf-8", vary: "Accept-Encoding" },
    }),
  ),
  ...["gzip", "*", "base64url", "xbase64", ""].map(
    (value): Case => ({
      ...authenticate("keeper", keeperKey),
      ...accept(value),
      status: 200,
      has: { ...plain, "content-type": "application/json; charset=utf-8", "cache-control": "no-store" },
    }),
  ),
];

const listed = ["binary", "it%2Fem", "second", "thing"];
const list = (query: string, as = "host/apps/web") => ({ ask: `GET /resources/acme${query}`, as });
const limitText = "'limit' contains an invalid value. 'limit' must be a positive integer.";
const unprocessable = (message: string) => ({ status: 422, json: { error: { code: "unprocessable_entity", message } } });

const lists: readonly Case[] = [
  { ...list("?count=true"), status: 200, json: { count: 9 } },
  { ...list("?count=true&limit=2&offset=1"), status: 200, json: { count: 9 } },
  { ...list("?kind=variable&count=true"), status: 200, json: { count: 9 } },
  { ...list("/variable?count=true"), status: 200, json: { count: 9 } },
  { ...list("?kind=host&count=true"), status: 200, json: { count: 0 } },
  { ...list("?count=true", "stranger"), status: 200, json: { count: 0 } },
  { ...list("?count=true", "viewer"), status: 200, json: { count: 10 } },
  { ask: "GET /resources?count=true", ...web, status: 200, json: { count: 9 } },
  { ask: "GET /resources/globex?count=true", ...web, status: 200, json: { count: 0 } },
  { ...list("?search=thing&count=true"), status: 200, json: { count: 1 } },
  { ...list("?search=THING&count=true"), status: 200, json: { count: 1 } },
  { ...list("?search=vault+thing&count=true"), status: 200, json: { count: 1 } },
  { ...list("?search=vault%20nothing&count=true"), status: 200, json: { count: 0 } },
  { ...list("?search=variable&count=true"), status: 200, json: { count: 9 } },
  { ...list("?owner=acme:policy:vault&count=true"), status: 200, json: { count: 9 } },
  { ...list("?owner=policy:vault&count=true"), status: 200, json: { count: 9 } },
  { ...list("?owner=acme:user:viewer&count=true", "admin"), status: 200, json: { count: 0 } },
  { ...list("?owner=acme:user:gone&count=true", "admin"), status: 404 },
  { ...list("?role=acme:host:apps/web&count=true", "admin"), status: 200, json: { count: 9 } },
  { ...list("?acting_as=acme:host:apps/web&count=true", "admin"), status: 200, json: { count: 9 } },
  { ...list("?acting_as=acme:user:admin&count=true"), status: 403, text: "" },
  { ...list("?acting_as=acme:user:gone&count=true", "admin"), status: 403, text: "" },
  { ...list("?limit=0"), ...unprocessable(limitText) },
  { ...list("?limit=-1"), ...unprocessable(limitText) },
  { ...list("?limit=1.5"), ...unprocessable(limitText) },
  { ...list("?limit=1001"), ...unprocessable("'Limit' parameter must not exceed 1000") },
  {
    ...list("?offset=-1"),
    ...unprocessable("'offset' contains an invalid value. 'offset' must be an integer greater than or equal to 0."),
  },
  { ...list("?offset=x"), status: 422 },
  { ...list("?limit=1000"), status: 200 },
  { ...list("?limit=10000"), status: 200 },
  { ...list("?offset=9"), status: 200, json: [] },
  { ...list("?limit=3&offset=100"), status: 200, json: [] },
];

describe("a name in a path", () => {
  test.each(titled(paths))("%s", check);
});

describe("a login in a path", () => {
  test.each(titled(logins))("%s", check);
});

describe("names in a batch", () => {
  test.each(titled(batches))("%s", check);
});

describe("the coding of an answer", () => {
  test.each(titled(codings))("%s", check);

  test("is strict base64 in one line, of the token that is JSON otherwise", async () => {
    const { text } = await town.ask({ ...authenticate("keeper", keeperKey), ...accept("base64") });
    expect(text).toMatch(/^[A-Za-z0-9+/]+={0,2}$/);
    expect(Object.keys(JSON.parse(Buffer.from(text, "base64").toString())).sort()).toEqual(["payload", "protected", "signature"]);
  });
});

describe("a list", () => {
  test.each(titled(lists))("%s", check);

  test("is in the order of ids, page after page, and ten long when only told where to begin", async () => {
    const pages: string[] = [];
    for (let offset = 0; offset < 12; offset += 4) pages.push(...idsOf((await town.ask(list(`?limit=4&offset=${offset}`))).text));
    expect(pages).toHaveLength(9);
    expect(pages).toEqual(pages.toSorted());
    for (const name of listed) expect(pages).toContain(variable(name));
    expect(JSON.parse((await town.ask(list("?offset=1", "admin"))).text)).toHaveLength(10);
  });
});

describe("the prefix of an appliance", () => {
  test.each([
    ["GET", "/whoami"],
    ["GET", "/authenticators"],
    ["GET", "/resources/acme?count=true"],
    ["GET", "/resources/acme/variable/vault%2Fthing"],
    ["GET", "/secrets/acme/variable/vault%2Fthing"],
    ["GET", `/secrets?variable_ids=${full("thing")}`],
    ["GET", "/roles/acme/host/apps%2Fweb"],
    ["GET", "/no/such/route"],
    ["POST", "/policies/acme/policy/vault"],
    ["POST", "/secrets/acme/variable/vault%2Fthing"],
  ])("changes nothing of %s %s", async (method, path) => {
    const [bare, prefixed] = [
      await town.ask({ ask: `${method} ${path}`, ...web }),
      await town.ask({ ask: `${method} /api${path}`, ...web }),
    ];
    expect([prefixed.status, prefixed.text]).toEqual([bare.status, bare.text]);
    expect((await town.ask({ ask: `${method} /api/api${path}`, ...web })).status).toBe(404);
  });
});

async function check(_title: string, one: Case): Promise<void> {
  const { got, wanted } = await compared(town, one);
  expect(got).toEqual(wanted);
}

function idsOf(text: string): readonly string[] {
  return [...text.matchAll(/"id":"([^"]+)"/g)].map(([, id = ""]) => id);
}
