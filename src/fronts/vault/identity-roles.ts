/** Tokens by which callers are known elsewhere: `identity/oidc/role`, `token` and `introspect`. Source: Vault 1.19, vault/identity_store_oidc.go. */

import type { IdentityRole } from "../../core/broker";
import { PosternError } from "../../model/failures";
import type { Call, EngineRoute } from "./engine";
import { fieldsOf, onlySet } from "./fields";
import { type Answer, revealed } from "./wire";

export const identityRoleRoutes: readonly EngineRoute[] = [
  { path: "oidc/role", list },
  { path: "oidc/role/:name", read, write, delete: remove },
  { path: "oidc/token/:name", read: token },
  { path: "oidc/introspect", write: introspect },
];

const nameOf = ({ parameters: [name = ""] }: Call): string => name;

async function list(call: Call): Promise<Answer> {
  const keys = await call.broker.paths.identityTokens.roles.list(call.caller(), call.access());
  if (keys.length === 0) throw new PosternError({ code: "not_found", target: "roles" });
  return { data: { keys } };
}

async function read(call: Call): Promise<Answer> {
  const role = await call.broker.paths.identityTokens.roles.read(call.caller(), call.access(), nameOf(call));
  if (role === undefined) throw new PosternError({ code: "not_found", target: "the role" });
  return { data: shapeOf(role) };
}

async function write(call: Call): Promise<Answer> {
  const body = await call.body();
  const fields = fieldsOf(body);
  const template = fields.text("template");
  const change = onlySet({
    key: fields.text("key"),
    clientId: fields.text("client_id") || undefined,
    ttlSeconds: fields.seconds("ttl"),
    template: template === undefined ? undefined : plainTemplate(template),
  });
  await call.broker.paths.identityTokens.roles.write(call.caller(), call.access(body), nameOf(call), change);
  return {};
}

/** Clients may send a template in base64: no object begins with what that is written in. */
function plainTemplate(template: string): string {
  const trimmed = template.trim();
  return /^[A-Za-z0-9+/]+={0,2}$/.test(trimmed) ? Buffer.from(trimmed, "base64").toString("utf8") : trimmed;
}

async function remove(call: Call): Promise<Answer> {
  await call.broker.paths.identityTokens.roles.remove(call.caller(), call.access(), nameOf(call));
  return {};
}

async function token(call: Call): Promise<Answer> {
  const made = await call.broker.paths.identityTokens.roles.token(call.caller(), call.access(), nameOf(call));
  return { data: { client_id: made.clientId, token: revealed(made.token), ttl: made.ttlSeconds } };
}

async function introspect(call: Call): Promise<Answer> {
  const body = await call.body();
  const fields = fieldsOf(body);
  const { roles } = call.broker.paths.identityTokens;
  const active = await roles.isActive(call.caller(), call.access(), fields.text("token") ?? "", fields.text("client_id") || undefined);
  return { bare: { active } };
}

function shapeOf({ key, clientId, ttlSeconds, template }: IdentityRole): object {
  return { client_id: clientId, key, template, ttl: ttlSeconds };
}
