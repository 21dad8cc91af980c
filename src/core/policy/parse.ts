/**
 * Reads a policy text as YAML: nodes with their places, or every problem that can be found.
 *
 * The `yaml` package takes the text apart, one token at a time, so that depth and size stop a hostile text before anything is built from it. Its failsafe
 * schema makes every scalar text: nothing is guessed, nothing is constructed, no tag means anything here. Nodes are arrays and strings, never objects
 * keyed by the text, so that `__proto__` is a word like any other.
 */

import {
  type CollectionTag,
  Composer,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  Parser,
  Scalar,
  type ScalarTag,
  type Tags,
  type YAMLParseError,
} from "yaml";
import type { Node, Position } from "./nodes";
import { createProblems, type Problems, printable } from "./problems";
import { countBelow, createSource, decodeText, type Source } from "./source";
import { tagTypes } from "./statements";
import { adviceForLine, syntaxProblem } from "./syntax";

export interface ParseLimits {
  readonly bytes: number;
  /** Lists and mappings within each other, all aliases written out. */
  readonly depth: number;
  /** Nodes, all aliases written out. */
  readonly nodes: number;
}

export const defaultParseLimits: ParseLimits = { bytes: 16 * 1024 * 1024, depth: 64, nodes: 1_000_000 };

/** `root` is undefined for an empty document. With problems there is no root. */
export interface ParsedText {
  readonly root: Node | undefined;
  readonly problems: Problems;
  /** The text of a line, counted from 1. */
  readonly lineText: (line: number) => string;
}

/** Never throws: whatever is wrong with the text is among the problems. */
export function parseText(bytes: Uint8Array, limits: ParseLimits = defaultParseLimits): ParsedText {
  const problems = createProblems();
  const failed = (at: Position, message: string, advice?: string): ParsedText => {
    problems.report(at, message, advice);
    return { root: undefined, problems, lineText: () => "" };
  };
  if (bytes.byteLength > limits.bytes) return failed({ line: 1, column: 1 }, `The policy is larger than ${limits.bytes} bytes`);
  const { text, foreign } = decodeText(bytes);
  const source = createSource(text);
  if (foreign !== undefined) return failed(source.at(foreign.offset), foreign.message);
  const scan = scanTokens(text, source, limits, problems);
  const root = scan === undefined ? undefined : compose(scan, source, limits, problems);
  return { root: problems.isEmpty() ? root : undefined, problems, lineText: source.lineText };
}

interface Scan {
  readonly tokens: Parameters<Composer["next"]>[0][];
  /** Offsets of all tags, ascending. */
  readonly tags: readonly number[];
  /** Offsets of quoted scalars, and of opening brackets that were never closed; ascending. */
  readonly openings: readonly number[];
}

/** Reads all tokens, and stops at once where the text is too deep, too large, or not one plain document. */
function scanTokens(text: string, source: Source, limits: ParseLimits, problems: Problems): Scan | undefined {
  const parser = new Parser();
  const tokens: Scan["tokens"] = [];
  const tags: number[] = [];
  const quotes: number[] = [];
  const brackets: number[] = [];
  const anchors = new Set<string>();
  let previous = "";
  let nodes = 0;
  let documents = 0;
  for (const lexeme of new Lexer().lex(text)) {
    const offset = parser.offset;
    const refuse = (message: string, advice?: string): undefined => problems.report(source.at(offset), message, advice);
    const first = lexeme.charAt(0);
    // The lexer puts U+001F before the text of a plain or block scalar: there, no character means anything.
    if (previous === "\x1f") nodes += 1;
    else if (first === "[" || first === "{") brackets.push(offset);
    else if (first === "]" || first === "}") brackets.pop();
    else if (first === '"' || first === "'") quotes.push(offset);
    else if (first === "!") tags.push(offset);
    else if (first === "&") noteAnchor(lexeme.slice(1), anchors, refuse);
    else if (first === "%") return refuse("Directives such as %TAG are not part of the policy language");
    else if (lexeme === "---" && (documents > 0 || nodes > 0)) return refuse("A policy is one document; a second one begins here");
    if (lexeme === "---") documents += 1;
    if (first === "-" || first === "[" || first === "{" || first === "," || first === '"' || first === "'") nodes += 1;
    if (nodes > limits.nodes) return refuse(`The policy has more than ${limits.nodes} nodes`);
    for (const token of parser.next(lexeme)) tokens.push(token);
    // The stack also holds the document and the scalar in the making.
    if (parser.stack.length > limits.depth + 2) return refuse(`The policy is nested more than ${limits.depth} levels deep`);
    previous = lexeme;
  }
  for (const token of parser.end()) tokens.push(token);
  return { tokens, tags, openings: [...quotes, ...brackets].sort((a, b) => a - b) };
}

/** An anchor names one thing in a whole policy; HTML turns `&hosts` into the anchor `amp;hosts`. */
function noteAnchor(name: string, anchors: Set<string>, refuse: (message: string, advice?: string) => undefined): void {
  if (anchors.has(name)) refuse(`Duplicate anchor ${printable(name)}`);
  if (/^(amp|#38);/.test(name)) refuse("'&' was turned into '&amp;'", `write '&${printable(name.replace(/^[^;]*;/, ""))}'`);
  anchors.add(name);
}

function compose(scan: Scan, source: Source, limits: ParseLimits, problems: Problems): Node | undefined {
  const composer = new Composer({
    schema: "failsafe",
    customTags: knownTags,
    resolveKnownTags: false,
    uniqueKeys: false,
    logLevel: "silent",
  });
  const documents: Document.Parsed[] = [];
  try {
    for (const document of composer.compose(scan.tokens, true)) documents.push(document);
  } catch (cause) {
    // Long runs of mappings without commas in a flow list nest within the composer beyond the stack; nothing else does.
    problems.report({ line: 1, column: 1 }, `The policy cannot be read as YAML (${cause instanceof Error ? cause.name : "failure"})`);
    return undefined;
  }
  reportSyntax(
    documents.flatMap((document) => document.errors),
    scan,
    source,
    problems,
  );
  const [document] = documents;
  if (document === undefined || !problems.isEmpty()) return undefined;
  return createBuilder(scan, source, limits, problems)(document.contents);
}

/** The errors that say something: one a line, and none of those that only follow from an earlier one. */
function reportSyntax(errors: readonly YAMLParseError[], scan: Scan, source: Source, problems: Problems): void {
  const lines = new Set<number>();
  for (const error of errors) {
    if (problems.isFull()) return;
    if (lines.size > 0 && error.message.includes("in YAML stream")) continue;
    const unclosed = /end with|closing/.test(error.message);
    const opening = unclosed ? scan.openings[countBelow(scan.openings, error.pos[0]) - 1] : undefined;
    const at = source.at(opening ?? error.pos[0]);
    if (lines.has(at.line)) continue;
    lines.add(at.line);
    const { message, advice, column } = syntaxProblem(error.code, error.message, at, source.lineText);
    problems.report({ line: at.line, column }, message, advice);
  }
}

/** Turns composed YAML into nodes, in the order of the text: the anchor of an alias has been met before it. */
function createBuilder(scan: Scan, source: Source, limits: ParseLimits, problems: Problems): (value: unknown) => Node | undefined {
  const anchored = new Map<string, Node | "open">();
  let refused = false;

  const build = (value: unknown, after: Position): Node => {
    if (isAlias(value)) {
      const at = source.at(value.range?.[0] ?? 0);
      const target = anchored.get(value.source);
      if (target !== undefined && target !== "open") return target;
      const advice = adviceForLine(source.lineText(at.line));
      problems.report(
        at,
        target === "open" ? `Alias ${printable(value.source)} stands within its own anchor` : `Unknown alias: ${printable(value.source)}`,
        advice,
      );
      return { type: "text", text: "", size: 1, depth: 1, ...at };
    }
    if (!isScalar(value) && !isSeq(value) && !isMap(value)) return { type: "text", text: "", size: 1, depth: 1, ...after };
    const anchor = value.anchor;
    if (anchor !== undefined) anchored.set(anchor, "open");
    const node = buildPlain(value, after);
    if (anchor !== undefined) anchored.set(anchor, node);
    return node;
  };

  const buildPlain = (value: Scalar | { range?: unknown; items: unknown[]; tag?: string | undefined }, after: Position): Node => {
    const start = Array.isArray(value.range) ? Number(value.range[0]) : undefined;
    const tagOffset = value.tag === undefined || start === undefined ? undefined : scan.tags[countBelow(scan.tags, start) - 1];
    const at = tagOffset !== undefined ? source.at(tagOffset) : start !== undefined ? source.at(start) : after;
    const tag = value.tag === undefined ? {} : { tag: value.tag.replace(/^tag:yaml\.org,2002:/, "!!") };
    if (isScalar(value)) return { type: "text", text: scalarText(value), size: 1, depth: 1, ...tag, ...at };
    let size = 1;
    let depth = 0;
    const child = (item: unknown, place: Position): Node => {
      const node = build(item, place);
      size += node.size;
      depth = Math.max(depth, node.depth);
      return node;
    };
    const node = isMap(value)
      ? { type: "map" as const, entries: value.items.flatMap((pair) => entry(pair.key, pair.value, child)) }
      : { type: "list" as const, items: value.items.map((item) => child(item, at)) };
    measure(at, size, depth + 1);
    return { ...node, size, depth: depth + 1, ...tag, ...at };
  };

  const entry = (key: unknown, value: unknown, child: (item: unknown, place: Position) => Node) => {
    const at = source.at(isScalar(key) ? (key.range?.[0] ?? 0) : rangeStart(key));
    if (isScalar(key) && key.tag === undefined) return [{ key: String(key.value), value: child(value, at), ...at }];
    problems.report(at, "The name of an attribute must be plain text", adviceForLine(source.lineText(at.line)));
    return [];
  };

  const measure = (at: Position, size: number, depth: number): void => {
    if (refused || (size <= limits.nodes && depth <= limits.depth)) return;
    refused = true;
    const what = size > limits.nodes ? `has more than ${limits.nodes} nodes` : `is nested more than ${limits.depth} levels deep`;
    problems.report(at, `The policy ${what} once its aliases are written out`);
  };

  return (value) => (value === null || value === undefined ? undefined : build(value, { line: 1, column: 1 }));
}

function scalarText(scalar: Scalar): string {
  const text = String(scalar.value);
  return scalar.type === Scalar.PLAIN && (text === "~" || text === "null") ? "" : text;
}

function rangeStart(value: unknown): number {
  return isSeq(value) || isMap(value) || isAlias(value) ? (value.range?.[0] ?? 0) : 0;
}

/** Tags of the language, so that the composer does not make a warning (an Error with a stack) for each of many thousands. */
function knownTags(tags: Tags): Tags {
  const known: (ScalarTag | CollectionTag)[] = [];
  for (const tag of tagTypes.keys())
    known.push({ tag, resolve: (text: string) => text }, { tag, collection: "map" }, { tag, collection: "seq" });
  return [...tags, ...known];
}
