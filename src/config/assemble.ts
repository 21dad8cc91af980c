/** Turns settings as they were said into the configuration as the rest of Postern reads it: defaults in place, paths absolute, words ours. */

import { resolve } from "node:path";
import { SecretBytes } from "../model/secret-bytes";
import type { Config, ListenerSettings } from "./config";
import type { Environment } from "./environment";
import type { Said, SettingName } from "./schema";

/** What holds where nothing was said. */
const defaults = {
  data: "/var/lib/postern",
  node: "postern",
  listen: "127.0.0.1:8443",
  // Conjur's own.
  sessionSeconds: 480,
  versionsKept: 20,
  resourceListMax: 1000,
  auditRotateBytes: 256 * 2 ** 20,
  bodyBytes: 2 ** 20,
  policyBytes: 16 * 2 ** 20,
  requestsInFlight: 4096,
  requestsPerAddress: 1024,
  connections: 8192,
  connectionsPerAddress: 2048,
  loginsPerAddress: { perSecond: 50, burst: 200 },
  loginsPerIdentity: { perSecond: 20, burst: 100 },
} as const;

/** `baseOf` gives the folder that a setting's relative paths start from. */
export function assemble(said: Said, environment: Environment, baseOf: (name: SettingName) => string): Config {
  const path = (name: SettingName, value: string) => resolve(baseOf(name), value);
  const seals = (said.seal ?? []).map((each) => (each.startsWith("file:") ? `file:${path("seal", each.slice("file:".length))}` : each));
  return {
    dataFolder: path("data", said.data ?? defaults.data),
    seals,
    ...present("credentialsFolder", environment.CREDENTIALS_DIRECTORY),
    ...present("sealEnvironment", said.insecure_env_seal === true ? sealEnvironment(seals, environment) : undefined),
    exitIfSealed: said.exit_if_sealed ?? false,
    acceptRollback: said.accept_rollback ?? false,
    node: said.node ?? defaults.node,
    ...present("account", said.account),
    listeners: listenersOf(said, path),
    rootFiles: (said.ca ?? []).map((each) => path("ca", each)),
    allowOutbound: said.allow_outbound ?? [],
    proxy: { ...present("https", said.https_proxy), ...present("noProxy", said.proxy_exceptions) },
    log: { level: said.log_level ?? "info", ...present("file", said.log === undefined ? undefined : path("log", said.log)) },
    tokenSignature: said.token_signature === "rs256" ? "RS256" : "EdDSA",
    userSessionSeconds: said.user_token_ttl ?? defaults.sessionSeconds,
    hostSessionSeconds: said.host_token_ttl ?? defaults.sessionSeconds,
    checksAddressOnUse: said.enforce_address_on_use ?? true,
    // `authn` is always on.
    enabledAuthenticators: (said.authenticators ?? []).filter((name) => name !== "authn"),
    trustedProxies: said.trusted_proxies ?? [],
    keyVaultHosts: said.vault_hosts ?? [],
    audit: {
      mode: said.audit_mode ?? "required",
      sync: said.audit_sync ?? "grouped",
      rotateBytes: said.audit_rotate_bytes ?? defaults.auditRotateBytes,
    },
    auditSinks: said.audit_syslog ?? [],
    requiresAuditSinks: said.audit_syslog_required ?? false,
    secretVersionsKept: said.secrets_version_limit ?? defaults.versionsKept,
    policyVersionsKept: said.policies_version_limit ?? defaults.versionsKept,
    resourceListMax: said.resource_list_limit_max ?? defaults.resourceListMax,
    apiKeysByDefault: said.api_key_default ?? true,
    usersInRootPolicyOnly: said.users_in_root_policy_only ?? false,
    jwtMayLackIssuer: said.jwt_ignore_missing_issuer ?? false,
    hostFactories: said.host_factories ?? true,
    hostFactoryConfinement: said.host_factory_confinement ?? "related",
    ...present("apiAddress", said["vault.api_address"]),
    azureAddresses: {
      ...present("authority", said["azure.authority"]),
      ...present("resourceManager", said["azure.resource_manager"]),
      ...present("graph", said["azure.graph"]),
    },
    azureDefaults: azureDefaultsOf(environment),
    ...(said["vault.account"] === undefined ? {} : { pathAccount: said["vault.account"] }),
    limits: limitsOf(said),
  };
}

/** By the names that Azure's and Vault's own tools know; an empty variable counts as unset. */
function azureDefaultsOf(environment: Environment): Config["azureDefaults"] {
  const said = (name: string): string | undefined => environment[name] || undefined;
  const secret = said("AZURE_CLIENT_SECRET");
  return {
    ...present("tenantId", said("AZURE_TENANT_ID")),
    ...present("resource", said("AZURE_AD_RESOURCE")),
    ...present("environment", said("AZURE_ENVIRONMENT")),
    ...present("clientId", said("AZURE_CLIENT_ID")),
    ...present("clientSecret", secret === undefined ? undefined : SecretBytes.ofText(secret)),
  };
}

type PathOf = (name: SettingName, value: string) => string;

function listenersOf(said: Said, path: PathOf): Config["listeners"] {
  const main = mainListener(said, path);
  const forVault = said["vault.listen"];
  if (forVault === undefined) return [main, ...otherListeners(said, path)];
  return [main, { ...main, name: "vault", listen: withPort(forVault, vaultPort), dialect: "vault" }, ...otherListeners(said, path)];
}

/** Where Vault's own clients look for it. */
const vaultPort = 8200;

/** `127.0.0.1` → `127.0.0.1:8200`, `::1` → `[::1]:8200`; what names a port, or is the path of a socket, stays. */
function withPort(listen: string, port: number): string {
  if (listen.startsWith("/") || listen.startsWith("unix:")) return listen;
  if (listen.startsWith("[")) return listen.endsWith("]") ? `${listen}:${port}` : listen;
  const colons = listen.split(":").length - 1;
  return colons === 0 ? `${listen}:${port}` : colons === 1 ? listen : `[${listen}]:${port}`;
}

function mainListener(said: Said, path: PathOf): ListenerSettings {
  const { tls_cert, tls_key, tls_self_signed } = said;
  const own = resolve(path("data", said.data ?? defaults.data), "tls");
  const made =
    tls_self_signed === undefined
      ? undefined
      : { certFile: resolve(own, "server.pem"), keyFile: resolve(own, "server.key"), selfSignedFor: tls_self_signed };
  const tls =
    tls_cert === undefined || tls_key === undefined ? made : { certFile: path("tls_cert", tls_cert), keyFile: path("tls_key", tls_key) };
  return { name: "main", listen: said.listen ?? defaults.listen, ...present("tls", tls) };
}

function otherListeners(said: Said, path: PathOf): readonly ListenerSettings[] {
  return Object.entries(said.listeners ?? {}).map(([name, { listen, dialect, tls_cert, tls_key, socket_mode }]) => {
    const tls =
      tls_cert === undefined || tls_key === undefined
        ? undefined
        : { certFile: path("listeners", tls_cert), keyFile: path("listeners", tls_key) };
    return {
      name,
      listen: dialect === "vault" ? withPort(listen, vaultPort) : listen,
      dialect,
      ...present("tls", tls),
      ...present("socketMode", socket_mode),
    };
  });
}

function sealEnvironment(seals: readonly string[], environment: Environment): Environment {
  const names = seals.filter((each) => each.startsWith("env:")).map((each) => each.slice("env:".length));
  return Object.fromEntries(names.map((name) => [name, environment[name]]));
}

function limitsOf(said: Said): Config["limits"] {
  const { loginsPerAddress, loginsPerIdentity } = defaults;
  return {
    bodyBytes: said["limits.body_bytes"] ?? defaults.bodyBytes,
    policyBytes: said["limits.policy_bytes"] ?? defaults.policyBytes,
    requestsInFlight: said["limits.requests_in_flight"] ?? defaults.requestsInFlight,
    requestsInFlightPerAddress: said["limits.requests_per_address"] ?? defaults.requestsPerAddress,
    connections: said["limits.connections"] ?? defaults.connections,
    connectionsPerAddress: said["limits.connections_per_address"] ?? defaults.connectionsPerAddress,
    loginsPerAddress: {
      perSecond: said["limits.logins_per_address_per_second"] ?? loginsPerAddress.perSecond,
      burst: said["limits.logins_per_address_burst"] ?? loginsPerAddress.burst,
    },
    loginsPerIdentity: {
      perSecond: said["limits.logins_per_identity_per_second"] ?? loginsPerIdentity.perSecond,
      burst: said["limits.logins_per_identity_burst"] ?? loginsPerIdentity.burst,
    },
  };
}

/** A member that is absent when there is no value. */
function present<Name extends string, Value>(name: Name, value: Value | undefined): { readonly [Key in Name]?: Value };
function present(name: string, value: unknown): object {
  return value === undefined ? {} : { [name]: value };
}
