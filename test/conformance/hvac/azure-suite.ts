/** hvac's calls of Vault's Azure method, with a machine's token. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { installedFile } from "../support/client";
import { namespaceCommand } from "../support/namespace";
import { playVaultFlow } from "../support/vault-azure";

setDefaultTimeout(60_000);

const wrapper = namespaceCommand();
const login = { role: "dev", jwt: "MACHINE_JWT", subscription_id: "SUBSCRIPTION_ID", resource_group_name: "vault", vm_name: "test-vm" };

describe.skipIf(wrapper === undefined)("hvac on an Azure VM (needs a network namespace)", () => {
  test("configures the method, makes roles, logs in and reads", async () => {
    const { answers } = await playVaultFlow(wrapper ?? [], {
      command: [installedFile("hvac", "venv/bin/python"), join(import.meta.dir, "driver.py")],
      env: { SERVER_URL: "SERVER_URL", SERVER_CA_FILE: "SERVER_CA_FILE", SERVER_TOKEN: "ROOT_TOKEN" },
      isSetUp: false,
      calls: [
        ["sys.enable_auth_method", { method_type: "azure" }],
        [
          "auth.azure.configure",
          { tenant_id: "TENANT_ID", resource: "https://management.azure.com/", client_id: "CLIENT_ID", client_secret: "CLIENT_SECRET" },
        ],
        ["auth.azure.read_config"],
        [
          "auth.azure.create_role",
          { name: "dev", policies: ["dev"], bound_subscription_ids: ["SUBSCRIPTION_ID"], bound_resource_groups: ["vault"] },
        ],
        ["auth.azure.read_role", { name: "dev" }],
        ["auth.azure.list_roles"],
        ["auth.azure.login", login],
        ["secrets.kv.v2.read_secret_version", { path: "creds", raise_on_deleted_version: true }],
        ["auth.azure.login", { ...login, vm_name: "other-vm" }],
        ["auth.azure.login", { role: "dev", jwt: "MACHINE_JWT" }],
        ["with token", "ROOT_TOKEN"],
        ["auth.azure.delete_role", { name: "dev" }],
        ["auth.azure.delete_config"],
      ],
    });
    expect(answers.slice(2, 11)).toMatchObject([
      { result: { tenant_id: expect.any(String), max_retries: 3 } },
      { result: { status: 204 } },
      { result: { bound_resource_groups: ["vault"] } },
      { result: { keys: ["dev"] } },
      { result: { auth: { policies: ["default", "dev"], metadata: { vm_name: "test-vm" } } } },
      { result: { data: { data: { password: "Hashi123" } } } },
      { error: expect.stringMatching(/^Forbidden: xms_mirid token claim does not match vm_name other-vm/) },
      { error: expect.stringMatching(/^Forbidden: subscription_id and resource_group_name are required/) },
      { result: "set" },
    ]);
    expect([answers[0], answers[1], ...answers.slice(11)].every((answer) => answer?.error === undefined)).toBe(true);
  });
});
