import { afterAll, describe, expect, test } from "bun:test";
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from "jose";
import type { TokenFlaw } from "../../../../src/simulator/azure/simulator";
import { arm, fixedNow, part, startSimulator } from "./fixture";

const simulator = await startSimulator();
const tenant = simulator.tenant();
afterAll(() => simulator.close());

describe("a minted token", () => {
  test("is by default the first machine's for Azure Resource Manager, version 1, dated five minutes back for a day", () => {
    const token = simulator.mint();
    const { oid, clientId } = simulator.machine("vm").identity();
    const seconds = fixedNow / 1000;
    expect(part(token, 0)).toEqual({ typ: "JWT", alg: "RS256", kid: expect.any(String), x5t: part(token, 0).kid });
    expect(part(token, 1)).toMatchObject({
      aud: arm,
      iss: tenant.issuers.v1,
      idp: tenant.issuers.v1,
      iat: seconds - 300,
      nbf: seconds - 300,
      exp: seconds + 86_400,
      appid: clientId,
      appidacr: "2",
      idtyp: "app",
      oid,
      sub: oid,
      tid: tenant.id,
      ver: "1.0",
      xms_sim: "1",
    });
  });

  test("of version 2 has other names, the application's id as audience and no x5t", () => {
    const token = simulator.mint({ version: 2, resource: "https://v2.postern.example" });
    const claims = part(token, 1);
    expect(part(token, 0)).toEqual({ typ: "JWT", alg: "RS256", kid: expect.any(String) });
    expect(claims).toMatchObject({ iss: tenant.issuers.v2, azp: simulator.machine("vm").identity().clientId, azpacr: "2", ver: "2.0" });
    expect(claims.aud).toBe(simulator.applicationId("https://v2.postern.example/"));
    expect(["appid", "appidacr", "idp"].filter((name) => Object.hasOwn(claims, name))).toEqual([]);
  });

  test("takes claims, header members, times and keys as given, and drops undefined ones", () => {
    const token = simulator.mint({
      claims: { oid: "x", uti: undefined, extra: [1] },
      header: { typ: undefined, nonce: "n" },
      now: 1_000_000,
      key: "next",
    });
    expect(part(token, 1)).toMatchObject({ oid: "x", extra: [1], exp: 1000 + 86_400 });
    expect(part(token, 1)).not.toHaveProperty("uti");
    expect(part(token, 0)).toMatchObject({ nonce: "n", kid: part(simulator.mint({ key: "next" }), 0).kid });
    expect(part(token, 0)).not.toHaveProperty("typ");
  });

  test("carries groups, an overage instead of more than 200, and roles, where the audience asks for them", () => {
    const resource = "https://v2.postern.example";
    const few = part(simulator.mint({ machine: "vm-uami", resource }), 1);
    expect([few.groups, few.roles]).toEqual([[expect.any(String), expect.any(String)], ["Postern.Login"]]);
    const many = part(simulator.mint({ machine: "container-group-uami", resource }), 1);
    expect(many).not.toHaveProperty("groups");
    expect(many._claim_names).toEqual({ groups: "src1" });
    expect(part(simulator.mint({ machine: "vm-uami" }), 1)).not.toHaveProperty("groups");
  });

  test("has no resource claims for an audience whose tokens have none, and for an application", () => {
    const claims = [simulator.mint({ machine: "vm-uami", resource: "https://bare.example" }), simulator.mint({ identity: "ci" })].map(
      (token) => part(token, 1),
    );
    for (const each of claims) expect([Object.hasOwn(each, "xms_mirid"), Object.hasOwn(each, "xms_az_rid")]).toEqual([false, false]);
  });

  test("is made for an unknown audience all the same", () => {
    expect(part(simulator.mint({ resource: "urn:whatever" }), 1).aud).toBe("urn:whatever");
  });
});

describe("the resource a token names", () => {
  const { subscriptionId } = simulator.machine("vm");
  const inGroup = (group: string, type: string) => `/subscriptions/${subscriptionId}/resourcegroups/${group}/providers/${type}`;
  const uami = (name: string) => inGroup("rg-identities", `Microsoft.ManagedIdentity/userAssignedIdentities/${name}`);
  const flexible = (name: string) => simulator.machine(name).resourceId;

  test.each<[string, string | undefined, string, string | undefined]>([
    ["vm", undefined, inGroup("rg-app", "Microsoft.Compute/virtualMachines/vm"), undefined],
    ["vm-uami", undefined, uami("id-app"), inGroup("rg-app", "Microsoft.Compute/virtualMachines/vm-uami")],
    ["vm-multi", "id-batch", uami("id-batch"), inGroup("rg-app", "Microsoft.Compute/virtualMachines/vm-multi")],
    ["vmss", undefined, inGroup("rg-app", "Microsoft.Compute/virtualMachineScaleSets/vmss"), undefined],
    ["vmss-uami", undefined, uami("id-app"), inGroup("rg-app", "Microsoft.Compute/virtualMachineScaleSets/vmss-uami")],
    ["flex", undefined, flexible("flex"), undefined],
    ["flex-uami", undefined, uami("id-app"), flexible("flex-uami")],
    ["arc", undefined, inGroup("rg-onprem", "Microsoft.HybridCompute/machines/arc"), undefined],
    ["arc-both", "id-app", uami("id-app"), inGroup("rg-onprem", "Microsoft.HybridCompute/machines/arc-both")],
    ["web", undefined, inGroup("rg-app", "Microsoft.Web/sites/web"), undefined],
    ["web-both", "id-web", uami("id-web"), inGroup("rg-app", "Microsoft.Web/sites/web-both")],
    ["web-staging", undefined, inGroup("rg-app", "Microsoft.Web/sites/web/slots/staging"), undefined],
    ["function", undefined, inGroup("rg-app", "Microsoft.Web/sites/function"), undefined],
    ["container-app-both", "id-web", uami("id-web"), inGroup("rg-app", "Microsoft.App/containerApps/container-app-both")],
    ["container-group", undefined, inGroup("rg-app", "Microsoft.ContainerInstance/containerGroups/container-group"), undefined],
    [
      "container-group-uami",
      undefined,
      uami("id-batch"),
      inGroup("rg-app", "Microsoft.ContainerInstance/containerGroups/container-group-uami"),
    ],
    ["aks", undefined, uami("id-cluster"), inGroup("rg-app", "Microsoft.ContainerService/managedClusters/aks")],
    [
      "aks-node",
      undefined,
      uami("id-node"),
      inGroup("MC_rg-app_aks_westeurope", "Microsoft.Compute/virtualMachineScaleSets/aks-pool1-vmss"),
    ],
  ])("is that of %s", (machine, identity, mirid, azRid) => {
    const claims = part(simulator.mint(identity === undefined ? { machine } : { machine, identity }), 1);
    expect([claims.xms_mirid, claims.xms_az_rid]).toEqual([mirid, azRid]);
    const expected = simulator.machine(machine).identity(identity);
    expect([expected.mirid, expected.azRid, expected.oid, expected.clientId]).toEqual([
      mirid,
      azRid,
      String(claims.oid),
      String(claims.appid),
    ]);
  });

  test("of an instance in a flexible scale set ends in eight hexadecimal digits", () => {
    expect(simulator.machine("flex").resourceId).toMatch(/\/virtualMachines\/flex_[0-9a-f]{8}$/);
  });
});

describe("a token's flaw", () => {
  const acceptable = {
    issuer: tenant.issuers.v2,
    audience: "https://postern.example",
    algorithms: ["RS256"],
    currentDate: new Date(fixedNow),
  };
  const request = {
    machine: "vm-uami",
    version: 2,
    resource: "https://postern.example",
    claims: { aud: "https://postern.example" },
  } as const;
  // What a library finds by itself; the rest is for the verifier's own rules to find.
  const foundByLibrary = new Set([
    "alg_none",
    "alg_hs256_public_key",
    "alg_ps256",
    "unknown_key",
    "stolen_kid",
    "missing_kid",
    "embedded_key",
    "critical_header",
    "expired",
    "not_yet_valid",
    "wrong_audience",
    "wrong_issuer",
    "other_tenant",
    "tampered_claims",
    "tampered_signature",
    "two_parts",
    "four_parts",
    "claims_not_an_object",
  ]);

  test("is absent from what is minted without one: a library verifies it", async () => {
    expect((await jwtVerify(simulator.mint(request), await keySet(), acceptable)).payload.sub).toBe(
      simulator.machine("vm-uami").identity().oid,
    );
  });

  test.each(simulator.tokenFlaws)("%s shows, and nothing else is wrong with the token", async (flaw) => {
    const outcome = await jwtVerify(simulator.mint({ ...request, flaw }), await keySet(), acceptable).then(
      () => "verified",
      () => "refused",
    );
    expect(outcome).toBe(foundByLibrary.has(flaw) ? "refused" : "verified");
  });

  test("makes a token differ from a good one in what it is named for", () => {
    const flawed = (flaw: TokenFlaw) => simulator.mint({ ...request, flaw });
    expect(decodeProtectedHeader(flawed("nonce_header"))).toHaveProperty("nonce");
    expect(part(flawed("subject_mismatch"), 1).sub).not.toBe(part(flawed("subject_mismatch"), 1).oid);
    expect(part(flawed("crossed_version"), 1)).toMatchObject({ ver: "1.0", iss: tenant.issuers.v2 });
    expect(part(flawed("missing_version"), 1)).not.toHaveProperty("ver");
    expect(part(flawed("user_token"), 1)).toHaveProperty("scp");
    expect(part(flawed("public_client"), 1).azpacr).toBe("0");
    expect(part(flawed("not_an_app"), 1).idtyp).toBe("user");
    expect(part(flawed("audience_list"), 1).aud).toBeArray();
    expect(part(flawed("tenant_mismatch"), 1).tid).not.toBe(tenant.id);
    expect(flawed("oversized").length).toBeGreaterThan(20 * 1024);
    expect(Number(part(flawed("issued_in_future"), 1).iat)).toBeGreaterThan(fixedNow / 1000);
    expect(Number(part(flawed("long_lived"), 1).exp) - Number(part(flawed("long_lived"), 1).iat)).toBeGreaterThan(30 * 3600);
    expect(part(flawed("malformed_resource_id"), 1).xms_mirid).toContain("/..");
    const payload = Buffer.from(flawed("duplicate_claims").split(".")[1] ?? "", "base64url").toString();
    expect(payload.match(/"oid":/g)).toHaveLength(2);
  });

  test("foreign_key is signed by a key that is published for another tenant alone", async () => {
    const { kid } = decodeProtectedHeader(simulator.mint({ ...request, flaw: "foreign_key" }));
    const keys = await publishedKeys();
    expect(keys.keys.find((key) => key.kid === kid)).toMatchObject({ issuer: expect.stringContaining("f0f0f0f0") });
  });
});

async function keySet(): Promise<ReturnType<typeof createLocalJWKSet>> {
  return createLocalJWKSet(await publishedKeys());
}

async function publishedKeys(): Promise<JSONWebKeySet> {
  const answer = await fetch(`${simulator.entra.url}/${tenant.id}/discovery/v2.0/keys`, { tls: { ca: simulator.caPem } });
  const body: unknown = await answer.json();
  if (!isKeySet(body)) throw new Error("expected a key set");
  return body;
}

function isKeySet(body: unknown): body is JSONWebKeySet {
  return typeof body === "object" && body !== null && "keys" in body && Array.isArray(body.keys);
}
