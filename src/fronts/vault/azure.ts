/** The method `azure`: `auth/azure`. Source: Vault 1.19, vault-plugin-auth-azure v0.24.0 (path_config.go, path_role.go, path_login.go). */

import type { AzureConfig, AzureConfigChange, AzureRole, AzureRoleChange } from "../../core/broker";
import { PosternError } from "../../model/failures";
import { isoSeconds } from "../timestamp";
import type { Call, Engine } from "./engine";
import { type Fields, fieldsOf, onlySet } from "./fields";
import { admitLogin, folded, listAnswer, nameIn, secretField, warningsAnswer } from "./method-answers";
import { tokenFieldsOf, tokenFieldsShape } from "./token-fields";
import { issuedAnswer } from "./token-shapes";
import type { Answer } from "./wire";

export const azure: Engine = {
  type: "azure",
  routes: folded([
    { path: "login", open: true, write: login },
    { path: "config", read: readConfig, write: writeConfig, delete: removeConfig },
    { path: "rotate-root", write: rotateRoot },
    { path: "role", list },
    { path: "role/:name", read, write, delete: remove },
  ]),
};

async function login(call: Call): Promise<Answer> {
  const fields = await call.fields();
  const { mount, path, context } = call;
  const said = (name: string): string => fields.text(name) ?? "";
  // One role, however its name is written.
  admitLogin(call, said("role").toLowerCase());
  const issued = await call.broker.paths.azure.login(
    {
      mount,
      path,
      role: said("role"),
      jwt: secretField(fields, "jwt"),
      subscription: said("subscription_id"),
      group: said("resource_group_name"),
      scaleSet: said("vmss_name"),
      machine: said("vm_name"),
      resource: said("resource_id"),
    },
    context,
  );
  return issuedAnswer(issued);
}

async function readConfig(call: Call): Promise<Answer> {
  const config = await call.broker.paths.azure.readConfig(call.caller(), call.access(), call.mount);
  if (config === undefined) throw new PosternError({ code: "not_found", target: "config" });
  return { data: configShape(config) };
}

async function writeConfig(call: Call): Promise<Answer> {
  const body = await call.body();
  await call.broker.paths.azure.writeConfig(call.caller(), call.access(body), call.mount, configChange(fieldsOf(body)));
  return {};
}

async function removeConfig(call: Call): Promise<Answer> {
  await call.broker.paths.azure.removeConfig(call.caller(), call.access(), call.mount);
  return {};
}

async function rotateRoot(call: Call): Promise<Answer> {
  const body = await call.body();
  await call.broker.paths.azure.rotateRoot(call.caller(), call.access(body), call.mount);
  return {};
}

async function list(call: Call): Promise<Answer> {
  return listAnswer(await call.broker.paths.azure.list(call.caller(), call.access(), call.mount));
}

async function read(call: Call): Promise<Answer> {
  const name = nameIn(call);
  const role = await call.broker.paths.azure.read(call.caller(), call.access(), call.mount, name);
  if (role === undefined) throw new PosternError({ code: "not_found", target: name });
  return { data: roleShape(role) };
}

async function write(call: Call): Promise<Answer> {
  const body = await call.body();
  const change = roleChange(fieldsOf(body));
  const { azure: method } = call.broker.paths;
  return warningsAnswer(await method.write(call.caller(), call.access(body), call.mount, nameIn(call), change));
}

async function remove(call: Call): Promise<Answer> {
  await call.broker.paths.azure.remove(call.caller(), call.access(), call.mount, nameIn(call));
  return {};
}

function configChange(fields: Fields): AzureConfigChange {
  return onlySet({
    tenantId: fields.text("tenant_id"),
    resource: fields.text("resource"),
    environment: fields.text("environment"),
    clientId: fields.text("client_id"),
    clientSecret: fields.text("client_secret"),
    identityTokenAudience: fields.text("identity_token_audience"),
    identityTokenTtlSeconds: fields.seconds("identity_token_ttl"),
    rootPasswordTtlSeconds: fields.seconds("root_password_ttl"),
    maxRetries: fields.whole("max_retries"),
    retryDelaySeconds: fields.seconds("retry_delay", "signed"),
    maxRetryDelaySeconds: fields.seconds("max_retry_delay", "signed"),
    rotationPolicy: fields.text("rotation_policy"),
    rotationWindowSeconds: fields.seconds("rotation_window"),
    disablesRotation: fields.flag("disable_automated_rotation"),
    rotatesItself: (fields.text("rotation_schedule") ?? "") !== "" || (fields.seconds("rotation_period") ?? 0) > 0,
  });
}

const nanosPerSecond = 1_000_000_000;

/** The delays are read in nanoseconds although they are written in seconds: clients know them so. The secret is not told. */
function configShape(config: AzureConfig): object {
  return {
    tenant_id: config.tenantId,
    resource: config.resource,
    environment: config.environment,
    client_id: config.clientId,
    root_password_ttl: config.rootPasswordTtlSeconds,
    retry_delay: config.retryDelaySeconds * nanosPerSecond,
    max_retry_delay: config.maxRetryDelaySeconds * nanosPerSecond,
    max_retries: config.maxRetries,
    identity_token_audience: config.identityTokenAudience,
    identity_token_ttl: config.identityTokenTtlSeconds,
    rotation_window: config.rotationWindowSeconds,
    // Nothing is rotated by itself.
    rotation_period: 0,
    rotation_schedule: "",
    rotation_policy: config.rotationPolicy,
    disable_automated_rotation: config.disablesRotation,
    ...(config.passwordEndsAt === 0 ? {} : { root_password_expiration_date: isoSeconds(config.passwordEndsAt) }),
  };
}

function roleChange(fields: Fields): AzureRoleChange {
  return {
    ...onlySet({
      servicePrincipals: fields.list("bound_service_principal_ids"),
      groups: fields.list("bound_group_ids"),
      subscriptions: fields.list("bound_subscription_ids"),
      resourceGroups: fields.list("bound_resource_groups"),
      locations: fields.list("bound_locations"),
      scaleSets: fields.list("bound_scale_sets"),
    }),
    token: tokenFieldsOf(fields),
  };
}

function roleShape(role: AzureRole): object {
  const some = (bound: readonly string[]): readonly string[] | null => (bound.length === 0 ? null : bound);
  return {
    bound_service_principal_ids: some(role.servicePrincipals),
    bound_group_ids: some(role.groups),
    bound_subscription_ids: some(role.subscriptions),
    bound_resource_groups: some(role.resourceGroups),
    bound_locations: some(role.locations),
    bound_scale_sets: some(role.scaleSets),
    ...tokenFieldsShape(role.token),
  };
}
