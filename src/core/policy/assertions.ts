/**
 * What somebody expects of a policy, a line each, and whether it holds:
 *
 *   host apps/web can execute variable secrets/db
 *   user alice cannot update variable secrets/db
 *   host apps/web is member of layer servers
 *   host apps/web is not member of group admins
 *
 * Words are separated by blanks; an id that has blanks of its own stands in double quotes. `#` begins a remark. Rights are judged by the one graph, the way
 * a request would be; why not is told as it would tell.
 */

import type { PolicyProblem } from "../../model/failures";
import { type AccountName, identifierProblem, isKind, isRoleId, makeId, type ResourceId, type RoleId } from "../../model/ids";
import type { Check } from "../../model/types";
import { explainRefusal, originOf } from "../explain";
import type { Graph } from "../graph";

export interface Assertion {
  readonly line: number;
  /** As it was written, blanks made single. */
  readonly text: string;
  readonly role: RoleId;
  readonly isExpected: boolean;
  readonly claim: { readonly privilege: string; readonly resource: ResourceId } | { readonly memberOf: RoleId };
}

export interface Judgement {
  readonly line: number;
  readonly text: string;
  readonly holds: boolean;
  /** The rule that allows it, or the checks that refuse it and what would help. */
  readonly why: readonly string[];
}

export type ParsedAssertions =
  | { readonly ok: true; readonly assertions: readonly Assertion[] }
  | { readonly ok: false; readonly problems: readonly [PolicyProblem, ...PolicyProblem[]] };

const form = "KIND ID can|cannot PRIVILEGE KIND ID, or KIND ID is [not] member of KIND ID";

export function parseAssertions(text: string, account: AccountName): ParsedAssertions {
  const assertions: Assertion[] = [];
  const problems: PolicyProblem[] = [];
  text.split(/\r?\n/u).forEach((line, index) => {
    const words = wordsOf(line);
    if (words.length === 0) return;
    const parsed = parseLine(words, account, index + 1);
    if ("message" in parsed) problems.push({ message: parsed.message, line: index + 1, column: 1, advice: `expected ${form}` });
    else assertions.push(parsed);
  });
  const [first, ...others] = problems;
  if (first !== undefined) return { ok: false, problems: [first, ...others] };
  if (assertions.length === 0) return { ok: false, problems: [{ message: "there is no assertion in it", advice: `expected ${form}` }] };
  return { ok: true, assertions };
}

export function judge(graph: Graph, assertion: Assertion): Judgement {
  const { line, text, role, isExpected, claim } = assertion;
  const missing = [role, "memberOf" in claim ? claim.memberOf : claim.resource].find((id) => graph.resource(id) === undefined);
  // Nobody may do anything to what is not there; an assertion about it is a mistake, whichever way it goes.
  if (missing !== undefined) return { line, text, holds: false, why: [`${missing} does not exist`] };
  const found = "memberOf" in claim ? membership(graph, role, claim.memberOf) : right(graph, role, claim.privilege, claim.resource);
  return { line, text, holds: found.is === isExpected, why: found.why };
}

function right(
  graph: Graph,
  role: RoleId,
  privilege: string,
  resource: ResourceId,
): { readonly is: boolean; readonly why: readonly string[] } {
  const rule = graph.permits(role, privilege, resource);
  if (rule === undefined) {
    const { checks, remedy } = explainRefusal(graph, role, privilege, resource);
    return {
      is: false,
      why: [...checks.filter(({ ok }) => !ok).map(spoken), ...(remedy === undefined ? [] : [`what would allow it:\n${remedy}`])],
    };
  }
  if (rule.by === "owner") return { is: true, why: [`it holds ${rule.role}, which owns ${resource}`] };
  const { permit } = rule;
  const { origin } = originOf(graph, permit);
  return { is: true, why: [`permit ${permit.privilege} to ${permit.role}${origin === undefined ? "" : ` (${placeOf(origin)})`}`] };
}

/** `root.yml:12`, or where to look when the file is not known. */
function placeOf({ policy, version, line, file }: NonNullable<Check["origin"]>): string {
  return file === undefined ? `${policy}, load ${version}, line ${line}` : `${file}:${line}`;
}

function membership(graph: Graph, role: RoleId, group: RoleId): { readonly is: boolean; readonly why: readonly string[] } {
  const is = role !== group && graph.held(role).has(group);
  return { is, why: [is ? `${role} holds ${group}` : `${role} does not hold ${group}, directly or through another role`] };
}

function spoken({ check, detail }: Check): string {
  return detail === undefined ? check : `${check}: ${detail}`;
}

function parseLine(words: readonly string[], account: AccountName, line: number): Assertion | { readonly message: string } {
  const [kind = "", id = "", verb = "", ...rest] = words;
  const role = idOf(account, kind, id);
  if (typeof role !== "string" || !isRoleId(role)) return { message: `'${kind} ${id}' names no role` };
  const text = words.join(" ");
  if (verb === "can" || verb === "cannot") {
    const [privilege = "", otherKind = "", otherId = "", ...more] = rest;
    const resource = idOf(account, otherKind, otherId);
    if (typeof resource !== "string" || more.length > 0)
      return { message: `'${[otherKind, otherId, ...more].join(" ")}' names no resource` };
    return { line, text, role, isExpected: verb === "can", claim: { privilege, resource } };
  }
  const isNegated = rest[0] === "not";
  const [member, of, otherKind = "", otherId = "", ...more] = isNegated ? rest.slice(1) : rest;
  if (verb !== "is" || member !== "member" || of !== "of") return { message: `'${verb}' is none of can, cannot, is` };
  const memberOf = idOf(account, otherKind, otherId);
  if (typeof memberOf !== "string" || !isRoleId(memberOf) || more.length > 0) return { message: `'${otherKind} ${otherId}' names no role` };
  return { line, text, role, isExpected: !isNegated, claim: { memberOf } };
}

function idOf(account: AccountName, kind: string, identifier: string): ResourceId | undefined {
  const name = kind.replace("-", "_");
  return isKind(name) && identifierProblem(identifier) === undefined ? makeId(account, name, identifier) : undefined;
}

/** Words and quoted words, up to a remark. */
function wordsOf(line: string): readonly string[] {
  const words: string[] = [];
  for (const [, quoted, bare] of line.matchAll(/"([^"]*)"|([^\s"]+)/gu)) {
    if (bare?.startsWith("#") === true) break;
    words.push(quoted ?? bare ?? "");
  }
  return words;
}
