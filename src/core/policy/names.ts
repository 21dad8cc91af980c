/**
 * Names in a policy: relative to the policy around them, absolute where that is allowed, and never a look-alike of a reserved one.
 *
 *   `!variable db/pw` in policy `app/prod` → `app/prod/db/pw`       `!user alice` there → `alice@app-prod`
 *   `!group /ops` as a member → `ops`                               `!group ../ops` as a member in `app/prod` → `app/ops`
 *
 * Source: Conjur 5.3.1, lib/conjur/policy/resolver.rb.
 */

import { identifierProblem, type Kind, looksLike, type RoleId } from "../../model/ids";
import { printable } from "./problems";

/** The policy that names are relative to. `prefix` is "" in the root policy. */
export interface Scope {
  readonly prefix: string;
  readonly policy: RoleId;
  /** Who owns what is declared here without an owner of its own. */
  readonly defaultOwner: RoleId;
}

/** `declared`: the id of a record. `object`: a record that is acted on. `subject`: an owner, a member, or the role of a permit, which may be outside. */
export type NameUse = "declared" | "object" | "subject";

export type ResolvedName = { readonly identifier: string } | { readonly message: string; readonly advice?: string };

/** The full identifier a written name stands for, canonical, or why it cannot stand there. */
export function resolveName(kind: Kind, written: string, scope: Scope, use: NameUse): ResolvedName {
  if (written === "") {
    if (scope.prefix === "" || kind === "user") return { message: `${kind} has a blank id` };
    return { identifier: scope.prefix };
  }
  const quoted = printable(written);
  if (/^[\u2018-\u201F\u00AB\u00BB]|[\u2018-\u201F\u00AB\u00BB]$/u.test(written)) {
    return { message: `Invalid id '${quoted}': typographic quotation marks`, advice: "write straight quotation marks, or none" };
  }
  // Within a longer name its outer white space would be inner white space.
  if (written.trim() !== written) return { message: `Invalid id '${quoted}': it begins or ends with white space` };
  const isAbsolute = written.startsWith("/");
  const climbs = written.split("/").includes("..");
  if (isAbsolute && use !== "subject") {
    return { message: `Illegal absolute id: ${quoted}`, advice: "a name here is relative to its policy; write it without the leading '/'" };
  }
  if (climbs && kind === "user")
    return { message: `Invalid relative reference: ${quoted}`, advice: "write the absolute name of the user, as in '/alice'" };
  if (climbs && use !== "subject") {
    return { message: `Illegal relative id: ${quoted}`, advice: "'..' is for owners, members and the roles of permits" };
  }
  const identifier = isAbsolute ? written.slice(1) : qualify(kind, written, scope);
  const folded = climbs ? foldDots(identifier) : identifier;
  if (folded === undefined) return { message: `Invalid relative reference: ${quoted}`, advice: "it climbs above the root policy" };
  const problem = identifierProblem(folded);
  if (problem !== undefined) return { message: `Invalid id '${quoted}': it ${problem}` };
  return { identifier: folded };
}

/** The path with its `..` segments applied, or undefined when it climbs above its start. */
export function foldDots(path: string): string | undefined {
  const segments: string[] = [];
  for (const segment of path.split("/")) {
    if (segment !== "..") segments.push(segment);
    else if (segments.pop() === undefined) return undefined;
  }
  return segments.join("/");
}

/** Whether a record of this name lies in the branch. Users are told by their suffix, which another policy may share (`a/b` and `a-b`). */
export function isWithin(kind: Kind, identifier: string, branch: string): boolean {
  if (branch === "root") return true;
  if (kind !== "user") return identifier === branch || identifier.startsWith(`${branch}/`);
  const suffix = identifier.slice(identifier.lastIndexOf("@") + 1);
  const flat = userSuffix(branch);
  return identifier.includes("@") && (suffix === flat || suffix.startsWith(`${flat}-`));
}

/** `app/prod` → `app-prod`: what follows the `@` of its users. */
export function userSuffix(policy: string): string {
  return policy.replaceAll("/", "-");
}

/**
 * What is wrong with declaring a record of this name, or undefined: it is, or looks like, one that Postern itself depends on. Reserved are the policy
 * `root` and all that only looks like `root`, `admin` or `conjur/…`; compared without case, width, white space and invisible characters.
 */
export function reservedNameProblem(kind: Kind, identifier: string): string | undefined {
  const first = identifier.split("/", 1)[0] ?? "";
  if (kind === "policy" && looksLike(identifier, "root")) return "'root' is reserved";
  if (kind === "user" && identifier !== "admin" && looksLike(identifier, "admin")) return "it looks like the reserved name 'admin'";
  if (first !== "conjur" && looksLike(first, "conjur")) return "it looks like the reserved name 'conjur'";
  return undefined;
}

function qualify(kind: Kind, written: string, scope: Scope): string {
  if (scope.prefix === "") return written;
  return kind === "user" ? `${written}@${userSuffix(scope.prefix)}` : `${scope.prefix}/${written}`;
}

/** What is wrong with the name of an annotation or a privilege, or undefined. Free words, but none that reads differently elsewhere. */
export function wordProblem(word: string): string | undefined {
  if (word === "") return "is empty";
  if (Buffer.byteLength(word) > maxWordBytes) return `is longer than ${maxWordBytes} bytes`;
  if (!word.isWellFormed() || word.includes("\uFFFD")) return "is not valid Unicode";
  if (/[\p{Cc}\u2028\u2029]/u.test(word)) return "contains a control character";
  if (word !== word.normalize("NFC")) return "is not in Unicode normal form C";
  if (word.trim() !== word) return "begins or ends with white space";
  if (/^[\u2018-\u201F\u00AB\u00BB]|[\u2018-\u201F\u00AB\u00BB]$/u.test(word)) return "stands in typographic quotation marks";
  return undefined;
}

const maxWordBytes = 1024;
