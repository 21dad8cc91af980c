import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startAgent } from "../../../src/agent/agent";
import { loadAgentConfig } from "../../../src/config/agent";
import { createPrivateFiles } from "../../../src/runtime/files";
import { createLogKeeper } from "../../support/fake-issuer";
import { seededRandom } from "../../support/house";
import { startVaultServer } from "../../support/vault-server";

const server = await startVaultServer();
const folder = mkdtempSync(join(tmpdir(), "postern-agent-"));
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

function configOf(machine: string): ReturnType<typeof loadAgentConfig> {
  const text = `
data = "${folder}/data"
[primary]
url = "${server.listener.url}"
protocol = "vault"
[identity]
source = "arc"
endpoint = "${server.azure.machine(machine).url}/metadata/identity/oauth2/token"
tokens_folder = "${server.azure.tokensFolder}"
[offline]
max_stale = "1h"
fresh = "1s"
[apps.billing]
role = "billing"
socket = "${folder}/billing.sock"
`;
  return loadAgentConfig({ path: join(folder, "agent.toml"), text });
}

describe("an agent on an Arc-enabled server whose primary is a Postern by Vault's protocol", () => {
  test("logs in as the app's role, reads what its policy gives it and no more, and gives its token back at the end", async () => {
    const { oid } = server.azure.machine("arc").identity();
    const role = { bound_service_principal_ids: [oid], token_ttl: "1h", token_policies: ["app"] };
    await server.operator.as("POST", "auth/azure/role/billing", { body: role });
    const logger = createLogKeeper();
    const { clock } = server;
    const agent = await startAgent(configOf("arc"), {
      environment: {},
      clock,
      random: seededRandom(3),
      logger,
      files: createPrivateFiles(),
      machine: "",
    });
    const ask = (path: string) => fetch(`http://localhost/v1/${path}`, { unix: join(folder, "billing.sock") });
    const dataOf = async (path: string): Promise<unknown> => {
      const body: unknown = await (await ask(path)).json();
      return typeof body === "object" && body !== null && "data" in body ? body.data : body;
    };
    expect(await dataOf("secret/data/app/db")).toMatchObject({ data: { password: "hunter2" }, metadata: { version: 2 } });
    expect(await dataOf("secret/data/app/db?version=1")).toMatchObject({ data: { password: "first" }, metadata: { version: 1 } });
    expect(await dataOf("old/app/db")).toEqual({ password: "kv one" });
    expect((await ask("secret/data/other")).status).toBe(403);
    // A variable of a policy, by a right that the policy gives to the role of Vault's.
    const { house } = server.operator;
    await house.load(
      "- !variable plain\n- !permit\n  role: !host vault/role/azure/billing\n  privileges: [ read, execute ]\n  resource: !variable plain\n",
    );
    expect((await server.operator.as("POST", "conjur/plain", { body: { value: "s3cret" } })).status).toBe(204);
    expect(await dataOf("conjur/plain")).toEqual({ value: "s3cret" });
    expect((await ask("secret/data/app/none")).status).toBe(404);
    const { audit } = server.operator.house;
    expect(audit.findLast(({ operation }) => operation === "login")).toMatchObject({
      allowed: true,
      role: "acme:host:vault/role/azure/billing",
    });
    // Its token is revoked at the server; then the role's policy is taken away.
    const { operator } = server;
    const own = (await operator.as("GET", "auth/token/lookup-self")).body.data.accessor;
    const { keys } = (await operator.as("LIST", "auth/token/accessors")).body.data;
    for (const accessor of keys) if (accessor !== own) await operator.as("POST", "auth/token/revoke-accessor", { body: { accessor } });
    clock.advance(2000);
    expect(await dataOf("secret/data/app/db")).toMatchObject({ data: { password: "hunter2" } });
    expect((await operator.as("DELETE", "sys/policies/acl/app")).status).toBe(204);
    clock.advance(2000);
    // Tokens know the names of their policies, and each name means what it means now.
    const gone = await ask("secret/data/app/db");
    expect([gone.status, gone.headers.get("x-postern-source")]).toEqual([403, null]);
    await agent.stop();
    expect(audit.at(-1)).toMatchObject({ operation: expect.stringContaining("revoke"), allowed: true });
  });
});
