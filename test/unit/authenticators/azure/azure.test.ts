import { describe, expect, test } from "bun:test";
import { createAzureAuthenticator } from "../../../../src/authenticators/azure/azure";
import { authenticatorContract, failureFrom } from "../../../contract/authenticator";
import {
  createFakeEntra,
  identityId,
  jwkOf,
  type Members,
  noon,
  objectId,
  otherTenant,
  resourceManager,
  type SigningKey,
  signingKey,
  signToken,
  signWithHmac,
  subscription,
  tenant,
  tokenOf,
  v1Claims,
  v1Document,
  v1Keys,
  v2Claims,
  v2Document,
  vmId,
} from "../../../support/fake-issuer";

const v1Settings = { "provider-uri": `https://sts.windows.net/${tenant}/` };
const v2Settings = { "provider-uri": `https://login.microsoftonline.com/${tenant}/v2.0`, audience: "2f3a26cd-6c77-4d1c-8e0e-1b3a4c5d6e7f" };
const v2Audience = { aud: v2Settings.audience };

function setUp() {
  const entra = createFakeEntra();
  const azure = createAzureAuthenticator({ issuers: entra.issuers, logger: entra.log });
  const login = (token: string, settings: Readonly<Record<string, string | undefined>> = v1Settings, now = entra.clock.now()) =>
    azure.verify(tokenOf(token), settings, now);
  return { ...entra, azure, login };
}

async function because(claims: Members | string, options: { key?: SigningKey; header?: Members } = {}, settings: Members = v1Settings) {
  const { login } = setUp();
  const token = signToken(claims, options);
  const failure = await failureFrom(() => login(token, { ...v1Settings, ...settings }));
  expect(failure.code).toBe("unauthenticated");
  expect(failure.checks?.filter((check) => !check.ok)).toMatchObject([{ check: failure.because, detail: expect.any(String) }]);
  expect(JSON.stringify(failure)).not.toContain(token);
  return failure.because;
}

authenticatorContract("authn-azure", () => ({
  authenticator: setUp().azure,
  settings: v1Settings,
  good: tokenOf(signToken(v1Claims())),
  expired: tokenOf(signToken(v1Claims({ exp: noon / 1000 }))),
  now: noon,
}));

describe("an Azure token", () => {
  test("proves the resource that its identity belongs to", async () => {
    const attestation = await setUp().login(signToken(v1Claims()));
    expect(attestation).toMatchObject({
      subject: objectId,
      attributes: { "subscription-id": subscription, "resource-group": "rg-app", "system-assigned-identity": objectId },
      expiresAt: noon + 86_400_000,
      evidence: {
        iss: `https://sts.windows.net/${tenant}/`,
        tid: tenant,
        aud: resourceManager,
        oid: objectId,
        ver: "1.0",
        xms_mirid: vmId,
      },
    });
    expect(attestation.attributes).not.toHaveProperty("user-assigned-identity");
  });

  test("of a user-assigned identity proves the identity's own group, not the machine's", async () => {
    const attestation = await setUp().login(signToken(v1Claims({ xms_mirid: identityId, xms_az_rid: vmId })));
    expect(attestation.attributes).toEqual({
      "subscription-id": subscription,
      "resource-group": "rg-ids",
      "user-assigned-identity": "id-app",
    });
    expect(attestation.evidence.xms_az_rid).toBe(vmId);
  });

  test("is taken from every kind of host, with its own identity and with an assigned one", async () => {
    const group = `/subscriptions/${subscription}/resourcegroups/rg-app/providers`;
    const hosts = [
      `${group}/Microsoft.Compute/virtualMachines/vm1`,
      `${group}/Microsoft.Compute/virtualMachineScaleSets/set1`,
      `${group}/Microsoft.Compute/virtualMachines/set1_0a1b2c3d`,
      `${group}/Microsoft.HybridCompute/machines/ARC-01`,
      `${group}/Microsoft.Web/sites/function-app`,
      `${group}/Microsoft.Web/sites/web/slots/staging`,
      `${group}/Microsoft.App/containerApps/app1`,
      `${group}/Microsoft.ContainerInstance/containerGroups/cg1`,
      `${group}/Microsoft.ContainerService/managedClusters/aks1`,
    ];
    const { login } = setUp();
    for (const host of hosts) {
      const own = await login(signToken(v1Claims({ xms_mirid: host })));
      expect(own.attributes).toMatchObject({ "resource-group": "rg-app", "system-assigned-identity": objectId });
      expect((await login(signToken(v1Claims({ xms_mirid: host, xms_az_rid: host })))).attributes).toEqual(own.attributes);
      const assigned = await login(signToken(v1Claims({ xms_mirid: identityId, xms_az_rid: host })));
      expect(assigned.attributes).toMatchObject({ "resource-group": "rg-ids", "user-assigned-identity": "id-app" });
      expect(assigned.attributes).not.toHaveProperty("system-assigned-identity");
    }
  });

  test("is taken without the slash at the start of its resource id, and in any of Azure's spellings", async () => {
    const { login } = setUp();
    const odd = vmId.slice(1).replace("resourcegroups", "resourceGroups").replace("virtualMachines", "VIRTUALMACHINES");
    const attestation = await login(signToken(v1Claims({ xms_mirid: odd, oid: objectId.toUpperCase(), tid: tenant.toUpperCase() })));
    expect(attestation.subject).toBe(objectId);
    expect(attestation.attributes["resource-group"]).toBe("rg-app");
  });

  test("does not become another's by names of people in it", async () => {
    const { login } = setUp();
    const plain = await login(signToken(v1Claims()));
    const dressed = await login(signToken(v1Claims({ email: "root@corp.example", name: "admin", groups: ["x"], roles: ["y"] })));
    expect([dressed.subject, dressed.attributes]).toEqual([plain.subject, plain.attributes]);
  });

  test("makes the operator hear of Resource Manager's audience, at the setting and at each login", async () => {
    const { login, log } = setUp();
    expect((await login(signToken(v1Claims()))).warnings).toEqual(["audience_is_arm"]);
    await login(signToken(v1Claims({ aud: "https://management.azure.com" })));
    expect(log.lines.filter((line) => line.event === "azure_audience_is_arm")).toHaveLength(1);
    const own = { ...v1Settings, audience: "api://postern" };
    expect((await login(signToken(v1Claims({ aud: "api://postern" })), own)).warnings).toEqual([]);
    expect(log.lines).toHaveLength(1);
  });
});

describe("an Azure token is refused", () => {
  test("without any one of its required claims", async () => {
    const expected: Readonly<Record<string, string>> = {
      ver: "token_version",
      iss: "issuer",
      tid: "tenant",
      aud: "audience",
      exp: "token_times",
      nbf: "token_times",
      oid: "principal_claim",
      xms_mirid: "resource_claim",
      sub: "principal",
    };
    for (const [claim, check] of Object.entries(expected)) {
      expect([claim, await because(v1Claims({ [claim]: undefined }))]).toEqual([claim, check]);
      for (const wrong of ["", null, true, [], ["x"], {}]) {
        const found = await because(v1Claims({ [claim]: wrong }));
        expect([claim, wrong, found]).toEqual([claim, wrong, check]);
      }
    }
    expect(await setUp().login(signToken(v1Claims({ iat: undefined, nbf: noon / 1000 })))).toBeDefined();
  });

  test("with a claim written twice, whichever of the two is good", async () => {
    const claims = JSON.stringify(v1Claims());
    for (const twice of [
      `{"aud":"x",${claims.slice(1)}`,
      `${claims.slice(0, -1)},"aud":"${resourceManager}"}`,
      `{"\\u006fid":"x",${claims.slice(1)}`,
    ]) {
      expect(await because(twice)).toBe("token_claims");
    }
  });

  test("of another tenant, however much of it is right", async () => {
    expect(await because(v1Claims({ tid: otherTenant }))).toBe("tenant");
    for (const iss of [
      `https://sts.windows.net/${otherTenant}/`,
      `https://sts.windows.net/${tenant}`,
      `https://sts.windows.net/${tenant}//`,
      `https://sts.windows.net/${tenant}/x`,
      `https://sts.windows.net/${tenant}/ `,
      ` https://sts.windows.net/${tenant}/`,
      `https://STS.windows.net/${tenant}/`,
      `http://sts.windows.net/${tenant}/`,
      `https://evil.example/https://sts.windows.net/${tenant}/`,
      "https://sts.windows.net/common/",
      "https://sts.windows.net/organizations/",
      "https://sts.windows.net/{tenantid}/",
      `https://login.microsoftonline.com/${tenant}/v2.0`,
      "sts.windows.net",
      "/",
    ]) {
      expect([iss, await because(v1Claims({ iss }))]).toEqual([iss, "issuer"]);
    }
    expect(await because(v1Claims({ iss: `https://sts.windows.net/${otherTenant}/`, tid: otherTenant }))).toBe("issuer");
    const elsewhere = { "provider-uri": `https://sts.windows.net/${otherTenant}/` };
    const { login } = setUp();
    expect(await failureFrom(() => login(signToken(v1Claims()), elsewhere))).toMatchObject({ code: "upstream_unavailable" });
  });

  test("of the other version, under either provider-uri", async () => {
    const { login } = setUp();
    expect((await login(signToken(v2Claims(v2Audience)), v2Settings)).evidence.ver).toBe("2.0");
    expect(await because(v2Claims())).toBe("token_version");
    expect(await because(v1Claims(v2Audience), {}, v2Settings)).toBe("token_version");
    expect(await because(v1Claims({ ver: "2.0" }))).toBe("token_version");
    expect(await because(v1Claims({ ver: "2.0", ...v2Audience }), {}, v2Settings)).toBe("issuer");
    expect(await because(v2Claims({ ver: "1.0" }))).toBe("issuer");
    expect(await because(v2Claims({ ...v2Audience, iss: `https://login.microsoftonline.com/${tenant}/v2.0/` }), {}, v2Settings)).toBe(
      "issuer",
    );
    for (const ver of [1, 1.0, "1", "3.0", "1.0 "]) expect(await because(v1Claims({ ver }))).toBe("token_version");
  });

  test("for another audience, also when no audience is set", async () => {
    for (const aud of [
      "https://storage.azure.com/",
      "https://graph.microsoft.com",
      "00000003-0000-0000-c000-000000000000",
      "https://vault.azure.net",
      "https://management.azure.com//",
      "https://management.azure.co",
      "https://management.azure.com/x",
      "https://management.azure.com.evil.example/",
      "HTTPS://management.azure.com/",
      "https://management.usgovcloudapi.net/",
      [resourceManager],
      [resourceManager, "https://graph.microsoft.com"],
      { 0: resourceManager },
      "*",
    ]) {
      expect([aud, await because(v1Claims({ aud }))]).toEqual([aud, "audience"]);
    }
    expect(await because(v1Claims(), {}, { audience: "api://postern" })).toBe("audience");
    expect(await because(v1Claims({ aud: "api://postern,api://other" }), {}, { audience: "api://postern,api://other" })).toBe("audience");
    expect(await because(v1Claims({ aud: "" }), {}, { audience: "," })).toBe("audience_setting");
  });

  test("outside its time, and with times that are none", async () => {
    const seconds = noon / 1000;
    expect(await because(v1Claims({ nbf: seconds + 61 }))).toBe("not_before");
    expect(await because(v1Claims({ iat: seconds + 61 }))).toBe("issued_at");
    expect(await because(v1Claims({ exp: seconds - 300 + 108_001 }))).toBe("token_lifetime");
    const text = JSON.stringify(v1Claims({ odd: "@" }));
    for (const name of ["exp", "nbf", "iat"]) {
      for (const written of ["0", "-1", '"1"', "null", "true", "1e308", "1.5e400", "[1769083200]", "{}", "1769083200.5", '"1769083200"']) {
        const claims = text.replace(new RegExp(`"${name}":\\d+`), `"${name}":${written}`);
        expect([name, written, await because(claims)]).toEqual([name, written, "token_times"]);
      }
    }
  });

  test("as expired only when everything else about it is right", async () => {
    const { login } = setUp();
    const expired = (claims: Members) => failureFrom(() => login(signToken(v1Claims({ exp: noon / 1000, ...claims }))));
    expect(await expired({})).toMatchObject({ code: "unauthenticated", because: "expiry", reason: "expired" });
    for (const wrong of [{ aud: "x" }, { tid: otherTenant }, { xms_mirid: "/x" }, { scp: "x" }, { nbf: noon / 1000 + 99 }, { iss: "x" }]) {
      const failure = await expired(wrong);
      expect(failure).toMatchObject({ code: "unauthenticated" });
      expect(failure).not.toHaveProperty("reason");
    }
    const forged = await failureFrom(() => login(signToken(v1Claims({ exp: 5 }), { key: { ...signingKey(2), keyId: "key-a" } })));
    expect(forged).toMatchObject({ because: "signature" });
    expect(await setUp().login(signToken(v1Claims({ exp: noon / 1000 + 1 })))).toBeDefined();
  });

  test("when it is a person's, or of an application that proved nothing, or of no resource", async () => {
    for (const claim of ["scp", "upn", "unique_name", "preferred_username"]) {
      for (const value of ["alice@corp.example", "", null]) expect(await because(v1Claims({ [claim]: value }))).toBe("application");
    }
    for (const idtyp of ["user", "", "App", null, ["app"]]) expect(await because(v1Claims({ idtyp }))).toBe("application");
    for (const value of ["0", 2, "", null, "3", ["2"]]) {
      expect(await because(v1Claims({ appidacr: value }))).toBe("application");
      expect(await because(v2Claims({ ...v2Audience, azpacr: value }), {}, v2Settings)).toBe("application");
    }
    expect(await because(v1Claims({ sub: otherTenant }))).toBe("principal");
    expect(await because(v1Claims({ oid: "machine", sub: "machine" }))).toBe("principal");
    expect(await because(v1Claims({ xms_mirid: undefined, upn: "alice@corp.example", scp: "user_impersonation" }))).toBe("resource_claim");
    expect(await setUp().login(signToken(v1Claims({ idtyp: undefined, appidacr: undefined })))).toBeDefined();
  });

  test("when its resource ids cannot be read", async () => {
    const base = `/subscriptions/${subscription}`;
    expect(await because(v1Claims({ xms_mirid: base }))).toBe("resource_id");
    expect(await because(v1Claims({ xms_mirid: `${base}/providers/Microsoft.Compute/virtualMachines/vm1` }))).toBe("resource_id");
    expect(await because(v1Claims({ xms_mirid: `${base}/resourcegroups/rg/providers/Microsoft.Compute/virtualMachines` }))).toBe(
      "resource_provider",
    );
    expect(await because(v1Claims({ xms_mirid: `${vmId}/extensions/x` }))).toBe("resource_provider");
    for (const host of ["", "/x", null, 7, [vmId], `${vmId}/x`])
      expect(await because(v1Claims({ xms_az_rid: host }))).toBe("host_resource_id");
  });
});

describe("the signature of an Azure token", () => {
  test("is made by the key it names", async () => {
    expect(await because(v1Claims(), { key: { ...signingKey(2), keyId: "key-a" } })).toBe("signature");
    expect(await because(v1Claims(), { key: { ...signingKey(1), keyId: "key-a" } })).toBe("signature");
    expect(await because(v1Claims(), { key: signingKey(2) })).toBe("signing_key");
  });

  test("is RS256 and nothing else, with whatever key", async () => {
    const { login } = setUp();
    const { publicKey } = signingKey(0);
    const jwk = JSON.stringify(publicKey.export({ format: "jwk" }));
    const secrets = [
      publicKey.export({ type: "spki", format: "pem" }).toString(),
      publicKey.export({ type: "pkcs1", format: "pem" }).toString(),
      publicKey.export({ type: "spki", format: "der" }),
      publicKey.export({ type: "pkcs1", format: "der" }),
      jwk,
      "",
    ];
    for (const secret of secrets) {
      expect(await failureFrom(() => login(signWithHmac(v1Claims(), secret)))).toMatchObject({ because: "token_algorithm" });
    }
    for (const alg of ["none", "None", "PS256", "ES256", "RS512", "EdDSA"]) {
      const [, payload, signature] = signToken(v1Claims()).split(".");
      const header = Buffer.from(JSON.stringify({ typ: "JWT", alg, kid: "key-a" })).toString("base64url");
      expect(await failureFrom(() => login(`${header}.${payload}.${signature}`))).toMatchObject({ because: "token_algorithm" });
      expect(await failureFrom(() => login(`${header}.${payload}.`))).toMatchObject({ code: "unauthenticated" });
    }
  });

  test("is judged by no key or address that the token brings, and asks nobody for one", async () => {
    const { login, web } = setUp();
    await login(signToken(v1Claims()));
    const before = web.requests.length;
    const bait = { jwk: jwkOf(signingKey(2)), jku: "https://evil.example/keys", x5u: "https://evil.example/c", x5c: ["MIID"] };
    const header = { typ: "JWT", alg: "RS256", kid: "key-a", ...bait };
    expect(await failureFrom(() => login(signToken(v1Claims(), { key: signingKey(2), header })))).toMatchObject({ because: "signature" });
    const pointing = v1Claims({ iss: "https://evil.example/", _claim_sources: { src1: { endpoint: "https://evil.example/g" } } });
    expect(await failureFrom(() => login(signToken(pointing)))).toMatchObject({ because: "issuer" });
    expect(web.requests.length).toBe(before);
  });

  test("by a key that is for another issuer counts for nothing", async () => {
    const { login, publish } = setUp();
    publish(
      jwkOf(signingKey(0), { issuer: `https://sts.windows.net/${otherTenant}/` }),
      jwkOf(signingKey(1), { issuer: "https://sts.windows.net/{tenantid}/" }),
    );
    expect(await failureFrom(() => login(signToken(v1Claims())))).toMatchObject({ because: "signing_key" });
    expect(await login(signToken(v1Claims(), { key: signingKey(1) }))).toBeDefined();
  });

  test("with a key just rotated in is taken at the first token", async () => {
    const { login, publish } = setUp();
    await login(signToken(v1Claims()));
    publish(jwkOf(signingKey(2)));
    expect(await login(signToken(v1Claims(), { key: signingKey(2) }))).toBeDefined();
    expect(await failureFrom(() => login(signToken(v1Claims())))).toMatchObject({ because: "signing_key" });
  });

  test("causes a fetch for an unknown key id alone: not when bad, expired, or garbage", async () => {
    const { login, web, clock } = setUp();
    await login(signToken(v1Claims()));
    clock.advance(120_000);
    for (const token of [
      signToken(v1Claims(), { key: { ...signingKey(2), keyId: "key-a" } }),
      signToken(v1Claims({ exp: 1_768_996_000 })),
      signToken(v2Claims(), { key: signingKey(2) }),
      "garbage",
      "a.b.c",
    ]) {
      await failureFrom(() => login(token));
    }
    expect(web.requestsFor(v1Keys)).toBe(1);
    await failureFrom(() => login(signToken(v1Claims(), { key: signingKey(2) })));
    expect(web.requestsFor(v1Keys)).toBe(2);
  });
});

describe("an issuer that cannot be asked", () => {
  test("makes a login unavailable, with the reason among the checks", async () => {
    const { login, web } = setUp();
    web.pages.delete(v1Document);
    const failure = await failureFrom(() => login(signToken(v1Claims())));
    expect(failure).toMatchObject({ code: "upstream_unavailable", because: "connect", upstream: "https://sts.windows.net" });
    expect(failure.checks?.at(-1)).toEqual({ check: "issuer_keys", ok: false, detail: `${v1Document}: connect` });
  });

  test("is no matter while its keys are known", async () => {
    const { login, web, clock } = setUp();
    await login(signToken(v1Claims()));
    web.pages.clear();
    clock.advance(20 * 3_600_000);
    expect(await login(signToken(v1Claims({ uti: "another" })))).toBeDefined();
  });

  test("shows in the status, as do settings that are none", async () => {
    const { azure, web } = setUp();
    web.pages.delete(v2Document);
    expect(await azure.status(v1Settings, noon)).toBeUndefined();
    expect(await failureFrom(() => azure.status(v2Settings, noon))).toMatchObject({ code: "upstream_unavailable", because: "connect" });
    expect(await failureFrom(() => azure.status({}, noon))).toMatchObject({ because: "provider_uri" });
    expect(await failureFrom(() => azure.status({ ...v1Settings, audience: "," }, noon))).toMatchObject({ because: "audience_setting" });
  });
});
