/** Keys attacked by those who have some rights and want more, and by those who ask at the same time. */

import { beforeEach, describe, expect, test } from "bun:test";
import { createDesk, type Desk } from "./desk";

let desk: Desk;

beforeEach(async () => {
  desk = await createDesk();
});

async function holder(policy: string): Promise<Pick<Desk, "ask">> {
  expect((await desk.ask("PUT sys/policies/acl/mine", { policy })).status).toBe(204);
  return desk.with((await desk.ask("POST auth/token/create", { policies: ["mine"], no_default_policy: true })).body.auth.client_token);
}

const rule = (path: string, ...capabilities: readonly string[]): string =>
  `path "${path}" { capabilities = ${JSON.stringify(capabilities)} }\n`;
const put = (key: string, data: object) => desk.ask(`POST secret/data/${key}`, { data });

describe("a list with details", () => {
  beforeEach(async () => {
    for (const key of ["app/a", "app/b", "app/c/d"]) await put(key, { password: "canary" });
    await desk.ask("POST secret/metadata/app/a", { custom_metadata: { owner: "payments" } });
  });

  test("tells of each key what its metadata are, and of folders nothing", async () => {
    const { status, body } = await desk.ask("LIST secret/detailed-metadata/app");
    expect([status, body.data.keys, Object.keys(body.data.key_info)]).toEqual([200, ["a", "b", "c/"], ["a", "b"]]);
    expect(body.data.key_info.a).toEqual((await desk.ask("GET secret/metadata/app/a")).body.data);
    expect(JSON.stringify(body)).not.toContain("canary");
    expect((await desk.ask("LIST secret/detailed-metadata")).body.data).toEqual({ keys: ["app/"], key_info: {} });
    expect((await desk.ask("LIST secret/detailed-metadata/none")).status).toBe(404);
    expect((await desk.ask("GET secret/detailed-metadata/app?list=true&limit=1")).body.data).toMatchObject({
      keys: ["a"],
      key_info: { a: {} },
    });
  });

  test("tells nothing of keys whose metadata the caller may not read", async () => {
    const lister = await holder(rule("secret/*", "list", "read") + rule("secret/metadata/app/a", "deny"));
    const { body } = await lister.ask("LIST secret/detailed-metadata/app");
    expect([body.data.keys, Object.keys(body.data.key_info)]).toEqual([["a", "b", "c/"], ["b"]]);
    const other = await holder(rule("secret/metadata/*", "list", "read"));
    expect((await other.ask("LIST secret/detailed-metadata/app")).status).toBe(403);
  });
});

describe("rights on one side of a key", () => {
  beforeEach(() => put("a", { password: "canary" }));

  test.each<[string, readonly string[]]>([
    ["secret/metadata/*", ["GET secret/data/a", "GET secret/subkeys/a", "DELETE secret/data/a", "POST secret/destroy/a"]],
    [
      "secret/data/*",
      ["GET secret/metadata/a", "LIST secret/metadata", "DELETE secret/metadata/a", "POST secret/undelete/a", "GET secret/subkeys/a"],
    ],
    ["secret/subkeys/*", ["GET secret/data/a", "GET secret/metadata/a", "LIST secret/metadata"]],
    ["secret/delete/*", ["POST secret/destroy/a", "POST secret/undelete/a", "DELETE secret/data/a"]],
    ["conjur/*", ["GET conjur/secret/a", "GET secret/data/a"]],
    ["secret/a", ["GET secret/data/a", "GET secret/metadata/a"]],
  ])("all of those at %s open nothing on the other", async (path, questions) => {
    const holding = await holder(rule(path, "create", "read", "update", "patch", "delete", "list"));
    for (const question of questions) {
      const { status, text } = await holding.ask(question, question.startsWith("POST") ? { versions: [1] } : undefined);
      expect([question, [403, 404].includes(status), text.includes("canary")]).toEqual([question, true, false]);
    }
    expect((await desk.ask("GET secret/data/a")).body.data.data).toEqual({ password: "canary" });
  });

  test("are asked for by every spelling of the path", async () => {
    const holding = await holder(rule("secret/*", "read", "list", "update", "delete") + rule("secret/data/a", "deny"));
    for (const path of [
      "secret/data/a",
      "secret//data///a",
      "/secret/data/a",
      "secret/data/%61",
      "secret%2Fdata%2Fa",
      "secret/data/a/",
      "secret/./data/a",
    ])
      for (const verb of ["GET", "DELETE"]) expect([path, (await holding.ask(`${verb} ${path}`)).status]).toEqual([path, 403]);
    for (const path of ["secret/data/b%2F..%2Fa", "secret/data/..%2fdata/a", "secret/data/a%00"])
      expect([path, (await holding.ask(`GET ${path}`)).status]).toEqual([path, 400]);
  });
});

describe("what a destroyed version held", () => {
  test("is not to be had by any door", async () => {
    await put("a", { password: "canary", note: { deep: 1 } });
    await put("a", { password: "second" });
    await desk.ask("POST secret/destroy/a", { versions: [1, 2] });
    const wants = [
      "GET secret/data/a",
      "GET secret/data/a?version=1",
      "GET secret/subkeys/a?version=1",
      "GET secret/metadata/a",
      "GET conjur/secret/a",
    ];
    for (const question of wants)
      expect([question, /canary|second|deep|note/.test((await desk.ask(question)).text)]).toEqual([question, false]);
    expect((await desk.ask("PATCH secret/data/a", { data: { more: 1 } })).status).toBe(404);
    await desk.ask("POST secret/undelete/a", { versions: [1, 2] });
    expect((await desk.ask("GET secret/data/a?version=1")).body.data.data).toBeNull();
    expect((await put("a", { third: 1 })).body.data.version).toBe(3);
  });
});

describe("writers at the same time", () => {
  test("of whom each names the version that it follows: one of fifty succeeds, by any verb, in every round", async () => {
    for (let round = 0; round < 4; round += 1) {
      const asks = Array.from({ length: 50 }, (_, at) => {
        const body = { data: { by: at }, options: { cas: round } };
        return at % 2 === 0 || round === 0 ? desk.ask("POST secret/data/a", body) : desk.ask("PATCH secret/data/a", body);
      });
      expect((await Promise.all(asks)).filter(({ status }) => status === 200)).toHaveLength(1);
    }
    expect((await desk.ask("GET secret/metadata/a")).body.data.current_version).toBe(4);
  });

  test("and one who removes the key meanwhile never leave half a key", async () => {
    for (let wave = 0; wave < 8; wave += 1) {
      const writes = Array.from({ length: 3 }, (_, at) => put("a", { n: at }));
      const removal = desk.ask("DELETE secret/metadata/a");
      const more = Array.from({ length: 3 }, (_, at) => desk.ask("PATCH secret/data/a", { data: { m: at } }));
      for (const { status } of await Promise.all([...writes, removal, ...more])) expect([200, 204, 404]).toContain(status);
      const { current_version: current, versions } = (await desk.ask("GET secret/metadata/a")).body.data;
      // The ten newest of them are kept.
      const first = Math.max(1, current - 9);
      expect(Object.keys(versions).map(Number)).toEqual(Array.from({ length: current - first + 1 }, (_, at) => first + at));
    }
  });
});

describe("the oldest version that is told", () => {
  test("does not come back when more of them are to be kept", async () => {
    await desk.ask("POST secret/metadata/a", { max_versions: 2 });
    for (let at = 0; at < 4; at += 1) await put("a", { at });
    const told = async () => (await desk.ask("GET secret/metadata/a")).body.data.oldest_version;
    expect(await told()).toBe(3);
    await desk.ask("POST secret/metadata/a", { max_versions: 9 });
    expect(await told()).toBe(3);
    expect((await desk.ask("GET secret/data/a?version=2")).body).toEqual({ errors: [] });
  });
});

describe("many small requests", () => {
  test("do not make a secret larger than one request could", async () => {
    await put("a", {});
    const statuses: number[] = [];
    for (let at = 0; at < 4; at += 1)
      statuses.push((await desk.ask("PATCH secret/data/a", { data: { [`m${at}`]: "x".repeat(400_000) } })).status);
    expect(statuses).toEqual([200, 200, 413, 413]);
    expect((await desk.ask("PATCH secret/data/a", { data: { m0: null } })).status).toBe(200);
  });

  test("do not give a key more notes than one could", async () => {
    const notes = (from: number) => Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`n${from + at}`, "x"]));
    await desk.ask("POST secret/metadata/a", { custom_metadata: notes(0) });
    expect(await desk.ask("PATCH secret/metadata/a", { custom_metadata: notes(40) })).toMatchObject({
      status: 400,
      body: { errors: ["custom_metadata validation failed: payload must contain at most 64 keys, provided 80"] },
    });
    expect(Object.keys((await desk.ask("GET secret/metadata/a")).body.data.custom_metadata)).toHaveLength(40);
  });

  test("make no token that could not be shown", async () => {
    const meta = { note: "x".repeat(4000) };
    const batch = { type: "batch", policies: ["default"], meta };
    expect((await desk.ask("POST auth/token/create", batch)).status).toBe(400);
    expect((await desk.ask("POST auth/token/create", { ...batch, type: "service" })).status).toBe(200);
    for (const id of ["with blank", "é", "a,b", "x".repeat(4097), "secret-id of acme:host:x\ny"])
      expect((await desk.ask("POST auth/token/create", { id })).status).toBe(400);
  });
});
