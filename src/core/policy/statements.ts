/**
 * The statements of the policy language, typed, with ids still as the text writes them.
 *
 * The attributes each statement takes are here as data. Singular and plural spellings are the same attribute.
 * Source: Conjur 5.3.1, lib/conjur/policy/types.
 */

import type { Kind } from "../../model/ids";
import type { MapNode, Node, Position } from "./nodes";

/** A scalar and its place. */
export interface Text extends Position {
  readonly text: string;
}

/** A record that is named, not declared: `!group ops`. `node` is the identity an alias shares with its anchor. */
export interface Reference extends Position {
  readonly node: Node;
  readonly kind: Kind;
  readonly id: Text;
  readonly account?: Text;
}

export interface AnnotationEntry extends Position {
  readonly name: string;
  readonly value: string;
}

export interface RecordStatement extends Position {
  readonly type: "record";
  readonly node: Node;
  readonly kind: Kind;
  /** Blank: the record takes the id of its policy. */
  readonly id: Text;
  readonly account?: Text;
  readonly owner?: Reference;
  readonly annotations: readonly AnnotationEntry[];
  /** Of a policy. */
  readonly body: readonly Statement[];
  /** Undefined when the record does not mention it. */
  readonly restrictedTo?: readonly Text[];
  readonly publicKeys: readonly Text[];
  /** Of a host factory; undefined when it does not mention any. */
  readonly layers?: readonly Reference[];
}

export interface Member {
  readonly role: Reference;
  readonly adminOption: boolean;
}

export interface MembershipStatement extends Position {
  readonly type: "grant" | "revoke";
  readonly node: Node;
  readonly roles: readonly Reference[];
  readonly members: readonly Member[];
}

export interface PermissionStatement extends Position {
  readonly type: "permit" | "deny";
  readonly node: Node;
  readonly roles: readonly Reference[];
  readonly privileges: readonly Text[];
  readonly resources: readonly Reference[];
}

export interface DeleteStatement extends Position {
  readonly type: "delete";
  readonly node: Node;
  readonly record: Reference;
}

export type Statement = RecordStatement | MembershipStatement | PermissionStatement | DeleteStatement;

/** What a tag stands for: its name in messages, and its attributes by every accepted spelling. */
export interface TagType {
  readonly name: string;
  /** Of a tag that declares a record. */
  readonly kind?: Kind;
  readonly attributes: ReadonlyMap<string, string>;
}

const recordAttributes = ["id", "owner", "annotations", "account"];

export const tagTypes: ReadonlyMap<string, TagType> = new Map([
  ["!policy", record("Policy", "policy", ["body"])],
  ["!user", record("User", "user", ["restricted_to", "public_key", "public_keys=public_key", "uidnumber"])],
  ["!host", record("Host", "host", ["restricted_to"])],
  ["!group", record("Group", "group", ["gidnumber"])],
  ["!layer", record("Layer", "layer", [])],
  ["!variable", record("Variable", "variable", ["kind", "mime_type"])],
  ["!webservice", record("Webservice", "webservice", [])],
  ["!host-factory", record("HostFactory", "host_factory", ["layer", "layers=layer", "role"])],
  ["!grant", relation("Grant", ["role", "roles=role", "member", "members=member"])],
  ["!revoke", relation("Revoke", ["role", "roles=role", "member", "members=member"])],
  ["!permit", relation("Permit", ["role", "roles=role", "privilege", "privileges=privilege", "resource", "resources=resource"])],
  ["!deny", relation("Deny", ["role", "roles=role", "privilege", "privileges=privilege", "resource", "resources=resource"])],
  ["!delete", relation("Delete", ["record"])],
  ["!member", relation("Member", ["role", "admin"])],
  ["!resource", relation("Resource", [...recordAttributes, "kind"])],
  ["!role", relation("Role", [...recordAttributes, "kind"])],
]);

/** Kinds by the words that `!resource` and `!role` take. */
export const genericKinds: ReadonlyMap<string, Kind> = new Map(
  [...tagTypes.values()].flatMap((type): [string, Kind][] => (type.kind === undefined ? [] : [[type.kind, type.kind]])),
);

/** The name of a kind at the head of a message: `User 'bob' not found in account 'acme'`. */
export function kindName(kind: Kind): string {
  return kind.charAt(0).toUpperCase() + kind.slice(1);
}

/** What a node is called when another thing was expected: `Group`, `String`, `Map`. */
export function nodeName(node: Node): string {
  if (node.tag !== undefined) return tagTypes.get(node.tag)?.name ?? node.tag;
  if (node.type === "list") return "List";
  if (node.type === "map") return "Map";
  return node.text === "" ? "nothing" : "String";
}

export function isMap(node: Node): node is MapNode {
  return node.type === "map";
}

function record(name: string, kind: Kind, own: readonly string[]): TagType {
  return { name, kind, attributes: spellings([...recordAttributes, ...own]) };
}

function relation(name: string, own: readonly string[]): TagType {
  return { name, attributes: spellings(own) };
}

function spellings(words: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    words.map((word): [string, string] => {
      const [spelling = word, canonical = spelling] = word.split("=");
      return [spelling, canonical];
    }),
  );
}
