import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClock } from "../../../src/runtime/clock";
import { createRandom } from "../../../src/runtime/random";
import { createAzureSimulator } from "../../../src/simulator/azure/simulator";
import { runArcCases } from "./agent-folder";
import { claimsOf, getToken } from "./token-case";

// Each case is a process that loads the whole library.
setDefaultTimeout(30_000);

const simulator = await createAzureSimulator({ clock: createClock(), random: createRandom() });
const folder = await mkdtemp(join(tmpdir(), "azure-identity-"));
const caFile = join(folder, "ca.pem");
await Bun.write(caFile, simulator.caPem);
const scope = "https://postern.example/.default";
afterAll(async () => {
  await simulator.close();
  await rm(folder, { recursive: true });
});

describe("Azure's library by IMDS", () => {
  const vm = simulator.machine("vm-both");
  const assigned = vm.identity("id-app");

  test("gets the system-assigned identity's token, valid for about a day", async () => {
    const outcome = await getToken({ scope, credential: "managed" }, vm.environment);
    expect(claimsOf(outcome)).toMatchObject({ aud: "https://postern.example", oid: vm.identity().oid, xms_mirid: vm.resourceId });
    // The library counts from its own second, which may be the next one.
    expect(Math.abs(Number(outcome.expiresOn) - Number(claimsOf(outcome).exp) * 1000)).toBeLessThanOrEqual(1000);
  });

  test("gets it by the default chain too", async () => {
    expect(claimsOf(await getToken({ scope, credential: "default" }, vm.environment)).oid).toBe(vm.identity().oid);
  });

  test.each([{ clientId: assigned.clientId }, { objectId: assigned.oid }, { resourceId: assigned.mirid ?? "" }])(
    "gets a user-assigned identity's token (%#)",
    async (selector) => {
      const outcome = await getToken({ scope, credential: "managed", ...selector }, vm.environment);
      expect(claimsOf(outcome)).toMatchObject({ oid: assigned.oid, xms_mirid: assigned.mirid, xms_az_rid: vm.resourceId });
    },
  );

  test("gets version 2's token where the audience asks for it", async () => {
    const outcome = await getToken({ scope: "https://v2.postern.example/.default", credential: "managed" }, vm.environment);
    expect(claimsOf(outcome)).toMatchObject({ ver: "2.0", azp: vm.identity().clientId });
  });

  test("gives up at once, with the reason, when the identity is not the machine's or must be named", async () => {
    const foreign = await getToken({ scope, credential: "managed", clientId: simulator.identity("id-web").clientId }, vm.environment);
    expect(foreign.error).toContain("Identity not found");
    const multi = simulator.machine("vm-multi");
    const several = await getToken({ scope, credential: "managed" }, multi.environment);
    expect(several.error).toContain("Multiple user assigned identities exist");
    expect(multi.requests("token")).toBe(1);
  });

  test("tries again after a throttling that says when", async () => {
    const machine = simulator.machine("vm");
    machine.fault("token", { kind: "status", status: 429, retryAfterSeconds: 1 }, 1);
    expect(claimsOf(await getToken({ scope, credential: "managed" }, machine.environment)).oid).toBe(machine.identity().oid);
    expect(machine.requests("token")).toBe(2);
  });
});

describe("Azure's library by App Service's variables", () => {
  const web = simulator.machine("web-both");
  const assigned = web.identity("id-web");

  test("gets the system-assigned identity's token, by the default chain too", async () => {
    for (const credential of ["managed", "default"] as const) {
      expect(claimsOf(await getToken({ scope, credential }, web.environment))).toMatchObject({
        oid: web.identity().oid,
        xms_mirid: web.resourceId,
      });
    }
  });

  test.each([{ clientId: assigned.clientId }, { objectId: assigned.oid }, { resourceId: assigned.mirid ?? "" }])(
    "gets a user-assigned identity's token (%#)",
    async (selector) => {
      const outcome = await getToken({ scope, credential: "managed", ...selector }, web.environment);
      expect(claimsOf(outcome)).toMatchObject({ oid: assigned.oid, xms_mirid: assigned.mirid, xms_az_rid: web.resourceId });
    },
  );

  test("is refused with another app's header", async () => {
    const { IDENTITY_HEADER = "" } = simulator.machine("web").environment;
    expect((await getToken({ scope, credential: "managed" }, { ...web.environment, IDENTITY_HEADER })).error).toBeString();
  });
});

describe("Azure's library on an Arc server", async () => {
  const { outcomes, identities, challenges } = await runArcCases(join(import.meta.dir, "arc-cases.ts"));

  test("gets the machine's own token through the challenge file, by the default chain too", () => {
    for (const outcome of [outcomes.system, outcomes.default]) {
      expect(claimsOf(outcome ?? {})).toMatchObject({ oid: identities.system.oid, xms_mirid: identities.resourceId });
    }
    expect(challenges).toBeGreaterThanOrEqual(8);
  });

  test.each(["byClientId", "byObjectId", "byResourceId"])("gets a user-assigned identity's token (%s)", (name) => {
    const claims = claimsOf(outcomes[name] ?? {});
    expect(claims).toMatchObject({ oid: identities.assigned.oid, xms_az_rid: identities.resourceId });
  });

  test.each(["unknown", "legacyAgent", "noEcho"])("takes no token that is not surely the selected identity's (%s)", (name) => {
    expect(outcomes[name]?.token).toBeUndefined();
    expect(outcomes[name]?.error).toBeString();
  });
});

describe("Azure's library by Entra's token endpoint", () => {
  const tenantId = simulator.tenant().id;
  const authorityHost = simulator.entra.url;

  test("exchanges a pod's service-account token", async () => {
    const { clientId, oid, mirid } = simulator.identity("id-pods");
    const tokenFilePath = join(folder, "azure-identity-token");
    await Bun.write(tokenFilePath, simulator.cluster.serviceAccountToken({ namespace: "shop", serviceAccount: "web" }));
    const request = { scope, credential: "workload", tenantId, clientId, tokenFilePath, authorityHost } as const;
    const claims = claimsOf(await getToken(request, { NODE_EXTRA_CA_CERTS: caFile }));
    expect(claims).toMatchObject({ oid, xms_mirid: mirid, aud: "https://postern.example" });

    await Bun.write(tokenFilePath, simulator.cluster.serviceAccountToken({ namespace: "shop", serviceAccount: "other" }));
    expect((await getToken(request, { NODE_EXTRA_CA_CERTS: caFile })).error).toContain("700213");
  });

  test("logs an application in by its secret, and not by another", async () => {
    const { clientId, oid } = simulator.identity("ci");
    const request = { scope, credential: "secret", tenantId, clientId, secret: "ci-secret", authorityHost } as const;
    const claims = claimsOf(await getToken(request, { NODE_EXTRA_CA_CERTS: caFile }));
    expect(claims).toMatchObject({ oid, appidacr: "1" });
    expect(claims).not.toHaveProperty("xms_mirid");
    expect((await getToken({ ...request, secret: "guess" }, { NODE_EXTRA_CA_CERTS: caFile })).error).toContain("7000215");
  });

  test("does not talk to a server whose authority it was not told to trust", async () => {
    const { clientId } = simulator.identity("ci");
    const outcome = await getToken({ scope, credential: "secret", tenantId, clientId, secret: "ci-secret", authorityHost }, {});
    expect(outcome.token).toBeUndefined();
  });
});
