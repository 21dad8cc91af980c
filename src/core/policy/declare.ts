/**
 * The first walk through the statements: every record gets its full id, before any name that leads to it is looked up.
 */

import { type AccountName, identifierOf, isRoleId, makeId, type ResourceId, type RoleId } from "../../model/ids";
import { isWithin, reservedNameProblem, resolveName, type Scope } from "./names";
import type { Node } from "./nodes";
import { type Problems, printable } from "./problems";
import { kindName, type RecordStatement, type Statement, type Text } from "./statements";

export interface DraftOptions {
  readonly account: AccountName;
  /** The branch that is loaded, and who owns it. */
  readonly policy: RoleId;
  readonly policyOwner: RoleId;
  /** Refuse users anywhere but in the root policy. */
  readonly usersInRootPolicyOnly: boolean;
}

export interface Placed {
  readonly statement: Statement;
  readonly scope: Scope;
}

export interface Declarations {
  /** Every statement with the policy it stands in, in the order of the text. */
  readonly placed: readonly Placed[];
  /** The full id of each record's node: what an alias of it means. */
  readonly ids: ReadonlyMap<Node, ResourceId>;
  readonly records: ReadonlyMap<ResourceId, RecordStatement>;
}

/** Reports blank, illegal, reserved and repeated ids, foreign accounts, and records outside of the branch. */
export function declareRecords(statements: readonly Statement[], options: DraftOptions, problems: Problems): Declarations {
  const placed: Placed[] = [];
  const ids = new Map<Node, ResourceId>();
  const records = new Map<ResourceId, RecordStatement>();

  const walk = (body: readonly Statement[], scope: Scope): void => {
    for (const statement of body) {
      placed.push({ statement, scope });
      if (statement.type === "record") declare(statement, scope);
    }
  };

  const declare = (record: RecordStatement, scope: Scope): void => {
    checkAccount(record.account, options.account, problems);
    const identifier = declaredIdentifier(record, scope, options, problems);
    if (identifier === undefined) return;
    const id = makeId(options.account, record.kind, identifier);
    const other = records.get(id);
    if (other !== undefined) {
      problems.report(record, `${kindName(record.kind)} '${identifier}' is declared more than once`, `line ${other.line} declares it too`);
      return;
    }
    records.set(id, record);
    ids.set(record.node, id);
    if (record.kind === "policy" && isRoleId(id)) walk(record.body, { prefix: identifier, policy: id, defaultOwner: id });
  };

  walk(statements, rootScope(options));
  return { placed, ids, records };
}

/** An account may be written only where it says what is so anyway. */
export function checkAccount(written: Text | undefined, account: AccountName, problems: Problems): void {
  if (written === undefined || written.text === account) return;
  problems.report(written, `Invalid account '${printable(written.text)}': only records of account '${account}' can be named here`);
}

function rootScope({ policy, policyOwner }: DraftOptions): Scope {
  const branch = identifierOf(policy);
  if (branch === "root") return { prefix: "", policy, defaultOwner: policyOwner };
  return { prefix: branch, policy, defaultOwner: policy };
}

function declaredIdentifier(record: RecordStatement, scope: Scope, options: DraftOptions, problems: Problems): string | undefined {
  const resolved = resolveName(record.kind, record.id.text, scope, "declared");
  if ("message" in resolved) return problems.report(record.id, resolved.message, resolved.advice);
  const { identifier } = resolved;
  const reserved = reservedNameProblem(record.kind, identifier);
  if (reserved !== undefined) return problems.report(record.id, `Invalid id '${printable(record.id.text)}': ${reserved}`);
  const branch = identifierOf(options.policy);
  if (!isWithin(record.kind, identifier, branch)) {
    return problems.report(record, `${kindName(record.kind)} '${identifier}' is outside of policy '${branch}'`);
  }
  if (record.kind === "user" && options.usersInRootPolicyOnly && scope.prefix !== "") {
    problems.report(record, `User '${identifier}' is not in the root policy, where alone users are allowed`);
  }
  return identifier;
}
