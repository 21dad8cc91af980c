import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { secretValue } from "../../scripts/walkthrough/cloud";
import { play, type Story } from "../../scripts/walkthrough/play";

const folder = mkdtempSync(join(tmpdir(), "postern-walkthrough-"));
let story: Story;

beforeAll(async () => {
  const nothing = () => undefined;
  story = await play({ binary: resolve("dist/postern"), folder, narrator: { chapter: nothing, command: nothing, result: nothing } });
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the walkthrough on the compiled binary", () => {
  test.each(["AD", "batch", "warehouse-7", "fleet", "AD again"])("lets %s read the secret", (host) => {
    expect(story.read[host]).toBe(secretValue);
  });

  test.each([
    ["the authenticator is not enabled", 401, "enabled"],
    ["the token of another VM", 401, "system_assigned_identity_mismatch"],
    ["the token of another tenant", 401, "issuer"],
    ["a token for another audience", 401, "audience"],
    ["the token of another resource group", 401, "resource_group_mismatch"],
    ["a resource group whose name begins with the bound one", 401, "resource_group_mismatch"],
    ["an expired token", 401, "expiry"],
    ["a wrong signature", 401, "signature"],
    ["alg: none", 401, "token_algorithm"],
    ["alg: HS256 with the public key as secret", 401, "token_algorithm"],
    ["a host without `authenticate`", 403, "authenticate"],
    ["a host from outside its networks", 401, "restricted_to"],
    ["a secret that is not granted", 404, "privilege_missing"],
    ["a secret that does not exist", 404, "resource_missing"],
  ])("refuses %s with %d, because %s", (name, status, because) => {
    const refusal = story.refusals.find((each) => each.name === name);
    expect(refusal).toMatchObject({ status, because });
    expect(refusal?.why).toContain("because");
  });

  test.each(["ad", "onprem"])("lets %s read by Vault's protocol too, where Azure says it is", (machine) => {
    expect(story.byVault.read[machine]).toBe(secretValue);
  });

  test.each([
    ["a machine of another group", "bound_resource_groups"],
    ["a machine that gives itself out as another", "origin"],
  ])("refuses %s there, because %s", (name, because) => {
    const refusal = story.byVault.refusals.find((each) => each.name === name);
    expect(refusal).toMatchObject({ status: 403, because });
    expect(refusal?.why).toContain("because");
  });

  test("tells the client nothing of the reason", () => {
    for (const { name, body } of story.refusals) {
      if (name === "an expired token") expect(body).toContain("CONJ00016E Token expired");
      else if (name.startsWith("a secret")) expect(body).toContain("is empty or not found");
      else expect(body).toBe("");
    }
  });

  test("tells the operator where the policy says so, and what would have helped", () => {
    const notGranted = story.refusals.find((each) => each.name === "a secret that is not granted");
    expect(notGranted?.why).toMatch(/permit/);
    const otherGroup = story.refusals.find((each) => each.name === "the token of another resource group");
    expect(otherGroup?.why).toMatch(/:\d+:\d+/);
  });

  test("ends in order each time it is told to, and leaves a whole trail", () => {
    expect(story.exitCodes).toEqual([0, 0]);
    expect(story.auditReport).toMatch(/ok|whole|holds/i);
  });

  test("leaves nothing running", () => {
    for (const pid of story.pids) expect(() => process.kill(pid, 0)).toThrow();
  });
});
