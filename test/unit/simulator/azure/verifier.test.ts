import { afterAll, describe, expect, test } from "bun:test";
import { createAzureAuthenticator } from "../../../../src/authenticators/azure/azure";
import { createIssuers } from "../../../../src/authenticators/issuer";
import { failureOf } from "../../../../src/model/failures";
import type { Attestation } from "../../../../src/model/ports";
import { SecretBytes } from "../../../../src/model/secret-bytes";
import { createHttpClient } from "../../../../src/runtime/http-client";
import type { MintRequest } from "../../../../src/simulator/azure/simulator";
import { fixedNow, seededRandom, startSimulator } from "./fixture";

const simulator = await startSimulator();
afterAll(() => simulator.close());

const clock = { now: () => fixedNow, monotonicMs: () => 0 };
const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const http = createHttpClient({ allowOutbound: [simulator.entra.url], extraRoots: [simulator.caPem], clock, logger });
const azure = createAzureAuthenticator({ issuers: createIssuers({ http, clock, random: seededRandom(3), logger }), logger });

const resource = "https://v2.postern.example";
const { v1, v2 } = simulator.tenant().providerUris;

describe.each([
  { version: 1, provider: v1, audience: resource },
  { version: 2, provider: v2, audience: simulator.applicationId(resource) },
] as const)("the simulator's tokens of version $version, verified by Postern", ({ version, provider, audience }) => {
  function verify(request: MintRequest): Promise<Attestation> {
    const token = simulator.mint({ machine: "vm-uami", resource, version, ...request });
    return azure.verify({ kind: "token", value: SecretBytes.ofText(token) }, { "provider-uri": provider, audience }, fixedNow);
  }

  test("prove the identity they were made for", async () => {
    const attestation = await verify({});
    expect(attestation.subject).toBe(simulator.machine("vm-uami").identity().oid);
    expect(attestation.attributes).toMatchObject({ "user-assigned-identity": "id-app", "resource-group": "rg-identities" });
  });

  test.each(simulator.tokenFlaws)("prove nothing with the flaw %s", async (flaw) => {
    const outcome = await verify({ flaw }).then(
      () => "accepted",
      (error: unknown) => failureOf(error).code,
    );
    expect(outcome).toBe("unauthenticated");
  });

  test("prove nothing when they are those of an application", async () => {
    const token = simulator.mint({ identity: "ci", resource, version });
    const presented = { kind: "token", value: SecretBytes.ofText(token) } as const;
    await expect(azure.verify(presented, { "provider-uri": provider, audience }, fixedNow)).rejects.toThrow();
  });
});
