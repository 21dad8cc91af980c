import { beforeEach, describe, expect, test } from "bun:test";
import { jwkOf, signingKey, signToken } from "../../support/fake-issuer";
import { type Case, cases, grp, open, rg, sp, sub, vm1, wildcard } from "./azure-cases";
import {
  type AzureDesk,
  answer,
  claims,
  createAzureDesk,
  fn1,
  P1,
  P2,
  P5,
  P7,
  P9,
  S1,
  S2,
  seconds,
  std,
  tenant,
  token,
  vm,
} from "./azure-desk";

describe("a login by the method azure", () => {
  test.each(cases.map((each): [string, Case] => [each.number, each]))(
    "case %s",
    async (_number, { role, jwt, fields, from, options, status = 200, says, metadata, asked, discovered }) => {
      const desk = await createAzureDesk(options);
      expect((await desk.role("dev-role", role)).status).toBeLessThanOrEqual(204);
      const reply = await desk.login(jwt(), fields, from);
      expect([reply.status, reply.body.errors?.[0]]).toEqual([
        status,
        says === undefined ? undefined : typeof says === "string" ? says : expect.stringMatching(says),
      ]);
      if (metadata !== undefined) expect(reply.body.auth.metadata).toEqual(metadata);
      if (discovered !== undefined) expect(desk.web.requests).toHaveLength(discovered);
      if (asked !== undefined) expect(desk.asked).toHaveLength(asked);
      expect(desk.vault.house.lastAudit()).toMatchObject({ operation: "login", allowed: status === 200, authenticator: "azure/azure" });
      if (status !== 200) expect(desk.vault.house.lastAudit().because).toMatch(/^[a-z_]+$/);
    },
  );
});

describe("roles that anybody of the tenant would do for", () => {
  test.each<[string, object, Readonly<Record<string, string>>, number]>([
    ["2, without the option", sp("*"), {}, 400],
    ["3", { ...sp("*"), ...grp("*") }, {}, 400],
    ["3, with the option, to be refused at every login", { ...sp("*"), ...grp("*") }, wildcard, 200],
    ["4, as the reference has it, to be refused at every login", sub(S1), { require_identity_bounds: "true" }, 200],
    ["4", sub(S1), {}, 204],
    ["5, without the option", grp("*"), {}, 400],
  ])("case %s", async (_number, role, options, status) => {
    const desk = await createAzureDesk(options);
    const reply = await desk.role("dev-role", role);
    expect(reply.status).toBe(status);
    if (status === 400) expect(reply.body.errors).toEqual([open]);
    if (status === 200) expect(reply.body.warnings).toEqual([`logins as this role are refused: ${open}`]);
  });
});

describe("what Azure answers", () => {
  let desk: AzureDesk;
  beforeEach(async () => {
    desk = await createAzureDesk();
    await desk.role("dev-role", { ...sub(S1), ...sp(P1) });
  });

  test("case 27: a key after the issuer's rotation is fetched once", async () => {
    const keys = `https://login.microsoftonline.com/${tenant}/discovery/keys`;
    expect((await desk.login(token("sys"), vm1)).status).toBe(200);
    desk.web.pages.set(keys, { keys: [jwkOf(signingKey(1))] });
    expect((await desk.login(signToken(claims({ xms_mirid: vm("vm1") }), { key: signingKey(1) }), vm1)).status).toBe(200);
    expect((await desk.login(signToken(claims({ xms_mirid: vm("vm1") }), { key: signingKey(2) }), vm1)).status).toBe(403);
    expect(desk.web.requestsFor(keys)).toBe(2);
  });

  test.each([403, 500, 503])("case 48: %p after all tries is no refusal, and may be tried again", async (status) => {
    desk.instead.set("*", answer(status, { error: { message: "do not tell" } }));
    const reply = await desk.login(token("sys"), vm1);
    expect([reply.status, reply.body.errors]).toEqual([502, [`unable to retrieve virtual machine metadata: http_${status}`]]);
    expect(desk.asked).toHaveLength(status === 403 ? 1 : 4);
    expect(desk.vault.house.lastAudit()).toMatchObject({ allowed: false, failure: "upstream_unavailable" });
  });

  test("case 52: a list of identities that cannot be had is passed over", async () => {
    await desk.role("dev-role", { ...rg("rg-app", "rg-ids"), ...sub(), ...sp(P7) });
    desk.instead.set(
      "/subscriptions/0b1f26cd-6c77-4d1c-8e0e-1b3a4c5d6e01/resourceGroups/rg-ids/providers/Microsoft.ManagedIdentity/userAssignedIdentities",
      answer(403, {}),
    );
    const reply = await desk.login(token("ua", { oid: P7 }), vm1);
    expect([reply.status, reply.body.errors]).toEqual([403, ["neither token object id nor token app id match expected identities"]]);
    expect(desk.asked.filter((path) => path.endsWith("/rg-ids/providers/Microsoft.ManagedIdentity/userAssignedIdentities"))).toHaveLength(
      1,
    );
    const failures = desk.vault.house.lastAudit().checks?.filter(({ check }) => check === "identities_listed");
    expect(failures).toEqual([{ check: "identities_listed", ok: true, detail: "rg-ids: http_403" }]);
  });

  test("case 71: a second login asks no more for the version of a type's interface", async () => {
    const strict = await createAzureDesk({ arm_fresh_seconds: "0" });
    await strict.role("dev-role", { ...sub(S1), ...sp(P5) });
    for (const questions of [2, 3]) {
      expect((await strict.login(token("fn"), { ...std, resource_id: fn1 })).status).toBe(200);
      expect(strict.asked).toHaveLength(questions);
    }
  });

  test("is not needed to refuse, nor taken for a refusal, where Entra ID does not answer", async () => {
    desk.web.pages.clear();
    expect((await desk.login(token("sys"), vm1)).status).toBe(502);
    expect([desk.asked, desk.tokens]).toEqual([[], []]);
  });

  test("is waited for as long as it says, and asked again", async () => {
    desk.instead.set("*", answer(429, {}, { "retry-after": "7" }));
    const began = desk.clock.now();
    expect((await desk.login(token("sys"), vm1)).status).toBe(502);
    expect(desk.clock.now() - began).toBe(21_000);
  });

  test("serves again for a minute, with one token for many questions; refusals do not", async () => {
    expect((await desk.login(token("sys"), vm1)).status).toBe(200);
    expect((await desk.login(token("sys"), vm1)).status).toBe(200);
    expect([desk.asked.length, desk.tokens.length]).toEqual([1, 1]);
    desk.clock.advance(60_000);
    desk.instead.set("*", answer(404, {}));
    expect((await desk.login(token("sys"), vm1)).status).toBe(403);
    expect((await desk.login(token("sys"), vm1)).status).toBe(403);
    expect([desk.asked.length, desk.tokens.length]).toEqual([3, 1]);
    desk.clock.advance(3600_000);
    desk.instead.clear();
    expect((await desk.login(token("sys"), vm1)).status).toBe(200);
    expect(desk.tokens.length).toBe(2);
  });

  test("is asked once by many who come at the same time", async () => {
    const replies = await Promise.all(Array.from({ length: 20 }, () => desk.login(token("sys"), vm1)));
    expect(replies.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
    expect([desk.asked.length, desk.tokens.length]).toEqual([1, 1]);
  });

  test("does not outlive it, but where the operator says for how long", async () => {
    expect((await desk.login(token("sys"), vm1)).status).toBe(200);
    desk.clock.advance(120_000);
    desk.instead.set("*", answer(503, {}));
    expect((await desk.login(token("sys"), vm1)).status).toBe(502);
    const patient = await createAzureDesk({ arm_stale_seconds: "600" });
    await patient.role("dev-role", { ...sub(S1), ...sp(P1) });
    expect((await patient.login(token("sys"), vm1)).status).toBe(200);
    patient.clock.advance(120_000);
    patient.instead.set("*", answer(503, {}));
    expect((await patient.login(token("sys"), vm1)).status).toBe(200);
    patient.clock.advance(600_000);
    expect((await patient.login(token("sys"), vm1)).status).toBe(502);
  });

  test.each([
    ["401 for Postern", answer(401, {})],
    ["403 for Postern", answer(403, {})],
    ["404 for the machine", answer(404, {})],
    ["what is no JSON", { status: 200, headers: {}, body: Buffer.from("<html>") }],
  ])("serves no old answer once it has said %s, not even when it is away afterwards", async (_title, said) => {
    const patient = await createAzureDesk({ arm_stale_seconds: "600" });
    await patient.role("dev-role", { ...sub(S1), ...sp(P1) });
    expect((await patient.login(token("sys"), vm1)).status).toBe(200);
    patient.clock.advance(120_000);
    for (const now of [said, answer(503, {})]) {
      patient.instead.set("*", now);
      expect((await patient.login(token("sys"), vm1)).status).toBeGreaterThanOrEqual(403);
    }
  });

  test("serves no old answer to a secret that Entra ID no longer takes", async () => {
    const patient = await createAzureDesk({ arm_stale_seconds: "86400" });
    await patient.role("dev-role", { ...sub(S1), ...sp(P1) });
    expect((await patient.login(token("sys"), vm1)).status).toBe(200);
    patient.clock.advance(3600_000);
    patient.graph.passwords.clear();
    expect((await patient.login(token("sys"), vm1)).body.errors).toEqual([
      "unable to retrieve virtual machine metadata: invalid_client_AADSTS7000215",
    ]);
  });

  test.each([
    ["as often and as fast as can be", { max_retries: 1_000_000, retry_delay: 0, max_retry_delay: 0 }, 11, 10_000],
    ["not at all", { max_retries: -1 }, 1, 0],
    ["longer than anybody waits", { max_retries: 5, retry_delay: 3600, max_retry_delay: 7200 }, 1, 0],
  ])("is asked within bounds, when the configuration says %s", async (_title, config, questions, waitedMs) => {
    await desk.vault.as("POST", "auth/azure/config", { body: config });
    desk.instead.set("*", answer(503, {}));
    const began = desk.clock.now();
    expect((await desk.login(token("sys"), vm1)).status).toBe(502);
    expect([desk.asked.length, desk.clock.now() - began]).toEqual([questions, waitedMs]);
  });

  test("is asked for half a minute at the most, however many questions a login has", async () => {
    await desk.role("dev-role", { ...rg("rg-app", "rg-1", "rg-2", "rg-3", "rg-4"), ...sub(), ...sp(P7) });
    await desk.vault.as("POST", "auth/azure/config", { body: { max_retries: 10, retry_delay: 1, max_retry_delay: 4 } });
    desk.instead.set("*", answer(503, {}));
    desk.instead.set(
      `/subscriptions/${S1}/resourceGroups/rg-app/providers/Microsoft.Compute/virtualMachines/vm1`,
      answer(200, {
        location: "westeurope",
        identity: { principalId: P9 },
      }),
    );
    const began = desk.clock.now();
    expect((await desk.login(token("ua", { oid: P7 }), vm1)).status).toBe(403);
    expect(desk.clock.now() - began).toBeLessThanOrEqual(30_000);
    expect(desk.clock.now() - began).toBeGreaterThan(20_000);
  });

  test("says by the code of its own what is wrong with Postern's secret, and nothing of the secret", async () => {
    await desk.vault.as("POST", "auth/azure/config", { body: { client_secret: "wrong" } });
    const reply = await desk.login(token("sys"), vm1);
    expect([reply.status, reply.body.errors]).toEqual([502, ["unable to retrieve virtual machine metadata: invalid_client_AADSTS7000215"]]);
    expect(JSON.stringify(desk.vault.house.audit)).not.toContain("the secret was wrong");
  });

  test("case 80: without a configuration nobody logs in, and nobody is asked", async () => {
    await desk.vault.as("DELETE", "auth/azure/config");
    const reply = await desk.login(token("sys"), vm1);
    expect([reply.status, reply.body.errors]).toEqual([400, ["tenant_id is required"]]);
    expect(desk.asked).toEqual([]);
  });

  test("is not asked before the token is proven", async () => {
    for (const jwt of ["x", signToken(claims({ xms_mirid: vm("vm1") }), { key: signingKey(1) }), token("sys", { exp: seconds - 1 })])
      expect((await desk.login(jwt, vm1)).status).toBe(403);
    expect([desk.asked, desk.tokens]).toEqual([[], []]);
  });
});

describe("why a login is refused", () => {
  test("is told to the audit alone where the operator says so", async () => {
    const desk = await createAzureDesk({ redact_login_errors: "true" });
    await desk.role("dev-role", { ...sub(S1), ...sp(P1) });
    const refused = await desk.login(token("sys", { oid: P9 }), vm1);
    expect([refused.status, refused.body.errors]).toEqual([403, ["permission denied"]]);
    expect(desk.vault.house.lastAudit()).toMatchObject({ because: "bound_service_principal_ids" });
    desk.instead.set("*", answer(403, {}));
    const away = await desk.login(token("sys"), vm1);
    expect([away.status, away.text]).toEqual([502, expect.not.stringContaining("403")]);
    expect((await desk.login(undefined, vm1)).body.errors).toEqual(["jwt is required"]);
  });
});

describe("tokens of the method azure", () => {
  let desk: AzureDesk;
  beforeEach(async () => {
    desk = await createAzureDesk();
  });

  test("case 78: of the kind batch they are not renewed", async () => {
    await desk.role("dev-role", { ...sp(P1), token_type: "batch" });
    const { body } = await desk.login(token("sys"));
    expect(body.auth).toMatchObject({ client_token: expect.stringMatching(/^hvb\./), accessor: "", renewable: false, token_type: "batch" });
  });

  test("are of one entity for each identity, and named after it", async () => {
    await desk.role("dev-role", { ...sp(P1), token_policies: ["Prod", "dev", "dev"], token_ttl: "1h" });
    const { body } = await desk.login(token("sys"));
    expect(body.auth).toMatchObject({ policies: ["default", "dev", "prod"], lease_duration: 3600, orphan: true });
    expect((await desk.login(token("sys"))).body.auth.entity_id).toBe(body.auth.entity_id);
    const self = await desk.vault.as("GET", "auth/token/lookup-self", { token: body.auth.client_token });
    expect(self.body.data).toMatchObject({ display_name: `azure-${P1}`, path: "auth/azure/login" });
  });

  test("are renewed for as long as the role would still take what was proven, without Azure", async () => {
    await desk.role("dev-role", { ...sub(S1), ...rg("rg-app"), ...sp(P1) });
    const shown: string = (await desk.login(token("sys"), vm1)).body.auth.client_token;
    const renew = async () => {
      const { status, body } = await desk.vault.as("POST", "auth/token/renew-self", { token: shown, body: {} });
      return [status, body.errors?.[0]];
    };
    const questions = desk.asked.length;
    expect(await renew()).toEqual([200, undefined]);
    await desk.role("dev-role", rg("RG-APP"));
    expect(await renew()).toEqual([200, undefined]);
    await desk.role("dev-role", rg("rg-other"));
    expect(await renew()).toEqual([403, "resource group not authorized"]);
    await desk.role("dev-role", { ...rg("rg-app"), ...sub(S2) });
    expect(await renew()).toEqual([403, "subscription not authorized"]);
    await desk.role("dev-role", { ...sub(S1), ...sp(P9) });
    expect(await renew()).toEqual([403, `service principal not authorized: ${P1}`]);
    await desk.role("dev-role", { ...sp(P1), bound_locations: ["WestEurope"] });
    expect(await renew()).toEqual([200, undefined]);
    await desk.role("dev-role", { bound_locations: ["northeurope"] });
    expect(await renew()).toEqual([403, "location not authorized"]);
    await desk.role("dev-role", { bound_locations: [], bound_scale_sets: ["vmss1"] });
    expect(await renew()).toEqual([403, "scale set not authorized"]);
    await desk.vault.as("DELETE", "auth/azure/role/dev-role");
    expect(await renew()).toEqual([403, "role dev-role does not exist during renewal"]);
    expect(desk.asked.length).toBe(questions);
  });

  test.each([
    ["a place", { bound_locations: ["westeurope"] }, "location is empty"],
    ["a scale set", { bound_scale_sets: ["vmss1"] }, "scale set not authorized"],
    ["a group", rg("rg-app"), "resource group not authorized"],
    ["a subscription", sub(S1), "subscription not authorized"],
  ])("are not renewed by a role that asks for %s since, of which nothing was proven", async (_title, bound, says) => {
    await desk.role("dev-role", sp(P1));
    const shown: string = (await desk.login(token("sys"), vm1)).body.auth.client_token;
    await desk.role("dev-role", bound);
    const { status, body } = await desk.vault.as("POST", "auth/token/renew-self", { token: shown, body: {} });
    expect([status, body.errors]).toEqual([403, [says]]);
    expect(desk.asked).toEqual([]);
  });

  test("of a scale set are renewed as long as the role takes that one", async () => {
    await desk.role("dev-role", { ...sp(P2), bound_scale_sets: ["vmss1"] });
    const reply = await desk.login(token("flex"), { ...std, vmss_name: "vmss1" });
    const renew = async () =>
      (await desk.vault.as("POST", "auth/token/renew-self", { token: reply.body.auth.client_token, body: {} })).status;
    expect(await renew()).toBe(200);
    await desk.role("dev-role", { bound_scale_sets: ["vmss2"] });
    expect(await renew()).toBe(403);
  });
});

test("an identity that the role's groups have but the machine is not run as lets nobody in by its application", async () => {
  const desk = await createAzureDesk();
  await desk.role("dev-role", { ...rg("rg-app", "rg-ids"), ...sp(P7) });
  desk.instead.set(vm("vm1"), answer(200, { location: "westeurope", identity: { principalId: P1 } }));
  expect((await desk.login(token("ua", { oid: P7 }), vm1)).status).toBe(403);
});
