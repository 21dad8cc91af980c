/**
 * Grants and permits of the text against those of the graph, with what takes them away: revocations, denials, and a replacing text that lacks them.
 */

import { identifierOf } from "../../model/ids";
import type { Grant } from "../../model/types";
import type { Draft, DraftGrant, DraftPermit } from "./draft";
import { putGrant, putPermit } from "./next-facts";
import type { Placing } from "./placing";
import { annotationKey, grantKey, permitKey } from "./scene";

/** After the records have been placed. */
export function placeRelations(draft: Draft, placing: Placing): void {
  for (const grant of draft.grants) placeGrant(grant, placing);
  for (const permit of draft.permits) placePermit(permit, placing);
  if (placing.mode === "replace") dropMissing(draft, placing);
  for (const revocation of draft.revocations) revoke(revocation, placing);
  for (const denial of draft.denials) deny(denial, placing);
}

function placeGrant({ role, member, adminOption, at }: DraftGrant, { mode, policy, scene, next, warn, declaredAt }: Placing): void {
  const existing = scene.grant(role, member, false);
  const ofText = next.grants.get(grantKey(role, member, false));
  if (ofText !== undefined) {
    // Said twice: the stronger one counts.
    if (adminOption && !ofText.adminOption) putGrant(next, { ...ofText, adminOption });
    return;
  }
  const grant: Grant = { role, member, adminOption, ownership: false, ...declaredAt(at) };
  if (existing === undefined) putGrant(next, grant);
  else if (existing.policy !== policy) {
    warn(at.line, `The membership of '${identifierOf(member)}' in '${identifierOf(role)}' belongs to another policy and is left as it is`);
  } else if (mode !== "create" && existing.adminOption !== adminOption) putGrant(next, grant);
}

function placePermit({ role, privilege, resource, at }: DraftPermit, { policy, scene, next, warn, declaredAt }: Placing): void {
  const existing = scene.permit(role, privilege, resource);
  if (existing === undefined) {
    if (!next.permits.has(permitKey(role, privilege, resource))) putPermit(next, { role, privilege, resource, ...declaredAt(at) });
  } else if (existing.policy !== policy) {
    warn(
      at.line,
      `The permit of '${privilege}' on '${identifierOf(resource)}' to '${identifierOf(role)}' belongs to another policy and is left as it is`,
    );
  }
}

/** Rows of the branch that the text lacks. Those of records that go with the load go anyway. */
function dropMissing(draft: Draft, { policy, scene, next }: Placing): void {
  const records = new Map(draft.records.map((record) => [record.id, record]));
  const grants = new Set(draft.grants.map(({ role, member }) => grantKey(role, member, false)));
  const permits = new Set(draft.permits.map(({ role, privilege, resource }) => permitKey(role, privilege, resource)));
  const annotations = new Set(draft.records.flatMap(({ id, annotations: own }) => own.map(({ name }) => annotationKey(id, name))));
  const present = scene.declaredBy(policy);
  for (const grant of present.grants) {
    const key = grantKey(grant.role, grant.member, grant.ownership);
    const isOwners = grant.ownership && (records.get(grant.role)?.owner ?? scene.resource(grant.role)?.owner) === grant.member;
    if (!isOwners && !grants.has(key)) next.removedGrants.set(key, grant);
  }
  for (const permit of present.permits) {
    const key = permitKey(permit.role, permit.privilege, permit.resource);
    if (!permits.has(key)) next.removedPermits.set(key, permit);
  }
  for (const annotation of present.annotations) {
    const key = annotationKey(annotation.resource, annotation.name);
    if (!annotations.has(key)) next.removedAnnotations.set(key, annotation);
  }
}

function revoke({ role, member, at }: DraftGrant, { policy, scene, next, warn }: Placing): void {
  const key = grantKey(role, member, false);
  next.grants.delete(key);
  const existing = scene.grant(role, member, false);
  if (existing?.policy === policy) next.removedGrants.set(key, existing);
  else if (existing !== undefined) {
    warn(at.line, `The membership of '${identifierOf(member)}' in '${identifierOf(role)}' belongs to another policy and is not revoked`);
  }
}

function deny({ role, privilege, resource, at }: DraftPermit, { policy, scene, next, warn }: Placing): void {
  const key = permitKey(role, privilege, resource);
  next.permits.delete(key);
  const existing = scene.permit(role, privilege, resource);
  if (existing?.policy === policy) next.removedPermits.set(key, existing);
  else if (existing !== undefined) {
    warn(
      at.line,
      `The permit of '${privilege}' on '${identifierOf(resource)}' to '${identifierOf(role)}' belongs to another policy and is not denied`,
    );
  }
}
