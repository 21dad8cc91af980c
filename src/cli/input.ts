/** Reading of secrets and names as operators give them. */

import { PosternError } from "../model/failures";
import { identifierProblem, kinds, makeId, parseAccount, type ResourceId } from "../model/ids";
import { usage } from "./command";
import type { CliIo } from "./io";

/** Without the one line break that `echo` and editors put at the end. */
export function withoutLineEnd(bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  if (bytes[length - 1] !== 0x0a) return bytes;
  return bytes.subarray(0, bytes[length - 2] === 0x0d ? length - 2 : length - 1);
}

/** Undefined for bytes that are no UTF-8. */
export function utf8Text(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** The value of a secret: a file as it is, or standard input without its last line break. */
export async function readSecret(io: CliIo, file: string | undefined): Promise<Uint8Array> {
  if (file !== undefined) return io.readFile(file);
  if (io.inputIsTerminal) io.err("The value, ended by Ctrl-D on a line of its own: ");
  return withoutLineEnd(await io.readInput());
}

/** `myorg:variable:db/password` as it is; `db/password` in the account. */
export function variableId(text: string, account: string | undefined): ResourceId {
  if (kinds.some((kind) => text.split(":")[1] === kind)) return fullId(text);
  if (account === undefined) throw usage("variable", "a full id such as myorg:variable:db/password, or --account beside it");
  const problem = identifierProblem(text);
  if (problem !== undefined) throw usage("variable", `a name; it ${problem}`);
  return makeId(parseAccount(account), "variable", text);
}

/** The same for a name in a file; `where` is its place there. */
export function variableIdAt(where: string, text: string, account: string): ResourceId {
  try {
    return variableId(text, account);
  } catch (cause) {
    if (!(cause instanceof PosternError) || cause.failure.code !== "malformed") throw cause;
    throw new PosternError({ ...cause.failure, where }, { cause });
  }
}

function fullId(text: string): ResourceId {
  const [account = "", kind = "", ...rest] = text.split(":");
  const identifier = rest.join(":");
  if (kind !== "variable") throw usage("variable", "the id of a variable");
  const problem = identifierProblem(identifier);
  if (problem !== undefined) throw usage("variable", `a name; it ${problem}`);
  return makeId(parseAccount(account), "variable", identifier);
}
