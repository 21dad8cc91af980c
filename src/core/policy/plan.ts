/**
 * Draft and graph → the changes of a load. Pure: nothing is applied, no key is made.
 *
 * Each row of the text meets the row of the same key in the graph. Rows remember the branch that was loaded when they came; a load touches only rows of
 * its own branch. What happens to those depends on the mode: `create` only adds, `update` also changes, `replace` also drops what the text lacks.
 * Removals win over additions. Facts that stay as they are bring no change, and keep the place where they were first declared.
 *
 * Source: Conjur 5.3.1, app/models/loader; differing on `update`, which leaves network restrictions alone where the text does not mention them.
 */

import type { PolicyProblem } from "../../model/failures";
import { identifierOf, isRoleId, kindOf, type ResourceId, type RoleId } from "../../model/ids";
import type { Change, Grant, Instant } from "../../model/types";
import type { PolicyMode } from "../operations";
import { getsApiKey } from "./api-keys";
import { type CheckOptions, checkReferences, checkUserCollisions } from "./checks";
import { ownersFirst, reportMembershipCycles } from "./cycles";
import type { Draft, DraftPublicKey } from "./draft";
import { findInAnnotations, type KnownAuthenticator } from "./findings";
import { changesOf, createNextFacts, type NextFacts } from "./next-facts";
import type { Position } from "./nodes";
import { placeRecord } from "./place-records";
import { placeRelations } from "./place-relations";
import type { Placing } from "./placing";
import type { Problems } from "./problems";
import { deleteRecords, dropUndeclared } from "./removals";
import type { PolicyScene } from "./scene";
import { createWarnings, type Warn } from "./warnings";

export interface PlanOptions {
  readonly mode: PolicyMode;
  /** The branch that is loaded. It exists in the scene. */
  readonly policy: RoleId;
  /** The number of this load among those of its branch, for the origin of facts. */
  readonly version: number;
  readonly now: Instant;
  readonly authenticators: readonly KnownAuthenticator[];
  /** Whether hosts without the annotation `authn/api-key: true` get an API key too. */
  readonly apiKeysByDefault: boolean;
}

export interface PolicyPlan {
  /** Additions with owners before what they own, then removals. Empty when the load changes nothing. */
  readonly changes: readonly Change[];
  /** New users and hosts that need an API key, in the order of the text. */
  readonly createdRoles: readonly RoleId[];
  /** Lines that public key resources must have as their value; those not new may have it already. */
  readonly publicKeys: readonly DraftPublicKey[];
  readonly warnings: readonly string[];
  /** What a check of the policy reports as an error, though it loads. */
  readonly findings: readonly PolicyProblem[];
}

/** Reports what is wrong to `problems`; the plan is of use only when that is nothing. */
export function planChanges(asked: Draft, scene: PolicyScene, options: PlanOptions, problems: Problems): PolicyPlan {
  const { mode, policy, version, now } = options;
  const warnings = createWarnings();
  for (const warning of asked.warnings) warnings.add(warning);
  const next = createNextFacts();
  const declaredAt = ({ line, column }: Position) => ({ policy, origin: { version, line, column } });
  const placing: Placing = { mode, policy, now, scene, next, warn: warnings.warn, declaredAt };
  if (mode === "create") reportRemovals(asked, problems);

  const declared = new Set<ResourceId>(asked.records.map((record) => record.id));
  const dropped =
    mode === "replace"
      ? scene
          .declaredBy(policy)
          .resources.filter(({ id }) => !declared.has(id))
          .map(({ id }) => id)
      : [];
  const isDropped = new Set(dropped);
  const remains = (id: ResourceId): boolean => declared.has(id) || (scene.resource(id) !== undefined && !isDropped.has(id));
  const checking: CheckOptions = { account: asked.account, policy, scene, problems, remains, warn: warnings.warn };
  const draft = checkReferences(asked, checking);
  checkUserCollisions(draft.records, checking);

  // Rows of other branches stay as they are, whatever owner the text gives them.
  const placed = draft.records.filter(({ id }) => scene.resource(id) === undefined || scene.resource(id)?.policy === policy);
  const order = ownersFirst(placed, problems);
  for (const record of draft.records) placeRecord(record, placing);
  placeRelations(draft, placing);
  const removal = { policy, scene, next, problems };
  dropUndeclared(dropped, draft.records, removal);
  deleteRecords(draft.deletions, removal);
  const placeOf = (grant: Grant): Position => grant.origin ?? { line: 1, column: 1 };
  if (problems.isEmpty()) reportMembershipCycles(next, scene, placeOf, problems);

  const { warnings: said, findings } = findInAnnotations(draft.records, options.authenticators);
  for (const warning of said) warnings.add(warning);
  warnLostRelations(next, isDropped, warnings.warn);
  return {
    changes: changesOf(next, order, (id) => scene.resource(id) !== undefined),
    createdRoles: createdRoles(draft, scene, next, options),
    publicKeys: draft.publicKeys.filter(({ resource }) => takesValue(resource, placing)),
    warnings: warnings.list(),
    findings,
  };
}

function reportRemovals(draft: Draft, problems: Problems): void {
  for (const { at } of [...draft.deletions, ...draft.denials, ...draft.revocations]) {
    problems.report(at, "policy_text may not contain deletion statements", undefined, "deletion");
  }
}

function createdRoles(draft: Draft, scene: PolicyScene, next: NextFacts, { apiKeysByDefault }: PlanOptions): readonly RoleId[] {
  const created: RoleId[] = [];
  for (const { id, kind, annotations } of draft.records) {
    if (!isRoleId(id) || scene.resource(id) !== undefined || next.removedResources.has(id)) continue;
    if (getsApiKey(kind, annotations, apiKeysByDefault)) created.push(id);
  }
  return created;
}

/** A key's line is written for new ones, and for those of this branch unless the load only adds. */
function takesValue(resource: ResourceId, { mode, policy, scene, next }: Placing): boolean {
  if (next.removedResources.has(resource)) return false;
  const existing = scene.resource(resource);
  return existing === undefined || (mode !== "create" && existing.policy === policy);
}

/** A grant or permit of the text that names a record which the same load drops comes to nothing. */
function warnLostRelations(next: NextFacts, isDropped: ReadonlySet<ResourceId>, warn: Warn): void {
  const lost = (id: ResourceId, line: number | undefined): void => {
    if (isDropped.has(id))
      warn(line ?? 1, `${kindOf(id)} '${identifierOf(id)}' is no longer declared and goes with this load; nothing is granted to or by it`);
  };
  for (const { role, member, ownership, origin } of next.grants.values())
    if (!ownership) for (const id of [role, member]) lost(id, origin?.line);
  for (const { role, resource, origin } of next.permits.values()) for (const id of [role, resource]) lost(id, origin?.line);
}
