import { describe, expect, test } from "bun:test";
import { createLoads, id, role } from "../../unit/core/policy/loads";
import { accessCases } from "./access";
import { accepted, refused } from "./language";
import { goodPolicy, mutations } from "./mutations";

describe("a good policy", () => {
  test("loads without a warning", () => {
    expect(createLoads().loaded(`${goodPolicy.join("\n")}\n`).warnings).toEqual([]);
  });
});

describe("a policy with one line damaged is refused, and the line is named", () => {
  test.each(mutations.map((mutation) => [mutation.what, mutation] as const))("%s", (_what, { line, text, named = line, says }) => {
    const lines = goodPolicy.flatMap((good, index) => (index !== line - 1 ? [good] : text === undefined ? [] : [text]));
    const problems = createLoads().refused(`${lines.join("\n")}\n`);
    const ofLine = problems.filter((problem) => problem.line === named).map(({ message, advice }) => `${message} (${advice})`);
    expect(ofLine.join("\n") || JSON.stringify(problems)).toMatch(says);
    expect(ofLine).not.toEqual([]);
  });
});

describe("the policy language", () => {
  function loadsAfter(before: string | undefined) {
    const loads = createLoads();
    if (before !== undefined) loads.loaded(before);
    return loads;
  }

  test.each(accepted.map((each) => [each.what, each] as const))("takes %s", (_what, { text, before, mode, branch, facts, warns }) => {
    const loads = loadsAfter(before);
    const { warnings } = loads.loaded(text, { ...(mode === undefined ? {} : { mode }), ...(branch === undefined ? {} : { branch }) });
    expect(loads.facts().filter((fact) => !fact.endsWith(" ownership"))).toEqual([...facts]);
    if (warns === undefined) expect(warnings).toEqual([]);
    else expect(warnings.join("\n")).toMatch(warns);
  });

  test.each(refused.map((each) => [each.what, each] as const))(
    "refuses %s, and stores nothing",
    (_what, { text, before, mode, branch, problems, kind = "language" }) => {
      const loads = loadsAfter(before);
      const earlier = loads.facts();
      const output = loads.load(text, { ...(mode === undefined ? {} : { mode }), ...(branch === undefined ? {} : { branch }) });
      expect(output.ok ? [] : output.problems.map(({ line, column, message }) => `${line}:${column} ${message}`)).toEqual([...problems]);
      expect(output).toMatchObject({ ok: false, kind });
      expect(loads.facts()).toEqual(earlier);
    },
  );
});

describe("who may do what", () => {
  const rows = accessCases.flatMap(({ what, loads, table }) => table.map((row) => [what, row.join(" "), loads, row] as const));

  test.each(rows)("%s: %s", (_what, _row, loads, [who, privilege, what, allowed]) => {
    const house = createLoads();
    for (const { text, mode = "create", branch = "root" } of loads) house.loaded(text, { mode, branch });
    const graph = house.graph();
    const found = privilege === "sees" ? graph.sees(role(who), id(what)) : graph.permits(role(who), privilege, id(what)) !== undefined;
    expect(found).toBe(allowed);
  });
});
