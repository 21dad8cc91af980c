import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { createAzureSimulator } from "../../../../src/simulator/azure/simulator";
import { arm, askImds, fixedNow, jsonOf, part, seededRandom, startSimulator } from "./fixture";

const simulator = await startSimulator();
const reader = simulator.mint({ identity: "ci" });
const [vm, both, uniform, flexible] = ["vm", "vm-both", "vmss-uami", "flex-uami"].map((name) => simulator.machine(name));
if (vm === undefined || both === undefined || uniform === undefined || flexible === undefined) throw new Error("the cast is not there");
const { subscriptionId } = vm;
const group = `/subscriptions/${subscriptionId}/resourceGroups/rg-app`;
const idApp = simulator.identity("id-app");
afterAll(() => simulator.close());
beforeEach(() => simulator.resourceManager.clearFaults());

describe("Resource Manager", () => {
  test("shows a virtual machine by an id of any case: where it is, what it is run as, and its instance view when asked", async () => {
    const document = await jsonOf(await get(vm.resourceId.toUpperCase()));
    expect(document).toMatchObject({
      id: vm.resourceId.replace("resourcegroups", "resourceGroups"),
      type: "Microsoft.Compute/virtualMachines",
      location: "westeurope",
      identity: { type: "SystemAssigned", principalId: vm.identity().oid, tenantId: simulator.tenant().id },
      properties: { vmId: vm.vmId, provisioningState: "Succeeded" },
    });
    expect(document.properties).not.toHaveProperty("instanceView");
    const wide = await jsonOf(await get(vm.resourceId, { $expand: "instanceView" }));
    expect(wide.properties).toMatchObject({ vmId: vm.vmId, instanceView: { statuses: [{ code: "PowerState/running" }] } });
  });

  test("names both kinds of identity, and none where there is none", async () => {
    const { identity } = await jsonOf(await get(both.resourceId));
    expect(identity).toMatchObject({
      type: "SystemAssigned, UserAssigned",
      userAssignedIdentities: {
        [String(idApp.mirid).replace("resourcegroups", "resourceGroups")]: { principalId: idApp.oid, clientId: idApp.clientId },
      },
    });
    expect(await jsonOf(await get(`${group}/providers/Microsoft.Compute/virtualMachines/vm-none`))).not.toHaveProperty("identity");
  });

  test("shows a uniform scale set with the identity of all its instances, and an instance with none of its own", async () => {
    const set = await jsonOf(await get(uniform.resourceId));
    expect(set).toMatchObject({ properties: { orchestrationMode: "Uniform" }, identity: { type: "UserAssigned" } });
    expect(JSON.stringify(set)).toContain(idApp.oid);
    const instance = await jsonOf(await get(`${uniform.resourceId}/virtualMachines/0`));
    expect(instance).toMatchObject({ name: "vmss-uami_0", properties: { vmId: uniform.vmId } });
    expect(instance).not.toHaveProperty("identity");
    expect((await jsonOf(await get(`${uniform.resourceId}/virtualMachines`))).value).toEqual([instance]);
  });

  test("shows a flexible scale set that leaves out principals, and its member as a machine that belongs to it", async () => {
    const id = `${group}/providers/Microsoft.Compute/virtualMachineScaleSets/flex-uami`;
    const set = await jsonOf(await get(id));
    expect(set).toMatchObject({ properties: { orchestrationMode: "Flexible" } });
    expect(JSON.stringify(set)).toContain('{"principalId":null,"clientId":null}');
    expect(JSON.stringify(set)).not.toContain(idApp.oid);
    const member = await jsonOf(await get(flexible.resourceId));
    expect(member.properties).toMatchObject({ virtualMachineScaleSet: { id }, vmId: flexible.vmId });
    expect(JSON.stringify(member)).toContain(idApp.oid);
  });

  test.each(["web", "web-staging", "arc", "container-app-both", "container-group", "aks", "function"])(
    "shows %s by its id",
    async (name) => {
      const machine = simulator.machine(name);
      const document = await jsonOf(await get(machine.resourceId));
      expect(document).toMatchObject({ location: "westeurope", identity: { type: expect.stringContaining("Assigned") } });
      expect(String(document.id).toLowerCase()).toBe(machine.resourceId.toLowerCase());
    },
  );

  test("shows a user-assigned identity, and lists those of a group page by page", async () => {
    expect((await jsonOf(await get(String(idApp.mirid)))).properties).toEqual({
      tenantId: simulator.tenant().id,
      principalId: idApp.oid,
      clientId: idApp.clientId,
    });
    const names: string[] = [];
    let url: unknown = `${simulator.resourceManager.url}/subscriptions/${subscriptionId}/resourceGroups/rg-identities/providers/Microsoft.ManagedIdentity/userAssignedIdentities?api-version=2023-01-31`;
    let pages = 0;
    for (; typeof url === "string"; pages += 1) {
      const page = await jsonOf(await ask(url));
      if (!Array.isArray(page.value)) throw new Error("expected a list");
      names.push(...page.value.map((each: { name: string }) => each.name));
      url = page.nextLink;
    }
    expect(names).toEqual(["id-app", "id-batch", "id-web", "id-pods", "id-node", "id-cluster", "id-globex"]);
    expect(pages).toBeGreaterThan(1);
  });

  test("tells the versions of a provider's types, newest first", async () => {
    const document = await jsonOf(await get(`/subscriptions/${subscriptionId}/providers/microsoft.web`));
    expect(document).toMatchObject({ namespace: "Microsoft.Web" });
    expect(document.resourceTypes).toContainEqual(
      expect.objectContaining({ resourceType: "sites", apiVersions: ["2024-04-01", "2023-12-01", "2022-03-01"] }),
    );
    expect((await get(`/subscriptions/${subscriptionId}/providers/Microsoft.Nothing`)).status).toBe(404);
  });

  test.each<[string, string, Readonly<Record<string, string | undefined>>, number, string]>([
    ["a machine that is not there", `${group}/providers/Microsoft.Compute/virtualMachines/vm-99`, {}, 404, "ResourceNotFound"],
    ["a name that others begin with", `${group}/providers/Microsoft.Compute/virtualMachines/v`, {}, 404, "ResourceNotFound"],
    ["a group that is not there", "GROUP-99", {}, 404, "ResourceGroupNotFound"],
    ["a subscription that is not there", "SUBSCRIPTION-99", {}, 404, "SubscriptionNotFound"],
    ["no version", vm.resourceId, { "api-version": undefined }, 400, "MissingApiVersionParameter"],
    ["a malformed version", vm.resourceId, { "api-version": "latest" }, 400, "InvalidApiVersionParameter"],
  ])("refuses %s", async (_, path, query, status, code) => {
    const known: Readonly<Record<string, string>> = {
      "GROUP-99": `/subscriptions/${subscriptionId}/resourceGroups/rg-99/providers/Microsoft.Compute/virtualMachines/vm`,
      "SUBSCRIPTION-99":
        "/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/rg-app/providers/Microsoft.Compute/virtualMachines/vm",
    };
    const answer = await get(known[path] ?? path, query);
    expect([answer.status, (await jsonOf(answer)).error]).toEqual([status, expect.objectContaining({ code })]);
    expect(answer.headers.get("x-ms-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });

  test.each<[string, string | undefined, string]>([
    ["nobody", undefined, "AuthenticationFailed"],
    [
      "a token for somebody else",
      simulator.mint({ identity: "ci", resource: "https://vault.azure.net" }),
      "InvalidAuthenticationTokenAudience",
    ],
    ["a token that somebody else signed", simulator.mint({ identity: "ci", flaw: "stolen_kid" }), "InvalidAuthenticationToken"],
    ["a token whose claims were changed", simulator.mint({ identity: "reporter", flaw: "tampered_claims" }), "InvalidAuthenticationToken"],
    ["a token that has ended", simulator.mint({ identity: "ci", flaw: "expired" }), "ExpiredAuthenticationToken"],
    ["what is no token", "e30.e30.e30", "InvalidAuthenticationToken"],
  ])("turns away %s, and says where to get a token", async (_, token, code) => {
    const answer = await ask(`${simulator.resourceManager.url}${vm.resourceId}?api-version=2024-07-01`, token ?? "");
    expect([answer.status, (await jsonOf(answer)).error]).toEqual([401, expect.objectContaining({ code })]);
    expect(answer.headers.get("www-authenticate")).toContain(`authorization_uri="${simulator.entra.url}/${simulator.tenant().id}"`);
  });

  test("shows who has no role nothing, whether it is there or not, and a reader of one group no other", async () => {
    const nobody = simulator.mint({ identity: "reporter" });
    const ofGroup = simulator.mint({ machine: "vm" });
    const codes = async (token: string, path: string) => {
      const answer = await ask(`${simulator.resourceManager.url}${path}?api-version=2024-07-01`, token);
      return [answer.status, (await jsonOf(answer)).error];
    };
    const denied = [403, expect.objectContaining({ code: "AuthorizationFailed" })];
    expect(await codes(nobody, vm.resourceId)).toEqual(denied);
    expect(await codes(nobody, `${vm.resourceId}-99`)).toEqual(denied);
    expect((await codes(ofGroup, vm.resourceId))[0]).toBe(200);
    expect(await codes(ofGroup, simulator.machine("arc").resourceId)).toEqual(denied);
  });

  test("reads only, and fails as it is told", async () => {
    const address = `${simulator.resourceManager.url}${vm.resourceId}?api-version=2024-07-01`;
    expect((await ask(address, reader, "DELETE")).status).toBe(405);
    simulator.resourceManager.fault("machine", { kind: "status", status: 429, retryAfterSeconds: 3 }, 1);
    const throttled = await ask(address);
    expect([throttled.status, throttled.headers.get("Retry-After")]).toEqual([429, "3"]);
    expect((await ask(address)).status).toBe(200);
  });
});

describe("what happens to a cloud while it runs", () => {
  test("a machine that was made again has another identity and another id, and the role of the first is not the second's", async () => {
    const own = await startSimulator();
    const machine = own.machine("vm");
    const [before, stolen] = [machine.identity().oid, own.mint({ machine: "vm" })];
    const vmId = machine.vmId;
    own.changes.recreate("vm");
    expect([machine.identity().oid === before, machine.vmId === vmId]).toEqual([false, false]);
    const shown = await jsonOf(await get(machine.resourceId, {}, own));
    expect(shown).toMatchObject({ identity: { principalId: machine.identity().oid }, properties: { vmId: machine.vmId } });
    expect(part((await jsonOf(await askImds(machine, { "api-version": "2018-02-01", resource: arm }))).access_token, 1).oid).toBe(
      machine.identity().oid,
    );
    const address = `${own.resourceManager.url}${machine.resourceId}?api-version=2024-07-01`;
    for (const token of [stolen, own.mint({ machine: "vm" })]) expect((await ask(address, token, "GET", own)).status).toBe(403);
    await own.close();
  });

  test("a machine can move, lose an identity, and go; the old id is nothing then", async () => {
    const own = await startSimulator();
    const machine = own.machine("vm-both");
    const before = machine.resourceId;
    own.changes.move("vm-both", "rg-new");
    expect((await get(before, {}, own)).status).toBe(404);
    expect((await jsonOf(await get(machine.resourceId, {}, own))).id).toContain("/resourceGroups/rg-new/");
    expect(part(own.mint({ machine: "vm-both" }), 1).xms_mirid).toBe(machine.resourceId);
    own.changes.removeIdentity("id-app");
    expect((await jsonOf(await get(machine.resourceId, {}, own))).identity).toMatchObject({ type: "SystemAssigned" });
    own.changes.disown("vm-both");
    expect(await jsonOf(await get(machine.resourceId, {}, own))).not.toHaveProperty("identity");
    own.changes.assign("vm-both", ["id-web"]);
    expect((await jsonOf(await get(machine.resourceId, {}, own))).identity).toMatchObject({ type: "UserAssigned" });
    own.changes.remove("vm-both");
    expect((await get(machine.resourceId, {}, own)).status).toBe(404);
    expect(() => own.changes.move("vm-both", "rg-app")).toThrow();
    await own.close();
  });

  test("a reader that is nobody is refused at the start", async () => {
    const cloud = { tenants: [{ name: "acme" }], audiences: [], machines: [], readers: [{ principal: "nobody" }] };
    const clock = { now: () => fixedNow, monotonicMs: () => 0 };
    await expect(createAzureSimulator({ clock, random: seededRandom(1), cloud })).rejects.toMatchObject({ failure: { code: "not_found" } });
  });
});

function ask(url: string, token = reader, method = "GET", from = simulator): Promise<Response> {
  return fetch(url, { method, headers: token === "" ? {} : { authorization: `Bearer ${token}` }, tls: { ca: from.caPem } });
}

function get(path: string, query: Readonly<Record<string, string | undefined>> = {}, from = simulator): Promise<Response> {
  const all = Object.entries({ "api-version": "2024-07-01", ...query }).filter((each): each is [string, string] => each[1] !== undefined);
  return ask(`${from.resourceManager.url}${path}?${new URLSearchParams(all)}`, from.mint({ identity: "ci" }), "GET", from);
}
