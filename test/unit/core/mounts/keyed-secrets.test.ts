import { beforeEach, describe, expect, test } from "bun:test";
import { parseId } from "../../../../src/model/ids";
import { SecretBytes } from "../../../../src/model/secret-bytes";
import { failureOfWork } from "../../../support/failing";
import { secret, startOfTime, textOf } from "../../../support/house";
import { createKeyedHouse, type KeyedHouse, object, pathOf } from "../../../support/keyed-house";
import { rightsAt, withRights } from "../../../support/path-rights";

let house: KeyedHouse;
beforeEach(async () => {
  house = await createKeyedHouse();
});

const data = (key: string) => pathOf(`secret/data/${key}`);
const write = (key: string, value: unknown, cas?: number) =>
  house.broker.paths.keyed.write(house.root(), data(key), {
    ...house.key(key),
    value: object(value),
    ...(cas === undefined ? {} : { cas }),
  });
const read = (key: string, version?: number) =>
  house.broker.paths.keyed.read(house.root(), pathOf(`secret/data/${key}`, "read"), {
    ...house.key(key),
    ...(version === undefined ? {} : { version }),
  });
const readText = async (key: string, version?: number) => {
  const { value } = await read(key, version);
  return value === undefined ? undefined : textOf(value);
};
const setStates = (key: string, state: "deleted" | "readable" | "destroyed", ...versions: number[]) =>
  house.broker.paths.keyed.setStates(house.root(), pathOf(`secret/${state}/${key}`), { ...house.key(key), versions, state });
const setSettings = (settings: object) =>
  house.broker.paths.keyedMetadata.setSettings(house.root(), pathOf("secret/config"), "secret", settings);
const setRules = (key: string, rules: object) =>
  house.broker.paths.keyedMetadata.setRules(house.root(), pathOf(`secret/metadata/${key}`), house.key(key), { mustExist: false, ...rules });
const show = (key: string) => house.broker.paths.keyedMetadata.show(house.root(), pathOf(`secret/metadata/${key}`, "read"), house.key(key));

describe("a key", () => {
  test("holds each value as it was written, in a version of its own, equal values too", async () => {
    const text = '{ "n": 1.0, "big": 9007199254740993,\n "e": 1e3 }';
    expect(await write("app/db", text)).toEqual({ version: 1, createdAt: startOfTime, isDestroyed: false });
    expect((await write("app/db", text)).version).toBe(2);
    expect(await readText("app/db")).toBe(text);
    expect(house.lastAudit()).toMatchObject({
      operation: "secret.read",
      allowed: true,
      path: "secret/data/app/db",
      resource: parseId("acme:variable:secret/app/db"),
      rule: "policy root",
    });
  });

  test("that is not there, or a version that is not, is not_found", async () => {
    expect(await failureOfWork(read("app/db"))).toMatchObject({ code: "not_found", because: "no_value" });
    await write("app/db", {});
    expect(await failureOfWork(read("app/db", 2))).toMatchObject({ code: "not_found" });
    expect(house.lastAudit()).toMatchObject({ operation: "secret.read", allowed: false, version: 2 });
  });

  test("is written only by those who name the newest version, when they name one", async () => {
    expect(await failureOfWork(write("k", {}, 1))).toMatchObject({ code: "malformed", because: "cas_mismatch" });
    expect(house.lastAudit()).toMatchObject({ operation: "secret.write", allowed: false, because: "cas_mismatch" });
    await write("k", {}, 0);
    expect(await failureOfWork(write("k", {}, 0))).toMatchObject({ because: "cas_mismatch" });
    await write("k", {}, 1);
    await setStates("k", "destroyed", 2);
    expect(await failureOfWork(write("k", {}, 1))).toMatchObject({ because: "cas_mismatch" });
    expect((await write("k", {}, 2)).version).toBe(3);
  });

  test("is written by one of a hundred who name the same version, round after round", async () => {
    for (const cas of [0, 1, 2, 3]) {
      const outcomes = await Promise.allSettled(Array.from({ length: 100 }, (_, by) => write("contended", { by }, cas)));
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      expect((await read("contended")).version).toBe(cas + 1);
    }
  });

  test("must be written by version where the key or the mount says so", async () => {
    await setRules("k", { casRequired: true });
    expect(await failureOfWork(write("k", {}))).toMatchObject({ code: "malformed", because: "cas_required" });
    await write("k", {}, 0);
    await setRules("k", { casRequired: false });
    await write("k", {});
    await setSettings({ casRequired: true });
    expect(await failureOfWork(write("k", {}))).toMatchObject({ because: "cas_required" });
    expect(await failureOfWork(write("another", {}))).toMatchObject({ because: "cas_required" });
  });

  test("is decided on as it is found: to create takes another right than to change", async () => {
    const creator = withRights(house.root(), {
      ...rightsAt("secret/"),
      verdict: (_, exists) =>
        exists ? { allowed: false, because: "path_capability", detail: "update" } : { allowed: true, rule: "create" },
    });
    const attempt = () => house.broker.paths.keyed.write(creator, data("once"), { ...house.key("once"), value: object({}) });
    const outcomes = await Promise.allSettled([attempt(), attempt(), attempt()]);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await failureOfWork(attempt())).toMatchObject({ code: "forbidden", because: "path_capability" });
    expect(house.lastAudit()).toMatchObject({ operation: "secret.write", allowed: false, because: "path_capability" });
  });
});

describe("versions", () => {
  test("are ten where nobody says otherwise, and the greater number of key and mount where somebody does", async () => {
    for (let count = 0; count < 12; count += 1) await write("k", { count });
    expect((await show("k")).versions.map(({ version }) => version)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    await setSettings({ versionsKept: 2 });
    await setRules("k", { versionsKept: 4 });
    expect((await show("k")).versions).toHaveLength(10);
    await write("k", {});
    expect(await show("k")).toMatchObject({ currentVersion: 13, oldestVersion: 10 });
    expect(await failureOfWork(read("k", 9))).toMatchObject({ code: "not_found" });
    await setRules("k", { versionsKept: 0 });
    await write("k", {});
    expect((await show("k")).versions.map(({ version }) => version)).toEqual([13, 14]);
  });

  test("that are deleted keep all but their value, until they are put back", async () => {
    await write("k", { n: 1 });
    await write("k", { n: 2 });
    await setStates("k", "deleted", 2, 7);
    expect(await read("k")).toEqual({ version: 2, createdAt: startOfTime, deletesAt: startOfTime, isDestroyed: false });
    expect(house.lastAudit()).toMatchObject({ operation: "secret.read", allowed: true });
    expect(await readText("k", 1)).toBe('{"n":1}');
    await setStates("k", "readable", 1, 2);
    expect(await readText("k")).toBe('{"n":2}');
    expect((await read("k")).deletesAt).toBeUndefined();
  });

  test("that are destroyed never come back, and their numbers neither", async () => {
    await write("k", { n: 1 });
    await setStates("k", "destroyed", 1);
    await setStates("k", "readable", 1);
    expect(await read("k")).toEqual({ version: 1, createdAt: startOfTime, isDestroyed: true });
    expect((await write("k", {})).version).toBe(2);
    expect(house.store.secretValue(parseId("acme:variable:secret/k"), 1)).toBeUndefined();
  });

  test("that are deleted by the newest's number keep the time they were", async () => {
    await write("k", {});
    const remove = () => house.broker.paths.keyed.deleteNewest(house.root(), pathOf("secret/data/k", "delete"), house.key("k"));
    await remove();
    house.clock.advance(5000);
    await remove();
    expect((await read("k")).deletesAt).toBe(startOfTime);
    await house.broker.paths.keyed.deleteNewest(house.root(), pathOf("secret/data/none", "delete"), house.key("none"));
  });

  test("end by themselves after the shorter time of key and mount, and not at all where the mount forbids it", async () => {
    await setSettings({ deleteAfterSeconds: 60 });
    await setRules("k", { deleteAfterSeconds: 90 });
    expect((await write("k", {})).deletesAt).toBe(startOfTime + 60_000);
    await setRules("k", { deleteAfterSeconds: 10 });
    expect((await write("k", {})).deletesAt).toBe(startOfTime + 10_000);
    expect(await readText("k")).toBe("{}");
    house.clock.advance(10_000);
    expect(await readText("k")).toBeUndefined();
    await setStates("k", "readable", 2);
    expect((await read("k")).deletesAt).toBe(startOfTime + 20_000);
    await setSettings({ deleteAfterSeconds: -1 });
    expect((await write("k", {})).deletesAt).toBeUndefined();
  });
});

describe("a patch", () => {
  const patch = (key: string, value: unknown, cas?: number) =>
    house.broker.paths.keyed.patch(house.root(), pathOf(`secret/data/${key}`, "patch"), {
      ...house.key(key),
      value: object(value),
      ...(cas === undefined ? {} : { cas }),
    });

  test("lays members over the newest version, and numbers keep their digits", async () => {
    await write("k", '{"a":1.0,"b":{"c":2,"d":12345678901234567890}}');
    expect(await patch("k", '{"a":null,"b":{"c":3.50},"e":[1]}')).toMatchObject({ version: 2, isWritten: true });
    expect(await readText("k")).toBe('{"b":{"c":3.50,"d":12345678901234567890},"e":[1]}');
  });

  test("of what is not there is nothing, of a deleted one its version, with a wrong number refused", async () => {
    expect(await patch("k", {})).toBeUndefined();
    await write("k", {});
    expect(await failureOfWork(patch("k", {}, 5))).toMatchObject({ because: "cas_mismatch" });
    await setStates("k", "deleted", 1);
    expect(await patch("k", {})).toMatchObject({ version: 1, isWritten: false, deletesAt: startOfTime });
    expect((await show("k")).currentVersion).toBe(1);
  });
});

describe("subkeys", () => {
  test("are names without values", async () => {
    await write("k", { password: "s3cret", nested: { token: "t" } });
    const { value } = await house.broker.paths.keyed.subkeys(house.root(), pathOf("secret/subkeys/k", "read"), {
      ...house.key("k"),
      depth: 0,
    });
    expect(value === undefined ? "" : textOf(value)).toBe('{"password":null,"nested":{"token":null}}');
    expect(house.lastAudit()).toMatchObject({ operation: "secret.subkeys", allowed: true });
  });
});

describe("whoever has no rule for the path", () => {
  test("does none of it, and the trail says where", async () => {
    const stranger = withRights(house.root(), rightsAt("other/"));
    await write("k", { n: 1 });
    const { keyed, keyedMetadata } = house.broker.paths;
    const ref = house.key("k");
    const at = pathOf("secret/data/k", "read");
    const before = house.store.commits.length;
    const attempts: readonly (readonly [string, () => Promise<unknown>])[] = [
      ["secret.read", () => keyed.read(stranger, at, ref)],
      ["secret.subkeys", () => keyed.subkeys(stranger, at, { ...ref, depth: 0 })],
      ["secret.write", () => keyed.write(stranger, at, { ...ref, value: object({}) })],
      ["secret.write", () => keyed.patch(stranger, at, { ...ref, value: object({}) })],
      ["secret.delete", () => keyed.deleteNewest(stranger, at, ref)],
      ["secret.destroy", () => keyed.setStates(stranger, at, { ...ref, versions: [1], state: "destroyed" })],
      ["secret.undelete", () => keyed.setStates(stranger, at, { ...ref, versions: [1], state: "readable" })],
      ["secret.metadata.show", () => keyedMetadata.show(stranger, at, ref)],
      ["secret.metadata.write", () => keyedMetadata.setRules(stranger, at, ref, { mustExist: false, versionsKept: 1 })],
      ["secret.remove", () => keyedMetadata.remove(stranger, at, ref)],
      ["secret.list", () => keyedMetadata.list(stranger, at, { mount: "secret", key: "" })],
      ["mount.settings.show", () => keyedMetadata.settings(stranger, at, "secret")],
      ["mount.settings.write", () => keyedMetadata.setSettings(stranger, at, "secret", { versionsKept: 1 })],
    ];
    for (const [operation, attempt] of attempts) {
      expect(await failureOfWork(attempt())).toMatchObject({ code: "forbidden", because: "no_path_rule" });
      expect(house.lastAudit()).toMatchObject({ operation, allowed: false, because: "no_path_rule", path: "secret/data/k" });
    }
    expect(house.store.commits).toHaveLength(before);
  });
});

describe("whoever has rules for keys without versions", () => {
  test("is refused as anybody, and told what is amiss", async () => {
    const { keyed, keyedMetadata } = house.broker.paths;
    const mistaken = withRights(house.root(), rightsAt("secret/app"));
    const refused = await failureOfWork(keyed.read(mistaken, pathOf("secret/data/app/db", "read"), house.key("app/db")));
    expect(refused).toMatchObject({ code: "forbidden", because: "no_path_rule" });
    expect(refused).toHaveProperty("hint", expect.stringContaining('allow "secret/app/db" and not "secret/data/app/db"'));
    expect(refused).toHaveProperty("hint", expect.stringContaining('need "data/" after the mount'));
    const listed = await failureOfWork(keyedMetadata.list(mistaken, pathOf("secret/metadata/app/", "list"), house.key("app")));
    expect(listed).toHaveProperty("hint", expect.stringContaining('allow "secret/app/" and not "secret/metadata/app/"'));
    const other = await failureOfWork(keyed.read(mistaken, pathOf("secret/data/else", "read"), house.key("else")));
    expect(other).not.toHaveProperty("hint");
  });
});

describe("the same variable by the other door", () => {
  const id = parseId("acme:variable:secret/app/db");

  test("has the same versions, whichever wrote them", async () => {
    await write("app/db", { n: 1 });
    expect(textOf((await house.broker.read(house.admin, { id })).value)).toBe('{"n":1}');
    await house.broker.writeSecret(house.admin, id, secret('{"n":2}'));
    await house.broker.writeSecret(house.admin, id, secret('{"n":2}'));
    expect(await read("app/db")).toMatchObject({ version: 2 });
    await house.broker.writeSecret(house.admin, id, secret("plain"));
    expect(await readText("app/db")).toBe('{"value":"plain"}');
    expect((await house.broker.read(house.admin, { id, version: 1 })).version).toBe(1);
  });

  test("shows bytes that are no text in base64, and says so", async () => {
    await write("app/db", {});
    await house.broker.writeSecret(house.admin, id, new SecretBytes(Uint8Array.of(0xff, 0, 1)));
    expect(await readText("app/db")).toBe('{"value":"/wAB","encoding":"base64"}');
  });

  test("gives nothing of what was deleted or destroyed, and lists it to nobody as readable", async () => {
    await write("app/db", { n: 1 });
    await write("app/db", { n: 2 });
    await setStates("app/db", "deleted", 2);
    expect(await failureOfWork(house.broker.read(house.admin, { id }))).toMatchObject({ code: "not_found", because: "version_deleted" });
    expect(await failureOfWork(house.broker.readMany(house.admin, [id]))).toMatchObject({ code: "not_found" });
    expect((await house.broker.showResource(house.admin, id)).secretVersions.map(({ version }) => version)).toEqual([1]);
    await setStates("app/db", "destroyed", 1, 2);
    for (const version of [1, 2])
      expect(await failureOfWork(house.broker.read(house.admin, { id, version }))).toMatchObject({ because: "version_destroyed" });
    expect((await house.broker.showResource(house.admin, id)).secretVersions).toEqual([]);
  });

  test("is written under the rules of the mount: versions kept, their end, and no blind writes where they are refused", async () => {
    await setSettings({ versionsKept: 2, deleteAfterSeconds: 60 });
    await write("app/db", {});
    for (const n of [1, 2, 3]) await house.broker.writeSecret(house.admin, id, secret(`value ${n}`));
    expect((await show("app/db")).versions.map(({ version }) => version)).toEqual([3, 4]);
    expect((await read("app/db")).deletesAt).toBe(startOfTime + 60_000);
    await setSettings({ casRequired: true });
    expect(await failureOfWork(house.broker.writeSecret(house.admin, id, secret("blind")))).toMatchObject({
      code: "malformed",
      because: "cas_required",
    });
    expect(house.lastAudit()).toMatchObject({ operation: "secret.write", allowed: false, because: "cas_required", resource: id });
  });
});
