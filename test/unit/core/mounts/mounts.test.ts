import { beforeEach, describe, expect, test } from "bun:test";
import type { Caller } from "../../../../src/model/types";
import { failureOfWork } from "../../../support/failing";
import { createHouse, type House } from "../../../support/house";
import { rightsAt, rootRights, withRights } from "../../../support/path-rights";

let house: House;
let root: Caller;
const at = (path: string) => ({ path, action: "write" }) as const;

async function enable(path: string, type = "kv", options: Record<string, string> = {}): Promise<void> {
  await house.broker.paths.mounts.enable(root, at(`sys/mounts/${path}`), { path, type, settings: { options } });
}

describe("mounts", () => {
  beforeEach(async () => {
    house = await createHouse();
    root = withRights(house.admin, rootRights);
  });

  test("answer below the longest path that fits", async () => {
    await enable("teams/a", "kv", { version: "2" });
    await enable("secret");
    const { mounts } = house.broker.paths;
    expect(mounts.at("teams/a/data/x")?.path).toBe("teams/a");
    expect(mounts.at("teams/a")?.options).toEqual({ version: "2" });
    expect(mounts.at("teams/ab")).toBeUndefined();
    expect(mounts.at("teams")).toBeUndefined();
    expect(mounts.at("auth/token/lookup-self")?.type).toBe("token");
  });

  test("keep their accessor over a change of settings and lose it with their end", async () => {
    await enable("secret");
    const { mounts } = house.broker.paths;
    const accessor = mounts.at("secret")?.accessor;
    expect(accessor).toMatch(/^kv_[0-9a-f]{8}$/);
    await mounts.tune(root, at("sys/mounts/secret/tune"), "secret", { maxLeaseSeconds: 60, options: { version: "2" } });
    expect(mounts.at("secret")).toMatchObject({ accessor, maxLeaseSeconds: 60, options: { version: "2" } });
    await mounts.disable(root, at("sys/mounts/secret"), "secret");
    expect(mounts.at("secret")).toBeUndefined();
    await enable("secret");
    expect(mounts.at("secret")?.accessor).not.toBe(accessor);
  });

  test.each(["secret", "secret/below", "sys", "auth/token", "cubbyhole/x"])("refuse %p where the path is taken", async (path) => {
    await enable("secret");
    const failure = await failureOfWork(enable(path));
    expect(failure).toMatchObject({ code: "conflict", because: "path_in_use" });
    expect(house.lastAudit()).toMatchObject({ operation: "mount.enable", allowed: false, path: `sys/mounts/${path}` });
  });

  test.each(["a/../b", "a//b", "", "+", "a*", "a\u0000", "auth", "vault", "vault/policy"])("refuse %p as a path", async (path) => {
    expect(await failureOfWork(enable(path))).toMatchObject({ code: "malformed" });
  });

  test("do not go back from version 2, nor let the fixed ones be changed or removed", async () => {
    await enable("secret", "kv", { version: "2" });
    const { mounts } = house.broker.paths;
    expect(await failureOfWork(mounts.tune(root, at("x"), "secret", { options: { version: "1" } }))).toMatchObject({
      because: "kv_downgrade",
    });
    expect(await failureOfWork(mounts.tune(root, at("x"), "sys", { description: "mine" }))).toMatchObject({ because: "fixed_mount" });
    expect(await failureOfWork(mounts.disable(root, at("x"), "auth/token"))).toMatchObject({
      because: "fixed_mount",
      says: 'cannot unmount "token/"',
    });
    await mounts.disable(root, at("x"), "never-there");
  });

  test("are made by those alone whose rules allow it; the refusal names the path in the audit", async () => {
    const { mounts } = house.broker.paths;
    const stranger = withRights(house.admin, rightsAt("secret/"));
    expect(await failureOfWork(mounts.enable(stranger, at("sys/mounts/x"), { path: "x", type: "kv", settings: {} }))).toMatchObject({
      code: "forbidden",
      because: "no_path_rule",
    });
    expect(house.lastAudit()).toMatchObject({ operation: "mount.enable", allowed: false, because: "no_path_rule", path: "sys/mounts/x" });
    // The administrator of the account, by a session of the graph, carries no path rules.
    expect(await failureOfWork(mounts.list(house.admin, { path: "sys/mounts", action: "read" }, "secret"))).toMatchObject({
      because: "no_path_rights",
    });
  });

  test("are told in the preflight to those whose rules reach into them, with one answer for hidden and absent", async () => {
    await enable("secret", "kv", { version: "2" });
    const { mounts } = house.broker.paths;
    const app = withRights(house.admin, rightsAt("secret/data/app"));
    expect(await mounts.preflight(app, "secret/app/db")).toMatchObject({ path: "secret" });
    const other = withRights(house.admin, rightsAt("kv/"));
    // Rights on variables are the graph's.
    expect(await mounts.preflight(other, "conjur/apps/db")).toMatchObject({ path: "conjur" });
    expect(await failureOfWork(mounts.preflight(house.admin, "conjur/apps/db"))).toMatchObject({ code: "forbidden" });
    const hidden = await failureOfWork(mounts.preflight(other, "secret/app"));
    const absent = await failureOfWork(mounts.preflight(other, "nothing/app"));
    expect(hidden).toMatchObject({ code: "forbidden", says: expect.stringContaining('access to path "secret/app/"') });
    expect(absent).toMatchObject({ code: "forbidden", says: expect.stringContaining('access to path "nothing/app/"') });
    expect(mounts.visible(other).map(({ path }) => path)).toEqual([]);
    expect(mounts.visible(undefined)).toEqual([]);
    expect(mounts.visible(app).map(({ path }) => path)).toEqual(["secret"]);
  });
});
