/**
 * Makes the draft of a load: every name with its full id, every record with its owner, every product of a permit as its rows.
 */

import { identifierOf } from "../../model/ids";
import { type DraftOptions, declareRecords } from "./declare";
import type { Draft, DraftDeletion, DraftGrant, DraftPermit, DraftPublicKey, DraftRecord } from "./draft";
import { type Scope, wordProblem } from "./names";
import type { Position } from "./nodes";
import { type Problems, printable } from "./problems";
import { createRecordDrafter } from "./records";
import { createReferences, type References } from "./references";
import type { MembershipStatement, PermissionStatement, Statement, Text } from "./statements";

/** Rows that one text may ask for. Products grow faster than texts: a thousand roles, privileges and resources are a billion permits. */
const maxRows = 1_000_000;

interface Drafts {
  readonly records: DraftRecord[];
  readonly publicKeys: DraftPublicKey[];
  readonly grants: DraftGrant[];
  readonly permits: DraftPermit[];
  readonly revocations: DraftGrant[];
  readonly denials: DraftPermit[];
  readonly deletions: DraftDeletion[];
  readonly warnings: string[];
}

interface Drafting {
  readonly into: Drafts;
  readonly references: References;
  readonly problems: Problems;
  /** Whether so many more rows are still within the limit. */
  readonly takeRows: (at: Position, count: number) => boolean;
}

/** Looks at nothing of the existing graph. Reports what is wrong to `problems`; the draft is of use only when that is nothing. */
export function draftPolicy(statements: readonly Statement[], options: DraftOptions, problems: Problems): Draft {
  const { placed, ids } = declareRecords(statements, options, problems);
  const references = createReferences({ account: options.account, branch: identifierOf(options.policy), ids, problems });
  const into: Drafts = { records: [], publicKeys: [], grants: [], permits: [], revocations: [], denials: [], deletions: [], warnings: [] };
  const draftRecord = createRecordDrafter({ account: options.account, references, problems }, into);
  let rows = 0;
  const takeRows = (at: Position, count: number): boolean => {
    rows += count;
    if (rows > maxRows) problems.report(at, `The policy asks for more than ${maxRows} grants and permits`);
    return rows <= maxRows;
  };
  const drafting: Drafting = { into, references, problems, takeRows };

  for (const { statement, scope } of placed) {
    if (statement.type === "record") {
      const id = ids.get(statement.node);
      if (id !== undefined) draftRecord(id, statement, scope);
    } else if ("members" in statement) draftMembership(statement, scope, drafting);
    else if ("privileges" in statement) draftPermission(statement, scope, drafting);
    else {
      const id = references.resource(statement.record, scope, "removed");
      if (id !== undefined) into.deletions.push({ id, at: place(statement) });
    }
  }
  return { account: options.account, ...into, references: references.list() };
}

function draftMembership(statement: MembershipStatement, scope: Scope, { into, references, takeRows }: Drafting): void {
  const isRemoval = statement.type === "revoke";
  const roles = statement.roles.flatMap((role) => references.role(role, scope, isRemoval ? "removed" : "object") ?? []);
  const members = statement.members.flatMap(({ role, adminOption }) => {
    const member = references.role(role, scope, isRemoval ? "removedSubject" : "subject");
    return member === undefined ? [] : [{ member, adminOption }];
  });
  const at = place(statement);
  if (!takeRows(at, roles.length * members.length)) return;
  const rows = isRemoval ? into.revocations : into.grants;
  for (const role of roles) for (const { member, adminOption } of members) rows.push({ role, member, adminOption, at });
}

function draftPermission(statement: PermissionStatement, scope: Scope, { into, references, problems, takeRows }: Drafting): void {
  const isRemoval = statement.type === "deny";
  const roles = statement.roles.flatMap((role) => references.role(role, scope, isRemoval ? "removedSubject" : "subject") ?? []);
  const resources = statement.resources.flatMap((resource) => references.resource(resource, scope, isRemoval ? "removed" : "object") ?? []);
  const privileges = statement.privileges.flatMap((privilege) => readPrivilege(privilege, into, problems));
  const at = place(statement);
  if (!takeRows(at, roles.length * privileges.length * resources.length)) return;
  const rows = isRemoval ? into.denials : into.permits;
  for (const resource of resources)
    for (const privilege of privileges) for (const role of roles) rows.push({ role, privilege, resource, at });
}

function readPrivilege(privilege: Text, into: Drafts, problems: Problems): readonly string[] {
  const problem = wordProblem(privilege.text);
  if (problem !== undefined) {
    problems.report(privilege, `Invalid privilege '${printable(privilege.text)}': it ${problem}`);
    return [];
  }
  if (/\s/.test(privilege.text)) {
    into.warnings.push(
      `Line ${privilege.line}: '${printable(privilege.text)}' is one privilege with white space in it. Is a comma missing?`,
    );
  }
  return [privilege.text];
}

function place({ line, column }: Position): Position {
  return { line, column };
}
