/** The part of the story that is told by Vault's protocol: its method azure, whose roles bind machines to what Azure's Resource Manager knows of them. */

import { applicationSecret, secretValue } from "./cloud";
import { type Answer, curl, platformToken } from "./machines";
import type { Stage } from "./play";
import { type Refusal, refused } from "./refusals";

export interface VaultStory {
  /** What each machine read, by its name in the cloud. */
  readonly read: Readonly<Record<string, string>>;
  readonly refusals: readonly Refusal[];
}

export async function playVault(stage: Stage): Promise<VaultStory> {
  await setUp(stage);
  const read: Record<string, string> = {};
  for (const machine of ["ad", "onprem"] as const) read[machine] = await machineReads(stage, machine);
  const refusals = [
    await refused(stage, { name: "a machine of another group", make: () => login(stage, "elsewhere", "elsewhere") }),
    await refused(stage, { name: "a machine that gives itself out as another", make: () => login(stage, "stranger", "ad") }),
  ];
  return { read, refusals };
}

/** As one sets up a Vault, with a token that only who works on the machine can make. */
async function setUp(stage: Stage): Promise<void> {
  const { azure, narrator, postern } = stage;
  narrator.command('VAULT_TOKEN=$(postern vault token --ttl 15m --data "$data")');
  const root = (await postern('vault token --ttl 15m --data "$data" --seal "file:$folder/seal.key" 2>/dev/null')).trim();
  narrator.result("a root token for a quarter of an hour");
  const { subscriptionId } = azure.machine("ad");
  const config = {
    tenant_id: azure.tenant().id,
    resource: "https://management.azure.com/",
    client_id: azure.identity("postern").clientId,
    client_secret: applicationSecret,
  };
  for (const [path, body] of [
    ["sys/mounts/secret", { type: "kv", options: { version: "2" } }],
    ["secret/data/app", { data: { password: secretValue } }],
    ["sys/policies/acl/app", { policy: 'path "secret/data/app" { capabilities = ["read"] }' }],
    ["sys/auth/azure", { type: "azure" }],
    ["auth/azure/config", config],
    [
      "auth/azure/role/app",
      {
        token_policies: "app",
        bound_subscription_ids: subscriptionId,
        bound_resource_groups: "rg-app,rg-onprem",
        bound_locations: "westeurope",
      },
    ],
  ] as const) {
    // Through standard input: arguments can be seen by every user.
    const line = `printf %s "$body" | curl -s -H "X-Vault-Token: $VAULT_TOKEN" -d @- ${stage.url}/v1/${path}`;
    narrator.command(line.replace('"$body"', `'${JSON.stringify(body).replace(secretValue, "…").replace(applicationSecret, "…")}'`));
    const { status, body: answer } = await curl(stage, line, { VAULT_TOKEN: root, body: JSON.stringify(body) });
    if (status >= 300) throw new Error(`${path}: ${status} ${answer}`);
  }
}

/** A login with the token of one machine, and the names of another or the same one. */
async function login(stage: Stage, machine: string, named: string): Promise<Answer> {
  const { azure, narrator, url } = stage;
  const { kind, subscriptionId, resourceGroup, resourceId } = azure.machine(named);
  const own = kind === "vm" ? { vm_name: resourceId.split("/").at(-1) } : { resource_id: resourceId };
  const said = { role: "app", subscription_id: subscriptionId, resource_group_name: resourceGroup, ...own };
  const line = `curl -s -d @- ${url}/v1/auth/azure/login`;
  narrator.command(`printf %s '${JSON.stringify({ ...said, jwt: "…" })}' | ${line}`);
  const body = JSON.stringify({ ...said, jwt: await platformToken(azure.machine(machine)) });
  return curl(stage, `printf %s "$body" | ${line}`, { body });
}

async function machineReads(stage: Stage, machine: "ad" | "onprem"): Promise<string> {
  const { narrator, url } = stage;
  const answer = await login(stage, machine, machine);
  if (answer.status !== 200) throw new Error(`${machine}: ${answer.status} ${answer.body}`);
  const token: string = JSON.parse(answer.body).auth.client_token;
  const line = `curl -s -H "X-Vault-Token: $token" ${url}/v1/secret/data/app`;
  narrator.command(`${line} | jq -r .data.data.password`);
  const read = await curl(stage, line, { token });
  const password: string = JSON.parse(read.body).data.data.password;
  narrator.result(password);
  return password;
}
