import { beforeEach, describe, expect, test } from "bun:test";
import type { AzureDefaults } from "../../../src/model/ports";
import { SecretBytes } from "../../../src/model/secret-bytes";
import { sp, sub, vm1 } from "./azure-cases";
import { type AzureDesk, createAzureDesk, P1, resource, S1, tenant, token } from "./azure-desk";

let desk: AzureDesk;
beforeEach(async () => {
  desk = await createAzureDesk();
});

const config = (body: object) => desk.vault.as("POST", "auth/azure/config", { body });

describe("the configuration of the method azure", () => {
  test("is told without the secret, and delays in nanoseconds, as clients know it", async () => {
    const { body, text } = await desk.vault.as("GET", "auth/azure/config");
    expect(body.data).toEqual({
      tenant_id: tenant,
      resource,
      environment: "",
      client_id: "app",
      root_password_ttl: 15768000,
      retry_delay: 4000000000,
      max_retry_delay: 60000000000,
      max_retries: 3,
      identity_token_audience: "",
      identity_token_ttl: 0,
      rotation_window: 0,
      rotation_period: 0,
      rotation_schedule: "",
      rotation_policy: "",
      disable_automated_rotation: false,
    });
    expect(text).not.toContain("right");
  });

  test("keeps what schedulers of other servers are told, and does nothing of it", async () => {
    expect((await config({ rotation_policy: "weekly", rotation_window: "1h", disable_automated_rotation: true })).status).toBe(204);
    const told = { rotation_policy: "weekly", rotation_window: 3600, disable_automated_rotation: true };
    expect((await desk.vault.as("GET", "auth/azure/config")).body.data).toMatchObject(told);
    expect((await config({ disable_automated_rotation: "maybe" })).status).toBe(400);
    expect((await config({ rotation_window: -1 })).status).toBe(400);
    expect((await desk.vault.as("GET", "auth/azure/config")).body.data).toMatchObject({
      ...told,
      rotation_period: 0,
      rotation_schedule: "",
    });
  });

  test("keeps what is not sent, and is deleted whole", async () => {
    expect((await config({ max_retries: 1, retry_delay: "10s" })).status).toBe(204);
    expect((await config({ client_id: "other" })).status).toBe(204);
    expect((await desk.vault.as("GET", "auth/azure/config")).body.data).toMatchObject({
      client_id: "other",
      max_retries: 1,
      retry_delay: 10000000000,
    });
    expect((await desk.vault.as("DELETE", "auth/azure/config")).status).toBe(204);
    expect((await desk.vault.as("DELETE", "auth/azure/config")).status).toBe(204);
    expect(await desk.vault.as("GET", "auth/azure/config")).toMatchObject({ status: 404, body: { errors: [] } });
  });

  test.each<[string, object, string]>([
    ["no tenant", { tenant_id: "" }, "tenant_id is required"],
    ["a tenant by its name", { tenant_id: "contoso.onmicrosoft.com" }, "tenant_id must be the tenant's id, a GUID"],
    ["no resource", { resource: "" }, "resource is required"],
    ["a cloud that is gone", { environment: "AzureGermanCloud" }, 'err: no cloud configuration matching the name "AZUREGERMANCLOUD"'],
    ["two credentials", { identity_token_audience: "x" }, "only one of 'client_secret' or 'identity_token_audience' can be set"],
    [
      "a federation without an issuer",
      { identity_token_audience: "x", client_secret: "" },
      "identity_token_audience: there is no issuer yet, write identity/oidc/config",
    ],
    ["passwords for ever", { root_password_ttl: 6_307_200_000 }, "root_password_ttl is at most 100 years"],
    [
      "a rotation of its own",
      { rotation_period: 60 },
      "error registering rotation job: rotation manager capabilities not supported in Vault community edition",
    ],
  ])("takes not %s, and stays as it was", async (_title, body, says) => {
    expect(await config(body)).toMatchObject({ status: 400, body: { errors: [says] } });
    expect((await desk.vault.as("GET", "auth/azure/config")).body.data).toMatchObject({ tenant_id: tenant, resource, environment: "" });
  });

  test("knows the clouds in any case", async () => {
    for (const environment of ["azurepubliccloud", "AzureUSGovernmentCloud", "AZURECHINACLOUD", ""])
      expect((await config({ environment })).status).toBe(204);
  });
});

describe("what the environment says for a configuration that does not", () => {
  const environment = {
    tenantId: tenant,
    resource,
    environment: "AzurePublicCloud",
    clientId: "app",
    clientSecret: SecretBytes.ofText("right"),
  };
  const only = async (body: object, defaults: AzureDefaults = environment): Promise<AzureDesk> => {
    const made = await createAzureDesk({}, defaults);
    await made.vault.as("DELETE", "auth/azure/config");
    expect((await made.vault.as("POST", "auth/azure/config", { body })).status).toBe(204);
    await made.role("dev-role", { ...sub(S1), ...sp(P1) });
    return made;
  };

  test("is enough for a login, and is not told of the configuration", async () => {
    desk = await only({});
    expect((await desk.login(token("sys"), vm1)).status).toBe(200);
    const { text, body } = await desk.vault.as("GET", "auth/azure/config");
    expect(body.data).toMatchObject({ tenant_id: "", resource: "", environment: "", client_id: "" });
    expect(text).not.toContain("right");
    expect(JSON.stringify(desk.vault.house.audit)).not.toContain("right");
  });

  test("stands behind what is configured", async () => {
    desk = await only({ resource: "https://vault.example/", client_secret: "other" });
    expect((await desk.login(token("sys"), vm1)).body.errors[0]).toStartWith('oidc: expected audience "https://vault.example/"');
    desk = await only({ client_secret: "other" });
    expect((await desk.login(token("sys"), vm1)).status).toBe(502);
    expect(desk.tokens.map(({ body }) => body)).toMatchObject([{ form: { client_id: "app", client_secret: "other" } }]);
  });

  test("does not stand in for a configuration that is not there", async () => {
    desk = await only({});
    await desk.vault.as("DELETE", "auth/azure/config");
    expect((await desk.login(token("sys"), vm1)).body.errors).toEqual(["tenant_id is required"]);
  });

  test("gives no secret to a mount that proves itself without one", async () => {
    desk = await createAzureDesk({}, environment);
    await desk.vault.as("POST", "identity/oidc/config", { body: { issuer: "https://postern.example:8200" } });
    await config({ client_secret: "", identity_token_audience: "api://AzureADTokenExchange" });
    await desk.role("dev-role", { ...sub(S1), ...sp(P1) });
    expect((await desk.login(token("sys"), vm1)).status).toBe(200);
    expect(desk.tokens.map(({ body }) => JSON.stringify(body))).toEqual([expect.not.stringContaining("client_secret")]);
  });

  test.each<[AzureDefaults, string]>([
    [{ resource }, "tenant_id is required"],
    [{ tenantId: tenant }, "resource is required"],
    [{ tenantId: "contoso.onmicrosoft.com", resource }, "tenant_id must be the tenant's id, a GUID"],
    [{ tenantId: tenant, resource, environment: "nowhere" }, 'err: no cloud configuration matching the name "NOWHERE"'],
  ])("is asked for as much as what is written: %j", async (defaults, says) => {
    desk = await createAzureDesk({}, defaults);
    await desk.vault.as("DELETE", "auth/azure/config");
    expect(await config({})).toMatchObject({ status: 400, body: { errors: [says] } });
    expect((await desk.vault.as("GET", "auth/azure/config")).status).toBe(404);
  });
});

describe("roles of the method azure", () => {
  test("are read, listed and deleted by names in any case", async () => {
    expect((await desk.role("Dev-Role", { bound_service_principal_ids: P1, policies: "dev,prod", ttl: 60 })).status).toBe(204);
    expect((await desk.vault.as("GET", "auth/azure/role/DEV-role")).body.data).toEqual({
      bound_service_principal_ids: [P1],
      bound_group_ids: null,
      bound_subscription_ids: null,
      bound_resource_groups: null,
      bound_locations: null,
      bound_scale_sets: null,
      token_bound_cidrs: [],
      token_explicit_max_ttl: 0,
      token_max_ttl: 0,
      token_no_default_policy: false,
      token_num_uses: 0,
      token_period: 0,
      token_policies: ["dev", "prod"],
      token_ttl: 60,
      token_type: "default",
      policies: ["dev", "prod"],
      ttl: 60,
    });
    expect((await desk.vault.as("LIST", "auth/azure/role")).body.data).toEqual({ keys: ["dev-role"] });
    expect((await desk.vault.as("DELETE", "auth/azure/role/dev-role")).status).toBe(204);
    expect((await desk.vault.as("LIST", "auth/azure/role")).status).toBe(404);
  });

  test.each<[string, object, string]>([
    ["no bound", {}, "must have at least one bound constraint when creating/updating a role"],
    [
      "a life that is over its maximum",
      { bound_service_principal_ids: P1, token_ttl: 61, token_max_ttl: 60 },
      "'token_ttl' cannot be greater than 'token_max_ttl'",
    ],
    ["another kind of token", { bound_service_principal_ids: P1, token_type: "magic" }, "invalid 'token_type' value \"magic\""],
    [
      "a period beyond the mount's",
      { bound_service_principal_ids: P1, token_period: 2764801 },
      'token period of "768h0m1s" is greater than the backend\'s maximum lease TTL of "768h0m0s"',
    ],
  ])("are not made with %s", async (_title, body, says) => {
    expect(await desk.role("bad", body)).toMatchObject({ status: 400, body: { errors: [says] } });
    expect((await desk.vault.as("GET", "auth/azure/role/bad")).status).toBe(404);
  });

  test("do not lose their last bound", async () => {
    await desk.role("dev-role", sub(S1));
    expect((await desk.role("dev-role", { bound_subscription_ids: [] })).status).toBe(400);
    expect((await desk.role("dev-role", { bound_subscription_ids: ["", " "] })).status).toBe(400);
    expect((await desk.role("dev-role", { bound_subscription_ids: null })).status).toBe(400);
    expect((await desk.vault.as("GET", "auth/azure/role/dev-role")).body.data).toMatchObject({ bound_subscription_ids: [S1] });
  });

  test.each(["bound_subscription_ids", "bound_resource_groups", "bound_locations", "bound_scale_sets"])(
    "take a star in %s for a name",
    async (bound) => {
      await desk.role("dev-role", { ...sp(P1), [bound]: ["*"] });
      expect((await desk.login(token("sys"), vm1)).status).toBe(403);
    },
  );

  test("warn of a maximum that the mount does not allow", async () => {
    const { status, body } = await desk.role("long", { bound_service_principal_ids: P1, token_max_ttl: 9999999 });
    expect([status, body.warnings?.[0]]).toEqual([200, expect.stringContaining("max_ttl is greater than the system or backend mount's")]);
  });

  test("warn where tokens may not say which resource they are of, and say so again when they do not", async () => {
    await config({ resource: "api://postern" });
    const bound = { ...sub(S1), ...sp(P1) };
    const { status, body } = await desk.role("dev-role", bound);
    expect([status, body.warnings]).toEqual([200, [expect.stringContaining("xms_az_rid and xms_mirid claims are missing from token")]]);
    expect((await desk.role("open", sp(P1))).status).toBe(204);
    expect((await desk.login(token("bare", { aud: "api://postern" }), vm1)).status).toBe(403);
    expect(desk.vault.house.lastAudit().checks?.at(-1)?.detail).toContain("into tokens for services of its own");
    const lenient = await createAzureDesk({ claimless: "system-assigned" });
    await lenient.vault.as("POST", "auth/azure/config", { body: { resource: "api://postern" } });
    expect((await lenient.role("dev-role", bound)).status).toBe(204);
    expect((await lenient.role("of-a-set", { bound_scale_sets: "vmss1" })).status).toBe(200);
  });

  test("take lists with commas, and null for an empty one", async () => {
    await desk.role("one", { bound_service_principal_ids: `${P1}, x`, bound_locations: null });
    expect((await desk.vault.as("GET", "auth/azure/role/one")).body.data).toMatchObject({
      bound_service_principal_ids: [P1, "x"],
      bound_locations: null,
    });
  });

  test("go with their mount, with its configuration", async () => {
    await desk.role("one", { bound_service_principal_ids: P1 });
    await desk.vault.as("DELETE", "sys/auth/azure");
    await desk.vault.as("POST", "sys/auth/azure", { body: { type: "azure" } });
    expect((await desk.vault.as("GET", "auth/azure/config")).status).toBe(404);
    expect((await desk.vault.as("GET", "auth/azure/role/one")).status).toBe(404);
  });

  test("are nobody's business without a token that may", async () => {
    const { body } = await desk.vault.as("POST", "auth/token/create", { body: { policies: ["default"] } });
    const token: string = body.auth.client_token;
    expect((await desk.vault.as("GET", "auth/azure/config", { token })).status).toBe(403);
    expect((await desk.vault.as("POST", "auth/azure/config", { token, body: {} })).status).toBe(403);
    expect((await desk.vault.as("POST", "auth/azure/role/x", { token, body: { bound_service_principal_ids: "*" } })).status).toBe(403);
    expect(desk.vault.house.lastAudit()).toMatchObject({ operation: "azure.write", allowed: false, because: "no_path_rule" });
  });
});
