/** The method `jwt`: `auth/jwt`. Source: Vault 1.19, vault-plugin-auth-jwt. Sign-in by browser (`oidc`) is not served. */

import type { JwtConfig, JwtRole, JwtRoleChange } from "../../core/broker";
import { PosternError } from "../../model/failures";
import type { Call, Engine } from "./engine";
import { type Fields, fieldsOf, onlySet } from "./fields";
import { admitLogin, folded, listAnswer, nameIn, secretField, warningsAnswer } from "./method-answers";
import { tokenFieldsOf, tokenFieldsShape } from "./token-fields";
import { issuedAnswer } from "./token-shapes";
import type { Answer } from "./wire";

export const jwt: Engine = {
  type: "jwt",
  routes: folded([
    { path: "login", open: true, write: login },
    { path: "config", read: readConfig, write: writeConfig },
    { path: "role", list },
    { path: "role/:name", read, write, delete: remove },
  ]),
};

async function login(call: Call): Promise<Answer> {
  const fields = await call.fields();
  const { mount, path, context } = call;
  const role = fields.text("role") ?? "";
  admitLogin(call, role);
  return issuedAnswer(await call.broker.paths.jwt.login({ mount, path, role, jwt: secretField(fields, "jwt") }, context));
}

async function readConfig(call: Call): Promise<Answer> {
  const config = await call.broker.paths.jwt.readConfig(call.caller(), call.access(), call.mount);
  if (config === undefined) throw new PosternError({ code: "not_found", target: "config" });
  return { data: configShape(config) };
}

async function writeConfig(call: Call): Promise<Answer> {
  const body = await call.body();
  await call.broker.paths.jwt.writeConfig(call.caller(), call.access(body), call.mount, configOf(fieldsOf(body)));
  return {};
}

async function list(call: Call): Promise<Answer> {
  return listAnswer(await call.broker.paths.jwt.list(call.caller(), call.access(), call.mount));
}

async function read(call: Call): Promise<Answer> {
  const name = nameIn(call);
  const role = await call.broker.paths.jwt.read(call.caller(), call.access(), call.mount, name);
  if (role === undefined) throw new PosternError({ code: "not_found", target: name });
  return { data: roleShape(role) };
}

async function write(call: Call): Promise<Answer> {
  const body = await call.body();
  const { jwt: method } = call.broker.paths;
  const change = changeOf(fieldsOf(body));
  return warningsAnswer(await method.write(call.caller(), call.access(body), call.mount, nameIn(call), change));
}

async function remove(call: Call): Promise<Answer> {
  await call.broker.paths.jwt.remove(call.caller(), call.access(), call.mount, nameIn(call));
  return {};
}

/** Each write says all of it: what is not sent is not set. */
function configOf(fields: Fields): JwtConfig {
  for (const name of ["oidc_client_id", "oidc_client_secret", "provider_config", "jwks_pairs"]) {
    const sent = fields.raw(name);
    const isEmpty = sent === undefined || sent === null || sent === "" || (typeof sent === "object" && Object.keys(sent).length === 0);
    if (!isEmpty)
      throw new PosternError({
        code: "malformed",
        where: name,
        expected: "no such setting",
        kind: "argument",
        says: `'${name}' is for sign-in by browser or several key sets, which are not served`,
      });
  }
  return {
    discoveryUrl: fields.text("oidc_discovery_url") ?? "",
    discoveryRoots: fields.text("oidc_discovery_ca_pem") ?? "",
    keySetUrl: fields.text("jwks_url") ?? "",
    keySetRoots: fields.text("jwks_ca_pem") ?? "",
    publicKeys: [...(fields.list("jwt_validation_pubkeys") ?? [])],
    boundIssuer: fields.text("bound_issuer") ?? "",
    defaultRole: fields.text("default_role") ?? "",
    algorithms: [...(fields.list("jwt_supported_algs") ?? [])],
  };
}

function configShape(config: JwtConfig): object {
  return {
    bound_issuer: config.boundIssuer,
    default_role: config.defaultRole,
    jwks_ca_pem: config.keySetRoots,
    jwks_pairs: [],
    jwks_url: config.keySetUrl,
    jwt_supported_algs: config.algorithms,
    jwt_validation_pubkeys: config.publicKeys,
    namespace_in_state: true,
    oidc_client_id: "",
    oidc_discovery_ca_pem: config.discoveryRoots,
    oidc_discovery_url: config.discoveryUrl,
    oidc_response_mode: "",
    oidc_response_types: [],
    provider_config: {},
    unsupported_critical_cert_extensions: [],
  };
}

function changeOf(fields: Fields): JwtRoleChange {
  assertNoBrowser(fields);
  return {
    ...onlySet({
      roleType: fields.text("role_type"),
      boundClaimsType: fields.text("bound_claims_type"),
      boundAudiences: fields.list("bound_audiences"),
      boundSubject: fields.text("bound_subject"),
      boundClaims: fields.map("bound_claims"),
      userClaim: fields.text("user_claim"),
      userClaimIsPointer: fields.flag("user_claim_json_pointer"),
      groupsClaim: fields.text("groups_claim"),
      mappings: fields.pairs("claim_mappings"),
      clockSkewSeconds: fields.seconds("clock_skew_leeway", "signed"),
      expirationSeconds: fields.seconds("expiration_leeway", "signed"),
      notBeforeSeconds: fields.seconds("not_before_leeway", "signed"),
    }),
    token: tokenFieldsOf(fields),
  };
}

/** A role with what sign-in by browser takes is not to be told that this is missing. */
function assertNoBrowser(fields: Fields): void {
  if (fields.text("role_type") === "jwt" || (fields.list("allowed_redirect_uris") ?? []).length === 0) return;
  const says = "roles of the type 'oidc' are for sign-in by browser, which is not served; set 'role_type' to 'jwt'";
  throw new PosternError({ code: "malformed", where: "role_type", expected: "jwt", kind: "argument", says });
}

function roleShape(role: JwtRole): object {
  const some = <List extends readonly unknown[] | object>(value: List): List | null => (Object.keys(value).length === 0 ? null : value);
  return {
    role_type: "jwt",
    allowed_redirect_uris: null,
    bound_audiences: some(role.boundAudiences),
    bound_claims: some(
      Object.fromEntries(Object.entries(role.boundClaims).map(([name, values]) => [name, values.length === 1 ? values[0] : values])),
    ),
    bound_claims_type: role.globs ? "glob" : "string",
    bound_subject: role.boundSubject,
    claim_mappings: some(role.mappings),
    clock_skew_leeway: role.clockSkewSeconds,
    expiration_leeway: role.expirationSeconds,
    groups_claim: role.groupsClaim,
    max_age: 0,
    not_before_leeway: role.notBeforeSeconds,
    oidc_scopes: null,
    user_claim: role.userClaim,
    user_claim_json_pointer: role.userClaimIsPointer,
    verbose_oidc_logging: false,
    ...tokenFieldsShape(role.token),
  };
}
