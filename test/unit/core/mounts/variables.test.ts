import { beforeEach, describe, expect, test } from "bun:test";
import { parseId } from "../../../../src/model/ids";
import type { Caller } from "../../../../src/model/types";
import { failureOfWork } from "../../../support/failing";
import { createHouse, type House, secret, textOf } from "../../../support/house";
import { object, pathOf } from "../../../support/keyed-house";
import { rightsAt, withRights } from "../../../support/path-rights";

let house: House;
let web: Caller;
beforeEach(async () => {
  house = await createHouse();
  await house.load(`
- !host web
- !policy
  id: db
  body:
    - !variable password
    - !variable other
    - !policy { id: deep, body: [ !variable key ] }
- !variable top
- !permit { role: !host web, privileges: [ execute ], resources: [ !variable db/password, !variable db/deep/key ] }
- !permit { role: !host web, privileges: [ update ], resource: !variable db/password }
`);
  for (const name of ["db/password", "db/other", "db/deep/key", "top"])
    await house.broker.writeSecret(house.admin, parseId(`acme:variable:${name}`), secret(`value of ${name}`));
  // As a login gives it: the rights of the graph are the token's own, and its rules allow nothing.
  web = withRights(await house.session("host:web"), rightsAt());
  web = { ...web, token: { digest: "d", accessor: "a", kind: "service", actsAsRole: true } };
});

const read = (caller: Caller, name: string) => house.broker.paths.variables.read(caller, pathOf(`conjur/${name}`, "read"), name);
const list = (caller: Caller, folder = "") => house.broker.paths.variables.list(caller, pathOf(`conjur/${folder}/`, "list"), folder);
const write = (caller: Caller, name: string, value: unknown) =>
  house.broker.paths.variables.write(caller, pathOf(`conjur/${name}`), name, object(value));

describe("variables by path", () => {
  test("are read under the rights of the graph, as an object with a value", async () => {
    expect(textOf(await read(web, "db/password"))).toBe('{"value":"value of db/password"}');
    expect(house.lastAudit()).toMatchObject({
      operation: "secret.read",
      allowed: true,
      path: "conjur/db/password",
      resource: parseId("acme:variable:db/password"),
      rule: "permit execute to acme:host:web",
    });
    expect(await failureOfWork(read(web, "db/other"))).toMatchObject({ code: "not_found", hidden: true });
    expect(house.lastAudit()).toMatchObject({ operation: "secret.read", allowed: false, path: "conjur/db/other" });
    expect(await failureOfWork(read(web, "never"))).toMatchObject({ code: "not_found", hidden: false });
  });

  test("are refused where a rule denies the path", async () => {
    const denied: Caller = { ...web, rights: rightsAt("!conjur/db/password") };
    expect(await failureOfWork(read(denied, "db/password"))).toMatchObject({ code: "forbidden", because: "path_denied" });
    expect(house.lastAudit()).toMatchObject({ operation: "secret.read", allowed: false, because: "path_denied" });
    expect(textOf(await read(denied, "db/deep/key"))).toContain("value of db/deep/key");
    expect(await failureOfWork(list({ ...web, rights: rightsAt("!conjur/") }))).toMatchObject({ because: "path_denied" });
    expect(house.lastAudit()).toMatchObject({ operation: "secret.list", allowed: false, because: "path_denied" });
  });

  test("are nothing for a token that another made, unless its own rules allow as much", async () => {
    const made: Caller = { ...web, token: { digest: "d", accessor: "a", kind: "service" } };
    for (const attempt of [() => read(made, "db/password"), () => list(made), () => write(made, "db/password", { value: "x" })])
      expect(await failureOfWork(attempt())).toMatchObject({ code: "forbidden", because: "no_path_rule" });
    expect(house.lastAudit()).toMatchObject({ operation: "secret.write", allowed: false, because: "no_path_rule" });
    const allowed: Caller = { ...made, rights: rightsAt("conjur/db/") };
    expect(textOf(await read(allowed, "db/password"))).toContain("value of db/password");
    expect(await failureOfWork(read(allowed, "db/other"))).toMatchObject({ code: "not_found" });
  });

  test("are listed by folder, those alone that the caller sees", async () => {
    expect(await list(web)).toEqual(["db/"]);
    expect(await list(web, "db")).toEqual(["deep/", "password"]);
    expect(await list(web, "db/deep")).toEqual(["key"]);
    expect(await list(web, "nothing")).toEqual([]);
    const admin = withRights(house.admin, rightsAt("conjur/"));
    expect(await list(admin)).toEqual(["db/", "top"]);
  });

  test("are written as they are read, by those who may update them", async () => {
    await write(web, "db/password", { value: "next" });
    expect(textOf((await house.broker.read(house.admin, { id: parseId("acme:variable:db/password") })).value)).toBe("next");
    await write(web, "db/password", { value: "/wA=", encoding: "base64" });
    expect((await house.broker.read(house.admin, { id: parseId("acme:variable:db/password") })).value.reveal()).toEqual(Buffer.of(0xff, 0));
    expect(textOf(await read(web, "db/password"))).toBe('{"value":"/wA=","encoding":"base64"}');
    expect(await failureOfWork(write(web, "db/deep/key", { value: "x" }))).toMatchObject({ code: "forbidden" });
    expect(house.lastAudit()).toMatchObject({ operation: "secret.write", allowed: false, path: "conjur/db/deep/key" });
  });

  test.each([
    {},
    { value: 1 },
    { value: "x", more: "y" },
    { value: "x", encoding: "hex" },
    { value: "/w", encoding: "base64" },
    { value: null },
  ])("take no %j", async (value) => {
    const failure = await failureOfWork((async () => write(web, "db/password", value))());
    expect(failure).toMatchObject({ code: "malformed", where: "value" });
  });

  test.each(["..", "db/../top", "", "db//password"])("have no name %j", async (name) => {
    expect(await failureOfWork((async () => read(web, name))())).toMatchObject({ code: "malformed", where: "path" });
  });
});
