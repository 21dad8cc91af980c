/**
 * The changes of a load in the making: what is put and what is removed, by key, until all is known and removals can win.
 */

import type { ResourceId, RoleId } from "../../model/ids";
import { isRoleId } from "../../model/ids";
import type { Annotation, Change, Grant, NetworkRestriction, Permit, Resource } from "../../model/types";
import { annotationKey, grantKey, permitKey } from "./scene";

export interface NextFacts {
  readonly resources: Map<ResourceId, Resource>;
  readonly grants: Map<string, Grant>;
  readonly permits: Map<string, Permit>;
  readonly annotations: Map<string, Annotation>;
  /** An empty list lifts the restriction. */
  readonly networks: Map<RoleId, readonly string[]>;
  /** Existing facts that go. */
  readonly removedGrants: Map<string, Grant>;
  readonly removedPermits: Map<string, Permit>;
  readonly removedAnnotations: Map<string, Annotation>;
  /** With everything that hangs on them, whether they exist yet or not; what depends on them is in here too. */
  readonly removedResources: Set<ResourceId>;
}

export function createNextFacts(): NextFacts {
  return {
    resources: new Map(),
    grants: new Map(),
    permits: new Map(),
    annotations: new Map(),
    networks: new Map(),
    removedGrants: new Map(),
    removedPermits: new Map(),
    removedAnnotations: new Map(),
    removedResources: new Set(),
  };
}

export function putGrant(next: NextFacts, grant: Grant): void {
  next.grants.set(grantKey(grant.role, grant.member, grant.ownership), grant);
}

export function putPermit(next: NextFacts, permit: Permit): void {
  next.permits.set(permitKey(permit.role, permit.privilege, permit.resource), permit);
}

export function putAnnotation(next: NextFacts, annotation: Annotation): void {
  next.annotations.set(annotationKey(annotation.resource, annotation.name), annotation);
}

/** The log's changes: additions with owners before what they own, removals after them. `exists` tells a stored resource from a new one. */
export function changesOf(next: NextFacts, order: readonly ResourceId[], exists: (id: ResourceId) => boolean): readonly Change[] {
  const changes: Change[] = [];
  const gone = next.removedResources;
  for (const id of order) {
    const resource = next.resources.get(id);
    if (resource !== undefined && !gone.has(id)) changes.push({ type: "put_resource", resource });
  }
  for (const [key, grant] of next.grants) {
    if (!next.removedGrants.has(key) && !gone.has(grant.role) && !gone.has(grant.member)) changes.push({ type: "put_grant", grant });
  }
  for (const [key, permit] of next.permits) {
    if (!next.removedPermits.has(key) && !gone.has(permit.role) && !gone.has(permit.resource)) changes.push({ type: "put_permit", permit });
  }
  for (const annotation of next.annotations.values()) {
    if (!gone.has(annotation.resource)) changes.push({ type: "put_annotation", annotation });
  }
  for (const [role, networks] of next.networks) if (!gone.has(role)) changes.push(restrictionChange({ role, networks }));
  for (const { role, member, ownership } of next.removedGrants.values()) {
    if (!gone.has(role) && !gone.has(member)) changes.push({ type: "remove_grant", role, member, ownership });
  }
  for (const { role, privilege, resource } of next.removedPermits.values()) {
    if (!gone.has(role) && !gone.has(resource)) changes.push({ type: "remove_permit", role, privilege, resource });
  }
  for (const { resource, name } of next.removedAnnotations.values()) {
    if (!gone.has(resource)) changes.push({ type: "remove_annotation", resource, name });
  }
  // What depends on another was found after it, and goes before it.
  for (const id of [...gone].reverse()) if (exists(id)) changes.push({ type: "remove_resource", id });
  return changes;
}

function restrictionChange(restriction: NetworkRestriction): Change {
  if (restriction.networks.length > 0) return { type: "put_restriction", restriction };
  return { type: "remove_restriction", role: restriction.role };
}

/** The grant that comes with owning a role, for a record that is one. */
export function ownershipGrant(resource: Resource): Grant | undefined {
  const { id, owner, policy, origin } = resource;
  if (!isRoleId(id)) return undefined;
  const declared = { ...(policy === undefined ? {} : { policy }), ...(origin === undefined ? {} : { origin }) };
  return { role: id, member: owner, adminOption: true, ownership: true, ...declared };
}
