/**
 * What others need to verify tokens that Postern signs, about itself (`identity/oidc/plugins`) and about its callers (`identity/oidc`), open to everybody; and by
 * which address and with which keys it does.
 * Source: Vault 1.19, vault/identity_store_oidc.go.
 */

import type { IdentityKey } from "../../core/broker";
import { PosternError } from "../../model/failures";
import type { Call, EngineRoute } from "./engine";
import { fieldsOf, onlySet } from "./fields";
import type { Answer } from "./wire";

export const identityTokenRoutes: readonly EngineRoute[] = [
  { path: "oidc/config", read: readIssuer, write: writeIssuer },
  { path: "oidc/plugins/.well-known/openid-configuration", open: true, read: (call) => discovery(call, "mounts") },
  { path: "oidc/plugins/.well-known/keys", open: true, read: publicKeys },
  { path: "oidc/.well-known/openid-configuration", open: true, read: (call) => discovery(call, "callers") },
  { path: "oidc/.well-known/keys", open: true, read: publicKeys },
  { path: "oidc/key", list },
  { path: "oidc/key/:name", read, write, delete: remove },
  { path: "oidc/key/:name/rotate", write: rotate },
];

async function readIssuer(call: Call): Promise<Answer> {
  return { data: { issuer: await call.broker.paths.identityTokens.readIssuer(call.caller(), call.access()) } };
}

async function writeIssuer(call: Call): Promise<Answer> {
  const body = await call.body();
  await call.broker.paths.identityTokens.writeIssuer(call.caller(), call.access(body), fieldsOf(body).text("issuer") ?? "");
  return {};
}

/** Nothing is there until somebody has said by which address this server is known. */
function discovery({ broker }: Call, whose: "mounts" | "callers"): Answer {
  const { identityTokens } = broker.paths;
  const issuer = identityTokens.issuer(whose);
  if (issuer === undefined) throw new PosternError({ code: "not_found", target: "the issuer" });
  return {
    bare: {
      issuer,
      jwks_uri: `${issuer}/.well-known/keys`,
      response_types_supported: ["id_token"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["RS256"],
    },
    headers: keptFor(identityTokens.keptSeconds),
  };
}

function publicKeys({ broker, context }: Call): Answer {
  const { identityTokens } = broker.paths;
  return { bare: { keys: identityTokens.publicKeys(context.now) }, headers: keptFor(identityTokens.keptSeconds) };
}

const keptFor = (seconds: number) => ({ "cache-control": `max-age=${seconds}` });

const nameOf = ({ parameters: [name = ""] }: Call): string => name;

async function list(call: Call): Promise<Answer> {
  return { data: { keys: await call.broker.paths.identityTokens.keys.list(call.caller(), call.access()) } };
}

async function read(call: Call): Promise<Answer> {
  const key = await call.broker.paths.identityTokens.keys.read(call.caller(), call.access(), nameOf(call));
  if (key === undefined) throw new PosternError({ code: "not_found", target: "the key" });
  return { data: shapeOf(key) };
}

async function write(call: Call): Promise<Answer> {
  const body = await call.body();
  const fields = fieldsOf(body);
  const change = onlySet({
    algorithm: fields.text("algorithm"),
    rotationSeconds: fields.seconds("rotation_period"),
    verificationSeconds: fields.seconds("verification_ttl"),
    allowedClients: fields.list("allowed_client_ids"),
  });
  await call.broker.paths.identityTokens.keys.write(call.caller(), call.access(body), nameOf(call), change);
  return {};
}

async function remove(call: Call): Promise<Answer> {
  await call.broker.paths.identityTokens.keys.remove(call.caller(), call.access(), nameOf(call));
  return {};
}

async function rotate(call: Call): Promise<Answer> {
  const body = await call.body();
  const seconds = fieldsOf(body).seconds("verification_ttl");
  await call.broker.paths.identityTokens.keys.rotate(call.caller(), call.access(body), nameOf(call), seconds);
  return {};
}

function shapeOf({ rotationSeconds, verificationSeconds, allowedClients }: IdentityKey): object {
  return {
    algorithm: "RS256",
    allowed_client_ids: allowedClients,
    rotation_period: rotationSeconds,
    verification_ttl: verificationSeconds,
  };
}
