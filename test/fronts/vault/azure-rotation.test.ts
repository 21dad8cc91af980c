import { beforeEach, describe, expect, test } from "bun:test";
import { sp, sub, vm1 } from "./azure-cases";
import { type AzureDesk, answer, createAzureDesk, P1, S1, token } from "./azure-desk";
import type { GraphFault, GraphStep } from "./azure-graph";
import type { VaultClient } from "./client";

let desk: AzureDesk;
beforeEach(async () => {
  desk = await createAzureDesk();
  await desk.role("dev-role", { ...sub(S1), ...sp(P1) });
});

const rotate = (vault: VaultClient = desk.vault) => vault.as("POST", "auth/azure/rotate-root");
const config = async () => (await desk.vault.as("GET", "auth/azure/config")).body.data;
const names = () => [...desk.graph.passwords.values()].map(({ name }) => name);
const loginAt = (vault: VaultClient) =>
  vault.as("POST", "auth/azure/login", { token: null, body: { role: "dev-role", jwt: token("sys"), ...vm1 } });

/** Whether what is kept is enough to ask Azure, also for somebody who starts now and remembers nothing. */
const works = async (): Promise<boolean> => (await loginAt(await desk.restarted())).status === 200;

async function later(ms: number, vault: VaultClient = desk.vault): Promise<void> {
  desk.clock.advance(ms);
  await vault.house.tidy();
}

describe("the rotation of a mount's secret for Azure", () => {
  test("has Azure make a password, uses it a minute later, and then lets the others go", async () => {
    desk.graph.passwords.set("another", { name: "forgotten", secret: "forgotten" });
    expect((await rotate()).status).toBe(204);
    expect(desk.graph.asked).toEqual(["find", expect.stringMatching(/^addPassword vault-[0-9a-f-]{36}$/)]);
    expect([...desk.graph.passwords.keys()]).toEqual(["old-key", "another", "key-1"]);
    await later(59_000);
    expect(desk.graph.asked).toHaveLength(2);
    expect(await config()).not.toHaveProperty("root_password_expiration_date");
    await later(1000);
    expect([...desk.graph.passwords.keys()]).toEqual(["key-1"]);
    const endsAt = desk.graph.passwords.get("key-1")?.endsAt;
    expect(Date.parse(endsAt ?? "") - desk.clock.now()).toBe(15_768_000_000 - 60_000);
    expect((await config()).root_password_expiration_date).toBe(endsAt);
    expect(await works()).toBe(true);
    const asked = desk.graph.asked.length;
    await later(86_400_000);
    expect(desk.graph.asked).toHaveLength(asked);
  });

  test("can be done again and again", async () => {
    for (const key of ["key-1", "key-2", "key-3"]) {
      expect((await rotate()).status).toBe(204);
      await later(60_000);
      expect([...desk.graph.passwords.keys()]).toEqual([key]);
      expect(await works()).toBe(true);
    }
  });

  test("makes passwords that live as long as the configuration says", async () => {
    await desk.vault.as("POST", "auth/azure/config", { body: { root_password_ttl: "30d" } });
    await rotate();
    expect(Date.parse(desk.graph.passwords.get("key-1")?.endsAt ?? "") - desk.clock.now()).toBe(30 * 86_400_000);
  });

  test("leaves lines in the audit, and the secret nowhere but where it is kept", async () => {
    await rotate();
    expect(desk.vault.house.lastAudit()).toMatchObject({ operation: "azure.rotate_root", allowed: true, path: "auth/azure/rotate-root" });
    await later(60_000);
    expect(desk.vault.house.lastAudit()).toMatchObject({
      operation: "azure.rotate_root_done",
      allowed: true,
      authenticator: "azure/azure",
    });
    const told = JSON.stringify(desk.vault.house.audit) + JSON.stringify(await config());
    expect(told).not.toContain("made-secret");
  });

  test("is for those alone whose policies allow it", async () => {
    const { body } = await desk.vault.as("POST", "auth/token/create", { body: { policies: ["default"] } });
    const reply = await desk.vault.as("POST", "auth/azure/rotate-root", { token: body.auth.client_token });
    expect(reply.status).toBe(403);
    expect(desk.graph.asked).toEqual([]);
  });

  test("is one at a time", async () => {
    const replies = await Promise.all([rotate(), rotate()]);
    expect(replies.map(({ status }) => status).sort()).toEqual([204, 400]);
    expect((await rotate()).body.errors).toEqual(["a rotation is under way"]);
    expect(names()).toHaveLength(2);
    await later(60_000);
    expect((await rotate()).status).toBe(204);
  });
});

describe("what cannot be rotated", () => {
  const refusal = async (): Promise<unknown[]> => {
    const { status, body } = await rotate();
    return [status, body.errors];
  };

  test.each<[string, object, string]>([
    ["a configuration without an application", { client_id: "" }, "client_id is required"],
    ["one whose passwords would end at once", { root_password_ttl: 59 }, "root_password_ttl is at least 3600 seconds for a rotation"],
    ["one that proves itself as a machine", { client_secret: "" }, "there is no client_secret in the configuration to rotate"],
  ])("%s", async (_title, change, says) => {
    await desk.vault.as("POST", "auth/azure/config", { body: change });
    expect(await refusal()).toEqual([400, [says]]);
    expect(desk.graph.asked).toEqual([]);
  });

  test("none at all", async () => {
    await desk.vault.as("DELETE", "auth/azure/config");
    expect(await refusal()).toEqual([400, ["config is nil"]]);
  });

  test("the secret of an application that the directory does not know, or knows twice", async () => {
    desk.graph.applications = [];
    expect(await refusal()).toEqual([400, ["no application found"]]);
    desk.graph.applications = ["a", "b"];
    expect(await refusal()).toEqual([400, ["multiple applications found - double check your client_id"]]);
    expect(names()).toEqual(["by hand"]);
  });
});

describe("a rotation that fails", () => {
  const faults: readonly [GraphStep, GraphFault, number][] = [
    ["find", answer(403, { error: { message: "do not tell" } }), 502],
    ["find", answer(503, {}), 502],
    ["find", answer(200, "no directory"), 502],
    ["addPassword", answer(403, {}), 502],
    ["addPassword", answer(500, {}), 502],
    ["addPassword", answer(200, { keyId: "key-x" }), 502],
    ["addPassword", "lost", 500],
    ["addPassword", "done and lost", 500],
  ];
  test.each(faults)("at %s with %j leaves the secret that was, and nothing behind", async (step, fault, status) => {
    desk.graph.faults.set(step, fault);
    expect((await rotate()).status).toBe(status);
    expect(desk.vault.house.lastAudit()).toMatchObject({ operation: "azure.rotate_root", allowed: false });
    expect(await works()).toBe(true);
    desk.graph.faults.clear();
    await later(180_000);
    expect(names()).toEqual(["by hand"]);
    expect(await works()).toBe(true);
    expect((await rotate()).status).toBe(204);
    await later(60_000);
    expect([desk.graph.passwords.size, await works()]).toEqual([1, true]);
  });

  test("that Azure refused can be begun again at once", async () => {
    desk.graph.faults.set("addPassword", answer(403, {}));
    expect((await rotate()).body.errors).toEqual(["unable to rotate the root credential: http_403"]);
    desk.graph.faults.clear();
    expect((await rotate()).status).toBe(204);
  });

  test("because the new password cannot be kept takes it back", async () => {
    desk.vault.house.store.beforeNextCommit(async () => {
      desk.vault.house.store.beforeNextCommit(() => Promise.reject(new Error("the disk is full")));
    });
    expect((await rotate()).status).toBe(500);
    expect([names(), await works()]).toEqual([["by hand"], true]);
    await later(180_000);
    expect((await rotate()).status).toBe(204);
  });

  test("because it cannot even be noted has nothing made", async () => {
    desk.vault.house.store.beforeNextCommit(() => Promise.reject(new Error("the disk is full")));
    expect((await rotate()).status).toBe(500);
    expect(desk.graph.asked).toEqual(["find"]);
  });

  test("to become the secret in use keeps the old one until Azure knows the new one, and tells of it once", async () => {
    await rotate();
    desk.graph.isSlow = true;
    const lines = desk.vault.house.audit.length;
    for (let round = 0; round < 5; round += 1) {
      await later(60_000);
      expect([names().includes("by hand"), await works()]).toEqual([true, true]);
    }
    expect(desk.vault.house.audit.slice(lines).filter(({ operation }) => operation === "azure.rotate_root")).toMatchObject([
      { allowed: false, failure: "upstream_unavailable", because: "invalid_client_AADSTS7000215" },
    ]);
    desk.graph.isSlow = false;
    await later(60_000);
    expect([[...desk.graph.passwords.keys()], await works()]).toEqual([["key-1"], true]);
  });

  test("for good, as Azure never comes to know the new password, is given up and takes it back", async () => {
    await rotate();
    desk.graph.isSlow = true;
    await later(901_000);
    expect([names(), await works()]).toEqual([["by hand"], true]);
    expect(desk.vault.house.lastAudit()).toMatchObject({ operation: "azure.rotate_root_undone", allowed: true });
    desk.graph.isSlow = false;
    expect((await rotate()).status).toBe(204);
  });

  test("is not given up while Azure is away", async () => {
    await rotate();
    desk.graph.faults.set("find", answer(503, {}));
    await later(3600_000);
    expect([names().length, await works()]).toEqual([2, true]);
    desk.graph.faults.clear();
    await later(15_000);
    expect([[...desk.graph.passwords.keys()], await works()]).toEqual([["key-1"], true]);
  });

  test("to let the old ones go uses the new one already, and tries again", async () => {
    await rotate();
    desk.graph.faults.set("removePassword", answer(403, {}));
    await later(60_000);
    expect(names()).toHaveLength(2);
    expect(await works()).toBe(true);
    desk.graph.faults.clear();
    await later(15_000);
    expect([[...desk.graph.passwords.keys()], await works()]).toEqual([["key-1"], true]);
  });

  test("to find the new password among the application's lets none of the others go", async () => {
    await rotate();
    const made = desk.graph.passwords.get("key-1");
    desk.graph.passwords.delete("key-1");
    // Entra ID still takes it, by another name.
    desk.graph.passwords.set("elsewhere", made ?? { name: "", secret: "" });
    await later(60_000);
    expect([...desk.graph.passwords.keys()]).toEqual(["old-key", "elsewhere"]);
    expect(await works()).toBe(true);
  });
});

describe("a server that ends while a rotation is under way", () => {
  /** Lets everything run that can. */
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 200; turn += 1) await Promise.resolve();
  };

  test("before it hears of the new password has it removed by its name", async () => {
    desk.graph.faults.set("addPassword", "done and never told");
    void rotate();
    await settle();
    expect(names()).toHaveLength(2);
    desk.graph.faults.clear();
    const next = await desk.restarted();
    await later(120_000, next);
    expect(names()).toHaveLength(2);
    await later(60_000, next);
    expect([names(), (await loginAt(next)).status]).toEqual([["by hand"], 200]);
  });

  test("before the minute is over goes on with what was kept", async () => {
    await rotate();
    const next = await desk.restarted();
    await later(60_000, next);
    expect([[...desk.graph.passwords.keys()], await works()]).toEqual([["key-1"], true]);
  });

  test("while the old ones go is still known to Azure, and lets the rest go when it is back", async () => {
    desk.graph.passwords.set("another", { name: "forgotten", secret: "forgotten" });
    await rotate();
    desk.graph.faults.set("removePassword", "done and never told");
    desk.clock.advance(60_000);
    void desk.vault.house.tidy();
    await settle();
    expect([...desk.graph.passwords.keys()]).toEqual(["another", "key-1"]);
    expect(await works()).toBe(true);
    desk.graph.faults.clear();
    const next = await desk.restarted();
    await later(1000, next);
    expect([[...desk.graph.passwords.keys()], await works()]).toEqual([["key-1"], true]);
  });
});

describe("whoever writes another configuration meanwhile", () => {
  test("means that one: the new password never takes its place", async () => {
    await rotate();
    desk.graph.passwords.set("new-by-hand", { name: "by hand", secret: "mine" });
    expect((await desk.vault.as("POST", "auth/azure/config", { body: { client_secret: "mine" } })).status).toBe(204);
    await later(60_000);
    expect([...desk.graph.passwords.keys()]).toEqual(["old-key", "key-1", "new-by-hand"]);
    expect(await works()).toBe(true);
  });

  test("of other things keeps the rotation going", async () => {
    await rotate();
    await desk.vault.as("POST", "auth/azure/config", { body: { max_retries: 1 } });
    await later(60_000);
    expect([...desk.graph.passwords.keys()]).toEqual(["key-1"]);
    expect(await config()).toMatchObject({ max_retries: 1, root_password_expiration_date: expect.any(String) });
  });

  test("or takes it or its mount away ends it", async () => {
    await rotate();
    await desk.vault.as("DELETE", "auth/azure/config");
    await later(60_000);
    expect(names()).toHaveLength(2);
    await desk.vault.as("DELETE", "sys/auth/azure");
    await later(60_000);
    expect(names()).toHaveLength(2);
  });

  test("while the password is being made has it taken back", async () => {
    const written: number[] = [];
    desk.graph.meanwhile.set("addPassword", async () => {
      written.push((await desk.vault.as("POST", "auth/azure/config", { body: { client_id: "other" } })).status);
    });
    const { status, body } = await rotate();
    expect([status, body.errors, written]).toEqual([400, ["the configuration was changed in the meantime"], [204]]);
    expect(names()).toEqual(["by hand"]);
  });

  test("hears no date of a secret that is no longer in use", async () => {
    await rotate();
    await later(60_000);
    await desk.vault.as("POST", "auth/azure/config", { body: { client_secret: "mine" } });
    expect(await config()).not.toHaveProperty("root_password_expiration_date");
  });
});
