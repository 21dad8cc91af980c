/** One TOML file in which every key is known. */

import { parse } from "smol-toml";
import * as v from "valibot";
import { misconfigured, tomlProblem } from "./problems";

export interface TextFile {
  readonly path: string;
  readonly text: string;
}

/** What the file says by its schema. Throws `malformed` (because `configuration`) whose `expected` has a line for each thing that is wrong. */
export function readToml<Schema extends v.GenericSchema>(schema: Schema, { path, text }: TextFile): v.InferOutput<Schema> {
  const parsed = v.safeParse(schema, tablesOf(path, text));
  if (parsed.success) return parsed.output;
  throw misconfigured(parsed.issues.map((issue) => `${pathOf(issue)}: ${expectation(issue)}`));
}

function tablesOf(path: string, text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw misconfigured([tomlProblem(path, error)]);
  }
}

function pathOf(issue: v.BaseIssue<unknown>): string {
  return issue.path?.map(({ key }) => String(key)).join(".") ?? "the file";
}

function expectation(issue: v.BaseIssue<unknown>): string {
  if (issue.expected === "never") return "unknown setting";
  return issue.input === undefined ? "missing" : `expected ${issue.message}`;
}
