import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { PosternError } from "../../../../src/model/failures";
import type { CloudDescription } from "../../../../src/simulator/azure/simulator";
import { askImds, part, seededRandom, startSimulator } from "./fixture";

const small: CloudDescription = {
  tenants: [{ name: "acme" }],
  audiences: [{ uris: ["https://postern.example"] }],
  machines: [{ name: "vm", kind: "vm" }],
};

describe("the simulator", () => {
  test("draws the same cloud from the same seed, and another from another", async () => {
    const started = await Promise.all([startSimulator(), startSimulator(), startSimulator({ random: seededRandom(8) })]);
    const seen = started.map((simulator) => [
      simulator.tenant().id,
      ...simulator.machines.flatMap(({ resourceId, vmId, identities }) => [resourceId, vmId, ...identities.map(({ oid }) => oid)]),
    ]);
    expect(seen[0]).toEqual(seen[1] ?? []);
    expect(seen[0]).not.toEqual(seen[2] ?? []);
    await Promise.all(started.map((simulator) => simulator.close()));
  });

  test("says at the start that it is not Azure, and where everything is", async () => {
    const simulator = await startSimulator({ cloud: small });
    expect(simulator.banner).toContain("not Azure");
    expect(simulator.banner).toContain(simulator.machine("vm").url);
    expect(simulator.banner).toContain(simulator.entra.url);
    await simulator.close();
  });

  test("lets its clock be moved, and dates tokens by it", async () => {
    const simulator = await startSimulator({ cloud: small });
    const before = Number(part(simulator.mint(), 1).exp);
    simulator.clock.advance(5000);
    simulator.clock.advance(5000);
    expect(Number(part(simulator.mint(), 1).exp)).toBe(before + 10);
    simulator.clock.setOffset(-1000);
    expect(Number(part(simulator.mint(), 1).exp)).toBe(before - 1);
    await simulator.close();
  });

  test("listens on the ports it is given, and no longer once closed", async () => {
    const probe = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
    const port = probe.port ?? 0;
    await probe.stop(true);
    const simulator = await startSimulator({ cloud: { ...small, machines: [{ name: "vm", kind: "vm", port }] } });
    const vm = simulator.machine("vm");
    expect(vm.url).toBe(`http://127.0.0.1:${port}`);
    expect((await askImds(vm, {})).status).toBe(400);
    await simulator.close();
    await expect(askImds(vm, {})).rejects.toThrow();
    await simulator.close();
  });

  test.each(["0.0.0.0", "::", "192.0.2.1", "example.com", "127.0.0.1.example.com"])(
    "refuses to listen on %s without the flag",
    async (host) => {
      await expect(startSimulator({ cloud: small, host })).rejects.toThrow(PosternError);
    },
  );

  test("listens on IPv6 loopback too", async () => {
    const simulator = await startSimulator({ cloud: small, host: "::1" });
    expect((await askImds(simulator.machine("vm"), {})).status).toBe(400);
    expect(
      (await fetch(`${simulator.tenant().providerUris.v2}/.well-known/openid-configuration`, { tls: { ca: simulator.caPem } })).status,
    ).toBe(200);
    await simulator.close();
  });

  test("leaves nothing running and no folder when it cannot start", async () => {
    const taken = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
    const port = taken.port ?? 0;
    const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith("azure-simulator-"));
    const before = folders();
    await expect(startSimulator({ cloud: { ...small, machines: [{ name: "vm", kind: "vm", port }] } })).rejects.toThrow();
    expect(folders()).toEqual(before);
    await taken.stop(true);
  });

  test.each<Partial<CloudDescription>>([
    { tenants: [] },
    { tenants: [{ name: "acme" }, { name: "acme" }] },
    {
      machines: [
        { name: "vm", kind: "vm" },
        { name: "vm", kind: "arc" },
      ],
    },
    { machines: [{ name: "vm", kind: "vm", userAssigned: ["nobody"] }] },
    { machines: [{ name: "vm", kind: "vm", tenant: "nowhere" }] },
    {
      tenants: [{ name: "acme" }, { name: "globex" }],
      identities: [{ name: "id", tenant: "globex" }],
      machines: [{ name: "vm", kind: "vm", userAssigned: ["id"] }],
    },
    { identities: [{ name: "vm" }] },
  ])("refuses a cloud that contradicts itself (%#)", async (change) => {
    await expect(startSimulator({ cloud: { ...small, ...change } })).rejects.toThrow(PosternError);
  });

  test("knows nothing by a name that is not in its cloud", async () => {
    const simulator = await startSimulator({ cloud: small });
    for (const ask of [
      () => simulator.machine("other"),
      () => simulator.tenant("other"),
      () => simulator.identity("other"),
      () => simulator.applicationId("https://other.example"),
      () => simulator.mint({ machine: "other" }),
      () => simulator.mint({ machine: "vm", identity: "other" }),
      () => simulator.mint({ key: "retired" }),
    ]) {
      expect(ask).toThrow(PosternError);
    }
    await simulator.close();
  });

  test("has no default identity for a machine with several or none, and no endpoint for a cluster", async () => {
    const simulator = await startSimulator();
    expect(() => simulator.machine("vm-multi").identity()).toThrow(PosternError);
    expect(() => simulator.machine("vm-none").identity()).toThrow(PosternError);
    const aks = simulator.machine("aks");
    expect([aks.url, aks.environment, aks.requests()]).toEqual(["", {}, 0]);
    expect(() => aks.fault("token", { kind: "hang" })).toThrow(PosternError);
    await simulator.close();
  });
});
