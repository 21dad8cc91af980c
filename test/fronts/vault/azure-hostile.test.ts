/** Who would like to be another machine, or keep a server busy. */

import { beforeEach, describe, expect, test } from "bun:test";
import type { RequestContext } from "../../../src/model/types";
import { quietEdge } from "../ask";
import { rg, sp, sub, vm1 } from "./azure-cases";
import { type AzureDesk, answer, createAzureDesk, fn1, id1, idOf, P1, P2, P5, S1, S2, std, tenant, token, vm } from "./azure-desk";

let desk: AzureDesk;
beforeEach(async () => {
  desk = await createAzureDesk();
});

const slot = `${fn1}/slots/staging`;
const shared = { principalId: P5, userAssignedIdentities: { [id1]: { principalId: P2 } } };

describe("names that read alike", () => {
  test.each([
    ["a Kelvin sign", "rg-key", "rg-\u212aey"],
    ["a long s", "rg-secret", "rg-\u017fecret"],
    ["a dotless i", "rg-ids", "rg-\u0131ds"],
  ])("are other groups: %s", async (_title, bound, alike) => {
    await desk.role("dev-role", { ...rg(bound), ...sp(P1) });
    desk.instead.set(encodeURI(vm("vm1", alike)), answer(200, { location: "westeurope", identity: { principalId: P1 } }));
    const reply = await desk.login(token("sys", { xms_mirid: vm("vm1", alike) }), { ...vm1, resource_group_name: alike });
    expect([reply.status, reply.body.errors]).toEqual([403, ["resource group not authorized"]]);
    // The claim is not the group either.
    await desk.role("dev-role", { ...rg(alike), ...sp(P1) });
    const other = await desk.login(token("sys", { xms_mirid: vm("vm1", bound) }), { ...vm1, resource_group_name: alike });
    expect(other.body.errors[0]).toStartWith("xms_mirid token claim does not match resource_group_name");
  });
});

describe("a slot of a site", () => {
  beforeEach(async () => {
    await desk.role("dev-role", { ...sub(S1), ...sp(P2) });
    desk.instead.set(fn1, answer(200, { location: "westeurope", identity: shared }));
    desk.instead.set(slot, answer(200, { location: "westeurope", identity: shared }));
  });

  test("speaks for itself alone, though both are run as one identity", async () => {
    const ofSlot = token("ua", { xms_az_rid: slot });
    expect((await desk.login(ofSlot, { ...std, resource_id: slot })).status).toBe(200);
    const reply = await desk.login(ofSlot, { ...std, resource_id: fn1 });
    expect([reply.status, reply.body.errors]).toEqual([403, ["resource_id does not match token"]]);
  });

  test("may be what a token of the site names", async () => {
    expect((await desk.login(token("ua", { xms_az_rid: fn1 }), { ...std, resource_id: slot })).status).toBe(200);
    const other = `${idOf("rg-app", "Microsoft.Web/sites", "fn10")}/slots/staging`;
    expect((await desk.login(token("ua", { xms_az_rid: fn1 }), { ...std, resource_id: other })).status).toBe(403);
  });

  test("does not get its site's name into metadata where nothing was asked", async () => {
    await desk.role("dev-role", { ...sub(), ...sp(P2) });
    const { body } = await desk.login(token("ua", { xms_az_rid: slot }), { ...std, resource_id: fn1 });
    expect(body.auth.metadata).not.toHaveProperty("resource_id");
  });
});

describe("the claims of a token", () => {
  test("of the resource stand before those of the identity, which is shared", async () => {
    await desk.role("dev-role", { ...sub(S1), ...sp(P2) });
    // The identity's own claim names the machine that is asked for; the machine it runs on is another.
    const reply = await desk.login(token("ua", { xms_az_rid: vm("vm10"), xms_mirid: vm("vm1") }), vm1);
    expect(reply.body.errors).toEqual(["xms_az_rid token claim does not match vm_name vm1"]);
  });

  test.each([
    ["what is no id", "vm1"],
    ["a list", [vm("vm1")]],
    ["dots", vm("vm1").replace("rg-app", "..")],
    ["an encoded separator", vm("x%2f..%2fvm1")],
    ["an id within an id", `${vm("vm10")}/providers/Microsoft.Compute/virtualMachines/vm1/`],
  ])("that name %s prove nothing", async (_title, claim) => {
    await desk.role("dev-role", { ...sub(S1), ...sp(P1) });
    expect((await desk.login(token("sys", { xms_mirid: claim }), vm1)).status).toBe(403);
    expect(desk.asked).toEqual([]);
  });

  test("that are not there are not made up for by a machine that is called so, unless the operator says so", async () => {
    await desk.role("dev-role", { ...sub(S1), ...sp(P1) });
    expect((await desk.login(token("bare", { xms_mirid: "" }), vm1)).status).toBe(403);
  });
});

describe("an identity that is shared, in a token that does not say by which of its resources", () => {
  beforeEach(() => desk.role("dev-role", { ...sub(S1), ...sp(P2) }));
  const anonymous = (): string => token("ua", { xms_az_rid: undefined });

  test("is let in for a resource that is run as it, without that resource's name in the metadata", async () => {
    const { status, body } = await desk.login(anonymous(), { ...std, resource_id: fn1 });
    expect(status).toBe(200);
    expect(body.auth.metadata).not.toHaveProperty("resource_id");
    expect((await desk.login(token("ua", { xms_az_rid: fn1 }), { ...std, resource_id: fn1 })).body.auth.metadata).toMatchObject({
      resource_id: fn1,
    });
  });

  test("is no virtual machine and no scale set", async () => {
    expect((await desk.login(anonymous(), vm1)).status).toBe(403);
    expect((await desk.login(anonymous(), { ...std, vmss_name: "vmss1" })).status).toBe(403);
  });

  test("is not let in for one that is not run as it", async () => {
    const plain = idOf("rg-app", "Microsoft.Web/sites", "plain");
    desk.instead.set(plain, answer(200, { location: "westeurope", identity: { principalId: P5 } }));
    expect((await desk.login(anonymous(), { ...std, resource_id: plain })).status).toBe(403);
  });
});

describe("the name of a role", () => {
  test("has no letters that only fold into its own", async () => {
    await desk.role("dev-key", sp(P1));
    expect((await desk.login(token("sys"), { role: "DEV-KEY" })).status).toBe(200);
    expect((await desk.login(token("sys"), { role: "dev-\u212aey" })).body.errors).toEqual(['invalid role name "dev-\u212aey"']);
  });

  test("counts as one for the bound on attempts, however it is written", async () => {
    await desk.role("dev-role", sp(P1));
    const names: string[] = [];
    const context = desk.vault.house.context({ dialect: "vault" });
    for (const role of ["dev-role", "DEV-role", "Dev-Role"]) {
      const body = JSON.stringify({ role, jwt: token("sys") });
      const request = new Request("http://vault.test/v1/auth/azure/login", { method: "POST", body });
      const edge = { ...quietEdge, admitLogin: (_context: RequestContext, name: string) => void names.push(name) };
      expect((await desk.vault.front.app.fetch(request, { context, edge })).status).toBe(200);
    }
    expect(new Set(names).size).toBe(1);
  });
});

describe("mounts beside one another", () => {
  test("share neither Azure's answers nor the token that it was asked with", async () => {
    await desk.role("dev-role", { ...sub(S1), ...sp(P1) });
    await desk.vault.as("POST", "sys/auth/other", { body: { type: "azure" } });
    const body = { tenant_id: tenant, resource: "https://management.azure.com/", client_id: "app", client_secret: "wrong" };
    await desk.vault.as("POST", "auth/other/config", { body });
    await desk.vault.as("POST", "auth/other/role/dev-role", { body: { ...sub(S1), ...sp(P1) } });
    expect((await desk.login(token("sys"), vm1)).status).toBe(200);
    const reply = await desk.vault.as("POST", "auth/other/login", { token: null, body: { role: "dev-role", jwt: token("sys"), ...vm1 } });
    expect([reply.status, reply.body.errors[0]]).toEqual([502, expect.stringContaining("invalid_client")]);
  });

  test("of one tenant take nothing of a subscription that the other's role names", async () => {
    await desk.role("dev-role", { ...sub(S2), ...sp(P1) });
    expect((await desk.login(token("sys"), { ...vm1, subscription_id: S2 })).body.errors).toEqual(["subscription_id does not match token"]);
  });
});

describe("a login", () => {
  beforeEach(() => desk.role("dev-role", { ...sub(S1), ...sp(P1) }));

  test("ends when its time is over, whatever Azure is still thinking about", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    desk.hold(promise);
    const login = desk.login(token("sys"), vm1);
    while (desk.asked.length === 0) await Promise.resolve();
    desk.runOut();
    const reply = await login;
    expect([reply.status, reply.body.errors]).toEqual([502, ["Azure took too long to answer"]]);
    expect(desk.vault.house.lastAudit()).toMatchObject({ operation: "login", allowed: false, because: "deadline" });
    const lines = desk.vault.house.audit.length;
    resolve();
    await promise;
    // What comes of it afterwards is nobody's login.
    for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
    expect(desk.vault.house.audit).toHaveLength(lines);
  });

  test("that many make at once asks Azure once, though no answer may serve twice; each has a token and a line of its own", async () => {
    desk = await createAzureDesk({ arm_fresh_seconds: "0" });
    await desk.role("dev-role", { ...sub(S1), ...sp(P1) });
    const before = desk.vault.house.audit.length;
    const replies = await Promise.all(Array.from({ length: 20 }, () => desk.login(token("sys"), vm1)));
    expect(new Set(replies.map(({ body }) => body.auth.client_token)).size).toBe(20);
    expect(desk.vault.house.audit.length - before).toBe(20);
    expect(desk.asked).toHaveLength(1);
    expect((await desk.login(token("sys"), vm1)).status).toBe(200);
    expect(desk.asked).toHaveLength(2);
  });

  test("is judged by itself, whoever waits for the same answer", async () => {
    const replies = await Promise.all([
      desk.login(token("sys"), vm1),
      desk.login(token("sys", { oid: P2 }), vm1),
      desk.login(token("sys", { oid: P1, groups: [] }), { ...vm1, role: "none" }),
    ]);
    expect(replies.map(({ status }) => status)).toEqual([200, 403, 400]);
  });

  test("gets nothing of an answer that was under way when the configuration was changed, nor does the next", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    desk.hold(promise);
    const login = desk.login(token("sys"), vm1);
    while (desk.asked.length === 0) await Promise.resolve();
    await desk.vault.as("POST", "auth/azure/config", { body: { resource: "https://other.example/" } });
    resolve();
    expect((await login).status).toBe(400);
    await desk.vault.as("POST", "auth/azure/config", { body: { resource: "https://management.azure.com/" } });
    expect((await desk.login(token("sys"), vm1)).status).toBe(200);
    expect(desk.asked).toHaveLength(2);
  });
});
