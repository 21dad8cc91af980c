import { describe, expect, test } from "bun:test";
import { describeProblem } from "../../../../src/core/policy/report";
import { createLoads } from "./loads";

describe("a policy problem in print", () => {
  test("shows place, line, mark and advice", () => {
    const text = "- !permit\n  role: !group a\n  privilegs: [ read ]\n  resource: !variable v\n";
    const problem = createLoads()
      .refused(text)
      .find(({ line }) => line === 3);
    if (problem === undefined) throw new Error("no problem on line 3");
    expect(describeProblem(text, problem, "app.yml")).toBe(
      "app.yml:3:3: No such attribute 'privilegs' on type Permit\n  3 |   privilegs: [ read ]\n    |   ^ did you mean 'privileges'?",
    );
  });

  test("shows the message alone where there is no place", () => {
    expect(describeProblem("", { message: "policy_text is not present" })).toBe("policy: policy_text is not present");
  });

  test("stands at the end of a text whose last line is short", () => {
    expect(describeProblem("- a", { message: "m", line: 2, column: 1 })).toBe("policy:2:1: m\n  2 | \n    | ^");
  });

  test("keeps control characters and long lines from the terminal", () => {
    const text = `${"x".repeat(500)}\u001b[2J${"y".repeat(500)}`;
    const printed = describeProblem(text, { message: "m", line: 1, column: 501 });
    expect(printed).not.toContain("\u001b");
    expect(Math.max(...printed.split("\n").map((line) => line.length))).toBeLessThan(140);
    expect(printed.split("\n")[2]?.indexOf("^")).toBe(printed.split("\n")[1]?.indexOf("\u00B7") ?? -1);
  });
});
