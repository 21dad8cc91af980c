import { describe, expect, test } from "bun:test";
import { parseId, parseRoleId } from "../../../src/model/ids";
import type { SecretBytes } from "../../../src/model/secret-bytes";
import type { Caller, RequestContext } from "../../../src/model/types";
import { failureOfWork } from "../../support/failing";
import { createHouse, type House, secret, textOf } from "../../support/house";

const policy = `
- !policy
  id: app
  body:
    - !layer servers
    - !host-factory { id: factory, layers: [ !layer servers ] }
    - !variable pw
    - !permit { role: !layer servers, privileges: [ read, execute ], resource: !variable pw }
- !policy { id: other, body: [ !variable x ] }
- !policy { id: app/sub, body: [ !variable x ] }
- !user operator
- !user onlooker
- !permit { role: !user operator, privileges: [ execute, update ], resource: !host-factory app/factory }
- !permit { role: !user onlooker, privilege: read, resource: !host-factory app/factory }
`;
const factory = parseRoleId("acme:host_factory:app/factory");
const hour = 3_600_000;

async function createFactoryHouse(): Promise<House> {
  const house = await createHouse();
  await house.load(policy);
  return house;
}

async function issue(
  house: House,
  {
    count = 1,
    networks = [],
    lifeMs = hour,
    as = house.admin,
  }: { count?: number; networks?: readonly string[]; lifeMs?: number; as?: Caller } = {},
) {
  const caller = { ...as, context: house.context() };
  return house.broker.createHostFactoryTokens(caller, { factory, expiresAt: house.clock.now() + lifeMs, count, networks });
}

async function oneToken(house: House, options?: Parameters<typeof issue>[1]): Promise<SecretBytes> {
  const [first] = await issue(house, options);
  if (first === undefined) throw new Error("no token was issued");
  return first.token;
}

function make(
  house: House,
  token: SecretBytes | undefined,
  id: string,
  context: Partial<RequestContext> = {},
  annotations: ReadonlyMap<string, string> = new Map(),
) {
  return house.broker.createHost({ token, id, annotations }, house.context(context));
}

async function logIn(house: House, id: string, key: SecretBytes): Promise<Caller> {
  const role = parseRoleId(id);
  const session = await house.broker.login(
    { authenticator: "authn", account: "acme", role, claimed: id, credential: key },
    house.context(),
  );
  return house.broker.identify({ kind: "session", token: session.token }, house.context());
}

describe("a host factory's tokens", () => {
  test("are many at once, each its own, and the trail counts them without showing one", async () => {
    const house = await createFactoryHouse();
    const tokens = await issue(house, { count: 3, networks: ["10.0.0.7", "2001:DB8::/32"] });
    expect(new Set(tokens.map(({ token }) => textOf(token))).size).toBe(3);
    for (const { token, networks } of tokens) {
      expect(textOf(token)).toMatch(/^[0-9a-hjkmnp-tv-z]{52}$/u);
      expect(networks).toEqual(["10.0.0.7/32", "2001:db8::/32"]);
    }
    expect(house.lastAudit()).toMatchObject({
      operation: "host_factory.create_tokens",
      allowed: true,
      resource: factory,
      privilege: "execute",
      count: 3,
    });
    const everything = JSON.stringify([house.audit, house.store.commits]);
    for (const { token } of tokens) expect(everything).not.toContain(textOf(token));
  });

  test("take `execute` to issue and `update` to revoke", async () => {
    const house = await createFactoryHouse();
    const onlooker = await house.session("user:onlooker");
    const operator = await house.session("user:operator");
    expect(await failureOfWork(issue(house, { as: onlooker }))).toMatchObject({ code: "forbidden" });
    expect(house.lastAudit()).toMatchObject({ operation: "host_factory.create_tokens", allowed: false, because: "privilege_missing" });
    const token = await oneToken(house, { as: operator });
    expect(await failureOfWork(house.broker.revokeHostFactoryToken(onlooker, token))).toMatchObject({ code: "forbidden" });
    await house.broker.revokeHostFactoryToken(operator, token);
    expect(await failureOfWork(make(house, token, "app/web"))).toMatchObject({ code: "unauthenticated", because: "host_factory_token" });
    expect(await failureOfWork(house.broker.revokeHostFactoryToken(operator, token))).toMatchObject({
      code: "not_found",
      target: "host_factory_token",
    });
    expect(house.lastAudit()).toMatchObject({ operation: "host_factory.revoke_token", allowed: false });
  });

  test("of a factory that one does not see are not there", async () => {
    const house = await createFactoryHouse();
    await house.load("- !host stranger");
    const stranger = await house.session("host:stranger");
    const token = await oneToken(house);
    expect(await failureOfWork(issue(house, { as: stranger }))).toMatchObject({ code: "not_found", hidden: true });
    expect(await failureOfWork(house.broker.revokeHostFactoryToken(stranger, token))).toMatchObject({ code: "not_found" });
    await make(house, token, "app/web");
  });

  test.each([
    ["expiration", { lifeMs: 0 }],
    ["expiration", { lifeMs: -1 }],
    ["count", { count: 0 }],
    ["count", { count: 1001 }],
    ["count", { count: 1.5 }],
    ["cidr", { networks: ["10.0.0.1/8"] }],
    ["cidr", { networks: ["anywhere"] }],
  ] as const)("need a sensible %s: %p", async (where, options) => {
    const house = await createFactoryHouse();
    const before = house.store.commits.length;
    expect(await failureOfWork(issue(house, options))).toMatchObject({ code: "malformed", kind: "argument", where });
    expect(house.store.commits).toHaveLength(before);
  });

  test("are shown to those who may use or change the factory, and only while they count", async () => {
    const house = await createFactoryHouse();
    await issue(house, { lifeMs: 1000 });
    await issue(house, { lifeMs: hour, networks: ["10.0.0.0/8"] });
    house.clock.advance(1000);
    const shown = async (as: Caller) => (await house.broker.showResource({ ...as, context: house.context() }, factory)).factoryTokens;
    expect(await shown(await house.session("user:operator"))).toEqual([
      { expiresAt: house.clock.now() + hour - 1000, networks: ["10.0.0.0/8"] },
    ]);
    expect(await shown(await house.session("user:onlooker"))).toEqual([]);
  });

  test("that ended are dropped when new ones are made", async () => {
    const house = await createFactoryHouse();
    await issue(house, { count: 5, lifeMs: 1000 });
    house.clock.advance(2000);
    await issue(house);
    const dropped = house.store.commits.at(-1)?.changes.filter(({ type }) => type === "remove_host_factory_token");
    expect(dropped).toHaveLength(5);
  });

  test("go with their factory, and do not come back with one of the same name", async () => {
    const house = await createFactoryHouse();
    const token = await oneToken(house);
    await house.load("- !delete { record: !host-factory app/factory }", "update");
    expect(await failureOfWork(make(house, token, "app/web"))).toMatchObject({ code: "unauthenticated" });
    await house.load("- !host-factory { id: app/factory, layers: [ !layer app/servers ] }");
    expect(await failureOfWork(make(house, token, "app/web"))).toMatchObject({ code: "unauthenticated" });
  });
});

describe("a host made by a factory", () => {
  test("is owned by it, holds its layers, carries the annotations, and logs in with the key it was given", async () => {
    const house = await createFactoryHouse();
    const token = await oneToken(house);
    const made = await make(house, token, "app/web-1", {}, new Map([["description", "born today"]]));
    expect(made).toMatchObject({ id: "acme:host:app/web-1", owner: factory, createdAt: house.clock.now() });
    expect(house.lastAudit()).toMatchObject({
      operation: "host_factory.create_host",
      allowed: true,
      role: factory,
      resource: "acme:host:app/web-1",
    });
    const view = await house.broker.showResource(house.admin, parseId("acme:host:app/web-1"));
    expect(view.annotations).toEqual([{ resource: parseId("acme:host:app/web-1"), name: "description", value: "born today" }]);
    expect(view.resource).not.toHaveProperty("policy");
    await house.broker.writeSecret(house.admin, parseId("acme:variable:app/pw"), secret("sesame"));
    const caller = await logIn(house, "acme:host:app/web-1", made.apiKey);
    expect(textOf((await house.broker.read(caller, { id: parseId("acme:variable:app/pw") })).value)).toBe("sesame");
  });

  test("again gets a new key and keeps the rest; the old key is dead", async () => {
    const house = await createFactoryHouse();
    const token = await oneToken(house);
    const first = await make(house, token, "app/web", {}, new Map([["a", "1"]]));
    house.clock.advance(1000);
    const second = await make(house, token, "app/web", {}, new Map([["a", "2"]]));
    expect(second.createdAt).toBe(first.createdAt);
    expect([...second.annotations]).toEqual([["a", "1"]]);
    expect(await failureOfWork(logIn(house, "acme:host:app/web", first.apiKey))).toMatchObject({ code: "unauthenticated" });
    await logIn(house, "acme:host:app/web", second.apiKey);
    expect((await house.broker.showResource(house.admin, parseId("acme:host:app/web"))).annotations.map(({ value }) => value)).toEqual([
      "1",
    ]);
  });

  test("by two at the same moment is one host, whose last key counts", async () => {
    const house = await createFactoryHouse();
    const token = await oneToken(house);
    const made = await Promise.all([make(house, token, "app/web"), make(house, token, "app/web")]);
    const outcomes = await Promise.allSettled(made.map(({ apiKey }) => logIn(house, "acme:host:app/web", apiKey)));
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  });

  test("stays when its token is revoked, is left alone by policy loads, and goes with the factory", async () => {
    const house = await createFactoryHouse();
    const token = await oneToken(house);
    const { apiKey } = await make(house, token, "app/web");
    await house.broker.revokeHostFactoryToken(house.admin, token);
    await house.load(policy, "replace");
    await logIn(house, "acme:host:app/web", apiKey);
    await house.load("- !delete { record: !host-factory app/factory }", "update");
    expect(await failureOfWork(logIn(house, "acme:host:app/web", apiKey))).toMatchObject({ code: "unauthenticated" });
  });

  test.each([
    ["nothing", undefined, "host_factory_token"],
    ["a guess", secret("3".repeat(52)), "host_factory_token"],
    ["an empty text", secret(""), "host_factory_token"],
  ] as const)("takes a token: %s does not do", async (_what, token, because) => {
    const house = await createFactoryHouse();
    await issue(house);
    expect(await failureOfWork(make(house, token, "app/web"))).toMatchObject({ code: "unauthenticated", because });
    expect(house.lastAudit()).toMatchObject({ operation: "host_factory.create_host", allowed: false, because, claimed: "host/app/web" });
  });

  test("takes a token that has not ended, at the very millisecond", async () => {
    const house = await createFactoryHouse();
    const token = await oneToken(house, { lifeMs: 1000 });
    house.clock.advance(999);
    await make(house, token, "app/web");
    house.clock.advance(1);
    expect(await failureOfWork(make(house, token, "app/web"))).toMatchObject({ code: "unauthenticated", because: "token_expired" });
    expect(house.lastAudit()).toMatchObject({ allowed: false, because: "token_expired" });
  });

  test("takes an address in the token's networks", async () => {
    const house = await createFactoryHouse();
    const token = await oneToken(house, { networks: ["203.0.113.0/24", "2001:db8::/32"] });
    for (const clientAddress of ["203.0.113.200", "2001:db8::7"]) await make(house, token, "app/web", { clientAddress });
    for (const clientAddress of ["203.0.114.1", "127.0.0.1", "2001:db9::1", "nowhere"])
      expect(await failureOfWork(make(house, token, "app/web", { clientAddress }))).toMatchObject({
        code: "unauthenticated",
        because: "cidr",
      });
    expect(house.lastAudit()).toMatchObject({ allowed: false, because: "cidr" });
  });

  test.each([
    "conjur/authn-azure/x",
    "CONJUR/x",
    "con\u200bjur/x",
    "host/app",
    "/app/x",
    "app//x",
    "../x",
    "app/../x",
    "a\u0000b",
    " x",
    "x\\y",
    "e\u0301",
  ])("cannot be called %p", async (id) => {
    const house = await createFactoryHouse();
    const token = await oneToken(house);
    expect(await failureOfWork(make(house, token, id))).toMatchObject({ code: "malformed", where: "id", kind: "argument" });
    expect(house.lastAudit()).toMatchObject({ operation: "host_factory.create_host", allowed: false });
  });

  test.each([
    ["a\nb", "v"],
    ["", "v"],
    [" a", "v"],
    ["a", "v\0"],
    ["a", "\ud800"],
  ])("has no annotation that a policy could not give it: %j %j", async (name, value) => {
    const house = await createFactoryHouse();
    const work = make(house, await oneToken(house), "app/web", {}, new Map([[name, value]]));
    expect(await failureOfWork(work)).toMatchObject({ code: "malformed", where: "annotations", kind: "argument" });
    expect(house.lastAudit()).toMatchObject({ operation: "host_factory.create_host", allowed: false });
    expect((await failureOfWork(house.broker.showResource(house.admin, parseId("acme:host:app/web")))).code).toBe("not_found");
  });

  test("must have a name", async () => {
    const house = await createFactoryHouse();
    expect(await failureOfWork(make(house, await oneToken(house), ""))).toMatchObject({ code: "malformed", where: "id", kind: "missing" });
  });

  test("may not be one that somebody else owns, nor take its key", async () => {
    const house = await createFactoryHouse();
    await house.load("- !host db");
    const key = await house.operator.retrieveKey(parseRoleId("acme:host:db"), house.context());
    expect(await failureOfWork(make(house, await oneToken(house), "db"))).toMatchObject({
      code: "forbidden",
      because: "host_of_another_owner",
    });
    await logIn(house, "acme:host:db", key);
  });

  test.each([
    ["app/web", true, true],
    ["app/sub/web", true, true],
    ["app/new/web", true, true],
    ["web", true, false],
    ["anything/web", true, false],
    ["other/web", false, false],
    ["apple/web", true, false],
  ])("lies not below another team's policy, whose rights a name there could be given one day: %s", async (id, isRelated, isOwn) => {
    for (const [hostFactoryConfinement, isMade] of [
      [undefined, isRelated],
      ["related", isRelated],
      ["own", isOwn],
      ["none", true],
    ] as const) {
      const house = await createHouse({ settings: hostFactoryConfinement === undefined ? {} : { hostFactoryConfinement } });
      await house.load(policy);
      const work = make(house, await oneToken(house), id);
      if (isMade) await work;
      else expect(await failureOfWork(work)).toMatchObject({ code: "forbidden", because: "host_outside_branch" });
      expect(house.lastAudit()).toMatchObject({ operation: "host_factory.create_host", allowed: isMade });
    }
  });

  test("a thousand by one token take no pass over those before", async () => {
    const house = await createFactoryHouse();
    const token = await oneToken(house);
    for (let index = 0; index < 1000; index += 1) await make(house, token, `app/web-${index}`);
    const sizes = house.store.commits.slice(-1000).map(({ changes }) => changes.length);
    expect(new Set(sizes)).toEqual(new Set([4]));
  });
});
