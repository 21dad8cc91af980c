/**
 * The engine at `auth/token/`: tokens made, looked up, renewed, ended; and the roles that make them.
 *
 * Source: Vault 1.19, vault/token_store.go (paths); api/auth_token.go and hvac 2, api/system_backend for what clients send.
 */

import type { TokenRef, TokenRequest } from "../../core/broker";
import { PosternError } from "../../model/failures";
import { SecretBytes } from "../../model/secret-bytes";
import type { Call, Engine } from "./engine";
import { argument, type Fields, fieldsOf, onlySet } from "./fields";
import { tokenRoleRoutes } from "./token-roles";
import { issuedAnswer, lookUpShape } from "./token-shapes";
import { type Answer, revealed } from "./wire";

export const token: Engine = {
  type: "token",
  routes: [
    { path: "create", write: (call) => create(call, {}) },
    { path: "create-orphan", write: (call) => create(call, { isOrphanPath: true }) },
    { path: "create/:role", write: (call) => create(call, { roleName: call.parameters[0] ?? "" }) },
    { path: "lookup-self", read: lookUpSelf, write: lookUpSelf },
    { path: "lookup", read: lookUpSelf, write: lookUp },
    { path: "lookup-accessor", write: lookUpAccessor },
    { path: "renew-self", write: (call) => renew(call, self) },
    { path: "renew", write: (call) => renew(call, tokenOrSelf) },
    { path: "renew-accessor", write: (call) => renew(call, byAccessor) },
    { path: "revoke-self", write: revokeSelf },
    { path: "revoke", write: revoke },
    { path: "revoke-orphan", sudo: true, write: revokeOrphan },
    { path: "revoke-accessor", write: revokeAccessor },
    { path: "accessors", sudo: true, list: accessors },
    { path: "tidy", write: tidy },
    ...tokenRoleRoutes,
  ],
};

async function create(call: Call, by: Pick<TokenRequest, "roleName" | "isOrphanPath">): Promise<Answer> {
  const body = await call.body();
  const request = { ...requestOf(fieldsOf(body)), ...by };
  return issuedAnswer(await call.broker.paths.tokens.create(call.caller(), call.access(body), request));
}

function requestOf(fields: Fields): TokenRequest {
  const id = fields.text("id") ?? "";
  const meta = fields.pairs("meta") ?? fields.pairs("metadata");
  const ttlSeconds = fields.seconds("ttl") ?? fields.seconds("lease");
  const given = {
    ttlSeconds,
    explicitMaxSeconds: fields.seconds("explicit_max_ttl"),
    periodSeconds: fields.seconds("period"),
    noParent: fields.flag("no_parent"),
    noDefaultPolicy: fields.flag("no_default_policy"),
    displayName: fields.text("display_name"),
    uses: fields.whole("num_uses"),
    isRenewable: fields.flag("renewable"),
    kind: fields.text("type"),
    entityAlias: fields.text("entity_alias"),
    meta,
  };
  return {
    policies: fields.list("policies") ?? [],
    ...(id === "" ? {} : { id: SecretBytes.ofText(id) }),
    ...onlySet(given),
  };
}

const self = (): TokenRef => ({ by: "self" });

const asker = ({ token: shown }: Call): TokenRef => (shown === undefined ? self() : { by: "self", token: shown });

/** The one in the body, or the one that asks. */
function tokenOrSelf(fields: Fields): TokenRef {
  const text = fields.text("token") ?? "";
  return text === "" ? self() : { by: "token", token: SecretBytes.ofText(text) };
}

function byAccessor(fields: Fields): TokenRef {
  const accessor = fields.text("accessor") ?? "";
  if (accessor === "") throw argument("accessor", "missing accessor");
  return { by: "accessor", accessor };
}

async function lookUpSelf(call: Call): Promise<Answer> {
  const view = await call.broker.paths.tokens.lookUp(call.caller(), call.access(), asker(call));
  return { data: lookUpShape(view, call.token === undefined ? "" : revealed(call.token)) };
}

async function lookUp(call: Call): Promise<Answer> {
  const body = await call.body();
  const named = tokenOrSelf(fieldsOf(body));
  const which = named.by === "self" ? asker(call) : named;
  const view = await call.broker.paths.tokens.lookUp(call.caller(), call.access(body), which);
  const shown = which.by === "token" ? which.token : call.token;
  return { data: lookUpShape(view, shown === undefined ? "" : revealed(shown)) };
}

async function lookUpAccessor(call: Call): Promise<Answer> {
  const body = await call.body();
  const view = await call.broker.paths.tokens.lookUp(call.caller(), call.access(body), byAccessor(fieldsOf(body)));
  return { data: lookUpShape(view, "") };
}

async function renew(call: Call, whichOf: (fields: Fields) => TokenRef): Promise<Answer> {
  const body = await call.body();
  const fields = fieldsOf(body);
  const which = whichOf(fields);
  const issued = await call.broker.paths.tokens.renew(call.caller(), call.access(body), which, fields.seconds("increment") ?? 0);
  const shown = which.by === "self" && call.token !== undefined ? { ...issued, token: call.token } : issued;
  return issuedAnswer(shown);
}

async function revokeSelf(call: Call): Promise<Answer> {
  await call.broker.paths.tokens.revoke(call.caller(), call.access(), self());
  return {};
}

async function revoke(call: Call): Promise<Answer> {
  const body = await call.body();
  await call.broker.paths.tokens.revoke(call.caller(), call.access(body), namedToken(fieldsOf(body)));
  return {};
}

async function revokeOrphan(call: Call): Promise<Answer> {
  const body = await call.body();
  const found = await call.broker.paths.tokens.revoke(call.caller(), call.access(body), namedToken(fieldsOf(body)), true);
  if (!found) throw argument("token", "token to revoke not found");
  return {};
}

async function revokeAccessor(call: Call): Promise<Answer> {
  const body = await call.body();
  const found = await call.broker.paths.tokens.revoke(call.caller(), call.access(body), byAccessor(fieldsOf(body)));
  return found ? {} : { warnings: ["No token found with this accessor"] };
}

function namedToken(fields: Fields): TokenRef {
  const text = fields.text("token") ?? "";
  if (text === "") throw argument("token", "missing token ID");
  return { by: "token", token: SecretBytes.ofText(text) };
}

async function accessors(call: Call): Promise<Answer> {
  const keys = await call.broker.paths.tokens.accessors(call.caller(), call.access());
  if (keys.length === 0) throw new PosternError({ code: "not_found", target: "accessors" });
  return { data: { keys } };
}

/** What has ended is let go of all the time. */
async function tidy(call: Call): Promise<Answer> {
  await call.broker.paths.mounts.probe(call.caller(), call.access());
  return {
    status: 202,
    warnings: ["Tidy operation successfully started. Any information from the operation will be printed to Vault's server logs."],
  };
}
