/** The whole way over real TLS: every simulated machine's own tokens, rotated keys, an authority nobody trusts, a way the operator did not open. */

import { afterAll, describe, expect, test } from "bun:test";
import { createAuthenticators } from "../../../../src/authenticators/registry";
import type { Authenticator } from "../../../../src/model/ports";
import { createHttpClient } from "../../../../src/runtime/http-client";
import { failureFrom } from "../../../contract/authenticator";
import { createLogKeeper, noDirectory, tokenOf } from "../../../support/fake-issuer";
import { fixedNow, seededRandom, startSimulator } from "../../simulator/azure/fixture";

const simulator = await startSimulator();
afterAll(() => simulator.close());

const clock = { now: () => fixedNow, monotonicMs: () => 0 };
const settings = { "provider-uri": simulator.tenant().providerUris.v1 };

function azureWith(web: { readonly allowOutbound: readonly string[]; readonly extraRoots: readonly string[] }): Authenticator {
  const logger = createLogKeeper();
  const http = createHttpClient({ ...web, clock, logger });
  const azure = createAuthenticators({ directory: noDirectory, http, clock, random: seededRandom(5), logger }).find(
    ({ type }) => type === "authn-azure",
  );
  if (azure === undefined) throw new Error("authn-azure is not registered");
  return azure;
}

const opened = { allowOutbound: [simulator.entra.url], extraRoots: [simulator.caPem] };

describe("a simulated machine", () => {
  const azure = azureWith(opened);
  const here = simulator.machines.filter((machine) => machine.tenantId === simulator.tenant().id);
  const logins = here.flatMap((machine) =>
    machine.identities.map((identity) => ({ machine, identity, at: `${machine.name} as ${identity.name}` })),
  );

  test.each(logins)("$at proves that identity and its group", async ({ machine, identity }) => {
    const token = simulator.mint({ machine: machine.name, identity: identity.name, version: 1 });
    const attestation = await azure.verify(tokenOf(token), settings, fixedNow);
    const isOwn = attestation.attributes["system-assigned-identity"] !== undefined;
    expect(attestation.subject).toBe(identity.oid);
    expect(attestation.evidence.xms_mirid).toContain(`/${attestation.attributes["resource-group"]}/`);
    if (isOwn) expect(attestation.attributes["resource-group"]).toBe(machine.resourceGroup);
    if (!isOwn) expect(attestation.attributes["user-assigned-identity"]).toBe(identity.name);
  });
});

describe("simulated keys", () => {
  test("that were all replaced sign the first token after it", async () => {
    const azure = azureWith(opened);
    const before = simulator.mint({ version: 1 });
    await azure.verify(tokenOf(before), settings, fixedNow);
    await simulator.entra.rotate("emergency");
    expect(await azure.verify(tokenOf(simulator.mint({ version: 1 })), settings, fixedNow)).toBeDefined();
    expect(await failureFrom(() => azure.verify(tokenOf(before), settings, fixedNow))).toMatchObject({ because: "signing_key" });
  });
});

describe("a simulated cloud", () => {
  test("is no authority unless the operator says so twice: by its address and by its certificate", async () => {
    const closed = azureWith({ ...opened, allowOutbound: [] });
    expect(await failureFrom(() => closed.status(settings, fixedNow))).toMatchObject({ because: "refused_url" });
    const untrusted = azureWith({ ...opened, extraRoots: [] });
    expect(await failureFrom(() => untrusted.status(settings, fixedNow))).toMatchObject({ because: "tls" });
    expect(await azureWith(opened).status(settings, fixedNow)).toBeUndefined();
  });
});
