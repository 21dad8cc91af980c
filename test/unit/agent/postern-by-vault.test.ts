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
[apps.billing]
role = "billing"
socket = "${folder}/billing.sock"
`;
  return loadAgentConfig({ path: join(folder, "agent.toml"), text });
}

describe("an agent on an Arc-enabled server whose primary is a Postern by Vault's protocol", () => {
  test("logs in as the app's role with the server's resource id, and gives its token back at the end", async () => {
    const { oid } = server.azure.machine("arc").identity();
    await server.operator.as("POST", "auth/azure/role/billing", { body: { bound_service_principal_ids: [oid], token_ttl: "1h" } });
    const logger = createLogKeeper();
    const { clock } = server;
    const agent = await startAgent(configOf("arc"), {
      environment: {},
      clock,
      random: seededRandom(3),
      logger,
      files: createPrivateFiles(),
    });
    const ask = (path: string) => fetch(`http://localhost/v1/${path}`, { unix: join(folder, "billing.sock") });
    // No policy gives the role anything yet.
    expect((await ask("secret/data/app/db")).status).toBe(403);
    const { audit } = server.operator.house;
    expect(audit.findLast(({ operation }) => operation === "login")).toMatchObject({
      allowed: true,
      role: "acme:host:vault/role/azure/billing",
    });
    await agent.stop();
    expect(audit.at(-1)).toMatchObject({ operation: expect.stringContaining("revoke"), allowed: true });
  });
});
