import { describe, expect, test } from "bun:test";
import { packPlan, unpackPlan } from "../../../../src/core/policy/parcel";
import type { PlanOutput } from "../../../../src/core/policy/task";
import { parseId } from "../../../../src/model/ids";

describe("a plan between threads", () => {
  test("arrives as it was, whatever its size", async () => {
    const plan: PlanOutput = {
      ok: true,
      changes: Array.from({ length: 5001 }, (_, index) => ({ type: "remove_resource", id: parseId(`a:variable:v/${index}/ü"'`) })),
      createdRoles: [],
      publicKeys: [],
      warnings: ["w"],
      findings: [],
    };
    const parcel = packPlan(plan);
    expect(structuredClone(parcel)).toEqual(parcel);
    expect(await unpackPlan(structuredClone(parcel))).toEqual(plan);
  });

  test("that failed keeps its problems", async () => {
    const plan: PlanOutput = { ok: false, kind: "language", problems: [{ message: "m", line: 1, column: 2 }] };
    expect(await unpackPlan(structuredClone(packPlan(plan)))).toEqual(plan);
  });
});
