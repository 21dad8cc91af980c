/**
 * A role of AppRole and its fields: all of them at once at `role/ci`, and each by a path of its own, such as `role/ci/token-ttl`.
 *
 * Source: Vault 1.19, builtin/credential/approle/path_role.go (rolePaths).
 */

import type { AppRole, AppRoleChange } from "../../core/broker";
import { PosternError } from "../../model/failures";
import type { Call, EngineRoute } from "./engine";
import { argument, type Fields, fieldsOf, onlySet } from "./fields";
import { nameIn } from "./method-answers";
import { tokenFieldsOf, tokenFieldsShape } from "./token-fields";
import type { Answer } from "./wire";

/** One field that has a path. */
interface RoleField {
  readonly path: string;
  /** What it is called in bodies; an older name comes last. */
  readonly names: readonly [string, ...string[]];
  /** What removing it leaves, as a body would say it; absent: it is not removed. */
  readonly empty?: unknown;
  /** Only said when the role is made. */
  readonly isFixed?: true;
}

const roleFields: readonly RoleField[] = [
  { path: "role-id", names: ["role_id"] },
  { path: "policies", names: ["token_policies", "policies"], empty: [] },
  { path: "bind-secret-id", names: ["bind_secret_id"], empty: true },
  { path: "local-secret-ids", names: ["local_secret_ids"], isFixed: true },
  { path: "secret-id-bound-cidrs", names: ["secret_id_bound_cidrs"], empty: [] },
  { path: "bound-cidr-list", names: ["secret_id_bound_cidrs", "bound_cidr_list"], empty: [] },
  { path: "secret-id-num-uses", names: ["secret_id_num_uses"], empty: 0 },
  { path: "secret-id-ttl", names: ["secret_id_ttl"], empty: 0 },
  { path: "token-bound-cidrs", names: ["token_bound_cidrs"], empty: [] },
  { path: "token-num-uses", names: ["token_num_uses", "num_uses"], empty: 0 },
  { path: "token-ttl", names: ["token_ttl", "ttl"], empty: 0 },
  { path: "token-max-ttl", names: ["token_max_ttl", "max_ttl"], empty: 0 },
  { path: "period", names: ["token_period", "period"], empty: 0 },
];

export const fieldRoutes: readonly EngineRoute[] = roleFields.map((field) => ({
  path: `role/:name/${field.path}`,
  read: (call) => read(call, field),
  ...(field.isFixed === true ? {} : { write: (call) => write(call, field) }),
  ...(field.empty === undefined ? {} : { delete: (call) => clear(call, field) }),
}));

async function read(call: Call, { names }: RoleField): Promise<Answer> {
  const name = nameIn(call);
  const role = await call.broker.paths.approle.read(call.caller(), call.access(), call.mount, name);
  if (role === undefined) throw new PosternError({ code: "not_found", target: name });
  const shape = { role_id: role.roleId, ...shapeOf(role) };
  return { data: Object.fromEntries(Object.entries(shape).filter(([member]) => names.includes(member))) };
}

/** Only the field itself, whatever else the body holds. */
async function write(call: Call, { names }: RoleField): Promise<Answer> {
  const body = await call.body();
  const sent = Object.entries(body).filter(([member]) => names.includes(member));
  if (sent.length === 0) throw argument(names[0], `missing ${names[0]}`);
  return change(call, changeOf(fieldsOf(Object.fromEntries(sent))), body);
}

const clear = (call: Call, { names: [name], empty }: RoleField): Promise<Answer> => change(call, changeOf(fieldsOf({ [name]: empty })));

async function change(call: Call, wanted: AppRoleChange, body?: Readonly<Record<string, unknown>>): Promise<Answer> {
  await call.broker.paths.approle.change(call.caller(), call.access(body), call.mount, nameIn(call), wanted);
  return {};
}

/** What a request says of a role. */
export function changeOf(fields: Fields): AppRoleChange {
  return {
    ...onlySet({
      roleId: fields.text("role_id"),
      bindsSecretId: fields.flag("bind_secret_id"),
      secretIdNetworks: fields.list("secret_id_bound_cidrs") ?? fields.list("bound_cidr_list"),
      secretIdUses: fields.whole("secret_id_num_uses"),
      secretIdTtlSeconds: fields.seconds("secret_id_ttl"),
      isLocal: fields.flag("local_secret_ids"),
    }),
    token: tokenFieldsOf(fields),
  };
}

/** A role as it is told, without what it is called. */
export function shapeOf(role: AppRole): Readonly<Record<string, unknown>> {
  return {
    bind_secret_id: role.bindsSecretId,
    local_secret_ids: role.isLocal,
    secret_id_bound_cidrs: role.secretIdNetworks.length === 0 ? null : role.secretIdNetworks,
    secret_id_num_uses: role.secretIdUses,
    secret_id_ttl: role.secretIdTtlSeconds,
    ...tokenFieldsShape(role.token),
  };
}
