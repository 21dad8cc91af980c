/**
 * Runs inside the place that `namespace.ts` makes: a deployment, Azure's metadata service at its own address, and somebody who works with a
 * client of Vault's. The method `azure` is set up by that client or before it.
 */

import { chmodSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { microsoftAudiences } from "../../../src/simulator/azure/standard-cloud";
import { startDriver } from "./driver";
import { relay } from "./relay";
import { administratorOfVault, rootTokenOf, startVault } from "./vault";
import type { VaultFlow, VaultFlowReport } from "./vault-azure";

const flow: VaultFlow = JSON.parse(process.argv[2] ?? "");
const secret = "IT3B2XfZvWnfB98s1cie8EMe7zWg483Xy8zY004=";
const cloud = {
  tenants: [{ name: "acme" }],
  audiences: microsoftAudiences,
  applications: [{ name: "postern", secret }],
  readers: [{ principal: "postern", resourceGroup: "vault" }],
  machines: [{ name: "test-vm", kind: "vm" as const, resourceGroup: "vault" }],
};

const vault = await startVault({ cloud });
const machine = vault.azure.machine("test-vm");
const metadata = relay("169.254.169.254", 80, Number(new URL(machine.url).port));
const root = rootTokenOf(vault);
const admin = administratorOfVault(vault, root);
await admin("POST", "sys/mounts/secret", { type: "kv", options: { version: "2" } });
await admin("POST", "secret/data/creds", { data: { password: "Hashi123" } });
await admin("PUT", "sys/policies/acl/dev", { policy: 'path "secret/data/creds" { capabilities = ["read"] }' });
if (flow.isSetUp) await setUp();

const report: VaultFlowReport = {
  answers: await calls(),
  outputs: await lines(),
  asked: vault.azure.resourceManager.requests("machine"),
  tokenRequests: machine.requests("token"),
};
process.stdout.write(JSON.stringify(report));
metadata.stop(true);
process.exit(await vault.stop());

async function setUp(): Promise<void> {
  const config = { tenant_id: vault.azure.tenant().id, resource: "https://management.azure.com/" };
  const application = { client_id: vault.azure.identity("postern").clientId, client_secret: secret };
  await admin("POST", "sys/auth/azure", { type: "azure" });
  await admin("POST", "auth/azure/config", { ...config, ...application });
  const bounds = { bound_subscription_ids: [machine.subscriptionId], bound_resource_groups: ["vault"] };
  await admin("POST", "auth/azure/role/dev-role-azure", { token_policies: "dev", ...bounds });
  await admin("POST", "auth/azure/role/short-lived", { token_policies: "dev", token_ttl: 3, token_max_ttl: 60, ...bounds });
  await admin("POST", "auth/azure/role/elsewhere", { token_policies: "dev", ...bounds, bound_locations: "northeurope" });
}

/** The words of a flow that stand for what only this place knows. */
function filled(text: string): string {
  const known: Readonly<Record<string, string>> = {
    SERVER_URL: vault.vaultUrl,
    SERVER_CA_FILE: vault.caFile,
    ROOT_TOKEN: root,
    TENANT_ID: vault.azure.tenant().id,
    CLIENT_ID: vault.azure.identity("postern").clientId,
    CLIENT_SECRET: secret,
    SUBSCRIPTION_ID: machine.subscriptionId,
    MACHINE_JWT: vault.azure.mint({ machine: machine.name }),
  };
  return text.replace(/[A-Z]+(?:_[A-Z]+)+/g, (word) => known[word] ?? word);
}

function environment(): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(flow.env).map(([name, value]) => [name, filled(value)]));
}

async function calls() {
  if (flow.calls === undefined) return [];
  const driver = startDriver({ command: flow.command, cwd: vault.folder("client"), env: environment() });
  const answers = [];
  for (const [operation, ...args] of flow.calls)
    answers.push(await driver.call(operation, ...args.map((each) => JSON.parse(filled(JSON.stringify(each))))));
  await driver.stop();
  return answers;
}

/** Each as a script of a shell that knows the client by the name in the documentation. */
async function lines() {
  const home = vault.folder("shell");
  const [program = ""] = flow.command;
  if (flow.lines !== undefined) symlinkSync(program, join(home, "vault"));
  const outputs = [];
  for (const [index, line] of (flow.lines ?? []).entries()) {
    const script = join(home, `line-${index}.sh`);
    writeFileSync(script, filled(line));
    chmodSync(script, 0o700);
    const child = Bun.spawn(["sh", script], {
      cwd: home,
      env: { PATH: `${home}:${process.env.PATH}`, HOME: home, ...environment() },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    outputs.push({ code, out, err });
  }
  return outputs;
}
