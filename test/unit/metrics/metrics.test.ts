import { describe, expect, test } from "bun:test";
import { createMetrics, type MetricSources } from "../../../src/metrics/metrics";
import { createTestClock } from "../../support/audit-bench";

const sources: MetricSources = {
  auditFailures: () => 3,
  auditEventsDropped: () => 5,
  rememberedTokens: () => 7,
  residentBytes: () => 64 * 2 ** 20,
  certificateNotAfterSeconds: () => undefined,
};

function make(more: Partial<MetricSources> = {}) {
  return createMetrics({ clock: createTestClock(), sources: { ...sources, ...more } });
}

/** The samples of one metric. */
async function samples(metrics: { text(): Promise<string> }, name: string): Promise<string[]> {
  return (await metrics.text()).split("\n").filter((line) => line.startsWith(name));
}

describe("the metrics", () => {
  test("count decisions by operation and outcome, and the same at every scrape", async () => {
    const metrics = make();
    metrics.decision("secret.read", true);
    metrics.decision("secret.read", true);
    metrics.decision("secret.read", false);
    const expected = [
      'postern_decisions_total{operation="secret.read",outcome="allowed"} 2',
      'postern_decisions_total{operation="secret.read",outcome="refused"} 1',
    ];
    expect(await samples(metrics, "postern_decisions_total")).toEqual(expected);
    expect(await samples(metrics, "postern_decisions_total")).toEqual(expected);
  });

  test("count requests by dialect and class of status, and those without an answer yet", async () => {
    const metrics = make();
    metrics.began();
    metrics.began();
    metrics.ended("conjur", 404, 2);
    expect(await samples(metrics, "postern_requests_total")).toEqual(['postern_requests_total{dialect="conjur",status="4xx"} 1']);
    expect(await samples(metrics, "postern_requests_in_flight")).toEqual(["postern_requests_in_flight 1"]);
    expect(await samples(metrics, 'postern_request_seconds_bucket{le="0.001"}')).toEqual(['postern_request_seconds_bucket{le="0.001"} 0']);
    expect(await samples(metrics, 'postern_request_seconds_bucket{le="0.0025"}')).toEqual([
      'postern_request_seconds_bucket{le="0.0025"} 1',
    ]);
  });

  test("read what others hold when somebody asks", async () => {
    let failures = 3;
    const metrics = make({ auditFailures: () => failures });
    expect(await samples(metrics, "postern_audit_failures_total")).toEqual(["postern_audit_failures_total 3"]);
    failures = 4;
    expect(await samples(metrics, "postern_audit_failures_total")).toEqual(["postern_audit_failures_total 4"]);
    expect(await samples(metrics, "postern_tls_not_after")).toEqual([]);
  });

  test("stay bounded when a label's values come from outside", async () => {
    const metrics = make();
    for (let number = 0; number < 1000; number += 1) metrics.login(`authn-${number}`, false);
    const lines = await samples(metrics, "postern_logins_total");
    expect(lines).toHaveLength(101);
    expect(lines).toContain('postern_logins_total{authenticator="other",outcome="refused"} 900');
  });

  test("declare every series with a help text and under one prefix", async () => {
    const metrics = make();
    metrics.rejected("host");
    metrics.databaseError("full");
    metrics.integrityFailure("value");
    metrics.keySetRefreshed("ok");
    metrics.recovered();
    metrics.clockStepped(-2000);
    metrics.policyLoaded(30);
    const text = await metrics.text();
    const declared = [...text.matchAll(/^# TYPE (\S+)/gmu)].map(([, name]) => name ?? "");
    expect(declared.every((name) => name.startsWith("postern_"))).toBe(true);
    expect([...text.matchAll(/^# HELP (\S+) \S/gmu)]).toHaveLength(declared.length);
    expect(text).toContain("postern_clock_step_seconds -2");
    expect(text).toContain('postern_integrity_failures_total{what="value"} 1');
  });
});
