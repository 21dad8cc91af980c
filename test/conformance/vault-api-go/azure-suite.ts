/** The Go client's Azure flow, which it plays by itself, and the example of the public documentation that is written with it. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { installedFile } from "../support/client";
import { namespaceCommand } from "../support/namespace";
import { playVaultFlow } from "../support/vault-azure";

setDefaultTimeout(60_000);

const wrapper = namespaceCommand();
const env = { VAULT_ADDR: "SERVER_URL", VAULT_CACERT: "SERVER_CA_FILE", VAULT_MAX_RETRIES: "2" };

describe.skipIf(wrapper === undefined)("the Go client on an Azure VM (needs a network namespace)", () => {
  test("gets a password as the documented example does", async () => {
    const { answers, asked, tokenRequests } = await playVaultFlow(wrapper ?? [], {
      command: [installedFile("vault-api-go", "driver")],
      env,
      isSetUp: true,
      calls: [["documented azure example"]],
    });
    expect(answers).toEqual([{ result: "Hashi123" }]);
    expect([asked, tokenRequests]).toEqual([1, 1]);
  });

  test("logs in by role, is bound to where it runs, and is refused once and for all", async () => {
    const { answers, tokenRequests } = await playVaultFlow(wrapper ?? [], {
      command: [installedFile("vault-api-go", "driver")],
      env,
      isSetUp: true,
      calls: [
        ["azure login", "dev-role-azure"],
        ["look up self"],
        ["get", "creds"],
        ["put", "creds", "{}"],
        ["azure login", "elsewhere"],
        ["azure login", "nobody"],
        ["azure login", "dev-role-azure", "azure", "https://vault.azure.net"],
      ],
    });
    expect(answers).toMatchObject([
      {
        result: {
          policies: ["default", "dev"],
          metadata: { role: "dev-role-azure", vm_name: "test-vm", resource_group_name: "vault", subscription_id: expect.any(String) },
          renewable: true,
        },
      },
      { result: { path: "auth/azure/login", display_name: expect.stringMatching(/^azure-[0-9a-f-]{36}$/) } },
      { result: { Data: { password: "Hashi123" } } },
      { status: 403 },
      { status: 403, error: expect.stringContaining("location not authorized") },
      { status: 400, error: expect.stringContaining('invalid role name "nobody"') },
      { status: 403, error: expect.stringContaining("oidc: expected audience") },
    ]);
    // None of the refusals was tried again: the client does that with errors of the server.
    expect(tokenRequests).toBe(4);
  });
});
