import { beforeEach, describe, expect, test } from "bun:test";
import { parseId } from "../../../src/model/ids";
import { type House, secret, textOf } from "../../support/house";
import { createDesk, type Desk } from "./desk";

let desk: Desk;
let house: House;
beforeEach(async () => {
  desk = await createDesk();
  house = desk.house;
});

const defaultLease = 2_764_800;
const envelope = { lease_id: "", renewable: false, wrap_info: null, warnings: null, auth: null, mount_type: "kv" };

describe("KV version 1", () => {
  test("replaces, reads and removes one object", async () => {
    expect((await desk.ask("PUT old/app/db", { a: 1, b: 2 })).status).toBe(204);
    expect((await desk.ask("POST old/app/db", { c: 3 })).status).toBe(204);
    const read = await desk.ask("GET old/app/db");
    expect(read).toMatchObject({ status: 200, body: { ...envelope, data: { c: 3 }, lease_duration: defaultLease } });
    expect(read.body).not.toHaveProperty("data.a");
    expect((await desk.ask("DELETE old/app/db")).status).toBe(204);
    expect((await desk.ask("DELETE old/app/db")).status).toBe(204);
    expect(await desk.ask("GET old/app/db")).toMatchObject({ status: 404, body: { errors: [] } });
  });

  test("keeps the object's own text", async () => {
    await desk.ask("PUT old/n", '{"big":9007199254740993, "one":1.0}');
    expect((await desk.ask("GET old/n")).text).toContain('"data":{"big":9007199254740993, "one":1.0}');
  });

  test.each([
    [{ ttl: 60 }, 60],
    [{ ttl: "1h30m" }, 5400],
    [{ ttl: "90" }, 90],
    [{ lease: "2m" }, 120],
    [{ ttl: "1m", lease: "2m" }, 60],
    [{ ttl: "soon" }, defaultLease],
    [{ ttl: null }, defaultLease],
    [{ ttl: -5 }, defaultLease],
  ])("says of %j to read again in %p seconds", async (object, seconds) => {
    await desk.ask("PUT old/k", object);
    expect(await desk.ask("GET old/k")).toMatchObject({ body: { lease_duration: seconds, data: object } });
  });

  test.each([
    ["PUT old/k", "", 400, ["missing data fields"]],
    ["PUT old/k", "{}", 400, ["missing data fields"]],
    ["PUT old", '{"a":1}', 400, ["missing path"]],
    ["PUT old/k", "[1]", 400, [expect.stringMatching(/^failed to decode JSON input/)]],
    ["PATCH old/k", '{"a":1}', 405, ["1 error occurred:\n\t* unsupported operation\n\n"]],
    ["LIST old", undefined, 404, []],
  ])("answers %s of %j with %p", async (question, body, status, errors) => {
    expect(await desk.ask(question, body)).toMatchObject({ status, body: { errors } });
  });

  test("takes a form for an object of texts", async () => {
    await desk.ask("PUT old/f", "a=1&b=two+words", { "content-type": "application/x-www-form-urlencoded" });
    expect(await desk.ask("GET old/f")).toMatchObject({ body: { data: { a: "1", b: "two words" } } });
  });

  test("lists", async () => {
    for (const key of ["b", "a/x", "a"]) await desk.ask(`PUT old/${key}`, { v: 1 });
    expect(await desk.ask("LIST old/")).toMatchObject({ status: 200, body: { data: { keys: ["a", "a/", "b"] } } });
    expect(await desk.ask("GET old/a?list=true")).toMatchObject({ body: { data: { keys: ["x"] } } });
  });

  test("shares its values with the other door, and keeps no history", async () => {
    const id = parseId("acme:variable:old/k");
    await desk.ask("PUT old/k", { n: 1 });
    await house.broker.writeSecret(house.admin, id, secret("text"));
    expect(await desk.ask("GET old/k")).toMatchObject({ body: { data: { value: "text" } } });
    expect(await house.broker.read(house.admin, { id })).toMatchObject({ version: 1 });
  });

  test("becomes version 2 with what it holds as version 1, at once, and does not go back", async () => {
    await desk.ask("PUT old/k", { n: 1 });
    await desk.ask("PUT old/k", { n: 2 });
    expect((await desk.ask("POST sys/mounts/old/tune", { options: { version: "2" } })).status).toBe(204);
    expect(await desk.ask("GET old/data/k")).toMatchObject({ status: 200, body: { data: { data: { n: 2 }, metadata: { version: 1 } } } });
    expect(await desk.ask("GET sys/internal/ui/mounts/old/k")).toMatchObject({ body: { data: { options: { version: "2" } } } });
    expect((await desk.ask("GET old/k")).status).toBe(404);
    expect(await desk.ask("PUT old/data/k", { data: { n: 3 } })).toMatchObject({ body: { data: { version: 2 } } });
    expect((await desk.ask("POST sys/mounts/old/tune", { options: { version: "1" } })).status).toBe(400);
  });
});

describe("the mount conjur/", () => {
  test("shows variables of policies as values, and takes them back", async () => {
    await house.load("- !policy { id: db, body: [ !variable password, !variable empty ] }");
    await house.broker.writeSecret(house.admin, parseId("acme:variable:db/password"), secret("s3cret"));
    expect(await desk.ask("GET conjur/db/password")).toMatchObject({
      status: 200,
      body: { data: { value: "s3cret" }, mount_type: "conjur" },
    });
    expect(await desk.ask("GET conjur/db/empty")).toMatchObject({ status: 404, body: { errors: [] } });
    expect(await desk.ask("LIST conjur/")).toMatchObject({ body: { data: { keys: ["db/"] } } });
    expect(await desk.ask("LIST conjur/db")).toMatchObject({ body: { data: { keys: ["empty", "password"] } } });
    expect((await desk.ask("PUT conjur/db/password", { value: "next" })).status).toBe(204);
    expect(textOf((await house.broker.read(house.admin, { id: parseId("acme:variable:db/password") })).value)).toBe("next");
    expect((await desk.ask("PUT conjur/db/password", { other: "x" })).status).toBe(400);
    expect((await desk.ask("PUT conjur/db/never", { value: "x" })).status).toBe(404);
    expect((await desk.ask("DELETE conjur/db/password")).status).toBe(405);
  });

  test("is closed to tokens that others made, unless a policy of their own opens it", async () => {
    await house.load("- !variable v");
    await house.broker.writeSecret(house.admin, parseId("acme:variable:v"), secret("s3cret"));
    const made = await desk.ask("POST auth/token/create", { policies: ["default"] });
    const child = desk.with(made.body.auth.client_token);
    for (const question of ["GET conjur/v", "LIST conjur"]) {
      expect(await child.ask(question)).toMatchObject({ status: 403, body: { errors: ["1 error occurred:\n\t* permission denied\n\n"] } });
      expect(house.lastAudit()).toMatchObject({ allowed: false, because: "no_path_rule" });
    }
    expect((await child.ask("PUT conjur/v", { value: "x" })).status).toBe(403);
    expect(house.lastAudit()).toMatchObject({ operation: "secret.write", allowed: false, because: "no_path_rule", path: "conjur/v" });
  });
});
