/** Work on large accounts that a request causes must not keep the others waiting: it goes through many turns of the event loop. */

import { beforeAll, describe, expect, test } from "bun:test";
import { parseId, parseRoleId } from "../../../src/model/ids";
import type { RowsChanged } from "../../../src/model/types";
import { createHouse, type House } from "../../support/house";

const many = 6000;
const root = parseRoleId("acme:policy:root");

/** How many turns went by until the work was done, and what it gave. */
async function turnsOf<Result>(work: Promise<Result>): Promise<{ readonly turns: number; readonly result: Result }> {
  let isDone = false;
  const done = work.finally(() => {
    isDone = true;
  });
  let turns = 0;
  while (!isDone) {
    await new Promise((resolve) => setImmediate(resolve));
    turns += 1;
  }
  return { turns, result: await done };
}

describe("a load of thousands of rows", () => {
  test("is told to the sinks of the audit in portions, each row once and in order, with the version of the load", async () => {
    const events: RowsChanged[] = [];
    const house = await createHouse({ rowsChanged: (event) => events.push(event) });
    const { result, turns } = await turnsOf(house.load(Array.from({ length: many }, (_, index) => `- !variable v${index}`).join("\n")));
    const loaded = events.filter(({ policy }) => policy === root);
    expect(turns).toBeGreaterThan(many / 500);
    expect(Math.max(...loaded.map(({ rows }) => rows.length))).toBeLessThanOrEqual(1000);
    expect(new Set(loaded.map(({ version }) => version))).toEqual(new Set([result.version]));
    const told = loaded.flatMap(({ rows }) => rows).filter(({ subject }) => "resource" in subject && /:variable:/.test(subject.resource));
    expect(told).toEqual(
      Array.from({ length: many }, (_, index) => ({ operation: "add", subject: { resource: parseId(`acme:variable:v${index}`) } })),
    );
  });
});

describe("in an account with thousands of variables", () => {
  let house: House;

  beforeAll(async () => {
    house = await createHouse();
    const lines = ["- !policy", "  id: app", "  body:", "    - &all"];
    for (let index = 0; index < many; index += 1) lines.push(`      - !variable v${index}`);
    lines.push("    - !group readers", "    - !permit { role: !group readers, privileges: [ read, execute ], resource: *all }");
    await house.load(lines.join("\n"));
  });

  test.each(["yaml", "json"] as const)("an effective policy is told as %s in many turns, whole", async (format) => {
    const query = { policy: root, depth: 64, limit: 100_000, format };
    const { turns, result } = await turnsOf(house.broker.fetchPolicy(house.admin, query));
    expect(turns).toBeGreaterThan(many / 500);
    expect(result.match(format === "yaml" ? /- !variable v\d+\n/g : /\{"variable":\{"id":"v\d+"\}\}/g)).toHaveLength(many);
  });

  test("a rehearsal compares before and after in many turns", async () => {
    const load = { policy: root, mode: "replace", text: Buffer.from("[]\n") } as const;
    const { turns, result } = await turnsOf(house.broker.rehearsePolicy(house.admin, load));
    expect(turns).toBeGreaterThan(many / 500);
    expect(result.deleted).toHaveLength(many + 2);
  });
});
