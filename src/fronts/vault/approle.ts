/** AppRole: `auth/approle`. Source: Vault 1.19, builtin/credential/approle (path_role.go, path_login.go, path_tidy_user_id.go). */

import type { SecretId, SecretIdRef, SecretIdRequest } from "../../core/broker";
import { PosternError } from "../../model/failures";
import { isoNanos } from "../timestamp";
import { changeOf, fieldRoutes, shapeOf } from "./approle-fields";
import type { Call, Engine } from "./engine";
import { argument, type Fields, fieldsOf, onlySet } from "./fields";
import { admitLogin, folded, listAnswer, nameIn, secretField, warningsAnswer } from "./method-answers";
import { issuedAnswer } from "./token-shapes";
import { type Answer, revealed } from "./wire";

export const approle: Engine = {
  type: "approle",
  routes: folded([
    { path: "login", open: true, write: login },
    { path: "role", list },
    { path: "role/:name", read, write, delete: remove },
    ...fieldRoutes,
    { path: "role/:name/secret-id", list: accessors, write: (call) => createSecretId(call, "made here") },
    { path: "role/:name/custom-secret-id", write: (call) => createSecretId(call, "custom") },
    { path: "role/:name/secret-id/lookup", write: (call) => lookUp(call, byValue) },
    { path: "role/:name/secret-id/destroy", write: (call) => destroy(call, byValue), delete: (call) => destroy(call, byValue) },
    { path: "role/:name/secret-id-accessor/lookup", write: (call) => lookUp(call, byAccessor) },
    {
      path: "role/:name/secret-id-accessor/destroy",
      write: (call) => destroy(call, byAccessor),
      delete: (call) => destroy(call, byAccessor),
    },
    { path: "tidy/secret-id", write: tidy },
  ]),
};

async function login(call: Call): Promise<Answer> {
  const fields = await call.fields();
  const { mount, path, context } = call;
  const secretId = secretField(fields, "secret_id");
  const roleId = fields.text("role_id") ?? "";
  admitLogin(call, roleId);
  return issuedAnswer(await call.broker.paths.approle.login({ mount, path, roleId, secretId }, context));
}

async function list(call: Call): Promise<Answer> {
  return listAnswer(await call.broker.paths.approle.list(call.caller(), call.access(), call.mount));
}

async function read(call: Call): Promise<Answer> {
  const name = nameIn(call);
  const role = await call.broker.paths.approle.read(call.caller(), call.access(), call.mount, name);
  if (role === undefined) throw new PosternError({ code: "not_found", target: name });
  return { data: shapeOf(role) };
}

async function write(call: Call): Promise<Answer> {
  const body = await call.body();
  const change = changeOf(fieldsOf(body));
  const { approle: method } = call.broker.paths;
  return warningsAnswer(await method.write(call.caller(), call.access(body), call.mount, nameIn(call), change));
}

async function remove(call: Call): Promise<Answer> {
  await call.broker.paths.approle.remove(call.caller(), call.access(), call.mount, nameIn(call));
  return {};
}

async function accessors(call: Call): Promise<Answer> {
  return listAnswer(await call.broker.paths.approle.secretIdAccessors(call.caller(), call.access(), call.mount, nameIn(call)));
}

async function createSecretId(call: Call, which: "made here" | "custom"): Promise<Answer> {
  const body = await call.body();
  const fields = fieldsOf(body);
  const custom = which === "custom" ? secretField(fields, "secret_id") : undefined;
  if (which === "custom" && custom === undefined) throw argument("secret_id", "missing secret_id");
  const request: SecretIdRequest = {
    metadata: metadataOf(fields.text("metadata") ?? ""),
    ...onlySet({
      networks: fields.list("cidr_list"),
      tokenNetworks: fields.list("token_bound_cidrs"),
      uses: fields.whole("num_uses"),
      ttlSeconds: fields.seconds("ttl"),
    }),
  };
  const { approle: method } = call.broker.paths;
  const made = await method.createSecretId(call.caller(), call.access(body), call.mount, nameIn(call), request, custom);
  return {
    data: {
      secret_id: revealed(made.value),
      secret_id_accessor: made.accessor,
      secret_id_num_uses: made.uses,
      secret_id_ttl: made.ttlSeconds,
    },
  };
}

type RefOf = (fields: Fields) => SecretIdRef;

function byValue(fields: Fields): SecretIdRef {
  const value = secretField(fields, "secret_id");
  if (value === undefined) throw argument("secret_id", "missing secret_id");
  return { by: "value", value };
}

function byAccessor(fields: Fields): SecretIdRef {
  const accessor = fields.text("secret_id_accessor") ?? "";
  if (accessor === "") throw argument("secret_id_accessor", "missing secret_id_accessor");
  return { by: "accessor", accessor };
}

async function lookUp(call: Call, refOf: RefOf): Promise<Answer> {
  const body = await call.body();
  const which = refOf(fieldsOf(body));
  const found = await call.broker.paths.approle.lookUpSecretId(call.caller(), call.access(body), call.mount, nameIn(call), which);
  if (found !== undefined) return { data: secretIdShape(found) };
  if (which.by === "value") return {};
  throw unknownAccessor(which.accessor);
}

async function destroy(call: Call, refOf: RefOf): Promise<Answer> {
  const body = await call.body();
  const which = refOf(fieldsOf(body));
  const wasThere = await call.broker.paths.approle.destroySecretId(call.caller(), call.access(body), call.mount, nameIn(call), which);
  if (!wasThere && which.by === "accessor") throw unknownAccessor(which.accessor);
  return {};
}

async function tidy(call: Call): Promise<Answer> {
  await call.broker.paths.approle.tidy(call.caller(), call.access());
  return { status: 202, data: null, warnings: ["Tidy operation is done: secret-ids that have ended are gone."] };
}

function unknownAccessor(accessor: string): PosternError {
  const says = `failed to find accessor entry for secret_id_accessor: ${JSON.stringify(accessor.slice(0, 64))}`;
  return new PosternError({ code: "not_found", target: "secret_id_accessor", says });
}

function secretIdShape(secretId: SecretId): object {
  return {
    cidr_list: secretId.networks,
    creation_time: isoNanos(secretId.createdAt),
    expiration_time: secretId.expiresAt === 0 ? "0001-01-01T00:00:00Z" : isoNanos(secretId.expiresAt),
    last_updated_time: isoNanos(secretId.updatedAt),
    metadata: secretId.metadata,
    secret_id_accessor: secretId.accessor,
    secret_id_num_uses: secretId.usesLeft,
    secret_id_ttl: secretId.ttlSeconds,
    token_bound_cidrs: secretId.tokenNetworks,
  };
}

/** An object of texts, as JSON in a text. */
function metadataOf(text: string): Readonly<Record<string, string>> {
  if (text === "") return {};
  try {
    return fieldsOf({ metadata: JSON.parse(text) }).pairs("metadata") ?? {};
  } catch {
    throw argument("metadata", "failed to parse metadata: expected a JSON object of texts");
  }
}
