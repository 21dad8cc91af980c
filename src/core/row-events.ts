/** Changes as the audit of other servers tells them: which rows came, changed or went. Values, keys and the record of the load itself are no rows. */

import { isRoleId, type ResourceId } from "../model/ids";
import type { Change, RowEvent } from "../model/types";
import type { Graph } from "./graph";

/** `before` is the graph that the changes were made to. */
export function rowEvents(changes: readonly Change[], before: Graph): readonly RowEvent[] {
  return changes.flatMap((change) => eventsOf(change, before));
}

function eventsOf(change: Change, before: Graph): readonly RowEvent[] {
  switch (change.type) {
    case "put_resource": {
      const { id } = change.resource;
      return recordEvents(id, before.resource(id) === undefined ? "add" : "change");
    }
    case "remove_resource":
      return before.resource(change.id) === undefined ? [] : recordEvents(change.id, "remove");
    case "put_grant": {
      const { role, member, ownership } = change.grant;
      const operation = before.grant(role, member, ownership) === undefined ? "add" : "change";
      return [{ operation, subject: ownership ? { role, owner: member } : { role, member } }];
    }
    case "remove_grant": {
      const { role, member, ownership } = change;
      return [{ operation: "remove", subject: ownership ? { role, owner: member } : { role, member } }];
    }
    case "put_permit": {
      const { role, privilege, resource } = change.permit;
      return [{ operation: "add", subject: { resource, role, privilege } }];
    }
    case "remove_permit": {
      const { role, privilege, resource } = change;
      return [{ operation: "remove", subject: { resource, role, privilege } }];
    }
    case "put_annotation": {
      const { resource, name } = change.annotation;
      return [{ operation: before.annotation(resource, name) === undefined ? "add" : "change", subject: { resource, annotation: name } }];
    }
    case "remove_annotation":
      return [{ operation: "remove", subject: { resource: change.resource, annotation: change.name } }];
    default:
      return [];
  }
}

/** A record of a role kind is a role and a resource. */
function recordEvents(id: ResourceId, operation: RowEvent["operation"]): readonly RowEvent[] {
  const resource: RowEvent = { operation, subject: { resource: id } };
  return isRoleId(id) ? [{ operation, subject: { role: id } }, resource] : [resource];
}
