import { describe, expect, test } from "bun:test";
import { planPolicy } from "../../../../src/core/policy/task";
import { account, createLoads, factsOf, now, role } from "./loads";

const variables = 20_000;
const hosts = 2000;
const permitsPerHost = 10;

/** About a hundred thousand lines: variables with a description each, hosts with the annotations of Azure and permits on some variables. */
function largePolicy(): string {
  const lines = ["- !policy", "  id: big", "  body:"];
  for (let n = 0; n < variables; n++) {
    lines.push("    - !variable", `      id: app${n % 100}/secret-${n}`, "      annotations:", `        description: Secret number ${n}`);
  }
  for (let n = 0; n < hosts; n++) {
    lines.push("    - !host", `      id: vm-${n}`, "      annotations:");
    lines.push(
      `        authn-azure/subscription-id: 11111111-2222-3333-4444-${String(n).padStart(12, "0")}`,
      `        authn-azure/resource-group: rg-${n}`,
    );
    lines.push("    - !permit", `      role: !host vm-${n}`, "      privileges: [ read, execute ]", "      resources:");
    for (let i = 0; i < permitsPerHost / 2; i++) {
      const variable = (n * 7 + i) % variables;
      lines.push(`        - !variable app${variable % 100}/secret-${variable}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

describe("a policy of a hundred thousand lines", () => {
  const text = largePolicy();

  test("loads whole, and again without a change", () => {
    const loads = createLoads();
    const start = performance.now();
    const { changes, createdRoles } = loads.loaded(text);
    const first = performance.now();
    const kinds = Object.groupBy(changes, (change) => change.type);
    expect(kinds.put_resource).toHaveLength(1 + variables + hosts);
    expect(kinds.put_annotation).toHaveLength(variables + 2 * hosts);
    expect(kinds.put_permit).toHaveLength(hosts * permitsPerHost);
    expect(kinds.put_grant).toHaveLength(1 + hosts);
    expect(changes).toHaveLength(1 + variables + hosts + variables + 2 * hosts + hosts * permitsPerHost + 1 + hosts);
    expect(createdRoles).toHaveLength(hosts);

    const packed = [new TextEncoder().encode(JSON.stringify(factsOf(loads.graph())))];
    const again = performance.now();
    const input = {
      account,
      policy: role("policy:root"),
      mode: "replace",
      version: 2,
      now,
      text: new TextEncoder().encode(text),
      authenticators: [],
      facts: packed,
    } as const;
    const output = structuredClone(planPolicy(structuredClone(input)));
    const end = performance.now();
    expect(output).toMatchObject({ ok: true, changes: [], createdRoles: [] });
    process.stdout.write(
      `${text.split("\n").length} lines: first load ${Math.round(first - start)} ms, the same again ${Math.round(end - again)} ms\n`,
    );
  }, 60_000);

  test("is removed as a whole by a text without it", () => {
    const loads = createLoads();
    loads.loaded(text);
    const { changes } = loads.loaded("[]\n", { mode: "replace" });
    expect(changes).toHaveLength(1 + variables + hosts);
    expect(loads.facts()).toEqual([]);
  }, 60_000);
});
