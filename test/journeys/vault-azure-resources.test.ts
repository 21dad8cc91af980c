/** Machines of a simulated Azure log in by Vault's method azure, bound to where they are: over real TLS, asking a Resource Manager and a directory that know nothing of Postern. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { audience, outsideAddress, startVaultServer, type VaultServer } from "../support/vault-server";

let server: VaultServer;
beforeAll(async () => {
  server = await startVaultServer();
  const { clientId } = server.azure.identity("ci");
  await write("auth/azure/config", { client_id: clientId, client_secret: "ci-secret" });
});
afterAll(() => server.close());

async function write(path: string, body: object): Promise<void> {
  const { status, text } = await server.operator.as("POST", path, { body });
  if (status > 204) throw new Error(`${path}: ${status} ${text}`);
}

const login = async (body: object, mount = "azure"): Promise<readonly [number, string | undefined]> => {
  const reply = await server.operator.as("POST", `auth/${mount}/login`, { token: null, body });
  return [reply.status, reply.body.errors?.[0]];
};

/** What a machine says of itself. A set's member names its set; whatever is no virtual machine, its id. */
function fieldsOf(name: string): object {
  const { kind, subscriptionId, resourceGroup, resourceId } = server.azure.machine(name);
  const place = { subscription_id: subscriptionId, resource_group_name: resourceGroup };
  const last = resourceId.split("/").at(-1) ?? "";
  if (kind === "vm") return { ...place, vm_name: last };
  if (kind === "vmss-uniform") return { ...place, vmss_name: last };
  if (kind === "vmss-flexible") return { ...place, vmss_name: last.split("_")[0] };
  return { ...place, resource_id: resourceId };
}

const tokenOf = (machine: string, identity?: string, resource = audience): string =>
  server.azure.mint({ machine, resource, version: 1, ...(identity === undefined ? {} : { identity }) });

async function boundTo(name: string, role: string, mount = "azure"): Promise<void> {
  const { subscriptionId, resourceGroup } = server.azure.machine(name);
  const bounds = { bound_subscription_ids: subscriptionId, bound_resource_groups: resourceGroup, bound_locations: "westeurope" };
  await write(`auth/${mount}/role/${role}`, bounds);
}

/** The system-assigned one. */
const own = "itself";

describe("a machine that is bound to its place", () => {
  test.each([
    ["vm", own],
    ["vm-uami", "id-app"],
    ["vm-both", own],
    ["vm-both", "id-app"],
    ["vm-multi", "id-batch"],
    ["vmss", own],
    ["vmss-uami", "id-app"],
    ["flex-uami", "id-app"],
    ["arc", own],
    ["web", own],
    ["web-both", own],
    ["web-both", "id-web"],
    ["web-staging", own],
    ["function", own],
    ["container-app-both", "id-web"],
    ["container-group", own],
    ["aks", "id-cluster"],
  ])("logs in: %s as %s", async (name, identity) => {
    await boundTo(name, "here");
    expect(await login({ role: "here", jwt: tokenOf(name, identity === own ? undefined : identity), ...fieldsOf(name) })).toEqual([
      200,
      undefined,
    ]);
  });

  test.each([
    ["vm-uami", "vm-both", "vm_name"],
    ["vmss-uami", "flex-uami", "vmss_name"],
    ["flex-uami", "vmss-uami", "vmss_name"],
    ["web-both", "container-app-both", "resource_id"],
    ["container-app-both", "web-both", "resource_id"],
  ])("is not taken for another that is run as the same identity: %s for %s", async (name, other, field) => {
    const { identities } = server.azure.machine(name);
    await boundTo(other, "there");
    const [status, says] = await login({ role: "there", jwt: tokenOf(name, identities.at(-1)?.name), ...fieldsOf(other) });
    expect([status, says]).toEqual([403, expect.stringContaining(field)]);
  });

  test("of another tenant gets in nowhere", async () => {
    await boundTo("vm", "here");
    const [status, says] = await login({ role: "here", jwt: tokenOf("vm-globex"), ...fieldsOf("vm") });
    expect([status, says]).toEqual([
      403,
      expect.stringMatching(/^(?:oidc: id token issued by a different provider|failed to verify signature)/),
    ]);
  });

  test("that was made anew under its name gets in as what it is now, and what it was not at all", async () => {
    await boundTo("vm-elsewhere", "elsewhere");
    const before = tokenOf("vm-elsewhere");
    expect((await login({ role: "elsewhere", jwt: before, ...fieldsOf("vm-elsewhere") }))[0]).toBe(200);
    server.azure.changes.recreate("vm-elsewhere");
    server.clock.advance(60_000);
    expect(await login({ role: "elsewhere", jwt: before, ...fieldsOf("vm-elsewhere") })).toEqual([
      403,
      "neither token object id nor token app id match expected identities",
    ]);
    expect((await login({ role: "elsewhere", jwt: tokenOf("vm-elsewhere"), ...fieldsOf("vm-elsewhere") }))[0]).toBe(200);
  });

  test("without claims of its resource gets in where its own identity stands for it, and where the operator says so", async () => {
    const resource = "https://bare.example";
    const { clientId } = server.azure.identity("ci");
    for (const [mount, options] of [
      ["strict", {}],
      ["claimless", { claimless: "system-assigned" }],
    ] as const) {
      await write(`sys/auth/${mount}`, { type: "azure", options });
      await write(`auth/${mount}/config`, {
        tenant_id: server.azure.tenant().id,
        resource,
        client_id: clientId,
        client_secret: "ci-secret",
      });
      await boundTo("vm-both", "here", mount);
    }
    const proper = { role: "here", jwt: tokenOf("vm-both", undefined, resource), ...fieldsOf("vm-both") };
    const shared = { ...proper, jwt: tokenOf("vm-both", "id-app", resource) };
    const refused = [403, "xms_az_rid and xms_mirid claims are missing from token"] as const;
    expect(await login(proper, "strict")).toEqual(refused);
    expect(await login(proper, "claimless")).toEqual([200, undefined]);
    expect(await login(shared, "claimless")).toEqual(refused);
    const { subscriptionId, resourceGroup } = server.azure.machine("vm");
    const other = { subscription_id: subscriptionId, resource_group_name: resourceGroup, vm_name: "vm" };
    expect((await login({ ...proper, ...other }, "claimless"))[0]).toBe(403);
  });
});

describe("a server without a secret", () => {
  const exchange = "api://AzureADTokenExchange";
  const federated = async (mount: string): Promise<string> => {
    await write(`sys/auth/${mount}`, { type: "azure" });
    const { clientId } = server.azure.identity("ci");
    const terms = { tenant_id: server.azure.tenant().id, resource: audience, client_id: clientId, identity_token_audience: exchange };
    await write(`auth/${mount}/config`, terms);
    await boundTo("vm", "here", mount);
    const { body } = await server.operator.as("GET", "sys/auth");
    return body.data[`${mount}/`].accessor;
  };

  test("asks Azure by a token of its own, once the application trusts the mount", async () => {
    await write("identity/oidc/config", { issuer: outsideAddress });
    const accessor = await federated("federated");
    const attempt = { role: "here", jwt: tokenOf("vm"), ...fieldsOf("vm") };
    expect(await login(attempt, "federated")).toEqual([502, expect.stringMatching(/AADSTS7002\d+$/)]);
    const issuer = `${outsideAddress}/v1/identity/oidc/plugins`;
    server.azure.federate("ci", { issuer, subject: `plugin-identity:root:auth:${accessor}`, audience: exchange });
    expect(await login(attempt, "federated")).toEqual([200, undefined]);
    // Another mount is another subject.
    await federated("untrusted");
    expect(await login(attempt, "untrusted")).toEqual([502, expect.stringContaining("AADSTS700213")]);
    expect((await server.operator.as("POST", "auth/federated/rotate-root")).status).toBe(400);
  });
});

describe("a server that changes the key of its tokens", () => {
  test("is believed all the while, for Azure has known the next key since before it signed", async () => {
    const exchange = "api://AzureADTokenExchange";
    await write("identity/oidc/config", { issuer: outsideAddress });
    await write("sys/auth/changing", { type: "azure", options: { arm_fresh_seconds: "0" } });
    const accessor: string = (await server.operator.as("GET", "sys/auth")).body.data["changing/"].accessor;
    const subject = `plugin-identity:root:auth:${accessor}`;
    server.azure.federate("ci", { issuer: `${outsideAddress}/v1/identity/oidc/plugins`, subject, audience: exchange });
    const { clientId } = server.azure.identity("ci");
    const loginAnew = async () => {
      const terms = { tenant_id: server.azure.tenant().id, resource: audience, client_id: clientId, identity_token_audience: exchange };
      await write("auth/changing/config", terms);
      await boundTo("vm", "here", "changing");
      return login({ role: "here", jwt: tokenOf("vm"), ...fieldsOf("vm") }, "changing");
    };
    // Azure keeps what it fetches here for five minutes, and fetches nothing in between.
    server.clock.advance(600_000);
    expect(await loginAnew()).toEqual([200, undefined]);
    server.clock.advance(290_000);
    await write("identity/oidc/key/default/rotate", {});
    expect(await loginAnew()).toEqual([200, undefined]);
    expect((await server.operator.as("POST", "identity/oidc/key/default/rotate", { body: {} })).status).toBe(400);
    expect(await loginAnew()).toEqual([200, undefined]);
  });
});

describe("the server's own secret", () => {
  test("is rotated in the directory, and machines log in before, between and after", async () => {
    await boundTo("vm", "here");
    const loginNow = async () => {
      // So that Azure is asked again, by a token of its own.
      server.clock.advance(3_600_000);
      return (await login({ role: "here", jwt: tokenOf("vm"), ...fieldsOf("vm") }))[0];
    };
    expect(server.azure.secretsOf("ci")).toEqual(["ci-secret"]);
    const { status, text } = await server.operator.as("POST", "auth/azure/rotate-root");
    expect([status, text]).toEqual([204, ""]);
    const [, made] = server.azure.secretsOf("ci");
    expect([server.azure.secretsOf("ci").length, await loginNow()]).toEqual([2, 200]);
    await server.operator.house.tidy();
    expect(server.azure.secretsOf("ci")).toEqual([made ?? ""]);
    expect(await loginNow()).toBe(200);
    const { body } = await server.operator.as("GET", "auth/azure/config");
    expect(body.data.root_password_expiration_date).toMatch(/^\d{4}-\d\d-\d\dT/);
    expect(JSON.stringify(body) + JSON.stringify(server.operator.house.audit)).not.toContain(made ?? "ci-secret");
  });

  test("that may change no application is told so, and stays", async () => {
    const { clientId } = server.azure.identity("reporter");
    await write("auth/azure/config", { client_id: clientId, client_secret: "unknown" });
    const reply = await server.operator.as("POST", "auth/azure/rotate-root");
    expect([reply.status, reply.body.errors]).toEqual([502, [expect.stringMatching(/invalid_client_AADSTS/)]]);
  });
});
