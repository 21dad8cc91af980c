/**
 * Names: `account:kind:identifier`, made canonical once at the edge and compared as bytes everywhere else.
 */

import { PosternError } from "./failures";

declare const brand: unique symbol;

/** The name of an account: no slash, colon or white space. */
export type AccountName = string & { readonly [brand]: "account" };

/** `acme:variable:apps/db/password`. Split on the first two colons only; the identifier may contain more. */
export type ResourceId = string & { readonly [brand]: "resource" | "role" };

/** A resource id whose kind can hold privileges: `acme:host:apps/web`. */
export type RoleId = ResourceId & { readonly [brand]: "role" };

export const roleKinds = ["user", "host", "group", "layer", "policy", "host_factory"] as const;
export const kinds = [...roleKinds, "variable", "webservice", "public_key", "configuration"] as const;
export type RoleKind = (typeof roleKinds)[number];
export type Kind = (typeof kinds)[number];

export interface IdParts {
  readonly account: AccountName;
  readonly kind: Kind;
  readonly identifier: string;
}

const maxIdentifierBytes = 1024;
// Unicode category Cc: NUL to US, DEL, and the C1 controls.
const controlCharacter = /\p{Cc}/u;

export function isKind(text: string): text is Kind {
  return kinds.some((kind) => kind === text);
}

export function isRoleKind(kind: Kind): kind is RoleKind {
  return roleKinds.some((role) => role === kind);
}

/**
 * What is wrong with an identifier, or undefined when nothing is. Refused: empty, over 1024 bytes, control characters, text that is not NFC,
 * outer white space, a backslash, and `.`, `..` or empty path segments (URL parsing would make such a name impossible to address).
 */
export function identifierProblem(identifier: string): string | undefined {
  if (identifier.length === 0) return "is empty";
  if (Buffer.byteLength(identifier) > maxIdentifierBytes) return `is longer than ${maxIdentifierBytes} bytes`;
  if (!identifier.isWellFormed() || identifier.includes("\uFFFD")) return "is not valid Unicode";
  if (controlCharacter.test(identifier)) return "contains a control character";
  if (identifier !== identifier.normalize("NFC")) return "is not in Unicode normal form C";
  if (identifier.trim() !== identifier) return "begins or ends with white space";
  if (identifier.includes("\\")) return "contains a backslash";
  for (const segment of identifier.split("/")) {
    if (segment === "") return "contains an empty path segment";
    if (segment === "." || segment === "..") return `contains the path segment '${segment}'`;
  }
  return undefined;
}

/** What is wrong with an account name, or undefined. `!` is reserved; look-alikes of it and of `root` are refused by case-folding first. */
export function accountProblem(name: string): string | undefined {
  const problem = identifierProblem(name);
  if (problem !== undefined) return problem;
  if (/[/:\s]/u.test(name)) return "contains a slash, a colon or white space";
  if (name.normalize("NFKC").toLowerCase() === "!") return "is reserved";
  return undefined;
}

/** Whether a reader could take a name for a reserved one, or it is that one: `Root`, ` root`, `ｒｏｏｔ`, with or without characters that do not show. */
export function looksLike(name: string, reserved: string): boolean {
  if (name === reserved) return true;
  return (
    name
      .normalize("NFKC")
      .replace(/[\p{Cf}\p{Default_Ignorable_Code_Point}\s]/gu, "")
      .toLowerCase() === reserved
  );
}

/** Accepts an account name or throws `malformed`. */
export function parseAccount(text: string): AccountName {
  const problem = accountProblem(text);
  if (problem !== undefined) throw malformedId("account", `an account name; it ${problem}`);
  return text as AccountName;
}

/** Builds an id from parts that were checked before, as those of a stored fact are. Does not validate. */
export function makeId(account: AccountName, kind: RoleKind, identifier: string): RoleId;
export function makeId(account: AccountName, kind: Kind, identifier: string): ResourceId;
export function makeId(account: AccountName, kind: Kind, identifier: string): ResourceId {
  return `${account}:${kind}:${identifier}` as ResourceId;
}

/** Builds an id from outside input: throws `malformed` unless the identifier is canonical. */
export function parseIdentifier(account: AccountName, kind: RoleKind, identifier: string): RoleId;
export function parseIdentifier(account: AccountName, kind: Kind, identifier: string): ResourceId;
export function parseIdentifier(account: AccountName, kind: Kind, identifier: string): ResourceId {
  const problem = identifierProblem(identifier);
  if (problem !== undefined) throw malformedId("identifier", `a name; it ${problem}`);
  return makeId(account, kind, identifier);
}

/** Parses a full id from outside input, or throws `malformed`. */
export function parseId(text: string): ResourceId {
  const parts = splitId(text);
  if (parts === undefined) throw malformedId("id", "account:kind:identifier with a known kind");
  return parseIdentifier(parseAccount(parts.account), parts.kind, parts.identifier);
}

/** As `parseId`, and the kind must be one that can hold privileges. */
export function parseRoleId(text: string): RoleId {
  const id = parseId(text);
  if (!isRoleId(id)) throw malformedId("role", `account:kind:identifier with one of the kinds ${roleKinds.join(", ")}`);
  return id;
}

export function isRoleId(id: ResourceId): id is RoleId {
  return isRoleKind(kindOf(id));
}

/** The three parts of an id that was made by this module. */
export function idParts(id: ResourceId): IdParts {
  const parts = splitId(id);
  if (parts === undefined) throw new PosternError({ code: "internal", what: "an id that was never parsed" });
  return parts;
}

export function accountOf(id: ResourceId): AccountName {
  return id.slice(0, id.indexOf(":")) as AccountName;
}

export function kindOf(id: ResourceId): Kind {
  const start = id.indexOf(":") + 1;
  return id.slice(start, id.indexOf(":", start)) as Kind;
}

export function identifierOf(id: ResourceId): string {
  const start = id.indexOf(":") + 1;
  return id.slice(id.indexOf(":", start) + 1);
}

function splitId(text: string): IdParts | undefined {
  const first = text.indexOf(":");
  const second = text.indexOf(":", first + 1);
  if (first < 1 || second < 0) return undefined;
  const kind = text.slice(first + 1, second);
  if (!isKind(kind)) return undefined;
  return { account: text.slice(0, first) as AccountName, kind, identifier: text.slice(second + 1) };
}

function malformedId(where: string, expected: string): PosternError {
  return new PosternError({ code: "malformed", where, expected, kind: "argument" });
}
