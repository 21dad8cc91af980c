/** The lines of the public documentation of Vault's Azure method, as they are printed there but for the ids in them, played by a shell on an Azure VM. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { installedFile } from "../support/client";
import { namespaceCommand } from "../support/namespace";
import { playVaultFlow } from "../support/vault-azure";

setDefaultTimeout(60_000);

const wrapper = Bun.which("jq") === null ? undefined : namespaceCommand();
const env = { VAULT_ADDR: "SERVER_URL", VAULT_CACERT: "SERVER_CA_FILE", VAULT_TOKEN: "ROOT_TOKEN" };
const token = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F";
const instance = 'curl -s -H Metadata:true "http://169.254.169.254/metadata/instance?api-version=2017-08-01"';

const byCommand = [
  "vault auth enable azure",
  `vault write auth/azure/config \\
    tenant_id=TENANT_ID \\
    resource=https://management.azure.com/ \\
    client_id=CLIENT_ID \\
    client_secret=CLIENT_SECRET`,
  `vault write auth/azure/role/dev-role \\
    policies="prod,dev" \\
    bound_subscription_ids=SUBSCRIPTION_ID \\
    bound_resource_groups=vault`,
  `vault write auth/azure/login \\
    role="dev-role" \\
    jwt="MACHINE_JWT" \\
    subscription_id="SUBSCRIPTION_ID" \\
    resource_group_name="vault" \\
    vm_name="test-vm"`,
  `vault write auth/azure/login role="dev-role" \\
     jwt="$(curl -s '${token}' -H Metadata:true | jq -r '.access_token')" \\
     subscription_id=$(${instance} | jq -r '.compute | .subscriptionId')  \\
     resource_group_name=$(${instance} | jq -r '.compute | .resourceGroupName') \\
     vm_name=$(${instance} | jq -r '.compute | .name')`,
  "vault read -format=json auth/azure/config",
  "vault read -format=json auth/azure/role/dev-role",
  "vault list -format=json auth/azure/role",
];

const curl = "curl --silent --cacert SERVER_CA_FILE";
const byApi = [
  `${curl} \\
    --header "X-Vault-Token: ROOT_TOKEN" \\
    --request POST \\
    --data '{"type": "azure"}' \\
    SERVER_URL/v1/sys/auth/azure`,
  `${curl} \\
    --header "X-Vault-Token: ROOT_TOKEN" \\
    --request POST \\
    --data '{"tenant_id": "TENANT_ID", "resource": "https://management.azure.com/", "client_id": "CLIENT_ID", "client_secret": "CLIENT_SECRET"}' \\
    SERVER_URL/v1/auth/azure/config`,
  `${curl} \\
    --header "X-Vault-Token: ROOT_TOKEN" \\
    --request POST \\
    --data '{"policies": ["dev", "prod"], "bound_subscription_ids": "SUBSCRIPTION_ID", "bound_resource_groups": ["vault"]}' \\
    SERVER_URL/v1/auth/azure/role/dev-role`,
  `${curl} \\
    --request POST \\
    --data '{"role": "dev-role", "jwt": "MACHINE_JWT", "subscription_id": "SUBSCRIPTION_ID", "resource_group_name": "vault", "vm_name": "test-vm"}' \\
    SERVER_URL/v1/auth/azure/login`,
];

describe.skipIf(wrapper === undefined)("the documented lines on an Azure VM (need a network namespace, and jq)", () => {
  const command = (): readonly string[] => [installedFile("bao-cli", "driver")];

  test("set the method up and log in, by the command line", async () => {
    const { outputs } = await playVaultFlow(wrapper ?? [], { command: command(), env, isSetUp: false, lines: byCommand });
    expect(outputs.map(({ code, err }) => [code, err])).toEqual(byCommand.map(() => [0, ""]));
    const [enabled, configured, roleMade, login, loginAsMachine, config, role, roles] = outputs.map(({ out }) => out);
    expect(enabled).toContain("Success! Enabled azure auth method at: azure/");
    expect(configured).toContain("Success! Data written to: auth/azure/config");
    expect(roleMade).toContain("Success! Data written to: auth/azure/role/dev-role");
    for (const table of [login, loginAsMachine]) {
      expect(table).toMatch(/^token +hvs\.\w+$/m);
      expect(table).toMatch(/^token_policies +\["default" "dev" "prod"\]$/m);
      expect(table).toMatch(/^token_meta_vm_name +test-vm$/m);
    }
    expect(JSON.parse(config ?? "").data).toMatchObject({ resource: "https://management.azure.com/", retry_delay: 4000000000 });
    expect(config).not.toContain("client_secret");
    expect(JSON.parse(role ?? "").data).toMatchObject({
      policies: ["prod", "dev"],
      token_policies: ["prod", "dev"],
      bound_resource_groups: ["vault"],
    });
    expect(JSON.parse(roles ?? "")).toEqual(["dev-role"]);
  });

  test("set the method up and log in, by the API", async () => {
    const { outputs } = await playVaultFlow(wrapper ?? [], { command: command(), env, isSetUp: false, lines: byApi });
    expect(outputs.slice(0, 3)).toEqual([0, 1, 2].map(() => ({ code: 0, out: "", err: "" })));
    expect(JSON.parse(outputs[3]?.out ?? "").auth).toMatchObject({
      policies: ["default", "dev", "prod"],
      renewable: true,
      lease_duration: 2764800,
    });
  });
});
