import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { SecretBytes } from "../../../src/model/secret-bytes";
import type { AuditRecord } from "../../../src/model/types";
import { type AuditBench, createAuditBench, createTestKeys, readRecord, startOfTests } from "../../support/audit-bench";

let bench: AuditBench;
beforeEach(() => {
  bench = createAuditBench();
});
afterEach(() => bench.remove());

/** The members of a line that tells of a decision. */
function decisions(lines: readonly string[]): Record<string, unknown>[] {
  return lines.map((line) => JSON.parse(line)).filter((line) => line.decision !== undefined);
}

describe("the audit log", () => {
  test("has a line in the file before append resolves", async () => {
    const trail = bench.open();
    await trail.append(readRecord(1));

    const [line] = decisions(bench.lines());
    expect(line).toMatchObject({
      seq: 2,
      at: "2025-11-10T09:12:13.124Z",
      operation: "secret.read",
      decision: "d-read00000001",
      allowed: true,
      account: "acme",
      role: "acme:host:azure-apps/AD",
      resource: "acme:variable:secrets/test-variable",
      version: 3,
      privilege: "execute",
      rule: "permit execute to acme:group:secrets/consumers",
      revision: 12,
      request: "r1",
      dialect: "conjur",
      client: "10.0.0.7",
      node: "vault-1",
      epoch: 1,
    });
    await trail.close();
  });

  test("shares one write among the lines of one turn, in the order they came", async () => {
    const trail = bench.open();
    await Promise.all(Array.from({ length: 16 }, (_, number) => trail.append(readRecord(number))));
    expect(decisions(bench.lines()).map((line) => line.request)).toEqual(Array.from({ length: 16 }, (_, number) => `r${number}`));
    await trail.close();
  });

  test("keeps its files closed to others", async () => {
    const trail = bench.open({ folder: `${bench.folder}/below` });
    await trail.append(readRecord(1));
    expect(statSync(`${bench.folder}/below`).mode & 0o777).toBe(0o700);
    expect(statSync(`${bench.folder}/below/audit.jsonl`).mode & 0o777).toBe(0o640);
    await trail.close();
  });

  test("lets no text start a line or steer a terminal", async () => {
    const trail = bench.open();
    const hostile = 'x"\\\n\r\u2028\u2029\u0000\u001b[31m\u009b\u202e\ud800{"seq":9}';
    await trail.append(
      readRecord(1, { allowed: false, claimed: hostile, because: hostile, checks: [{ check: "name", ok: false, detail: hostile }] }),
    );

    const lines = bench.lines();
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(/^[\x20-\x7e]*$/u);
    expect(decisions(lines)[0]).toMatchObject({ claimed_unverified: hostile, because: hostile });
    await trail.close();
  });

  test("cuts what an unproven caller says it is", async () => {
    const trail = bench.open();
    await trail.append(readRecord(1, { claimed: "host/".padEnd(5000, "a") }));
    const [line] = decisions(bench.lines());
    expect(String(line?.claimed_unverified)).toHaveLength(256);
    await trail.close();
  });

  test("writes the members it knows and nothing else", async () => {
    const trail = bench.open();
    const canary = "canary-7f1c";
    const smuggled = {
      ...readRecord(1),
      value: canary,
      token: SecretBytes.ofText(canary),
      context: { ...readRecord(1).context, headers: canary },
    };
    await trail.append(smuggled);
    expect(bench.lines().join("\n")).not.toContain(canary);
    await trail.close();
  });

  test("keeps the user agent of a refusal, marked as unverified, and not of an allowed read", async () => {
    const trail = bench.open();
    const context = { ...readRecord(1).context, userAgent: "curl/8" };
    await trail.append(readRecord(1, { context }));
    await trail.append(readRecord(2, { context, allowed: false, failure: "forbidden" }));
    expect(decisions(bench.lines()).map((line) => line.user_agent_unverified)).toEqual([undefined, "curl/8"]);
    await trail.close();
  });

  test("goes on with the chain after a restart", async () => {
    const first = bench.open();
    await bench.fill(first, 1, 3);
    await first.close();
    const second = bench.open();
    await bench.fill(second, 4, 5);
    await second.close();

    expect(await bench.open().verify()).toMatchObject({ ok: true, lines: 7, firstSequence: 1, lastSequence: 7, findings: [] });
    expect(bench.log.events.filter(({ event }) => event === "audit_finding")).toEqual([]);
  });

  test("goes on with the chain in the next file when one is full", async () => {
    const trail = bench.open({ rotateBytes: 2000 });
    await bench.fill(trail, 1, 12);
    await trail.close();

    expect(bench.files().length).toBeGreaterThan(3);
    expect(bench.files()[0]).toBe("audit-000000000000001.jsonl");
    const report = await bench.open().verify();
    expect(report).toMatchObject({ ok: true, findings: [] });
    expect(report.files).toHaveLength(bench.files().length - 1);
    expect(await bench.open().findDecision("d-read00000001")).toMatchObject({ decision: "d-read00000001" });
  });

  test("says where it stands every thousand lines, in the trail and in the log", async () => {
    const trail = bench.open();
    await Promise.all(Array.from({ length: 1000 }, (_, number) => trail.append(readRecord(number))));
    await trail.append(readRecord(1000));
    await trail.append(readRecord(1001));
    const checkpoints = bench.log.events.filter(({ event }) => event === "audit_checkpoint");
    expect(checkpoints).toHaveLength(1);
    const { sequence, mac } = checkpoints[0]?.fields ?? {};
    const [line] = bench.lines().filter((each) => each.includes('"operation":"audit.checkpoint"'));
    expect(JSON.parse(line ?? "{}")).toMatchObject({ seq: sequence, mac });
    await trail.close();
  });

  test("says where it stands after a minute, when there was anything", async () => {
    const trail = bench.open();
    await trail.append(readRecord(1));
    bench.clock.advance(60_000);
    await trail.append(readRecord(2));
    expect(bench.log.events.map(({ event }) => event)).toEqual(["audit_checkpoint"]);
    await trail.close();
  });

  test("finds a decision again as it was written", async () => {
    const trail = bench.open();
    const refusal = readRecord(2, {
      allowed: false,
      failure: "not_found",
      because: "privilege_missing",
      authenticator: "authn-azure/AzureAE1",
      claimed: "host/azure-apps/AD",
      path: "secret/data/app",
      accessor: "5ha8sEepFTQFkp4wSfdV7ymS",
      checks: [
        { check: "resource_exists", ok: true },
        {
          check: "permit",
          ok: false,
          detail: "none",
          origin: { policy: parseRole(), version: 2, line: 4, column: 3, file: "secrets.yml" },
        },
      ],
      remedy: "- !grant\n  role: !group secrets/consumers\n  member: !host azure-apps/AD",
      attributes: { "subscription-id": "0b1f", oid: "7a" },
      context: { ...readRecord(2).context, peerAddress: "10.0.0.1", userAgent: "curl/8" },
    });
    await trail.append(readRecord(1));
    await trail.append(refusal);
    await bench.fill(trail, 3, 4);
    expect(await trail.findDecision(refusal.decision)).toEqual({ ...refusal, context: { ...refusal.context, now: refusal.at } });
    expect(await trail.findDecision("d-000000000000")).toBeUndefined();
    await trail.close();
  });

  test("finds the newer of two lines of one decision: the failure after the permission", async () => {
    const trail = bench.open();
    await trail.append(readRecord(1));
    await trail.append(readRecord(1, { allowed: false, failure: "storage_full" }));
    expect(await trail.findDecision("d-read00000001")).toMatchObject({ allowed: false, failure: "storage_full" });
    await trail.close();
  });

  test("finds the newest refusal of a login by its whole name and account", async () => {
    const trail = bench.open();
    const attempt = (number: number, more: Partial<AuditRecord>) =>
      readRecord(number, { operation: "login", allowed: false, account: "acme", claimed: "host/apps/web", because: `b${number}`, ...more });
    await trail.append(attempt(1, {}));
    await trail.append(attempt(2, {}));
    await trail.append(attempt(3, { account: "other" }));
    await trail.append(attempt(4, { claimed: "host/apps/webmail" }));
    await trail.append(attempt(5, { operation: "host_factory.create_host" }));
    await trail.append(attempt(6, { allowed: true }));
    await trail.append(readRecord(7, { claimed: '"claimed_unverified":"host/apps/web"' }));
    const find = (login: string) => trail.findRefusedLogin({ account: "acme", login });
    expect(await find("host/apps/web")).toMatchObject({ because: "b2" });
    expect(await find("host/apps/we")).toBeUndefined();
    expect(await find('x","allowed":false')).toBeUndefined();
    await trail.close();
  });

  test("refuses to search for anything but a decision's name", () => {
    expect(bench.open().findDecision('d-x","allowed":true')).rejects.toMatchObject({ failure: { code: "malformed", where: "decision" } });
  });

  test("takes lines only while it has keys", async () => {
    const sealed = { ...createTestKeys(), mac: throwSealed };
    const trail = bench.open({ keyring: sealed });
    expect(trail.available()).toBe(false);
    await expect(trail.append(readRecord(1))).rejects.toMatchObject({ failure: { because: "audit_unavailable" } });
    expect(trail.failures()).toBe(1);
  });

  test("refuses lines after it was closed", async () => {
    const trail = bench.open();
    await trail.append(readRecord(1));
    await trail.close();
    expect(trail.available()).toBe(false);
    await expect(trail.append(readRecord(2))).rejects.toMatchObject({ failure: { because: "audit_unavailable" } });
  });

  test("stamps its own lines with its clock", async () => {
    bench.clock.advance(1000);
    const trail = bench.open();
    await trail.append(readRecord(1));
    expect(JSON.parse(bench.lines()[0] ?? "{}")).toMatchObject({
      operation: "audit.opened",
      at: new Date(startOfTests + 1000).toISOString(),
    });
    await trail.close();
  });
});

function parseRole() {
  return readRecord(1).role ?? fail();
}

function fail(): never {
  throw new Error("the record has a role");
}

function throwSealed(): never {
  throw new Error("sealed");
}
