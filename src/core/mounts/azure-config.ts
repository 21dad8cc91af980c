/** What a mount of the method `azure` is set to. Pure. Source: Vault 1.19, vault-plugin-auth-azure v0.24.0 (path_config.go, path_rotate_root.go). */

import * as v from "valibot";
import { PosternError } from "../../model/failures";
import type { AzureCloudName, AzureDefaults } from "../../model/ports";
import { SecretBytes } from "../../model/secret-bytes";
import { isSubscription } from "./azure-ids";

const text = v.string();

/** A new password of the application on its way to become the mount's secret. Instants are in milliseconds. */
export const RootRotationDocument = v.object({
  /** `vault-…`: what the application's password is called, noted before it is made so that none is made that nobody knows of. */
  name: text,
  beganAt: v.number(),
  /** Once Azure has made it. */
  made: v.optional(v.object({ secret: text, keyId: text, at: v.number(), endsAt: v.number() })),
  /** It is the mount's secret by now; the application's other passwords are still to go. */
  isPromoted: v.optional(v.boolean(), false),
});

export type RootRotation = Readonly<v.InferOutput<typeof RootRotationDocument>>;

/** As it is kept; secrets are sealed with the rest. Times are in seconds, but where it says otherwise. */
export const AzureConfigDocument = v.object({
  tenantId: text,
  resource: text,
  environment: text,
  clientId: text,
  clientSecret: text,
  identityTokenAudience: text,
  identityTokenTtlSeconds: v.number(),
  rootPasswordTtlSeconds: v.number(),
  maxRetries: v.number(),
  retryDelaySeconds: v.number(),
  maxRetryDelaySeconds: v.number(),
  // What older installations did not keep.
  rotationPolicy: v.optional(text, ""),
  rotationWindowSeconds: v.optional(v.number(), 0),
  disablesRotation: v.optional(v.boolean(), false),
  /** When the secret ends, in milliseconds; 0: nobody said. */
  passwordEndsAt: v.optional(v.number(), 0),
  rotation: v.optional(RootRotationDocument),
});

export type AzureConfig = Readonly<v.InferOutput<typeof AzureConfigDocument>>;
/** What a request changes; absent: it stays. */
export type AzureConfigChange = Readonly<Partial<Omit<AzureConfig, "passwordEndsAt" | "rotation">>> & { readonly rotatesItself?: boolean };

/** What holds of a configuration once the environment has filled its gaps. */
export interface SettledConfig {
  readonly cloud: AzureCloudName;
  readonly tenantId: string;
  /** What tokens must be for. */
  readonly resource: string;
  readonly clientId: string;
  readonly clientSecret: SecretBytes | undefined;
  readonly identityTokenAudience: string;
}

/** As Azure has it. */
const longestAudience = 599;

/** Half a year. */
export const usualPasswordSeconds = 15_768_000;

const longestPasswordSeconds = 100 * 365 * 86_400;

const noConfig: AzureConfig = {
  tenantId: "",
  resource: "",
  environment: "",
  clientId: "",
  clientSecret: "",
  identityTokenAudience: "",
  identityTokenTtlSeconds: 0,
  rootPasswordTtlSeconds: usualPasswordSeconds,
  maxRetries: 3,
  retryDelaySeconds: 4,
  maxRetryDelaySeconds: 60,
  rotationPolicy: "",
  rotationWindowSeconds: 0,
  disablesRotation: false,
  passwordEndsAt: 0,
};

/** Throws `malformed` with the sentence that clients know. What is not sent stays as it was, also where the reference would forget it. */
export function changedConfig(
  before: AzureConfig | undefined,
  { rotatesItself, ...change }: AzureConfigChange,
  defaults: AzureDefaults,
): AzureConfig {
  if (rotatesItself === true)
    throw argument(
      "rotation_period",
      "error registering rotation job: rotation manager capabilities not supported in Vault community edition",
    );
  const after = { ...(before ?? noConfig), ...change };
  if (after.rootPasswordTtlSeconds > longestPasswordSeconds) throw argument("root_password_ttl", "root_password_ttl is at most 100 years");
  settledConfig(after, defaults);
  return isSameCredential(before, after) ? after : withoutRotation(after);
}

/** A secret that is on its way is one of the application that was; whoever writes another credential means that one. */
function withoutRotation({ rotation: _, ...config }: AzureConfig): AzureConfig {
  return { ...config, passwordEndsAt: 0 };
}

function isSameCredential(before: AzureConfig | undefined, after: AzureConfig): boolean {
  const names = ["tenantId", "environment", "clientId", "clientSecret", "identityTokenAudience"] as const;
  return before !== undefined && names.every((name) => before[name] === after[name]);
}

/** What is configured stands before what the environment says. Throws `malformed` with the sentence that clients know where neither will do. */
export function settledConfig(config: AzureConfig, defaults: AzureDefaults): SettledConfig {
  const { clientSecret, identityTokenAudience } = config;
  const tenantId = config.tenantId || (defaults.tenantId ?? "");
  const resource = config.resource || (defaults.resource ?? "");
  const clientId = config.clientId || (defaults.clientId ?? "");
  const environment = config.environment || (defaults.environment ?? "");
  if (tenantId === "") throw argument("tenant_id", "tenant_id is required");
  if (!isSubscription(tenantId)) throw argument("tenant_id", "tenant_id must be the tenant's id, a GUID");
  if (resource === "") throw argument("resource", "resource is required");
  const cloud = cloudOf(environment);
  if (cloud === undefined)
    throw argument("environment", `err: no cloud configuration matching the name ${JSON.stringify(environment.toUpperCase())}`);
  if (clientSecret !== "" && identityTokenAudience !== "")
    throw argument("identity_token_audience", "only one of 'client_secret' or 'identity_token_audience' can be set");
  if (identityTokenAudience.length > longestAudience)
    throw argument("identity_token_audience", `identity_token_audience is at most ${longestAudience} characters`);
  if (identityTokenAudience !== "" && clientId === "") throw argument("client_id", "client_id is required");
  const stored = clientSecret === "" ? undefined : SecretBytes.ofText(clientSecret);
  const secret = identityTokenAudience === "" ? (stored ?? defaults.clientSecret) : undefined;
  return { cloud, tenantId, resource, clientId, clientSecret: secret, identityTokenAudience };
}

const cloudNames: readonly AzureCloudName[] = ["AzurePublicCloud", "AzureUSGovernmentCloud", "AzureChinaCloud"];

function cloudOf(environment: string): AzureCloudName | undefined {
  return environment === "" ? "AzurePublicCloud" : cloudNames.find((name) => name.toLowerCase() === environment.toLowerCase());
}

const microsoftDomains = [
  "azure.com",
  "azure.net",
  "azure.us",
  "azure.cn",
  "windows.net",
  "microsoft.com",
  "microsoft.us",
  "usgovcloudapi.net",
  "chinacloudapi.cn",
];

/** Whether tokens for it are tokens for a service of Azure's own, which say what resource they were given to. */
export function isOfAzure(resource: string): boolean {
  const { protocol = "", hostname = "" } = URL.parse(resource) ?? {};
  return protocol === "https:" && microsoftDomains.some((domain) => `.${hostname}`.endsWith(`.${domain}`));
}

/** A value that is no good where it stands, told in the words that clients know. */
export function argument(where: string, says: string): PosternError {
  return new PosternError({ code: "malformed", where, expected: says, kind: "argument", because: "azure_parameters", says });
}
