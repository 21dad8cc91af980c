/**
 * Names that lead to records: resolved where they first stand, kept to the branch where they must be, and remembered for the check that they exist.
 */

import { type AccountName, isRoleId, makeId, type ResourceId, type RoleId } from "../../model/ids";
import { checkAccount } from "./declare";
import type { DraftReference } from "./draft";
import { isWithin, resolveName, type Scope } from "./names";
import type { Node } from "./nodes";
import type { Problems } from "./problems";
import { kindName, type Reference } from "./statements";

/** `subject`: may be outside of the branch. `object`: may not. `removed`: may not, and need not exist. `removedSubject`: need not exist. */
export type ReferenceUse = "subject" | "object" | "removedSubject" | "removed";

export interface References {
  role(reference: Reference, scope: Scope, use: ReferenceUse): RoleId | undefined;
  resource(reference: Reference, scope: Scope, use: ReferenceUse): ResourceId | undefined;
  list(): readonly DraftReference[];
}

interface ReferenceDeps {
  readonly account: AccountName;
  /** The identifier of the loaded branch. */
  readonly branch: string;
  /** Ids of declared records by their nodes. */
  readonly ids: ReadonlyMap<Node, ResourceId>;
  readonly problems: Problems;
}

export function createReferences({ account, branch, ids, problems }: ReferenceDeps): References {
  // The same node is the same name, wherever an alias carries it.
  const resolvedNodes = new Map<Node, ResourceId>();
  const found = new Map<string, DraftReference>();

  const resolve = (reference: Reference, scope: Scope, use: ReferenceUse): ResourceId | undefined => {
    const isObject = use === "object" || use === "removed";
    checkAccount(reference.account, account, problems);
    const declared = ids.get(reference.node);
    // Spelling is judged at every place, because an alias may carry an absolute name to where none is allowed.
    const resolved = resolveName(reference.kind, reference.id.text, scope, isObject ? "object" : "subject");
    if (declared === undefined && "message" in resolved) return problems.report(reference.id, resolved.message, resolved.advice);
    const id =
      declared ?? resolvedNodes.get(reference.node) ?? makeId(account, reference.kind, "identifier" in resolved ? resolved.identifier : "");
    resolvedNodes.set(reference.node, id);
    const identifier = id.slice(account.length + reference.kind.length + 2);
    // The name is what it resolved to, so that no spelling leads an action out of the branch.
    if (isObject && !isWithin(reference.kind, identifier, branch)) {
      return problems.report(reference, `${kindName(reference.kind)} '${identifier}' is outside of policy '${branch}'`);
    }
    note(id, isObject ? "object" : "subject", use.startsWith("removed"), reference);
    return id;
  };

  const note = (id: ResourceId, use: "subject" | "object", isTolerant: boolean, at: Reference): void => {
    const key = `${use}\n${isTolerant}\n${id}`;
    if (!found.has(key)) found.set(key, { id, use, isTolerant, at: { line: at.line, column: at.column } });
  };

  return {
    resource: resolve,
    role(reference, scope, use) {
      const id = resolve(reference, scope, use);
      return id !== undefined && isRoleId(id) ? id : undefined;
    },
    list: () => [...found.values()],
  };
}
