/**
 * The engine at `identity/`, as far as it goes without entities that are kept: who a caller is, and the tokens by which Postern itself is known elsewhere.
 * Source: Vault 1.19, vault/identity_store_entities.go.
 */

import type { Entity } from "../../core/broker";
import { isoNanos } from "../timestamp";
import type { Call, Engine } from "./engine";
import { identityRoleRoutes } from "./identity-roles";
import { identityTokenRoutes } from "./identity-tokens";
import type { Answer } from "./wire";

export const identity: Engine = {
  type: "identity",
  routes: [
    { path: "entity/id/:id", read: (call) => show(call, { id: call.parameters[0] ?? "" }) },
    ...identityTokenRoutes,
    ...identityRoleRoutes,
    { path: "entity/name/:name", read: (call) => show(call, { name: call.parameters[0] ?? "" }) },
  ],
};

async function show(call: Call, by: { readonly id: string } | { readonly name: string }): Promise<Answer> {
  return { data: shapeOf(await call.broker.paths.entities.show(call.caller(), call.access(), by)) };
}

function shapeOf({ id, name, createdAt, aliasId, known }: Entity): object {
  const time = isoNanos(createdAt);
  const alias = {
    canonical_id: id,
    creation_time: time,
    custom_metadata: {},
    id: aliasId,
    last_update_time: time,
    local: false,
    merged_from_canonical_ids: null,
    metadata: known.alias.metadata,
    mount_accessor: known.mountAccessor,
    mount_path: `${known.mountPath}/`,
    mount_type: known.mountType,
    name: known.alias.name,
  };
  return {
    aliases: [alias],
    creation_time: time,
    direct_group_ids: [],
    disabled: false,
    group_ids: [],
    id,
    inherited_group_ids: [],
    last_update_time: time,
    merged_entity_ids: null,
    metadata: null,
    name,
    namespace_id: "root",
    policies: [],
  };
}
