/**
 * Reads the values of attributes: texts, lists of texts, annotations, and references to records.
 *
 * Every reader reports what is wrong and goes on with what is left, so that one load tells of all mistakes.
 */

import { isRoleKind, type Kind } from "../../model/ids";
import type { MapEntry, MapNode, Node } from "./nodes";
import { didYouMean, type Problems, printable } from "./problems";
import {
  type AnnotationEntry,
  genericKinds,
  isMap,
  type Member,
  nodeName,
  type Reference,
  type TagType,
  type Text,
  tagTypes,
} from "./statements";

/** What a field of references takes: `Role`, `Record` (any record), or one kind alone (`Layer`). */
export type Wanted = "Role" | "Resource" | "Record" | "Layer";

export type Attributes = ReadonlyMap<string, MapEntry>;

export interface ValueReader {
  /** By their canonical names; unknown and repeated ones are reported. */
  attributes(node: MapNode, type: TagType): Attributes;
  /** The tag's meaning, or undefined after reporting that there is none. */
  tagType(node: Node): TagType | undefined;
  text(entry: MapEntry | undefined): Text | undefined;
  texts(entry: MapEntry): readonly Text[];
  integer(entry: MapEntry): string | undefined;
  annotations(entry: MapEntry | undefined): readonly AnnotationEntry[];
  reference(entry: MapEntry | undefined, wanted: Wanted): Reference | undefined;
  references(entry: MapEntry, wanted: Wanted): readonly Reference[];
  members(entry: MapEntry): readonly Member[];
  /** The kind a record's tag stands for, also for `!resource` and `!role`. */
  kindOf(node: Node, type: TagType, attributes: Attributes): Kind | undefined;
  /** The id as written, blank when there is none; undefined after reporting that it is not a text. */
  recordId(node: Node, attributes: Attributes): Text | undefined;
}

export function createValueReader(problems: Problems): ValueReader {
  // An alias brings the same node again: it is read, and complained about, once.
  const referencesByNode = new Map<Node, Reference | undefined>();

  const tagType = (node: Node): TagType | undefined => {
    if (node.tag === undefined) return undefined;
    const type = tagTypes.get(node.tag);
    if (type === undefined) problems.report(node, `Unrecognized data type '${printable(node.tag)}'`, () => tagAdvice(node.tag ?? ""));
    return type;
  };

  const attributes = (node: MapNode, type: TagType): Attributes => {
    const found = new Map<string, MapEntry>();
    for (const entry of node.entries) {
      const canonical = type.attributes.get(entry.key);
      if (canonical === undefined) {
        problems.report(entry, `No such attribute '${printable(entry.key)}' on type ${type.name}`, () => attributeAdvice(entry.key, type));
      } else if (found.has(canonical)) problems.report(entry, `Duplicate attribute: ${printable(entry.key)}`);
      else found.set(canonical, entry);
    }
    return found;
  };

  const plainText = (field: string, node: Node): Text | undefined => {
    if (node.tag !== undefined)
      problems.report(node, `Expected a string for field '${printable(field)}', got ${printable(nodeName(node))}`);
    else if (node.type === "map") problems.report(node, `Attribute '${printable(field)}' can't be a mapping`);
    else if (node.type === "list") problems.report(node, `Attribute '${printable(field)}' can't be a sequence`);
    else return { text: node.text, line: node.line, column: node.column };
    return undefined;
  };

  const kindOf = (node: Node, type: TagType, given: Attributes): Kind | undefined => {
    if (type.kind !== undefined) return type.kind;
    const written = given.get("kind");
    const word = written === undefined ? undefined : plainText("kind", written.value);
    const kind = word === undefined ? undefined : genericKinds.get(word.text);
    if (kind === undefined || (type.name === "Role" && !isRoleKind(kind))) {
      problems.report(word ?? node, `${type.name} has no 'kind' that can be declared`, () =>
        word === undefined ? undefined : didYouMean(word.text, genericKinds.keys()),
      );
      return undefined;
    }
    return kind;
  };

  const readReference = (field: string, node: Node, wanted: Wanted): Reference | undefined => {
    const wrong = (advice?: string): undefined =>
      problems.report(node, `Expected a ${wanted} for field '${printable(field)}', got ${printable(nodeName(node))}`, advice);
    if (node.tag === undefined) return wrong(node.type === "text" && node.text !== "" ? untaggedAdvice(node.text) : undefined);
    const type = tagType(node);
    if (type === undefined) return undefined;
    const isRecord = type.kind !== undefined || type.name === "Resource" || type.name === "Role";
    if (!isRecord || node.type === "list") return wrong();
    const reference = referencesByNode.has(node) ? referencesByNode.get(node) : asReference(node, type);
    referencesByNode.set(node, reference);
    if (reference === undefined) return undefined;
    if (wanted === "Role" && !isRoleKind(reference.kind)) return wrong();
    if (wanted === "Layer" && reference.kind !== "layer") return wrong();
    return reference;
  };

  const asReference = (node: Node, type: TagType): Reference | undefined => {
    const given: Attributes = isMap(node) ? attributes(node, type) : new Map();
    const kind = kindOf(node, type, given);
    const id = recordId(node, given);
    const account = text(given.get("account"));
    if (kind === undefined || id === undefined) return undefined;
    return { node, kind, id, line: node.line, column: node.column, ...(account === undefined ? {} : { account }) };
  };

  const text = (entry: MapEntry | undefined): Text | undefined => (entry === undefined ? undefined : plainText(entry.key, entry.value));

  const recordId = (node: Node, given: Attributes): Text | undefined => {
    if (node.type === "text") return { text: node.text, line: node.line, column: node.column };
    const written = text(given.get("id"));
    return given.has("id") && written?.text !== "" ? written : { text: "", line: node.line, column: node.column };
  };

  const readMember = (field: string, node: Node): Member | undefined => {
    if (node.type !== "map" || (node.tag !== undefined && node.tag !== "!member")) {
      const role = readReference(field, node, "Role");
      return role === undefined ? undefined : { role, adminOption: false };
    }
    const given = attributes(node, memberType);
    const role = given.get("role");
    if (role === undefined) problems.report(node, "Member has no 'role'");
    const admin = text(given.get("admin"));
    if (admin !== undefined && admin.text !== "true" && admin.text !== "false") {
      problems.report(admin, `Expected a boolean for field 'admin', got '${printable(admin.text)}'`, "write true or false");
    }
    const reference = role === undefined ? undefined : readReference("role", role.value, "Role");
    return reference === undefined ? undefined : { role: reference, adminOption: admin?.text === "true" };
  };

  return {
    tagType,
    attributes,
    kindOf,
    recordId,
    text,
    texts: (entry) => items(entry.value).flatMap((node) => plainText(entry.key, node) ?? []),
    integer(entry) {
      const written = plainText(entry.key, entry.value);
      if (written === undefined) return undefined;
      if (/^-?\d{1,15}$/.test(written.text)) return String(Number(written.text));
      problems.report(written, `Expected an integer for field '${printable(entry.key)}', got '${printable(written.text)}'`);
      return undefined;
    },
    annotations(entry) {
      if (entry === undefined || isNothing(entry.value)) return [];
      const node = entry.value;
      if (!isMap(node) || node.tag !== undefined) {
        const advice = node.type === "list" ? "write 'name: value' lines, without '-'" : undefined;
        problems.report(node, `Expected a mapping for field 'annotations', got ${printable(nodeName(node))}`, advice);
        return [];
      }
      return readAnnotations(node, plainText, problems);
    },
    reference(entry, wanted) {
      if (entry === undefined) return undefined;
      const all = items(entry.value);
      const [only] = all;
      if (all.length === 1 && only !== undefined) return readReference(entry.key, only, wanted);
      problems.report(entry, `Expected one ${wanted} for field '${printable(entry.key)}', got ${all.length}`);
      return undefined;
    },
    references: (entry, wanted) =>
      isNothing(entry.value) ? [] : items(entry.value).flatMap((node) => readReference(entry.key, node, wanted) ?? []),
    members: (entry) => (isNothing(entry.value) ? [] : items(entry.value).flatMap((node) => readMember(entry.key, node) ?? [])),
  };
}

/** A value, or the values of a list and of the lists in it. */
export function items(node: Node): readonly Node[] {
  if (node.type !== "list" || node.tag !== undefined) return [node];
  return node.items.flatMap((item) => items(item));
}

export function isNothing(node: Node): boolean {
  return node.type === "text" && node.text === "" && node.tag === undefined;
}

/** `did you mean '!user alice'?` for a text whose first word names a tag. */
export function untaggedAdvice(text: string): string | undefined {
  const [word = "", ...rest] = text.replace(/^[!\s]+/, "").split(/\s+/);
  const tag = `!${word}`;
  if (tagTypes.has(tag)) return `did you mean '${[tag, ...rest].map(printable).join(" ")}'?`;
  return rest.length === 0 ? "write the kind before the id, as in '!group ops'" : undefined;
}

function readAnnotations(
  node: MapNode,
  plainText: (field: string, value: Node) => Text | undefined,
  problems: Problems,
): readonly AnnotationEntry[] {
  const names = new Set<string>();
  const found: AnnotationEntry[] = [];
  for (const entry of node.entries) {
    const value = plainText(entry.key, entry.value);
    if (names.has(entry.key)) problems.report(entry, `Duplicate attribute: ${printable(entry.key)}`);
    names.add(entry.key);
    if (value !== undefined) found.push({ name: entry.key, value: value.text, line: entry.line, column: entry.column });
  }
  return found;
}

function tagAdvice(tag: string): string | undefined {
  if (tag === "!") return "there is a space after '!'";
  if (tag === "!include") return "policies cannot read files; put the text in place of the line";
  return tag.startsWith("!!") ? undefined : didYouMean(tag, tagTypes.keys());
}

function attributeAdvice(key: string, type: TagType): string | undefined {
  if (key === "<<") return "merge keys are not supported; write the attributes out";
  if (key.includes("/") && type.attributes.has("annotations")) return "is the line 'annotations:' missing above?";
  if (type.kind !== undefined && key === "description") return "is the line 'annotations:' missing above?";
  return didYouMean(key, type.attributes.keys());
}

const memberType: TagType = tagTypes.get("!member") ?? { name: "Member", attributes: new Map() };
