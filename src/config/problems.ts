/** What is wrong with a configuration, told all at once. */

import { TomlError } from "smol-toml";
import { PosternError } from "../model/failures";

/** A line for each problem. */
export function misconfigured(problems: readonly string[]): PosternError {
  return new PosternError({
    code: "malformed",
    where: "configuration",
    expected: problems.join("\n"),
    kind: "argument",
    because: "configuration",
  });
}

/** Where a text is no TOML, and why: `/etc/postern.toml:3:7: …`. Throws again what is no complaint about the text. */
export function tomlProblem(path: string, error: unknown): string {
  if (!(error instanceof TomlError)) throw error;
  const [what = "not TOML"] = error.message.split("\n");
  return `${path}:${error.line}:${error.column}: ${what.replace(/^Invalid TOML document: /u, "")}`;
}
