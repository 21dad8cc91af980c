/**
 * A machine of Azure whose agent has a Postern for its Vault: two apps, one at a socket, which needs no token, and one at a port, whose token is in a file. Both
 * may read `secret/creds` and the variable `apps/db`, and nothing else.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type MachineAgent, startAgent } from "./agent";
import type { Deployment } from "./deployment";
import { administratorOf } from "./http";
import { administratorOfVault, rootTokenOf, startVault } from "./vault";

export interface VaultMachine {
  readonly vault: Deployment;
  /** `unix:///…/app.sock` */
  readonly socket: string;
  /** `http://127.0.0.1:PORT`, and what has to be shown there. */
  readonly port: { readonly url: string; readonly token: string };
  /** Writes the one secret anew. */
  put(data: object): Promise<void>;
  stop(): Promise<readonly number[]>;
}

export async function startVaultMachine(): Promise<VaultMachine> {
  const vault = await startVault();
  const ask = administratorOfVault(vault, rootTokenOf(vault));
  const machine = vault.azure.machine("ad");
  const resource = "https://management.azure.com/";
  await ask("POST", "sys/mounts/secret", { type: "kv", options: { version: "2" } });
  await ask("PUT", "sys/policies/acl/app", { policy: 'path "secret/data/creds" { capabilities = ["read"] }' });
  await ask("POST", "sys/auth/azure", { type: "azure" });
  await ask("POST", "auth/azure/config", { tenant_id: vault.azure.tenant().id, resource });
  const bound = { bound_service_principal_ids: [machine.identity().oid], token_policies: "app" };
  await ask("POST", "auth/azure/role/app", bound);
  const conjur = await administratorOf(vault);
  await conjur.load(
    "root",
    "- !variable apps/db\n- !permit {role: !host vault/role/azure/app, privilege: [read, execute], resource: !variable apps/db}\n",
  );
  await conjur.set("apps/db", "of a policy");
  const home = vault.folder("agent");
  const token = "token-of-the-app";
  writeFileSync(join(home, "app.token"), token, { mode: 0o600 });
  const agent: MachineAgent = await startAgent(home, {
    apps: 2,
    text: `data = "${home}/data"
[primary]
protocol = "vault"
url = "${vault.vaultUrl}"
ca = "${vault.caFile}"
[identity]
source = "imds"
endpoint = "${machine.url}/metadata/identity/oauth2/token"
[offline]
fresh = "1s"
[apps.one]
role = "app"
socket = "${home}/app.sock"
[apps.two]
role = "app"
listen = "127.0.0.1:0"
token_file = "${home}/app.token"
`,
  });
  const [, url = ""] = agent.addresses;
  return {
    vault,
    socket: `unix://${home}/app.sock`,
    port: { url, token },
    async put(data) {
      await ask("POST", "secret/data/creds", { data });
    },
    stop: async () => [await agent.stop(), await vault.stop()],
  };
}
