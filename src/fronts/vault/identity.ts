/**
 * The engine at `identity/`, as far as it goes without entities that are kept: who a caller is, and what others need to verify tokens that Postern signs.
 * Source: Vault 1.19, vault/identity_store_entities.go, vault/identity_store_oidc.go.
 */

import type { Entity } from "../../core/broker";
import { PosternError } from "../../model/failures";
import { isoNanos } from "../timestamp";
import type { Call, Engine } from "./engine";
import { fieldsOf } from "./fields";
import type { Answer } from "./wire";

export const identity: Engine = {
  type: "identity",
  routes: [
    { path: "entity/id/:id", read: (call) => show(call, { id: call.parameters[0] ?? "" }) },
    { path: "oidc/config", read: readIssuer, write: writeIssuer },
    { path: "oidc/plugins/.well-known/openid-configuration", open: true, read: discovery },
    { path: "oidc/plugins/.well-known/keys", open: true, read: keys },
    { path: "entity/name/:name", read: (call) => show(call, { name: call.parameters[0] ?? "" }) },
  ],
};

async function readIssuer(call: Call): Promise<Answer> {
  return { data: { issuer: await call.broker.paths.identityTokens.readIssuer(call.caller(), call.access()) } };
}

async function writeIssuer(call: Call): Promise<Answer> {
  const body = await call.body();
  await call.broker.paths.identityTokens.writeIssuer(call.caller(), call.access(body), fieldsOf(body).text("issuer") ?? "");
  return {};
}

/** Nothing is there until somebody has said by which address this server is known. */
function discovery({ broker }: Call): Answer {
  const issuer = broker.paths.identityTokens.issuer();
  if (issuer === undefined) throw new PosternError({ code: "not_found", target: "the issuer" });
  return {
    bare: {
      issuer,
      jwks_uri: `${issuer}/.well-known/keys`,
      response_types_supported: ["id_token"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["RS256"],
    },
    headers: keptBriefly,
  };
}

function keys({ broker }: Call): Answer {
  return { bare: { keys: broker.paths.identityTokens.keys() }, headers: keptBriefly };
}

const keptBriefly = { "cache-control": "max-age=300" };

async function show(call: Call, by: { readonly id: string } | { readonly name: string }): Promise<Answer> {
  return { data: shapeOf(await call.broker.paths.entities.show(call.caller(), call.access(), by)) };
}

function shapeOf({ id, name, createdAt, aliasId, login }: Entity): object {
  const time = isoNanos(createdAt);
  const alias = {
    canonical_id: id,
    creation_time: time,
    custom_metadata: {},
    id: aliasId,
    last_update_time: time,
    local: false,
    merged_from_canonical_ids: null,
    metadata: login.alias.metadata,
    mount_accessor: login.mountAccessor,
    mount_path: `${login.mountPath}/`,
    mount_type: login.mountType,
    name: login.alias.name,
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
