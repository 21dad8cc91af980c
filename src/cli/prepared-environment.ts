/** What a program gets: each entry of `secrets.yml` as a variable of its environment, or as the path of a file. */

import type { SecretEntry } from "../config/secrets-file";
import { PosternError } from "../model/failures";
import type { SecretFolder } from "../runtime/secret-folder";
import { utf8Text } from "./input";
import type { Reading } from "./secret-reading";

export interface PreparedEnvironment {
  readonly environment: Readonly<Record<string, string>>;
  readonly words: readonly string[];
}

export interface PreparationOptions {
  readonly readingOf: (entry: SecretEntry) => Reading | undefined;
  /** Whether the program runs without this one when it cannot be read. */
  readonly ignores: (entry: SecretEntry) => boolean;
  readonly folder: SecretFolder;
  readonly words: readonly string[];
  readonly section?: string;
}

const environmentFile = "@SUMMONENVFILE";
/** Where programs find the name of the section (summon, SUMMON_ENV). */
const sectionName = "SUMMON_ENV";

/**
 * Makes the files that are wanted and says what the environment is. Synchronous, so that nothing comes between a file and the program it is for. Throws the
 * failure of the first secret that cannot be had, and `malformed` for a value that no environment can hold.
 */
export function prepared(entries: readonly SecretEntry[], options: PreparationOptions): PreparedEnvironment {
  const { folder, words, section } = options;
  const named: [string, string][] = [];
  for (const [at, entry] of entries.entries()) {
    const bytes = bytesOf(entry, options);
    if (bytes === undefined) continue;
    named.push([entry.name, entry.isFile ? folder.write(`secret-${at + 1}`, bytes) : textOf(bytes, entry)]);
  }
  if (section !== undefined) named.push([sectionName, section]);
  if (!words.some((word) => word.includes(environmentFile))) return { environment: Object.fromEntries(named), words };
  const path = folder.write("environment", Buffer.from(environmentText(named)));
  return { environment: Object.fromEntries(named), words: words.map((word) => word.replaceAll(environmentFile, () => path)) };
}

/** Undefined for one to go on without. */
function bytesOf(entry: SecretEntry, { readingOf, ignores }: PreparationOptions): Uint8Array | undefined {
  const { kind, content, fallback } = entry;
  if (kind === "text") return Buffer.from(content === "" ? (fallback ?? "") : content);
  const reading = readingOf(entry);
  if (reading !== undefined && "value" in reading) {
    const bytes = reading.value.reveal();
    return bytes.byteLength === 0 && fallback !== undefined ? Buffer.from(fallback) : bytes;
  }
  // A variable that may not be read has a value, for all that is known: the text in its place is for one without.
  const isAbsent = reading?.failure.code === "not_found";
  if (isAbsent && fallback !== undefined) return Buffer.from(fallback);
  if (ignores(entry)) return undefined;
  const what = `${content} (${entry.name}, ${entry.where})`;
  if (isAbsent) throw new PosternError({ code: "not_found", target: what });
  throw new PosternError({ code: "forbidden", because: `to read ${what}` });
}

function textOf(bytes: Uint8Array, { name, where }: SecretEntry): string {
  const text = utf8Text(bytes);
  if (text !== undefined && !text.includes("\0")) return text;
  throw new PosternError({
    code: "malformed",
    where: `${name} (${where})`,
    expected: "UTF-8 without NUL, which an environment can hold; !var:file puts any value into a file",
    kind: "argument",
  });
}

/** A line for each name, in their order. Values with white space, quotes or backslashes are quoted, so that none is two lines. Source: summon, joinEnv. */
function environmentText(named: readonly (readonly [string, string])[]): string {
  const lines = named.map(([name, value]) => `${name}=${/[\s"'\\]/u.test(value) ? JSON.stringify(value) : value}`);
  return lines
    .sort()
    .map((line) => `${line}\n`)
    .join("");
}
