import { afterAll, describe, expect, test } from "bun:test";
import type { SimulatedMachine } from "../../../../src/simulator/azure/simulator";
import { arm, fixedNow, jsonOf, part, startSimulator } from "./fixture";

const simulator = await startSimulator();
const web = simulator.machine("web");
const both = simulator.machine("web-both");
const assigned = both.identity("id-web");
const request = { "api-version": "2019-08-01", resource: arm };
afterAll(() => simulator.close());

describe("an App Service token request", () => {
  test("is answered with text values and no expires_in", async () => {
    const answer = await ask(web, request);
    const { access_token, ...body } = await jsonOf(answer);
    expect(answer.status).toBe(200);
    expect(body).toEqual({
      client_id: web.identity().clientId,
      expires_on: String(fixedNow / 1000 + 86_400),
      resource: arm,
      token_type: "Bearer",
    });
    expect(part(access_token, 1)).toMatchObject({ oid: web.identity().oid, xms_mirid: web.resourceId });
  });

  test.each([
    { client_id: assigned.clientId },
    { principal_id: assigned.oid },
    { object_id: assigned.oid },
    { mi_res_id: assigned.mirid ?? "" },
  ])("selects a user-assigned identity (%#)", async (selector) => {
    const claims = part((await jsonOf(await ask(both, { ...request, ...selector }))).access_token, 1);
    expect(claims).toMatchObject({ oid: assigned.oid, xms_mirid: assigned.mirid, xms_az_rid: both.resourceId });
  });

  test.each([
    ["without the header", 401, request, ""],
    ["with another app's header", 401, request, both.environment.IDENTITY_HEADER ?? ""],
    ["with an old api-version", 400, { ...request, "api-version": "2017-09-01" }, undefined],
    ["without an api-version", 400, { resource: arm }, undefined],
    ["without a resource", 400, { "api-version": "2019-08-01" }, undefined],
    ["for an unknown audience", 400, { ...request, resource: "https://nowhere.example" }, undefined],
    ["for an identity it does not have", 400, { ...request, client_id: assigned.clientId }, undefined],
    ["with two selectors", 400, { ...request, client_id: "a", mi_res_id: "b" }, undefined],
  ])("is refused %s", async (_, status, query, header) => {
    const answer = await ask(web, query, header);
    expect(answer.status).toBe(status);
    expect(await jsonOf(answer)).toMatchObject({ statusCode: status, message: expect.any(String) });
  });

  test("is refused by another method, with a repeated parameter and at another path", async () => {
    const endpoint = web.environment.IDENTITY_ENDPOINT ?? "";
    const headers = { "X-IDENTITY-HEADER": web.environment.IDENTITY_HEADER ?? "" };
    const query = new URLSearchParams(request);
    expect((await fetch(`${endpoint}?${query}`, { method: "POST", headers })).status).toBe(405);
    expect((await fetch(`${endpoint}?${query}&resource=b`, { headers })).status).toBe(400);
    expect((await fetch(`${endpoint}s?${query}`, { headers })).status).toBe(404);
  });
});

function ask(machine: SimulatedMachine, query: Readonly<Record<string, string>>, header?: string): Promise<Response> {
  const { IDENTITY_ENDPOINT = "", IDENTITY_HEADER = "" } = machine.environment;
  return fetch(`${IDENTITY_ENDPOINT}?${new URLSearchParams(query)}`, { headers: { "X-IDENTITY-HEADER": header ?? IDENTITY_HEADER } });
}
