/** Azure's own identity library for Python: at the simulator's machines and its Entra ID, and at the endpoint that a machine's agent has for such libraries. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClock } from "../../../src/runtime/clock";
import { createRandom } from "../../../src/runtime/random";
import { createAzureSimulator } from "../../../src/simulator/azure/simulator";
import { runArcCases } from "../azure-identity/agent-folder";
import { claimsOf } from "../azure-identity/token-case";
import { startAgent } from "../support/agent";
import { type Library, startLibrary, usualScope } from "./library";

setDefaultTimeout(60_000);

const simulator = await createAzureSimulator({ clock: createClock(), random: createRandom() });
const home = mkdtempSync(join(tmpdir(), "azure-identity-python-"));
const caFile = join(home, "ca.pem");
writeFileSync(caFile, simulator.caPem);
const library: Library = startLibrary(home);
const audience = "https://postern.example";

afterAll(async () => {
  await library.stop();
  await simulator.close();
  rmSync(home, { recursive: true });
});

describe("Azure's library for Python by IMDS", () => {
  const vm = simulator.machine("vm-both");
  const assigned = vm.identity("id-app");

  test("gets the system-assigned identity's token, valid for about a day", async () => {
    const outcome = await library.get("managed", vm.environment);
    expect(claimsOf(outcome)).toMatchObject({ aud: audience, oid: vm.identity().oid, xms_mirid: vm.resourceId });
    expect(Math.abs(Number(outcome.expiresOn) - Number(claimsOf(outcome).exp) * 1000)).toBeLessThanOrEqual(1000);
  });

  test("gets it by the default chain too", async () => {
    expect(claimsOf(await library.get("default", vm.environment)).oid).toBe(vm.identity().oid);
  });

  test.each([
    { client_id: assigned.clientId },
    { identity_config: { object_id: assigned.oid } },
    { identity_config: { resource_id: assigned.mirid ?? "" } },
  ])("gets a user-assigned identity's token (%#)", async (selector) => {
    const outcome = await library.get("managed", vm.environment, selector);
    expect(claimsOf(outcome)).toMatchObject({ oid: assigned.oid, xms_mirid: assigned.mirid, xms_az_rid: vm.resourceId });
  });

  test("gives up, with the reason, when the identity is not the machine's or must be named", async () => {
    const foreign = await library.get("managed", vm.environment, { client_id: simulator.identity("id-web").clientId });
    expect(foreign.error).toContain("Identity not found");
    const several = await library.get("managed", simulator.machine("vm-multi").environment);
    expect(several.error).toContain("Multiple user assigned identities exist");
  });

  test("tries again after a throttling", async () => {
    const machine = simulator.machine("vm");
    machine.fault("token", { kind: "status", status: 429, retryAfterSeconds: 1 }, 1);
    expect(claimsOf(await library.get("managed", machine.environment)).oid).toBe(machine.identity().oid);
    expect(machine.requests("token")).toBe(2);
  });
});

describe("Azure's library for Python by App Service's variables", () => {
  const web = simulator.machine("web-both");
  const assigned = web.identity("id-web");

  test.each(["managed", "default"] as const)("gets the system-assigned identity's token (%s)", async (kind) => {
    expect(claimsOf(await library.get(kind, web.environment))).toMatchObject({ oid: web.identity().oid, xms_mirid: web.resourceId });
  });

  test.each([{ client_id: assigned.clientId }, { identity_config: { resource_id: assigned.mirid ?? "" } }])(
    "gets a user-assigned identity's token (%#)",
    async (selector) => {
      expect(claimsOf(await library.get("managed", web.environment, selector))).toMatchObject({ oid: assigned.oid });
    },
  );

  test("is refused with another app's header", async () => {
    const { IDENTITY_HEADER = "" } = simulator.machine("web").environment;
    const outcome = await library.get("managed", { ...web.environment, IDENTITY_HEADER });
    expect([outcome.token, outcome.error]).toEqual([undefined, expect.any(String)]);
  });
});

describe("Azure's library for Python on an Arc server", async () => {
  const { outcomes, identities, challenges } = await runArcCases(join(import.meta.dir, "arc-cases.ts"));

  test("gets the machine's own token through the challenge file, by the default chain too", () => {
    for (const outcome of [outcomes.system, outcomes.default])
      expect(claimsOf(outcome ?? {})).toMatchObject({ oid: identities.system.oid, xms_mirid: identities.resourceId });
    expect(challenges).toBeGreaterThanOrEqual(2);
  });

  test.each(["byClientId", "byResourceId"])("gets a user-assigned identity's token (%s)", (name) => {
    expect(claimsOf(outcomes[name] ?? {})).toMatchObject({ oid: identities.assigned.oid, xms_az_rid: identities.resourceId });
  });

  test.each(["unknown", "legacyAgent", "noEcho"])("takes no token that is not surely the selected identity's (%s)", (name) => {
    expect([outcomes[name]?.token, outcomes[name]?.error]).toEqual([undefined, expect.any(String)]);
  });
});

describe("Azure's library for Python by Entra's token endpoint", () => {
  const common = {
    tenant_id: simulator.tenant().id,
    authority: simulator.entra.url,
    disable_instance_discovery: true,
    connection_verify: caFile,
  };

  test("logs an application in by its secret, and not by another", async () => {
    const { clientId, oid } = simulator.identity("ci");
    const options = { ...common, client_id: clientId, client_secret: "ci-secret" };
    expect(claimsOf(await library.get("secret", {}, options))).toMatchObject({ oid, appidacr: "1" });
    expect((await library.get("secret", {}, { ...options, client_secret: "guess" })).error).toContain("7000215");
  });

  test("exchanges a pod's service-account token", async () => {
    const { clientId, oid } = simulator.identity("id-pods");
    const file = join(home, "service-account-token");
    writeFileSync(file, simulator.cluster.serviceAccountToken({ namespace: "shop", serviceAccount: "web" }));
    const options = { ...common, client_id: clientId, token_file_path: file };
    expect(claimsOf(await library.get("workload", {}, options))).toMatchObject({ oid, aud: audience });
    writeFileSync(file, simulator.cluster.serviceAccountToken({ namespace: "shop", serviceAccount: "other" }));
    expect((await library.get("workload", {}, options)).error).toContain("700213");
  });

  test("does not talk to a server whose authority it was not told to trust", async () => {
    const { connection_verify: _, ...strict } = common;
    const outcome = await library.get(
      "secret",
      {},
      { ...strict, client_id: simulator.identity("ci").clientId, client_secret: "ci-secret" },
    );
    expect([outcome.token, outcome.error]).toEqual([undefined, expect.stringContaining("SSL")]);
  });
});

describe("Azure's library for Python at a machine's agent", async () => {
  const machine = simulator.machine("vm-uami");
  const secret = "secret-of-the-app";
  writeFileSync(join(home, "identity.secret"), secret, { mode: 0o600 });
  const agent = await startAgent(home, {
    apps: 2,
    text: `data = "${home}/data"
[primary]
url = "https://127.0.0.1:1"
account = "acme"
service = "AzureWS1"
ca = "${caFile}"
[identity]
source = "imds"
endpoint = "${machine.url}/metadata/identity/oauth2/token"
[apps.app]
role = "host/app"
socket = "${home}/app.sock"
[apps.app.identity_endpoint]
listen = "127.0.0.1:0"
secret_file = "${home}/identity.secret"
audiences = ["${audience}"]
`,
  });
  const url = agent.addresses.find((address) => address.startsWith("http://")) ?? "";
  const environment = { IDENTITY_ENDPOINT: `${url}/msi/token`, IDENTITY_HEADER: secret };
  afterAll(async () => {
    expect(await agent.stop()).toBe(0);
  });

  test.each(["managed", "default"] as const)("gets the machine's token for the audience that the operator named (%s)", async (kind) => {
    expect(claimsOf(await library.get(kind, environment))).toMatchObject({ aud: audience, oid: machine.identity().oid });
  });

  test("gets none for another audience, for a chosen identity, or with another secret", async () => {
    const outcomes = [
      await library.get("managed", environment, {}, "https://management.azure.com/.default"),
      await library.get("managed", environment, { client_id: machine.identity().clientId }),
      await library.get("managed", { ...environment, IDENTITY_HEADER: "guessed" }, {}, usualScope),
    ];
    for (const outcome of outcomes) expect([outcome.token, outcome.error]).toEqual([undefined, expect.any(String)]);
  });
});
