import { beforeEach, describe, expect, test } from "bun:test";
import { parseId } from "../../../src/model/ids";
import { failureOfWork } from "../../support/failing";
import { type House, secret, textOf } from "../../support/house";
import { createDesk, type Desk } from "./desk";

let desk: Desk;
let house: House;
beforeEach(async () => {
  desk = await createDesk();
  house = desk.house;
});

const start = "2025-11-24T16:00:00.000000000Z";
const envelope = { lease_id: "", renewable: false, lease_duration: 0, wrap_info: null, warnings: null, auth: null, mount_type: "kv" };
const put = (key: string, data: unknown, options?: object) =>
  desk.ask(`PUT secret/data/${key}`, { data, ...(options === undefined ? {} : { options }) });

describe("KV version 2, data", () => {
  test("is written and read in the envelopes that clients take apart", async () => {
    const written = await put("app/db", { password: "s3cret" });
    const metadata = { created_time: start, custom_metadata: null, deletion_time: "", destroyed: false, version: 1 };
    expect(written).toMatchObject({ status: 200, body: { ...envelope, data: metadata } });
    const read = await desk.ask("GET secret/data/app/db");
    expect(read).toMatchObject({ status: 200, body: { ...envelope, data: { data: { password: "s3cret" }, metadata } } });
    expect(Object.keys(read.body ?? {}).sort()).toEqual([...Object.keys(envelope), "data", "request_id"].sort());
    expect(read.headers.get("content-type")).toBe("application/json");
  });

  test("keeps every number as it was written", async () => {
    const text = '{"big":9007199254740993,"one":1.0,"exp":1e3,"deep":{"x":[0.10, -0]},"s":"\\u00e9\\/"}';
    await desk.ask("POST secret/data/n", `{"options":{},"data": ${text} }`);
    expect((await desk.ask("GET secret/data/n")).text).toContain(`"data":${text}`);
    expect(await desk.ask("PATCH secret/data/n", '{"data":{"more":2.50}}')).toMatchObject({ status: 200 });
    expect((await desk.ask("GET secret/data/n")).text).toContain('"big":9007199254740993,"one":1.0,"exp":1e3,');
  });

  test.each([
    ["no data", "{}", "no data provided"],
    ["an empty body", "", "no data provided"],
    ["data that is null", '{"data":null}', "no data provided"],
    ["data that is a text", '{"data":"x"}', /^Field validation failed: error converting input/],
    ["data that is a list", '{"data":[1]}', /^Field validation failed: error converting input/],
    ["options that are none", '{"data":{},"options":"x"}', /^Field validation failed/],
    ["a cas that is a word", '{"data":{},"options":{"cas":"x"}}', "error parsing check-and-set parameter"],
    ["a cas below zero", '{"data":{},"options":{"cas":-1}}', "error parsing check-and-set parameter"],
    ["a cas with a fraction", '{"data":{},"options":{"cas":1.5}}', "error parsing check-and-set parameter"],
    ["a cas that does not fit", '{"data":{},"options":{"cas":1}}', "check-and-set parameter did not match the current version"],
    ["a member twice", '{"data":{"a":1,"a":2}}', /^failed to decode JSON input/],
    ["a depth bomb", `{"data":${"[".repeat(5000)}${"]".repeat(5000)}}`, /^refused JSON input due to high complexity/],
    ["half an object", '{"data":{', /^failed to decode JSON input/],
    ["a list", "[]", /^failed to decode JSON input/],
  ])("refuses %s, and stores nothing", async (_, body, says) => {
    const before = house.store.commits.length;
    const answer = await desk.ask("PUT secret/data/k", body);
    expect(answer).toMatchObject({ status: 400, body: { errors: [typeof says === "string" ? says : expect.stringMatching(says)] } });
    expect(house.store.commits).toHaveLength(before);
  });

  test("takes cas as a number, in digits, and as 0 for what is not there", async () => {
    expect((await put("k", {}, { cas: 0 })).status).toBe(200);
    expect((await put("k", {}, { cas: "1" })).status).toBe(200);
    expect((await put("k", {}, { cas: null })).status).toBe(400);
    await desk.ask("POST secret/config", { cas_required: true });
    expect(await put("k", {})).toMatchObject({ status: 400, body: { errors: ["check-and-set parameter required for this call"] } });
  });

  test("lets one of a hundred writers of the same version win, each round", async () => {
    for (const cas of [0, 1, 2]) {
      const answers = await Promise.all(Array.from({ length: 100 }, (_, by) => put("contended", { by }, { cas })));
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      expect(answers.filter(({ status }) => status === 400)).toHaveLength(99);
    }
  });

  test.each([
    ["missing", "GET secret/data/never", 404, { errors: [] }],
    ["a version that is missing", "GET secret/data/k?version=9", 404, { errors: [] }],
    ["a version that is no number", "GET secret/data/k?version=x", 400, { errors: [expect.stringMatching(/^Field validation failed/)] }],
    ["version 0", "GET secret/data/k?version=0", 200, { data: { metadata: { version: 2 } } }],
    ["version -1", "GET secret/data/k?version=-1", 200, { data: { metadata: { version: 2 } } }],
    ["version 1", "GET secret/data/k?version=1", 200, { data: { data: { n: 1 }, metadata: { version: 1 } } }],
    ["a list of data", "LIST secret/data/k", 405, { errors: [expect.stringContaining("unsupported operation")] }],
  ])("answers %s", async (_, question, status, body) => {
    await put("k", { n: 1 });
    await put("k", { n: 2 });
    expect(await desk.ask(question)).toMatchObject({ status, body });
  });

  test("that is deleted or destroyed is 404 with the whole envelope", async () => {
    await put("k", { n: 1 });
    await put("k", { n: 2 });
    expect((await desk.ask("DELETE secret/data/k")).status).toBe(204);
    const deleted = await desk.ask("GET secret/data/k");
    expect(deleted).toMatchObject({
      status: 404,
      body: { ...envelope, data: { data: null, metadata: { deletion_time: start, destroyed: false, version: 2 } } },
    });
    expect(deleted.body).not.toHaveProperty("errors");
    expect((await desk.ask("PUT secret/undelete/k", { versions: ["2"] })).status).toBe(204);
    expect((await desk.ask("GET secret/data/k")).status).toBe(200);
    expect((await desk.ask("PUT secret/destroy/k", { versions: [1, 7] })).status).toBe(204);
    expect(await desk.ask("GET secret/data/k?version=1")).toMatchObject({
      status: 404,
      body: { data: { data: null, metadata: { deletion_time: "", destroyed: true, version: 1 } } },
    });
    expect((await desk.ask("POST secret/delete/k", { versions: "2,1" })).status).toBe(204);
    expect((await desk.ask("GET secret/data/k")).status).toBe(404);
    expect((await desk.ask("DELETE secret/data/never")).status).toBe(204);
  });

  test.each([
    ["delete", "No version number provided"],
    ["undelete", "No version number provided"],
    ["destroy", "no version number provided"],
  ])("takes numbers at %s", async (operation, says) => {
    for (const body of [{}, { versions: [] }, { versions: null }])
      expect(await desk.ask(`PUT secret/${operation}/k`, body)).toMatchObject({ status: 400, body: { errors: [says] } });
    expect((await desk.ask(`PUT secret/${operation}/k`, { versions: ["x"] })).status).toBe(400);
    expect((await desk.ask(`PUT secret/${operation}/never`, { versions: [1] })).status).toBe(204);
    expect((await desk.ask(`GET secret/${operation}/k`)).status).toBe(405);
  });

  test("is patched by members, and not where there is nothing to patch", async () => {
    expect(await desk.ask("PATCH secret/data/k", { data: { a: 1 } })).toMatchObject({ status: 404, text: "" });
    await put("k", { a: 1, b: { c: 2 } });
    expect(await desk.ask("PATCH secret/data/k", { data: { a: null, b: { d: 3 } }, options: { cas: 1 } })).toMatchObject({
      status: 200,
      body: { data: { version: 2 } },
    });
    expect(await desk.ask("GET secret/data/k")).toMatchObject({ body: { data: { data: { b: { c: 2, d: 3 } } } } });
    expect(await desk.ask("PATCH secret/data/k", { data: {}, options: { cas: 1 } })).toMatchObject({ status: 400 });
    expect(await desk.ask("PATCH secret/data/k", {})).toMatchObject({ status: 400, body: { errors: ["no data provided"] } });
    await desk.ask("DELETE secret/data/k");
    expect(await desk.ask("PATCH secret/data/k", { data: {} })).toMatchObject({
      status: 404,
      body: { data: { version: 2, deletion_time: start } },
    });
    expect((await desk.ask("PATCH secret/data/k", { data: {} }, { "content-type": "application/json" })).status).toBe(415);
    expect((await desk.ask("PATCH secret/config", {})).status).toBe(405);
  });

  test("has subkeys without their values", async () => {
    await put("k", { a: "s3cret", b: { c: { d: "s3cret" } } });
    const subkeys = await desk.ask("GET secret/subkeys/k");
    expect(subkeys).toMatchObject({
      status: 200,
      body: { data: { subkeys: { a: null, b: { c: { d: null } } }, metadata: { version: 1 } } },
    });
    expect(subkeys.text).not.toContain("s3cret");
    expect(await desk.ask("GET secret/subkeys/k?depth=1")).toMatchObject({ body: { data: { subkeys: { a: null, b: null } } } });
    expect((await desk.ask("GET secret/subkeys/k?depth=-1")).status).toBe(400);
    await desk.ask("DELETE secret/data/k");
    expect(await desk.ask("GET secret/subkeys/k")).toMatchObject({
      status: 404,
      body: { data: { subkeys: null, metadata: { version: 1 } } },
    });
    expect(await desk.ask("GET secret/subkeys/never")).toMatchObject({ status: 404, body: { errors: [] } });
  });
});

describe("KV version 2, paths of version 1", () => {
  const hint = (verb: string) =>
    `Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. If using the Vault CLI, use 'vault kv ${verb}' for this operation.`;
  const root = "Non-listing operations on the root of a K/V v2 mount are not supported.";
  test.each([
    ["GET secret/app", hint("get")],
    ["PUT secret/app", hint("put")],
    ["PATCH secret/app", hint("patch")],
    ["DELETE secret/app/db", hint("delete")],
    ["GET secret/app?list=true", hint("list")],
    ["GET secret", hint("get")],
    ["GET secret/data", root],
    ["GET secret/metadata", root],
    ["PUT secret/data", root],
    ["DELETE secret/metadata", root],
    ["PUT secret/destroy", root],
  ])("are told at %s with a warning", async (question, warning) => {
    const body = question.startsWith("P") ? { data: {} } : undefined;
    expect(await desk.ask(question, body)).toMatchObject({ status: 404, body: { data: null, warnings: [warning] } });
    expect(house.lastAudit()).toMatchObject({ operation: "path.probe", allowed: true });
  });
});

describe("KV version 2, metadata", () => {
  test("tells the key and its versions", async () => {
    await put("k", {});
    await put("k", {});
    await desk.ask("PUT secret/destroy/k", { versions: [1] });
    await desk.ask("PUT secret/metadata/k", {
      max_versions: "5",
      cas_required: true,
      delete_version_after: "3h25m19s",
      custom_metadata: { owner: "payments" },
    });
    expect(await desk.ask("GET secret/metadata/k")).toMatchObject({
      status: 200,
      body: {
        ...envelope,
        data: {
          cas_required: true,
          created_time: start,
          current_version: 2,
          custom_metadata: { owner: "payments" },
          delete_version_after: "3h25m19s",
          max_versions: 5,
          oldest_version: 0,
          updated_time: start,
          versions: {
            "1": { created_time: start, deletion_time: "", destroyed: true },
            "2": { created_time: start, deletion_time: "", destroyed: false },
          },
        },
      },
    });
    expect(await desk.ask("GET secret/data/k")).toMatchObject({ body: { data: { metadata: { custom_metadata: { owner: "payments" } } } } });
    expect(await desk.ask("GET secret/metadata/never")).toMatchObject({ status: 404, body: { errors: [] } });
  });

  test("is merged by a write, laid over by a patch, and gone with a delete", async () => {
    expect((await desk.ask("POST secret/metadata/k", { max_versions: 5, custom_metadata: { a: "1", b: "2" } })).status).toBe(204);
    expect((await desk.ask("POST secret/metadata/k", { cas_required: true })).status).toBe(204);
    expect((await desk.ask("PATCH secret/metadata/k", { max_versions: null, custom_metadata: { a: null, c: "3" } })).status).toBe(204);
    expect(await desk.ask("GET secret/metadata/k")).toMatchObject({
      body: { data: { max_versions: 0, cas_required: true, custom_metadata: { b: "2", c: "3" }, current_version: 0, versions: {} } },
    });
    expect((await desk.ask("POST secret/metadata/k", { custom_metadata: null })).status).toBe(204);
    expect(await desk.ask("GET secret/metadata/k")).toMatchObject({ body: { data: { custom_metadata: null } } });
    expect(await desk.ask("PATCH secret/metadata/never", { max_versions: 1 })).toMatchObject({ status: 404, body: { errors: [] } });
    expect((await desk.ask("POST secret/metadata/nothing", { unknown: 1 })).status).toBe(204);
    expect((await desk.ask("GET secret/metadata/nothing")).status).toBe(404);
    expect((await desk.ask("DELETE secret/metadata/k")).status).toBe(204);
    expect((await desk.ask("GET secret/metadata/k")).status).toBe(404);
    expect((await put("k", {})).body).toMatchObject({ data: { version: 1 } });
  });

  const refusal = "custom_metadata validation failed";
  test.each([
    [{ k: "x".repeat(513) }, `1 error occurred:\n\t* ${refusal}: length of value for key "k" is 513 but must be 0 < len(value) <= 512\n\n`],
    [{ k: "" }, `1 error occurred:\n\t* ${refusal}: length of value for key "k" is 0 but must be 0 < len(value) <= 512\n\n`],
    [{ "": "x" }, `1 error occurred:\n\t* ${refusal}: length of key "" is 0 but must be 0 < len(key) <= 128\n\n`],
    [
      Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`k${n}`, "v"])),
      `1 error occurred:\n\t* ${refusal}: payload must contain at most 64 keys, provided 65\n\n`,
    ],
    [{ k: "a\u0007" }, expect.stringContaining("unprintable characters")],
    [{ k: 1 }, expect.stringContaining("custom_metadata")],
    ["x", expect.stringMatching(/^Field validation failed/)],
  ])("refuses %j of its keepers' own", async (metadata, says) => {
    expect(await desk.ask("POST secret/metadata/k", { custom_metadata: metadata })).toMatchObject({
      status: 400,
      body: { errors: [says] },
    });
    expect((await desk.ask("GET secret/metadata/k")).status).toBe(404);
  });

  test.each([
    { max_versions: -1 },
    { max_versions: "x" },
    { cas_required: "perhaps" },
    { delete_version_after: "-5s" },
    { delete_version_after: "soon" },
  ])("refuses %j", async (body) => {
    expect(await desk.ask("POST secret/metadata/k", body)).toMatchObject({
      status: 400,
      body: { errors: [expect.stringMatching(/^Field validation failed: error converting input/)] },
    });
  });

  test("warns where the mount demands what a key would not", async () => {
    await desk.ask("POST secret/config", { cas_required: true });
    expect(await desk.ask("POST secret/metadata/k", { cas_required: false })).toMatchObject({
      status: 200,
      body: { warnings: ['"cas_required" set to false, but is mandated by backend config. This value will be ignored.'] },
    });
  });

  test("pages a list in the order of its keys' bytes, whatever letters they have, and each key once", async () => {
    const keys = ["a", "B", "\u{1F511}", "\uFFFC", "\u00e9", "b", "10", "9", "\u4e2d"];
    for (const key of keys) await put(encodeURIComponent(key), {});
    const pages: string[] = [];
    for (let after = ""; ; after = pages.at(-1) ?? "") {
      const { status, body } = await desk.ask(`GET secret/metadata?list=true&limit=2&after=${encodeURIComponent(after)}`);
      if (status === 404) break;
      pages.push(...body.data.keys);
    }
    expect(pages).toEqual(keys.toSorted((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right))));
    expect((await desk.ask("GET secret/metadata?list=true&after=aa&limit=1")).body.data.keys).toEqual(["b"]);
  });

  test("lists folder by folder, by either way to ask", async () => {
    for (const key of ["a", "a/b", "a/c/d", "z"]) await put(key, {});
    await desk.ask("DELETE secret/data/z");
    expect(await desk.ask("GET secret/metadata?list=true")).toMatchObject({
      status: 200,
      body: { ...envelope, data: { keys: ["a", "a/", "z"] } },
    });
    expect(await desk.ask("LIST secret/metadata/a/")).toMatchObject({ body: { data: { keys: ["b", "c/"] } } });
    expect(await desk.ask("GET secret/metadata/?list=true&after=a&limit=1")).toMatchObject({ body: { data: { keys: ["a/"] } } });
    expect(await desk.ask("LIST secret/metadata/never")).toMatchObject({ status: 404, body: { errors: [] } });
    expect((await desk.ask("LIST other/metadata")).status).toBe(404);
  });

  test("of the mount is told and changed member by member", async () => {
    const settings = { cas_required: false, delete_version_after: "0s", max_versions: 0 };
    expect(await desk.ask("GET secret/config")).toMatchObject({ status: 200, body: { data: settings } });
    expect((await desk.ask("POST secret/config", { max_versions: 3 })).status).toBe(204);
    expect((await desk.ask("PUT secret/config", { delete_version_after: "-1s" })).status).toBe(204);
    expect(await desk.ask("GET secret/config")).toMatchObject({
      body: { data: { ...settings, max_versions: 3, delete_version_after: "-1s" } },
    });
    expect(await desk.ask("GET other/config")).toMatchObject({ body: { data: settings } });
  });
});

describe("attacks on KV version 2", () => {
  test.each(["GET secret/data/..%2f..%2fother/data/k", "PUT secret/data/a/%2e%2e%2fb", "DELETE secret/metadata/..%2f"])(
    "%s is refused",
    async (question) => {
      expect(await desk.ask(question)).toMatchObject({ status: 400, body: { errors: ["relative paths not supported"] } });
    },
  );

  test("names with percent signs, other scripts and odd forms are each their own", async () => {
    const names = ["a%252Fb", "a/b", "a%255Cb", "a%5Cb", "e%CC%81", "%C3%A9", "x%20", "x", "50%25", "%2541", "A", "a:b", "%EF%BC%8F"];
    for (const [index, name] of names.entries()) expect((await put(`n/${name}`, { index })).status).toBe(200);
    for (const [index, name] of names.entries())
      expect(await desk.ask(`GET secret/data/n/${name}`)).toMatchObject({ body: { data: { data: { index }, metadata: { version: 1 } } } });
    const { keys } = Object(Object((await desk.ask("LIST secret/metadata/n")).body).data);
    expect([...keys].sort()).toEqual([...names.filter((name) => name !== "a/b").map(decodeURIComponent), "a/"].sort());
  });

  test("a key is never another mount's, however it is spelled", async () => {
    await put("k", { of: "secret" });
    for (const question of ["GET other/data/k", "GET other/data/secret/k", "GET other/data/%2Fk", "GET secre/data/t/k"])
      expect((await desk.ask(question)).status).toBe(404);
  });

  test("a name that is too long is refused, and so is one of control characters", async () => {
    expect((await put("x".repeat(513), {})).status).toBe(400);
    expect((await put("a%00b", {})).status).toBe(400);
    expect((await put("%C2%80", {})).status).toBe(400);
  });

  test("a deleted version is nobody's by the other door", async () => {
    const id = parseId("acme:variable:secret/k");
    await put("k", { n: 1 });
    await put("k", { n: 2 });
    await desk.ask("DELETE secret/data/k");
    expect(await failureOfWork(house.broker.read(house.admin, { id }))).toMatchObject({ because: "version_deleted" });
    await house.broker.writeSecret(house.admin, id, secret("from the other door"));
    expect(await desk.ask("GET secret/data/k")).toMatchObject({
      body: { data: { data: { value: "from the other door" }, metadata: { version: 3 } } },
    });
    expect(textOf((await house.broker.read(house.admin, { id, version: 1 })).value)).toBe('{"n":1}');
  });

  test("without a token nothing is told, of what is there nor of what is not", async () => {
    await put("k", {});
    const stranger = desk.with(null);
    for (const question of [
      "GET secret/data/k",
      "GET secret/data/never",
      "LIST secret/metadata",
      "GET secret/app",
      "GET conjur/x",
      "GET old/x",
    ])
      expect(await stranger.ask(question)).toMatchObject({ status: 403, body: { errors: ["permission denied"] } });
  });
});
