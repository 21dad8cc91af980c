/**
 * `secrets.yml`: which secrets a program gets, and by which names. The format is that of summon.
 *
 *   DB_PASSWORD: !var apps/db/password        the value of a variable
 *   TLS_KEY: !var:file apps/web/key           the path of a file with the value
 *   LEVEL: info                               the text itself; !str says the same
 *   BANNER: !file hello                       the path of a file with the text
 *   MODE: !var:default='plain' apps/mode      the text where the variable has no value
 *
 * With a section named, the entries are below it, and those of `common` (or `default`) beside them. `$name` in what follows a tag stands for a text that is
 * given by `-D name=text`, `$$` for a dollar sign.
 * Source: summon, pkg/secretsyml (parser.go, substitution.go), 2025. Stricter here: an unknown tag, a name twice and a merge key are errors, not texts.
 */

import { type Document, isAlias, isMap, isScalar, LineCounter, parseDocument, type YAMLMap } from "yaml";
import { PosternError } from "../model/failures";
import { nearest } from "./nearest";

export interface SecretEntry {
  /** Of the variable of the environment. */
  readonly name: string;
  /** `variable`: the name of one at the server. `text`: itself. */
  readonly kind: "variable" | "text";
  readonly content: string;
  readonly isFile: boolean;
  /** In place of a variable without a value. */
  readonly fallback?: string;
  /** `secrets.yml:3`, for messages. */
  readonly where: string;
}

export interface SecretsFileOptions {
  /** What messages call the file. */
  readonly file: string;
  readonly section?: string;
  readonly substitutions: ReadonlyMap<string, string>;
}

const maxBytes = 256 * 1024;
const maxEntries = 1000;
const commonSections = ["common", "default"];
const words = ["var", "file", "str", "int", "bool", "float"];

type Fault = (node: unknown, expected: string) => PosternError;

interface Reader extends SecretsFileOptions {
  readonly document: Document;
  readonly fault: Fault;
  readonly lineOf: (node: unknown) => number;
}

/** The entries in the order of the file. Throws `malformed` (because `usage`) with file and line for the first thing that is wrong. */
export function readSecretsFile(text: string, options: SecretsFileOptions): readonly SecretEntry[] {
  const { file, section } = options;
  if (Buffer.byteLength(text) > maxBytes) throw malformed(file, `at most ${maxBytes} bytes`);
  const lines = new LineCounter();
  const document = parse(text, lines, file);
  const lineOf = (node: unknown): number => lines.linePos(startOf(node)).line;
  const fault: Fault = (node, expected) => malformed(`${file}:${lineOf(node)}`, expected);
  const reader = { ...options, document, fault, lineOf };
  const root = document.contents;
  if (root === null) return [];
  if (!isMap(root)) throw fault(root, "a mapping of names");
  const entries = section === undefined ? entriesOf(root, reader) : sectionEntries(root, section, reader);
  if (entries.length > maxEntries) throw malformed(file, `at most ${maxEntries} entries`);
  return entries;
}

function parse(text: string, lines: LineCounter, file: string): Document {
  const document = attempt(() => parseDocument(text, { schema: "failsafe", lineCounter: lines, prettyErrors: false }), file);
  const [error] = document.errors;
  if (error === undefined) return document;
  const { line, col } = lines.linePos(error.pos[0]);
  throw malformed(
    `${file}:${line}:${col}`,
    error.code === "DUPLICATE_KEY" ? "each name once" : `one YAML mapping (${error.code.toLowerCase()})`,
  );
}

/** The parser calls itself for each level: a text of nothing but levels ends the stack, not the process. */
function attempt<Result>(work: () => Result, file: string): Result {
  try {
    return work();
  } catch (cause) {
    throw malformed(file, "one YAML mapping", cause);
  }
}

function sectionEntries(root: YAMLMap, section: string, reader: Reader): readonly SecretEntry[] {
  const sections = new Map(pairsOf(root, reader).map(({ key, value }) => [key, value]));
  const own = sections.get(section);
  if (own === undefined) {
    const known = [...sections.keys()].filter((name) => isMap(sections.get(name)));
    const advice = known.length === 0 ? "it has none" : `it has ${known.join(", ")}`;
    throw malformed(reader.file, `a section '${section}'; ${advice}`);
  }
  const common = commonSections.find((name) => sections.has(name));
  const entries = entriesOf(mapOf(own, reader), reader);
  if (common === undefined || common === section) return entries;
  const names = new Set(entries.map(({ name }) => name));
  return [...entries, ...entriesOf(mapOf(sections.get(common), reader), reader).filter(({ name }) => !names.has(name))];
}

function mapOf(node: unknown, { fault }: Reader): YAMLMap {
  if (isMap(node)) return node;
  throw fault(node, "a section: a mapping of names");
}

function entriesOf(map: YAMLMap, reader: Reader): readonly SecretEntry[] {
  return pairsOf(map, reader).map(({ key, value, at }) => entryOf(key, value, at, reader));
}

interface Pair {
  readonly key: string;
  /** Never an alias. */
  readonly value: unknown;
  readonly at: unknown;
}

function pairsOf(map: YAMLMap, { document, fault }: Reader): readonly Pair[] {
  return map.items.map(({ key, value }) => {
    if (!isScalar(key) || typeof key.value !== "string") throw fault(key, "a name");
    if (key.value === "<<") throw fault(key, "no merge of mappings: use a section and 'common'");
    if (key.value === "summon.files") throw fault(key, "no 'summon.files': 'postern render' writes files");
    const resolved = isAlias(value) ? value.resolve(document) : value;
    if (resolved === undefined) throw fault(key, "an alias of what has its anchor before it");
    return { key: key.value, value: resolved, at: key };
  });
}

function entryOf(name: string, node: unknown, at: unknown, reader: Reader): SecretEntry {
  const { fault, file, lineOf } = reader;
  if (name === "" || /[=\0]/u.test(name)) throw fault(at, "the name of an environment variable");
  if (isMap(node)) throw fault(at, `a value; where '${name}' is a section, name it with -e ${name}`);
  if (!isScalar(node) || typeof node.value !== "string") throw fault(at, "a text");
  const { isVariable, isFile, fallback } = tagOf(typeof node.tag === "string" ? node.tag : "", at, fault);
  const content = substituted(node.value, at, reader);
  if (isVariable && content === "") throw fault(at, "the name of a variable");
  return {
    name,
    kind: isVariable ? "variable" : "text",
    content,
    isFile,
    where: `${file}:${lineOf(at)}`,
    ...(fallback === undefined ? {} : { fallback }),
  };
}

/** `!var:file`, `!var:default='plain'`; also written `!<var:default='plain'>`. */
function tagOf(
  tag: string,
  at: unknown,
  fault: Fault,
): { readonly isVariable: boolean; readonly isFile: boolean; readonly fallback?: string } {
  const text = tag.replace(/^tag:yaml\.org,2002:/u, "").replace(/^!/u, "");
  const match = /^(?:(.*):)?default='(.*)'$/su.exec(text);
  const fallback = match?.[2];
  const before = match === null ? text : (match[1] ?? "");
  const parts = before === "" ? [] : before.split(":");
  const unknown = parts.find((part) => !words.includes(part));
  if (unknown !== undefined) {
    const meant = nearest(unknown, words);
    throw fault(at, `a tag of ${words.map((word) => `!${word}`).join(", ")}${meant === undefined ? "" : `; did you mean '!${meant}'?`}`);
  }
  return { isVariable: parts.includes("var"), isFile: parts.includes("file"), ...(fallback === undefined ? {} : { fallback }) };
}

function substituted(text: string, at: unknown, { substitutions, fault }: Reader): string {
  return text.replace(/\$(\$|\w+)/gu, (_, name: string) => {
    if (name === "$") return "$";
    const value = substitutions.get(name);
    if (value === undefined) throw fault(at, `-D ${name}=…: the file has $${name}; a dollar sign alone is written $$`);
    return value;
  });
}

function startOf(node: unknown): number {
  const range: unknown = typeof node === "object" && node !== null ? Reflect.get(node, "range") : undefined;
  const start: unknown = Array.isArray(range) ? range[0] : 0;
  return typeof start === "number" ? start : 0;
}

function malformed(where: string, expected: string, cause?: unknown): PosternError {
  return new PosternError(
    { code: "malformed", where, expected, kind: "argument", because: "usage" },
    cause === undefined ? undefined : { cause },
  );
}
