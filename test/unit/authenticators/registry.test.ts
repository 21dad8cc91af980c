import { expect, test } from "bun:test";
import { createAuthenticators } from "../../../src/authenticators/registry";
import { createFakeWeb, createLogKeeper, createTestClock, noDirectory, steadyRandom } from "../../support/fake-issuer";

test("every authenticator has a name of its own", () => {
  const all = createAuthenticators({
    directory: noDirectory,
    http: createFakeWeb(),
    clock: createTestClock(),
    random: steadyRandom,
    logger: createLogKeeper(),
  });
  const types = all.map((authenticator) => authenticator.type);
  expect(types).toContain("authn-azure");
  expect(new Set(types).size).toBe(types.length);
});
