/**
 * Records of the text against records of the graph: owner, annotations and networks, by the mode of the load.
 */

import { isRoleId } from "../../model/ids";
import type { Resource } from "../../model/types";
import type { DraftAnnotation, DraftRecord } from "./draft";
import { ownershipGrant, putAnnotation, putGrant } from "./next-facts";
import type { Placing } from "./placing";
import { grantKey } from "./scene";
import { kindName } from "./statements";

export function placeRecord(record: DraftRecord, placing: Placing): void {
  const existing = placing.scene.resource(record.id);
  if (existing === undefined) addResource(record, placing);
  else if (existing.policy === placing.policy) moveResource(record, existing, placing);
  else
    placing.warn(
      record.line,
      `${spoken(record)} belongs to ${existing.policy === undefined ? "no policy" : "another policy"} and is left as it is`,
    );
  for (const annotation of record.annotations) placeAnnotation(record, annotation, placing);
  if (existing === undefined || existing.policy === placing.policy) placeNetworks(record, placing);
}

function addResource(record: DraftRecord, { next, now, declaredAt }: Placing): void {
  const resource: Resource = { id: record.id, owner: record.owner, createdAt: now, ...declaredAt(record) };
  next.resources.set(record.id, resource);
  const ownership = ownershipGrant(resource);
  if (ownership !== undefined) putGrant(next, ownership);
}

/** A record given to another owner; its keys, values and age stay. */
function moveResource(record: DraftRecord, existing: Resource, { mode, next, scene, declaredAt }: Placing): void {
  if (mode === "create" || existing.owner === record.owner) return;
  const resource: Resource = { ...existing, owner: record.owner, ...declaredAt(record) };
  next.resources.set(record.id, resource);
  const ownership = ownershipGrant(resource);
  if (ownership === undefined || !isRoleId(record.id)) return;
  putGrant(next, ownership);
  const former = scene.grant(record.id, existing.owner, true);
  if (former !== undefined) next.removedGrants.set(grantKey(former.role, former.member, true), former);
}

function placeAnnotation(record: DraftRecord, annotation: DraftAnnotation, { mode, policy, scene, next, warn, declaredAt }: Placing): void {
  const { name, value } = annotation;
  const existing = scene.annotation(record.id, name);
  if (existing !== undefined && existing.policy !== policy) {
    if (existing.value !== value)
      warn(annotation.line, `Annotation '${name}' of ${spoken(record)} belongs to another policy and is left as it is`);
    return;
  }
  if (existing !== undefined && (mode === "create" || existing.value === value)) return;
  putAnnotation(next, { resource: record.id, name, value, ...declaredAt(annotation) });
}

function placeNetworks({ id, kind, restrictedTo }: DraftRecord, { mode, scene, next }: Placing): void {
  if ((kind !== "user" && kind !== "host") || !isRoleId(id)) return;
  const present = scene.networks(id) ?? [];
  // Lifting a restriction by not mentioning it would be a trap; only a replacing load does it, as it does with all that its text lacks.
  const wanted = restrictedTo ?? (mode === "replace" ? [] : present);
  const networks = mode === "create" ? [...new Set([...present, ...wanted])].sort() : wanted;
  if (networks.length !== present.length || networks.some((network) => !present.includes(network))) next.networks.set(id, networks);
}

function spoken({ kind, identifier }: DraftRecord): string {
  return `${kindName(kind)} '${identifier}'`;
}
