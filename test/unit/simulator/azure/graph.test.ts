import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { fixedNow, jsonOf, startSimulator } from "./fixture";

const simulator = await startSimulator();
const resource = "https://graph.microsoft.com";
const ci = simulator.identity("ci");
const admin = () => simulator.mint({ identity: "ci", resource });
afterAll(() => simulator.close());
beforeEach(() => simulator.clock.setOffset(0));

describe("Microsoft Graph", () => {
  test("finds an application by its client id, with passwords but no secret", async () => {
    const { value } = await jsonOf(await ask("GET", `/v1.0/applications?${new URLSearchParams({ $filter: `appId eq '${ci.clientId}'` })}`));
    expect(value).toEqual([
      expect.objectContaining({
        appId: ci.clientId,
        displayName: "ci",
        passwordCredentials: [expect.objectContaining({ displayName: "first", hint: "ci-", secretText: null })],
      }),
    ]);
    expect(JSON.stringify(value)).not.toContain("ci-secret");
    expect((await jsonOf(await ask("GET", "/v1.0/applications?$filter=appId+eq+'none'"))).value).toEqual([]);
    expect((await ask("GET", "/v1.0/applications?$filter=displayName+eq+'ci'")).status).toBe(400);
  });

  test("adds a password that counts from then on to its end, and removes one by its key: the other still counts", async () => {
    const path = await pathOf(ci.clientId);
    const endDateTime = new Date(fixedNow + 3_600_000).toISOString();
    const added = await jsonOf(await ask("POST", `${path}/addPassword`, { passwordCredential: { displayName: "vault-1", endDateTime } }));
    expect([added.displayName, added.secretText]).toEqual(["vault-1", simulator.secretsOf("ci").at(-1)]);
    expect([await logsIn("ci-secret"), await logsIn(String(added.secretText))]).toEqual([200, 200]);
    const { passwordCredentials } = await jsonOf(await ask("GET", path));
    if (!Array.isArray(passwordCredentials)) throw new Error("expected passwords");
    expect(passwordCredentials.map((each) => [each.displayName, each.secretText])).toEqual([
      ["first", null],
      ["vault-1", null],
    ]);
    expect((await ask("POST", `${path}/removePassword`, { keyId: passwordCredentials[0].keyId })).status).toBe(204);
    expect((await ask("POST", `${path}/removePassword`, { keyId: passwordCredentials[0].keyId })).status).toBe(400);
    expect([await logsIn("ci-secret"), await logsIn(String(added.secretText))]).toEqual([401, 200]);
    expect(simulator.secretsOf("ci")).toEqual([String(added.secretText)]);
    simulator.clock.advance(3_600_000);
    expect(await logsIn(String(added.secretText))).toBe(401);
  });

  test.each<[string, string, object | string | undefined, number]>([
    ["GET", "/v1.0/applications/00000000-0000-4000-8000-000000000000", undefined, 404],
    ["POST", "/v1.0/applications", {}, 405],
    ["GET", "SELF/addPassword", undefined, 405],
    ["POST", "SELF/addPassword", "{", 400],
    ["POST", "SELF/addPassword", { passwordCredential: { endDateTime: "tomorrow" } }, 400],
    ["POST", "SELF/addPassword", { passwordCredential: { endDateTime: "2020-01-01T00:00:00Z" } }, 400],
    ["POST", "SELF/removePassword", { keyId: 5 }, 400],
    ["GET", "/v1.0/users", undefined, 404],
  ])("refuses %s %s %j", async (method, path, body, status) => {
    const answer = await ask(method, path.replace("SELF", await pathOf(ci.clientId)), body);
    expect([answer.status, (await jsonOf(answer)).error]).toEqual([status, expect.objectContaining({ code: expect.any(String) })]);
  });

  test("shows nothing to who has no permission, and nothing without a token for it", async () => {
    const reporter = simulator.mint({ identity: "reporter", resource });
    const refused = await ask("GET", "/v1.0/applications", undefined, reporter);
    expect([refused.status, (await jsonOf(refused)).error]).toEqual([
      403,
      expect.objectContaining({ code: "Authorization_RequestDenied" }),
    ]);
    for (const token of [simulator.mint({ identity: "ci" }), simulator.mint({ identity: "ci", resource, flaw: "stolen_kid" })])
      expect((await ask("GET", "/v1.0/applications", undefined, token)).status).toBe(401);
  });

  test("lets who owns itself change itself alone", async () => {
    const owner = simulator.mint({ identity: "reporter", resource, claims: { roles: ["Application.ReadWrite.OwnedBy"] } });
    expect((await jsonOf(await ask("GET", "/v1.0/applications", undefined, owner))).value).toEqual([
      expect.objectContaining({ displayName: "reporter" }),
    ]);
    expect((await ask("POST", `${await pathOf(ci.clientId)}/addPassword`, {}, owner)).status).toBe(404);
  });
});

async function pathOf(clientId: string): Promise<string> {
  const { value } = await jsonOf(await ask("GET", `/v1.0/applications?${new URLSearchParams({ $filter: `appId eq '${clientId}'` })}`));
  if (!Array.isArray(value)) throw new Error("expected a list");
  return `/v1.0/applications/${value[0].id}`;
}

async function logsIn(secret: string): Promise<number> {
  const form = { grant_type: "client_credentials", client_id: ci.clientId, client_secret: secret, scope: `${resource}/.default` };
  const answer = await fetch(`${simulator.entra.url}/${simulator.tenant().id}/oauth2/v2.0/token`, {
    method: "POST",
    body: new URLSearchParams(form),
    tls: { ca: simulator.caPem },
  });
  return answer.status;
}

function ask(method: string, path: string, body?: object | string, token = admin()): Promise<Response> {
  return fetch(`${simulator.graph.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    tls: { ca: simulator.caPem },
  });
}
