import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { adminOperations } from "../../../src/client/admin-wire";
import { createAdminClient } from "../../../src/client/client";
import { SecretBytes } from "../../../src/model/secret-bytes";
import { createOperatedHouse, type OperatedHouse } from "../../support/cli-bench";

let operated: OperatedHouse;
beforeEach(async () => {
  operated = await createOperatedHouse();
});
afterEach(() => operated.close());

function get(path: string, isLocal = true): Promise<Response> {
  return operated.app.fetch(new Request(`http://x${path}`), { isLocal });
}

function post(path: string, body: string, isLocal = true): Promise<Response> {
  return operated.app.fetch(new Request(`http://x${path}`, { method: "POST", body }), { isLocal });
}

function client() {
  return createAdminClient((request) => operated.app.fetch(request, { isLocal: true }));
}

describe("the admin application", () => {
  test("answers nobody who comes over TCP, whatever they ask", async () => {
    for (const path of ["/health", "/ready", "/metrics", "/nothing"]) {
      const response = await get(path, false);
      expect([response.status, await response.text()]).toEqual([403, ""]);
    }
    for (const { path } of Object.values(adminOperations)) {
      const response = await post(path, "{}", false);
      expect([response.status, await response.text()]).toEqual([403, ""]);
    }
    expect(operated.keyringCalls).toEqual([]);
  });

  test("lets no answer be kept by anybody", async () => {
    expect((await post("/roles/retrieve-key", '{"role":"acme:user:admin"}')).headers.get("cache-control")).toBe("no-store");
    expect((await post("/roles/retrieve-key", '{"role":"acme:user:none"}')).headers.get("cache-control")).toBe("no-store");
  });

  test("gives health, readiness and metrics to other programs", async () => {
    expect(await (await get("/health")).json()).toEqual({ status: "ok" });
    expect(await (await get("/ready")).json()).toEqual({ ready: true, reasons: [], warnings: [] });
    const metrics = await get("/metrics");
    expect([metrics.headers.get("content-type"), await metrics.text()]).toEqual(["text/plain; version=0.0.4", "postern_up 1\n"]);
  });

  test("says why it is not ready", async () => {
    operated.setSeal({ state: "sealed", reason: "seal_key_mismatch" });
    const response = await get("/ready");
    expect([response.status, await response.json()]).toEqual([503, { ready: false, reasons: ["sealed: seal_key_mismatch"], warnings: [] }]);
    operated.setSeal({ state: "uninitialised" });
    expect(await (await get("/ready")).json()).toMatchObject({ reasons: ["uninitialised"] });
  });

  test("is not ready while the audit takes no line", async () => {
    await operated.trail.close();
    expect(await (await get("/ready")).json()).toMatchObject({ ready: false, reasons: ["audit_unavailable"] });
  });

  test("refuses a body that is no JSON, has unknown members, or lacks one, and never repeats it", async () => {
    for (const body of ['{"name":canary', '{"name":"a","more":"canary"}', "[]", '{"role":7}', '"canary"']) {
      const response = await post("/accounts/create", body);
      const text = await response.text();
      expect(response.status).toBe(400);
      expect(text).not.toContain("canary");
      expect(JSON.parse(text).error.code).toBe("malformed");
    }
  });

  test("lists no account and opens no store while it is sealed", async () => {
    operated.setSeal({ state: "sealed", reason: "seal_key_missing" });
    const answer = await client().call(adminOperations.status, {});
    expect(answer).toMatchObject({ ok: true, output: { accounts: [], seal: { state: "sealed", reason: "seal_key_missing" } } });
  });

  test("acts as the administrator of the account it is asked about, through the gate", async () => {
    await operated.house.load("- !variable db\n");
    const value = SecretBytes.ofText("sesame");
    expect(await client().call(adminOperations.setVariable, { id: "acme:variable:db", value })).toEqual({ ok: true, output: {} });
    expect(operated.house.lastAudit()).toMatchObject({
      operation: "secret.write",
      role: "acme:user:admin",
      context: { dialect: "operator", clientAddress: "127.0.0.1" },
    });
  });

  test("passes secrets as bytes in both directions", async () => {
    await operated.house.load("- !variable db\n");
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    await client().call(adminOperations.setVariable, { id: "acme:variable:db", value: new SecretBytes(bytes) });
    const answer = await client().call(adminOperations.getVariable, { id: "acme:variable:db" });
    if (!answer.ok) throw new Error(answer.error.message);
    expect(Buffer.from(answer.output.value.reveal())).toEqual(Buffer.from(bytes));
  });

  test("tells the operator which decision refused", async () => {
    const answer = await client().call(adminOperations.getVariable, { id: "acme:variable:none" });
    expect(answer).toMatchObject({ ok: false, error: { code: "not_found", decision: operated.house.lastAudit().decision } });
  });

  test("writes down what it does to the keyring before it does it", async () => {
    await client().call(adminOperations.rotateRoot, {});
    await client().call(adminOperations.rotateScope, { account: "acme" });
    expect(operated.keyringCalls).toEqual(["rotateRoot without key", "rotateScope acme", "rewrap"]);
    expect((await operated.trail.verify()).lines).toBe(3);
    await operated.trail.close();
    expect(await client().call(adminOperations.rotateRoot, {})).toMatchObject({ ok: false, error: { code: "internal" } });
    expect(operated.keyringCalls).toHaveLength(3);
  });

  test("writes down that it was unsealed, once it has the keys to do so", async () => {
    operated.setSeal({ state: "sealed", reason: "seal_key_missing" });
    await client().call(adminOperations.unseal, { recoveryKey: SecretBytes.ofText("canary") });
    await client().call(adminOperations.unseal, {});
    expect(operated.keyringCalls).toEqual(["unseal with key", "unseal without key"]);
    expect((await operated.trail.verify()).lines).toBe(2);
  });

  test("answers an unknown path as not found", async () => {
    expect((await post("/seal/open", "{}")).status).toBe(404);
  });
});
