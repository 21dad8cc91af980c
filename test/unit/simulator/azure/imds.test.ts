import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { arm, askImds, fixedNow, jsonOf, metadata, part, startSimulator } from "./fixture";

const simulator = await startSimulator();
const vm = simulator.machine("vm");
const request = { "api-version": "2018-02-01", resource: arm };
afterAll(() => simulator.close());
beforeEach(() => {
  simulator.clock.setOffset(0);
  for (const machine of simulator.machines) machine.clearFaults();
});

describe("an IMDS token request", () => {
  test("is answered with text for every value, times too", async () => {
    const answer = await askImds(vm, request);
    const body = await jsonOf(answer);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("Content-Type")).toBe("application/json; charset=utf-8");
    expect(Object.values(body).map((value) => typeof value)).toEqual(Array.from({ length: 8 }, () => "string"));
    expect(body).toMatchObject({
      client_id: vm.identity().clientId,
      expires_in: "86400",
      expires_on: String(fixedNow / 1000 + 86_400),
      not_before: String(fixedNow / 1000),
      resource: arm,
      token_type: "Bearer",
    });
    expect(part(body.access_token, 1)).toMatchObject({ oid: vm.identity().oid, xms_mirid: vm.resourceId, xms_sim: "1" });
  });

  test.each(["/metadata/identity/oauth2/token/", "//metadata/identity/oauth2/token", "//metadata/identity/oauth2/token/"])(
    "is found at %s",
    async (path) => {
      expect((await askImds(vm, request, { path })).status).toBe(200);
    },
  );

  test("takes the header's value in any case", async () => {
    expect((await askImds(vm, request, { headers: { metadata: "True" } })).status).toBe(200);
  });

  test("without the header is a probe: 400, and counted apart", async () => {
    const [probes, tokens] = [vm.requests("probe"), vm.requests("token")];
    const answer = await fetch(`${vm.url}/metadata/identity/oauth2/token`);
    expect(answer.status).toBe(400);
    expect(await jsonOf(answer)).toMatchObject({ error: "invalid_request" });
    expect([vm.requests("probe"), vm.requests("token")]).toEqual([probes + 1, tokens]);
  });

  test.each([
    ["a wrong header value", 400, { headers: { Metadata: "yes" } }, request],
    ["a forwarded request", 400, { headers: { ...metadata, "X-Forwarded-For": "10.0.0.1" } }, request],
    ["another method", 405, { method: "POST" }, request],
    ["no resource", 400, {}, { "api-version": "2018-02-01" }],
    ["two selectors", 400, {}, { ...request, client_id: "a", object_id: "b" }],
    ["an unknown identity", 400, {}, { ...request, client_id: "00000000-0000-4000-8000-000000000000" }],
    ["a wrong path", 401, { path: "/metadata/identity/oauth2/tokens" }, request],
    ["a path of another service", 404, { path: "/latest/meta-data" }, request],
  ])("is refused for %s", async (_, status, options, query) => {
    const answer = await askImds(vm, query, options);
    expect(answer.status).toBe(status);
    expect(typeof (await jsonOf(answer)).error).toBe("string");
  });

  test("is refused for a repeated parameter", async () => {
    const answer = await fetch(`${vm.url}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=a&resource=b`, {
      headers: metadata,
    });
    expect(answer.status).toBe(400);
  });

  test.each([{ resource: arm }, { resource: arm, "api-version": "2017-01-01" }, { resource: arm, "api-version": "latest" }])(
    "names the newest versions when its own will not do (%#)",
    async (query) => {
      const answer = await askImds(vm, query);
      expect(answer.status).toBe(400);
      expect((await jsonOf(answer))["newest-versions"]).toEqual(["2021-02-01", "2020-09-01", "2020-06-01"]);
    },
  );

  test("for an audience nobody knows repeats Entra's AADSTS500011", async () => {
    const answer = await askImds(vm, { ...request, resource: "https://nowhere.example" });
    const body = await jsonOf(answer);
    expect([answer.status, body.error]).toEqual([400, "invalid_resource"]);
    expect(body.error_description).toContain("AADSTS500011");
  });

  test("is refused when the audience demands a role that was not assigned, and served when it was", async () => {
    const closed = { ...request, resource: "https://closed.example" };
    const refused = await askImds(vm, closed);
    expect([refused.status, (await jsonOf(refused)).error]).toEqual([400, "unauthorized_client"]);
    const granted = await jsonOf(await askImds(simulator.machine("vm-uami"), closed));
    expect(part(granted.access_token, 1).roles).toEqual(["Postern.Login"]);
  });
});

describe("the identity a VM uses", () => {
  const both = simulator.machine("vm-both");
  const assigned = both.identity("id-app");

  test("is its system-assigned one without a selector", async () => {
    const claims = part((await jsonOf(await askImds(both, request))).access_token, 1);
    expect(claims).toMatchObject({ oid: both.identity().oid, xms_mirid: both.resourceId });
    expect(claims).not.toHaveProperty("xms_az_rid");
  });

  test.each([
    { client_id: assigned.clientId.toUpperCase() },
    { object_id: assigned.oid },
    { msi_res_id: assigned.mirid?.toUpperCase() ?? "" },
  ])("is the selected one, in any case of the selector (%#)", async (selector) => {
    const claims = part((await jsonOf(await askImds(both, { ...request, ...selector }))).access_token, 1);
    expect(claims).toMatchObject({ oid: assigned.oid, appid: assigned.clientId, xms_mirid: assigned.mirid, xms_az_rid: both.resourceId });
  });

  test("is the only user-assigned one when there is no other", async () => {
    const body = await jsonOf(await askImds(simulator.machine("vm-uami"), request));
    expect(body.client_id).toBe(assigned.clientId);
  });

  test("must be named when there are several, and is not found when there is none", async () => {
    const several = await jsonOf(await askImds(simulator.machine("vm-multi"), request));
    expect(several.error_description).toContain("Multiple user assigned identities exist");
    const none = await askImds(simulator.machine("vm-none"), request);
    expect([none.status, (await jsonOf(none)).error_description]).toEqual([400, "Identity not found"]);
  });

  test("is never one that only another machine has", async () => {
    expect((await askImds(vm, { ...request, client_id: assigned.clientId })).status).toBe(400);
  });
});

describe("switches of IMDS", () => {
  test("the token cache serves one token for its whole life, with what is left of it", async () => {
    const machine = simulator.machine("vmss");
    machine.configure({ tokenCache: true });
    const first = await jsonOf(await askImds(machine, request));
    simulator.clock.advance(3_600_000);
    const second = await jsonOf(await askImds(machine, request));
    expect(second).toMatchObject({ access_token: first.access_token, expires_on: first.expires_on, expires_in: "82800" });
    simulator.clock.advance(86_400_000);
    expect((await jsonOf(await askImds(machine, request))).access_token).not.toBe(first.access_token);
    machine.configure({ tokenCache: false });
  });

  test("the rate limit refuses the twenty-first request in a second, and the sixth at once", async () => {
    const machine = simulator.machine("flex");
    machine.configure({ rateLimit: true });
    const inTurn: number[] = [];
    for (let count = 0; count < 21; count += 1) inTurn.push((await askImds(machine, request)).status);
    expect(inTurn).toEqual([...Array.from({ length: 20 }, () => 200), 429]);

    const other = simulator.machine("flex-uami");
    other.configure({ rateLimit: true });
    other.fault("token", { kind: "delay", delayMs: 50 });
    const atOnce = await Promise.all(Array.from({ length: 6 }, () => askImds(other, request)));
    expect(atOnce.map((answer) => answer.status).sort()).toEqual([200, 200, 200, 200, 200, 429]);
    expect(atOnce.find((answer) => answer.status === 429)?.headers.get("Retry-After")).toBe("1");
  });
});

describe("instance metadata", () => {
  const query = { "api-version": "2021-02-01" };

  test("tells text only, in Azure Resource Manager's spelling", async () => {
    const body = await jsonOf(await askImds(vm, query, { path: "/metadata/instance" }));
    expect(body.compute).toMatchObject({
      subscriptionId: vm.subscriptionId,
      resourceGroupName: "rg-app",
      name: "vm",
      vmId: vm.vmId,
      vmScaleSetName: "",
      azEnvironment: "AzurePublicCloud",
      resourceId: vm.resourceId.replace("resourcegroups", "resourceGroups"),
    });
  });

  test("names the scale set of its instances", async () => {
    const names = ["vmss", "flex"].map(async (name) => {
      const answer = await askImds(
        simulator.machine(name),
        { ...query, format: "text" },
        { path: "/metadata/instance/compute/vmScaleSetName" },
      );
      return answer.text();
    });
    expect(await Promise.all(names)).toEqual(["vmss", "flex"]);
  });

  test("gives a leaf as text only, and a subtree either way", async () => {
    const leaf = "/metadata/instance/compute/vmId";
    expect((await askImds(vm, query, { path: leaf })).status).toBe(400);
    expect(await (await askImds(vm, { ...query, format: "text" }, { path: leaf })).text()).toBe(vm.vmId);
    expect(await (await askImds(vm, { ...query, format: "text" }, { path: "/metadata/instance" })).text()).toBe("compute/");
    expect(await (await askImds(vm, { ...query, format: "text" }, { path: "/metadata/instance/compute/tagsList/0/name" })).text()).toBe(
      "simulated",
    );
  });

  test("knows its versions, demands one, and has no other elements", async () => {
    expect(await jsonOf(await askImds(vm, {}, { path: "/metadata/versions" }))).toHaveProperty("apiVersions");
    expect((await askImds(vm, {}, { path: "/metadata/instance" })).status).toBe(400);
    expect((await askImds(vm, query, { path: "/metadata/instance/compute/constructor" })).status).toBe(404);
    expect((await askImds(vm, query, { path: "/metadata/instance", headers: {} })).status).toBe(400);
  });
});
