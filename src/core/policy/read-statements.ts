/**
 * Nodes → statements: which tag may stand where, with which attributes of which type.
 */

import type { MapEntry, Node } from "./nodes";
import { type Problems, printable } from "./problems";
import { type Attributes, createValueReader, isNothing, items, untaggedAdvice, type ValueReader } from "./read-values";
import type { AnnotationEntry, RecordStatement, Reference, Statement, TagType } from "./statements";

/** All statements, those of bodies nested in their policies; what cannot be read is reported and left out. */
export function readStatements(root: Node | undefined, problems: Problems): readonly Statement[] {
  if (root === undefined || isNothing(root)) return [];
  if (root.type !== "list" || root.tag !== undefined) {
    problems.report(
      root,
      "A policy is a list of statements, each beginning with '- !'",
      root.type === "text" ? untaggedAdvice(root.text) : undefined,
    );
    return [];
  }
  const reader = createValueReader(problems);
  // An alias denotes the same object: a statement counts where it first stands.
  const seen = new Set<Node>();
  const readList = (node: Node): readonly Statement[] =>
    items(node).flatMap((item) => {
      if (seen.has(item)) return [];
      seen.add(item);
      return readStatement(item, { reader, problems, readList }) ?? [];
    });
  return readList(root);
}

interface Reading {
  readonly reader: ValueReader;
  readonly problems: Problems;
  readonly readList: (node: Node) => readonly Statement[];
}

function readStatement(node: Node, reading: Reading): Statement | undefined {
  const { reader, problems } = reading;
  if (node.tag === undefined) {
    const what = node.type === "map" ? "attributes without a tag" : isNothing(node) ? "nothing" : "text without a tag";
    const advice = node.type === "text" ? untaggedAdvice(node.text) : "write '- !' and the type above the attributes";
    return problems.report(node, `Expected a statement such as '!policy', got ${what}`, advice);
  }
  const type = reader.tagType(node);
  if (type === undefined) return undefined;
  if (type.name === "Member") return problems.report(node, "Expected a statement, got Member", "a member belongs to a '!grant'");
  if (node.type === "list") return problems.report(node, `Expected attributes for type ${type.name}, got List`);
  const given: Attributes = node.type === "map" ? reader.attributes(node, type) : new Map();
  if (type.attributes.has("id")) return readRecord(node, type, given, reading);
  if (node.type === "text") {
    return problems.report(
      node,
      `${type.name} has no attributes`,
      `write '${[...new Set(type.attributes.values())].join(":', '")}:' below it`,
    );
  }
  return readRelation(node, type, given, reading);
}

function readRecord(node: Node, type: TagType, given: Attributes, reading: Reading): RecordStatement | undefined {
  const { reader, problems } = reading;
  const kind = reader.kindOf(node, type, given);
  const id = reader.recordId(node, given);
  const owner = reader.reference(given.get("owner"), "Role");
  const account = reader.text(given.get("account"));
  const annotations = mergeAnnotations(given, type, reading);
  const body = readBody(given.get("body"), reading);
  const layers = given.get("layer");
  const restrictedTo = given.get("restricted_to");
  const publicKeys = given.get("public_key");
  const role = given.get("role");
  if (role !== undefined) reader.reference(role, "Role");
  if (kind === undefined || id === undefined) return undefined;
  if (kind === "host_factory" && layers === undefined) {
    problems.report(node, `Host factory '${printable(id.text)}' does not include any layers`);
  }
  return {
    type: "record",
    node,
    kind,
    id,
    line: node.line,
    column: node.column,
    annotations,
    body,
    publicKeys: publicKeys === undefined || isNothing(publicKeys.value) ? [] : reader.texts(publicKeys),
    ...(account === undefined ? {} : { account }),
    ...(owner === undefined ? {} : { owner }),
    ...(layers === undefined ? {} : { layers: readLayers(id.text, layers, reading) }),
    ...(restrictedTo === undefined || isNothing(restrictedTo.value) ? {} : { restrictedTo: reader.texts(restrictedTo) }),
  };
}

function readBody(entry: MapEntry | undefined, reading: Reading): readonly Statement[] {
  if (entry === undefined || isNothing(entry.value)) return [];
  if (entry.value.type === "list" && entry.value.tag === undefined) return reading.readList(entry.value);
  reading.problems.report(entry.value, "Expected a list of statements for field 'body'", "begin each statement with '- !'");
  return [];
}

function readLayers(id: string, entry: MapEntry, reading: Reading): readonly Reference[] {
  const layers = reading.reader.references(entry, "Layer");
  if (isNothing(entry.value) || (entry.value.type === "list" && entry.value.items.length === 0)) {
    reading.problems.report(entry, `Host factory '${printable(id)}' does not include any layers`);
  }
  return layers;
}

/** Written annotations, then the attributes that are kept as annotations. */
function mergeAnnotations(given: Attributes, type: TagType, { reader, problems }: Reading): readonly AnnotationEntry[] {
  const all = [...reader.annotations(given.get("annotations"))];
  const add = (entry: MapEntry, value: string | undefined): void => {
    const name = `conjur/${entry.key}`;
    if (value === undefined) return;
    if (all.some((annotation) => annotation.name === name)) problems.report(entry, `Duplicate attribute: ${name}`);
    else all.push({ name, value, line: entry.line, column: entry.column });
  };
  for (const name of ["kind", "mime_type"]) {
    const entry = type.kind === "variable" ? given.get(name) : undefined;
    if (entry !== undefined) add(entry, reader.text(entry)?.text);
  }
  for (const name of ["uidnumber", "gidnumber"]) {
    const entry = given.get(name);
    if (entry !== undefined) add(entry, reader.integer(entry));
  }
  return all;
}

function readRelation(node: Node, type: TagType, given: Attributes, { reader, problems }: Reading): Statement | undefined {
  const at = { node, line: node.line, column: node.column };
  const required = [...new Set(type.attributes.values())];
  const missing = required.filter((name) => !given.has(name));
  for (const name of missing) problems.report(node, `${type.name} has no '${name}'`);
  if (missing.length > 0) return undefined;
  const entry = (name: string): MapEntry => given.get(name) ?? { key: name, value: node, line: node.line, column: node.column };

  if (type.name === "Delete") {
    const record = reader.reference(given.get("record"), "Record");
    return record === undefined ? undefined : { type: "delete", record, ...at };
  }
  const roles = reader.references(entry("role"), "Role");
  if (type.name === "Grant" || type.name === "Revoke") {
    return { type: type.name === "Grant" ? "grant" : "revoke", roles, members: reader.members(entry("member")), ...at };
  }
  const privileges = reader.texts(entry("privilege"));
  const resources = reader.references(entry("resource"), "Resource");
  return { type: type.name === "Permit" ? "permit" : "deny", roles, privileges, resources, ...at };
}
