/** Token roles: `auth/token/roles`. Source: Vault 1.19, vault/token_store.go (tokenStoreRoleEntry). */

import type { TokenRole, TokenRoleChange } from "../../core/broker";
import { PosternError } from "../../model/failures";
import type { Call, EngineRoute } from "./engine";
import { type Fields, fieldsOf, onlySet } from "./fields";
import type { Answer } from "./wire";

export const tokenRoleRoutes: readonly EngineRoute[] = [
  { path: "roles", list },
  { path: "roles/:name", read, write, delete: remove },
];

const nameOf = ({ parameters: [name = ""] }: Call): string => name;

async function list(call: Call): Promise<Answer> {
  const keys = await call.broker.paths.tokenRoles.list(call.caller(), call.access());
  if (keys.length === 0) throw new PosternError({ code: "not_found", target: "roles" });
  return { data: { keys } };
}

async function read(call: Call): Promise<Answer> {
  const role = await call.broker.paths.tokenRoles.read(call.caller(), call.access(), nameOf(call));
  if (role === undefined) throw new PosternError({ code: "not_found", target: nameOf(call) });
  return { data: shapeOf(nameOf(call), role) };
}

async function write(call: Call): Promise<Answer> {
  const body = await call.body();
  await call.broker.paths.tokenRoles.write(call.caller(), call.access(body), nameOf(call), changeOf(fieldsOf(body)));
  return {};
}

async function remove(call: Call): Promise<Answer> {
  await call.broker.paths.tokenRoles.remove(call.caller(), call.access(), nameOf(call));
  return {};
}

function changeOf(fields: Fields): TokenRoleChange {
  const lists = {
    allowedPolicies: fields.list("allowed_policies"),
    allowedPoliciesGlob: fields.list("allowed_policies_glob"),
    disallowedPolicies: fields.list("disallowed_policies"),
    disallowedPoliciesGlob: fields.list("disallowed_policies_glob"),
    allowedEntityAliases: fields.list("allowed_entity_aliases"),
    boundCidrs: fields.list("token_bound_cidrs") ?? fields.list("bound_cidrs"),
    isOrphan: fields.flag("orphan"),
    isRenewable: fields.flag("renewable"),
    noDefaultPolicy: fields.flag("token_no_default_policy"),
    pathSuffix: fields.text("path_suffix"),
    kind: fields.text("token_type"),
    uses: fields.whole("token_num_uses"),
    explicitMaxSeconds: fields.seconds("token_explicit_max_ttl") ?? fields.seconds("explicit_max_ttl"),
    periodSeconds: fields.seconds("token_period") ?? fields.seconds("period"),
  };
  return onlySet(lists);
}

function shapeOf(name: string, role: TokenRole): object {
  return {
    name,
    allowed_policies: role.allowedPolicies,
    allowed_policies_glob: role.allowedPoliciesGlob,
    disallowed_policies: role.disallowedPolicies,
    disallowed_policies_glob: role.disallowedPoliciesGlob,
    allowed_entity_aliases: role.allowedEntityAliases,
    orphan: role.isOrphan,
    renewable: role.isRenewable,
    path_suffix: role.pathSuffix,
    token_type: role.kind,
    token_bound_cidrs: role.boundCidrs,
    token_explicit_max_ttl: role.explicitMaxSeconds,
    token_no_default_policy: role.noDefaultPolicy,
    token_num_uses: role.uses,
    token_period: role.periodSeconds,
    explicit_max_ttl: role.explicitMaxSeconds,
    period: role.periodSeconds,
  };
}
