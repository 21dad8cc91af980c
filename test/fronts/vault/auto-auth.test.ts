/**
 * What Vault's own agent does by itself where it logs in with the method `azure`, request by request.
 *
 * Source: Vault 1.19, command/agentproxyshared/auth/azure/azure.go and auth.go; api/lifetime_watcher.go.
 */

import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import * as v from "valibot";
import { audience, startVaultServer } from "../../support/vault-server";
import { exchange } from "../../unit/server/listening";

const server = await startVaultServer();
afterAll(() => server.close());

const Instance = v.object({
  compute: v.object({ name: v.string(), resourceGroupName: v.string(), subscriptionId: v.string(), vmScaleSetName: v.string() }),
});
const Grant = v.object({ access_token: v.string() });
const Login = v.object({ auth: v.object({ client_token: v.string(), lease_duration: v.number(), renewable: v.boolean() }) });
type Auth = v.InferOutput<typeof Login>["auth"];

async function ofPlatform(machine: string, path: string): Promise<unknown> {
  const answer = await fetch(`${server.azure.machine(machine).url}${path}`, { headers: { Metadata: "true" } });
  expect([path, answer.status]).toEqual([path, 200]);
  return await answer.json();
}

/** Steps 1 to 3, with every member of the login there, empty or not. */
async function logIn(machine: string, role = "agent"): Promise<Response> {
  const { compute } = v.parse(Instance, await ofPlatform(machine, "/metadata/instance?api-version=2018-02-01"));
  const resource = encodeURIComponent(audience);
  const grant = v.parse(Grant, await ofPlatform(machine, `/metadata/identity/oauth2/token?api-version=2018-02-01&resource=${resource}`));
  return await ask("PUT", "auth/azure/login", undefined, {
    role,
    jwt: grant.access_token,
    vm_name: compute.name,
    vmss_name: compute.vmScaleSetName,
    resource_group_name: compute.resourceGroupName,
    subscription_id: compute.subscriptionId,
  });
}

function ask(method: string, path: string, token?: string, body?: object): Promise<Response> {
  return fetch(`${server.listener.url}/v1/${path}`, {
    method,
    headers: { "X-Vault-Request": "true", ...(token === undefined ? {} : { "X-Vault-Token": token }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

const authOf = async (answer: Response): Promise<Auth> => v.parse(Login, await answer.json()).auth;

beforeEach(async () => {
  const oids = ["vm", "vmss", "flex"].map((name) => server.azure.machine(name).identity().oid);
  const role = { bound_service_principal_ids: oids, token_ttl: "1h", token_max_ttl: "2h", token_policies: ["app"] };
  expect((await server.operator.as("POST", "auth/azure/role/agent", { body: role })).status).toBe(204);
});

describe("Vault's agent", () => {
  test.each(["vm", "vmss", "flex"])("logs in from a %s with what its platform says of it", async (machine) => {
    const auth = await authOf(await logIn(machine));
    expect(auth).toMatchObject({ lease_duration: 3600, renewable: true, client_token: expect.stringMatching(/^hvs\./) });
  });

  test("renews its token for as long as it may, and logs in again when that is over", async () => {
    const first = await authOf(await logIn("vm"));
    // Two thirds of the lease, and a little more.
    server.clock.advance(2_450_000);
    const renewed = await ask("PUT", "auth/token/renew-self", first.client_token, { increment: 0 });
    expect(await authOf(renewed)).toMatchObject({ client_token: first.client_token, lease_duration: 3600, renewable: true });
    server.clock.advance(2_450_000);
    const last = await authOf(await ask("PUT", "auth/token/renew-self", first.client_token, { increment: 0 }));
    // What is left until the longest that it may live: no longer the whole lease, which is how the agent sees the end coming.
    expect(last.lease_duration).toBe(7200 - 4900);
    server.clock.advance(last.lease_duration * 1000);
    expect((await ask("GET", "auth/token/lookup-self", first.client_token)).status).toBe(403);
    expect(await authOf(await logIn("vm"))).toMatchObject({ lease_duration: 3600 });
  });

  test("asks what a template needs, and is told why it reads nothing with a token that is none", async () => {
    const { client_token: token } = await authOf(await logIn("vm"));
    const preflight: unknown = await (await ask("GET", "sys/internal/ui/mounts/secret/app/db", token)).json();
    expect(preflight).toMatchObject({ data: { path: "secret/", type: "kv", options: { version: "2" } } });
    const read: unknown = await (await ask("GET", "secret/data/app/db", token)).json();
    expect(read).toMatchObject({ data: { data: { password: "hunter2" }, metadata: { version: 2 } }, lease_duration: 0, renewable: false });
    const listed: unknown = await (await ask("GET", "secret/metadata/app?list=true", token)).json();
    expect(listed).toMatchObject({ data: { keys: ["db"] } });
    // The runtime's own client cannot say LIST.
    const head = `LIST /v1/secret/metadata/app HTTP/1.1\r\nHost: vault.test\r\nX-Vault-Token: ${token}\r\nConnection: close\r\n\r\n`;
    expect(await exchange(server.listener.port, head)).toContain('"data":{"keys":["db"]}');
    expect((await ask("GET", "secret/data/other", token)).status).toBe(403);
    // The agent looks for these words in what it passes on.
    const refused = await ask("GET", "secret/data/app/db", "hvs.none");
    expect([refused.status, await refused.text()]).toEqual([403, expect.stringContaining("invalid token")]);
  });

  test("looks a token up that it was given beforehand", async () => {
    const { client_token: token } = await authOf(await logIn("vm"));
    const looked: unknown = await (await ask("GET", "auth/token/lookup-self", token)).json();
    expect(looked).toMatchObject({ data: { id: token, ttl: 3600, renewable: true, creation_time: expect.any(Number) } });
  });

  test("hears in the words it knows that its token is revoked, and logs in again", async () => {
    const { client_token: token } = await authOf(await logIn("vm"));
    expect((await ask("PUT", "auth/token/revoke-self", token)).status).toBe(204);
    const refused = await ask("GET", "auth/token/lookup-self", token);
    expect([refused.status, await refused.text()]).toEqual([403, expect.stringContaining("invalid token")]);
    expect((await logIn("vm")).status).toBe(200);
  });

  test("is refused with a status that it does not try again at once, and the operator hears why", async () => {
    const refused = await logIn("vm-globex");
    expect(refused.status).toBe(403);
    expect(server.operator.house.lastAudit()).toMatchObject({ operation: "login", allowed: false });
    expect((await logIn("vm", "nobody")).status).toBe(400);
  });
});
