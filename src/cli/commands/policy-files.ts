/** What the commands on policies are given: an account, files, a mode. */

import { resolve } from "node:path";
import { type PolicySource, type Run, usage } from "../command";

const modes = ["create", "update", "replace"] as const;

/** The account, the files and the mode of a command. Two operands and no account are `conjurctl`'s form. */
export function asked(operands: readonly string[], account: string | undefined, mode: string | undefined) {
  const [first = "", ...others] = operands;
  const isConjurctl = account === undefined && others.length > 0;
  const files = isConjurctl ? others : operands;
  const chosen = modes.find((each) => each === (mode ?? (isConjurctl ? "replace" : "create")));
  if (chosen === undefined) throw usage("--mode", `one of ${modes.join(", ")}`);
  const name = isConjurctl ? first : account;
  if (name === undefined) throw usage("account", "--account NAME, or the account before the file");
  if (chosen === "replace" && files.length > 1)
    throw usage("files", "one file in the mode replace: each would remove what the one before made");
  return { account: name, files, mode: chosen };
}

/** A policy file, or standard input for `-`. */
export async function readPolicy({ io }: Run, file: string): Promise<{ readonly text: Uint8Array; readonly source: PolicySource }> {
  const text = file === "-" ? await io.readInput() : io.readFile(resolve(io.folder, file));
  return { text, source: { file: file === "-" ? "standard input" : file, text: Buffer.from(text).toString("utf8") } };
}
