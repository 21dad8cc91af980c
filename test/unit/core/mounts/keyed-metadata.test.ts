import { beforeEach, describe, expect, test } from "bun:test";
import { stepsPerSlice } from "../../../../src/core/slices";
import { parseId, parseRoleId } from "../../../../src/model/ids";
import type { Change } from "../../../../src/model/types";
import { countTurns } from "../../../support/count-turns";
import { failureOfWork } from "../../../support/failing";
import { createHouse, secret, startOfTime, textOf } from "../../../support/house";
import { createKeyedHouse, type KeyedHouse, object, pathOf } from "../../../support/keyed-house";
import { rootRights, withRights } from "../../../support/path-rights";

let house: KeyedHouse;
beforeEach(async () => {
  house = await createKeyedHouse();
});

const write = (key: string, mount = "secret") =>
  house.broker.paths.keyed.write(house.root(), pathOf(`${mount}/data/${key}`), { mount, key, value: object({ key }) });
const list = (folder = "", mount = "secret") =>
  house.broker.paths.keyedMetadata.list(house.root(), pathOf(`${mount}/metadata/${folder}/`, "list"), { mount, key: folder });
const show = (key: string) => house.broker.paths.keyedMetadata.show(house.root(), pathOf(`secret/metadata/${key}`, "read"), house.key(key));
const setRules = (key: string, rules: object, mustExist = false) =>
  house.broker.paths.keyedMetadata.setRules(house.root(), pathOf(`secret/metadata/${key}`), house.key(key), { mustExist, ...rules });
const remove = (key: string, mount = "secret") =>
  house.broker.paths.keyedMetadata.remove(house.root(), pathOf(`${mount}/metadata/${key}`, "delete"), { mount, key });

describe("the rules of a key", () => {
  test("make a key without versions, change one by one, and are told with its versions", async () => {
    await setRules("k", { versionsKept: 3, customMetadata: { owner: "payments", tier: "1" } });
    house.clock.advance(1000);
    await setRules("k", { deleteAfterSeconds: 60 });
    expect(await show("k")).toEqual({
      createdAt: startOfTime,
      updatedAt: startOfTime + 1000,
      currentVersion: 0,
      oldestVersion: 0,
      versions: [],
      rules: { versionsKept: 3, deleteAfterSeconds: 60, customMetadata: { owner: "payments", tier: "1" } },
    });
    await setRules("k", { versionsKept: 0, deleteAfterSeconds: 0, customMetadataPatch: { owner: null, note: "x" } });
    expect((await show("k")).rules).toEqual({ customMetadata: { tier: "1", note: "x" } });
    await setRules("k", { customMetadata: null });
    expect((await show("k")).rules).toEqual({});
  });

  test("of a key that must be there are not_found where it is not", async () => {
    expect(await failureOfWork(setRules("none", { versionsKept: 1 }, true))).toMatchObject({ code: "not_found" });
    expect(await failureOfWork(show("none"))).toMatchObject({ code: "not_found" });
    expect(house.lastAudit()).toMatchObject({ operation: "secret.metadata.show", allowed: false });
  });

  test("that say nothing make nothing", async () => {
    await setRules("none", {});
    expect(await failureOfWork(show("none"))).toMatchObject({ code: "not_found" });
  });

  test("do not take over what is not theirs to know: when the key came, though it was written before", async () => {
    await write("k");
    house.clock.advance(500);
    await setRules("k", { versionsKept: 3 });
    expect(await show("k")).toMatchObject({ createdAt: startOfTime, updatedAt: startOfTime + 500, currentVersion: 1 });
  });
});

describe("a list", () => {
  test("names keys and folders once each, sorted by bytes, and those whose versions are all gone too", async () => {
    for (const key of ["b", "a/x", "a/y/z", "a", "a-b", "Z", "é", "𐍈", "\uFF5E"]) await write(key);
    await setRules("ruled", { versionsKept: 1 });
    await house.broker.paths.keyed.setStates(house.root(), pathOf("secret/destroy/b"), {
      ...house.key("b"),
      versions: [1],
      state: "destroyed",
    });
    expect(await list()).toEqual(["Z", "a", "a-b", "a/", "b", "ruled", "é", "\uFF5E", "𐍈"]);
    expect(await list("a")).toEqual(["x", "y/"]);
    expect(await list("a/y")).toEqual(["z"]);
    expect(await list("nothing")).toEqual([]);
    expect(house.lastAudit()).toMatchObject({ operation: "secret.list", allowed: true, path: "secret/metadata/nothing/" });
  });

  test("shows names as they were given, whatever they look like here", async () => {
    const names = ["50%", "a%41", "a%2Fb", "back\\slash", "e\u0301", " x "];
    for (const name of names) await write(`f/${name}`);
    expect([...(await list("f"))].sort()).toEqual([...names].sort());
  });

  test("has nothing of another mount, nor of a declared variable without a value", async () => {
    await house.load("- !policy { id: secret, body: [ !variable empty ] }", "create");
    await write("k", "other");
    expect(await list()).toEqual([]);
    expect(await list("", "other")).toEqual(["k"]);
  });
});

describe("a key that is removed", () => {
  test("begins again at version 1, with nothing of what it was", async () => {
    await write("k");
    await setRules("k", { versionsKept: 1, customMetadata: { a: "b" } });
    await write("k");
    await remove("k");
    await remove("k");
    expect(await list()).toEqual([]);
    house.clock.advance(10);
    expect(await write("k")).toEqual({ version: 1, createdAt: startOfTime + 10, isDestroyed: false });
    expect((await show("k")).rules).toEqual({});
  });

  test("stays as a variable without a value where a policy declares it or speaks of it", async () => {
    await house.load("- !host web\n- !policy { id: secret, body: [ !variable declared ] }", "create");
    await write("declared");
    await write("permitted");
    await house.load("- !permit { role: !host web, privileges: [ read ], resource: !variable secret/permitted }", "update");
    for (const key of ["declared", "permitted"]) {
      await remove(key);
      const id = parseId(`acme:variable:secret/${key}`);
      expect((await house.broker.showResource(house.admin, id)).secretVersions).toEqual([]);
      expect(await failureOfWork(house.broker.read(house.admin, { id }))).toMatchObject({ code: "not_found", because: "no_value" });
    }
    expect(await list()).toEqual([]);
  });
});

describe("a mount", () => {
  const disable = (path: string) => house.broker.paths.mounts.disable(house.root(), pathOf(`sys/mounts/${path}`, "delete"), path);
  const enable = (path: string, version = "2") =>
    house.broker.paths.mounts.enable(house.root(), pathOf(`sys/mounts/${path}`), { path, type: "kv", settings: { options: { version } } });

  test("that ends takes its keys and settings along, and nobody else's", async () => {
    await write("a/b");
    await write("c");
    await write("kept", "other");
    await house.broker.paths.keyedMetadata.setSettings(house.root(), pathOf("secret/config"), "secret", { casRequired: true });
    await disable("secret");
    expect(await failureOfWork(house.broker.read(house.admin, { id: parseId("acme:variable:secret/c") }))).toMatchObject({
      code: "not_found",
    });
    await enable("secret");
    expect(await list()).toEqual([]);
    expect(await house.broker.paths.keyedMetadata.settings(house.root(), pathOf("secret/config", "read"), "secret")).toMatchObject({
      casRequired: false,
    });
    expect(await list("", "other")).toEqual(["kept"]);
  });

  test("is not made over variables that have values: whoever may mount may not for that reason read them", async () => {
    await house.load("- !policy { id: apps, body: [ !variable db, !variable empty ] }", "create");
    await house.broker.writeSecret(house.admin, parseId("acme:variable:apps/db"), secret("conjur's"));
    expect(await failureOfWork(enable("apps"))).toMatchObject({ code: "conflict", because: "path_in_use" });
    expect(house.lastAudit()).toMatchObject({ operation: "mount.enable", allowed: false, because: "path_in_use" });
    await enable("app");
    expect(
      await failureOfWork(house.broker.paths.keyed.read(house.root(), pathOf("app/data/s/db", "read"), { mount: "app", key: "s/db" })),
    ).toMatchObject({
      code: "not_found",
    });
  });

  test("of version 1 keeps one value under the number 1, which is version 1 when it becomes version 2", async () => {
    for (let count = 0; count < 3; count += 1) await write("k", "old");
    const read = async () => house.broker.paths.keyed.read(house.root(), pathOf("old/data/k", "read"), { mount: "old", key: "k" });
    expect(await read()).toMatchObject({ version: 1 });
    await house.broker.paths.mounts.tune(house.root(), pathOf("sys/mounts/old/tune"), "old", { options: { version: "2" } });
    expect(textOf((await read()).value ?? secret(""))).toBe('{"key":"k"}');
    expect((await write("k", "old")).version).toBe(2);
  });

  test("that is no kv mount, or none at all, keeps no keys", async () => {
    for (const mount of ["sys", "conjur", "none", "secret/below"]) {
      expect(await failureOfWork(write("k", mount))).toMatchObject({ code: "not_found", because: "no_mount" });
      expect(await failureOfWork(list("", mount))).toMatchObject({ code: "not_found", because: "no_mount" });
    }
    expect(house.lastAudit()).toMatchObject({ allowed: false, because: "no_mount" });
  });

  test.each(["..", "a/../../other/k", "a//b", "", "x".repeat(513), "\ud800"])("has no key %j", async (key) => {
    const failure = await failureOfWork((async () => write(key))());
    expect(failure).toMatchObject({ code: "malformed", where: "path" });
  });
});

describe("the end of a mount with very many keys", () => {
  const keys = 30_000;

  test("is found out in slices, and takes all of them and nothing else", async () => {
    const account = house.account;
    const owner = parseRoleId(`${account}:policy:root`);
    const changes = Array.from({ length: keys }, (_, at): readonly Change[] => {
      const id = parseId(`${account}:variable:secret/f${at % 50}/k${at}`);
      return [
        { type: "put_resource", resource: { id, owner, createdAt: startOfTime } },
        { type: "put_secret_version", resource: id, version: 1, createdAt: startOfTime, value: secret("{}") },
      ];
    });
    await house.store.commit(changes.flat(), { account, expected: house.store.commits.length, now: startOfTime });
    const again = await createHouse({ store: house.store, clock: house.clock });
    const root = withRights({ ...again.admin, context: again.context({ dialect: "vault" }) }, rootRights);
    const ask = (mount: string) => again.broker.paths.keyedMetadata.list(root, pathOf(`${mount}/metadata/`, "list"), { mount, key: "" });
    await again.broker.paths.keyed.write(root, pathOf("other/data/kept"), { mount: "other", key: "kept", value: object({}) });
    expect(await ask("secret")).toHaveLength(50);
    const others = countTurns();
    // The fold of the commit takes turns of its own: one for every two thousand changes.
    await again.broker.paths.mounts.disable(root, pathOf("sys/mounts/secret", "delete"), "secret");
    expect(others.stop()).toBeGreaterThan((keys / stepsPerSlice) * 2 - 4);
    expect(await failureOfWork(ask("secret"))).toMatchObject({ because: "no_mount" });
    expect(await ask("other")).toEqual(["kept"]);
    await again.broker.paths.mounts.enable(root, pathOf("sys/mounts/secret"), {
      path: "secret",
      type: "kv",
      settings: { options: { version: "2" } },
    });
    expect(await ask("secret")).toEqual([]);
  });
});
