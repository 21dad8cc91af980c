/** The automatic login of Vault's agent on an Azure VM: its own code for the method `azure`, for keeping a token alive, and for the file where it leaves it. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { installedFile } from "../support/client";
import { namespaceCommand } from "../support/namespace";
import { playVaultFlow, type VaultFlow } from "../support/vault-azure";

setDefaultTimeout(60_000);

const wrapper = namespaceCommand();
const resource = "https://management.azure.com/";

function play(...calls: NonNullable<VaultFlow["calls"]>) {
  return playVaultFlow(wrapper ?? [], {
    command: [installedFile("vault-agent", "driver")],
    env: { VAULT_ADDR: "SERVER_URL", VAULT_CACERT: "SERVER_CA_FILE" },
    isSetUp: true,
    calls,
  });
}

const signedIn = ["wait for", "authentication successful, sending token to sinks"] as const;
const kept = ["wait for", "token written"] as const;

describe.skipIf(wrapper === undefined)("the automatic login of Vault's agent (needs a network namespace)", () => {
  test("leaves a token in its file that reads a password, renews it, and logs in anew once it is revoked", async () => {
    const { answers, tokenRequests } = await play(
      ["start", "short-lived", resource],
      signedIn,
      kept,
      ["mode"],
      ["read", "creds"],
      ["look up"],
      ["wait for", "renewed auth token"],
      ["read", "creds"],
      ["revoke"],
      ["wait for", "lifetime watcher done channel triggered"],
      signedIn,
      kept,
      ["read", "creds"],
      ["stop"],
    );
    const password = { result: { password: "Hashi123" } };
    expect(answers.slice(3, 6)).toEqual([
      { result: "-rw-r-----" },
      password,
      { result: expect.objectContaining({ path: "auth/azure/login", policies: ["default", "dev"], creation_ttl: 3, renewable: true }) },
    ]);
    expect(answers[6]).toEqual({ result: "renewed auth token" });
    expect(answers[7]).toEqual(password);
    expect(answers[8]).toEqual({ result: "revoked" });
    expect(answers.slice(12)).toEqual([password, { result: "auth handler stopped" }]);
    // The first login and the one after the revocation; a renewal asks the machine for nothing.
    expect(tokenRequests).toBe(2);
  });

  test("takes a wrapped token that opens once", async () => {
    const { answers } = await play(
      ["start", "dev-role-azure", resource, "60s"],
      ["wait for", "authentication successful, sending wrapped token to sinks and pausing"],
      kept,
      ["read", "creds"],
      ["read", "creds"],
    );
    expect(answers[3]).toEqual({ result: { password: "Hashi123" } });
    expect(answers[4]).toMatchObject({ error: expect.stringContaining("wrapping token is not valid or does not exist") });
  });

  test("is told why it may not come in, and keeps no token", async () => {
    const { answers } = await play(["start", "elsewhere", resource], ["wait for", "error authenticating"], ["mode"], ["stop"]);
    expect(answers[1]).toMatchObject({ result: expect.stringMatching(/Code: 403[\s\S]*location not authorized/) });
    expect(answers[2]).toMatchObject({ error: expect.stringContaining("no such file") });
  });
});
