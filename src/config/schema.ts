/**
 * Every setting: its name, what it may be, its default. One name serves three places: `tls_cert` in the file, `POSTERN_TLS_CERT` in the environment,
 * `--tls-cert` as a flag. A value from the environment or a flag is text and means what the same thing means in the file; lists are separated by commas.
 */

import * as v from "valibot";

/** A whole number in a range, as number or digits. */
function whole(least: number, most: number) {
  const message = `a whole number from ${least} to ${most}`;
  const digits = v.pipe(v.string(message), v.regex(/^\d{1,15}$/u, message), v.transform(Number));
  return v.pipe(v.union([v.number(), digits], message), v.integer(message), v.minValue(least, message), v.maxValue(most, message));
}

function text(what: string) {
  return v.pipe(v.string(what), v.trim(), v.nonEmpty(what));
}

function path(what: string) {
  return v.pipe(v.string(what), v.nonEmpty(what));
}

/** An array, or its members with commas between them. */
function list(what: string, member: v.GenericSchema<string> = text(what)) {
  const separated = v.pipe(
    v.string(what),
    v.transform((value) =>
      value
        .split(",")
        .map((each) => each.trim())
        .filter((each) => each !== ""),
    ),
  );
  return v.union([v.array(member, what), v.pipe(separated, v.array(member, what))], what);
}

const onOff = "true or false";
const flag = v.union(
  [
    v.boolean(),
    v.pipe(
      v.picklist(["true", "false"]),
      v.transform((value) => value === "true"),
    ),
  ],
  onOff,
);

function choice<const Words extends readonly string[]>(...words: Words) {
  return v.picklist(words, words.length === 2 ? words.join(" or ") : `one of ${words.join(", ")}`);
}

const seconds = "whole seconds from 1 to 18000, such as 480 (durations such as PT10M are not understood)";
// Conjur takes more than five hours as five hours.
const sessionSeconds = v.pipe(
  v.union([v.number(), v.pipe(v.string(seconds), v.regex(/^\d{1,9}$/u, seconds), v.transform(Number))], seconds),
  v.integer(seconds),
  v.minValue(1, seconds),
  v.transform((value) => Math.min(value, 18_000)),
);

const listen = text("an address and port such as 127.0.0.1:8443, or the path of a socket");
const serverUrl = "a URL with scheme, host and perhaps port, such as https://postern.example.com:8200";
const serverAddress = v.pipe(
  v.string(serverUrl),
  v.transform((value) => value.replace(/\/+$/u, "")),
  v.check((value) => /^https?:$/.test(URL.parse(value)?.protocol ?? "") && URL.parse(value)?.origin === value.toLowerCase(), serverUrl),
);
const seal = list("places of seal keys such as file:/etc/postern/seal.key", text("a place of a seal key such as systemd:postern-seal"));
const networks = list("networks such as 10.0.0.0/8");

/** A dialect's own listener, below `[listeners.NAME]` in the file. */
const listener = v.strictObject({
  listen,
  dialect: choice("conjur", "vault", "keyvault"),
  tls_cert: v.exactOptional(path("a file of certificates")),
  tls_key: v.exactOptional(path("a file with a private key")),
  /** Of a Unix socket, in octal: `"0660"`. */
  socket_mode: v.exactOptional(
    v.pipe(
      v.string(),
      v.regex(/^0[0-7]{3}$/u, 'a mode in octal such as "0660"'),
      v.transform((mode) => Number.parseInt(mode, 8)),
    ),
  ),
});

/** By their names in the file; those below a table have a dot. */
export const settings = {
  data: path("a folder"),
  seal,
  insecure_env_seal: flag,
  exit_if_sealed: flag,
  accept_rollback: flag,
  node: text("a name for this node"),
  account: text("the name of an account"),
  listen,
  tls_cert: path("a file of certificates"),
  tls_key: path("a file with a private key"),
  tls_self_signed: list("names and addresses such as postern.example.com"),
  ca: list("files of certificates", path("a file of certificates")),
  allow_outbound: list("URL prefixes such as https://127.0.0.1:9443/"),
  https_proxy: text("the URL of a proxy"),
  proxy_exceptions: text("host names with commas between them"),
  log: path("a file"),
  log_level: choice("debug", "info", "warn", "error"),
  token_signature: choice("eddsa", "rs256"),
  user_token_ttl: sessionSeconds,
  host_token_ttl: sessionSeconds,
  enforce_address_on_use: flag,
  authenticators: list("authenticators such as authn-azure/AzureAE1"),
  trusted_proxies: networks,
  vault_hosts: list("host names"),
  audit_mode: choice("required", "best_effort"),
  audit_sync: choice("grouped", "always"),
  audit_syslog: list("places such as tls://logs.example:6514"),
  audit_syslog_required: flag,
  audit_rotate_bytes: whole(65_536, 2 ** 40),
  secrets_version_limit: whole(1, 1000),
  policies_version_limit: whole(1, 1000),
  resource_list_limit_max: whole(0, 1_000_000),
  api_key_default: flag,
  users_in_root_policy_only: flag,
  jwt_ignore_missing_issuer: flag,
  host_factories: flag,
  host_factory_confinement: choice("own", "related", "none"),
  "azure.authority": text("a URL such as https://login.microsoftonline.com/"),
  "azure.resource_manager": text("a URL such as https://management.azure.com"),
  "azure.graph": text("a URL such as https://graph.microsoft.com"),
  "vault.account": text("the name of an account"),
  "vault.api_address": serverAddress,
  "vault.listen": text("an address such as 127.0.0.1 (port 8200 unless it names another), or the path of a socket"),
  "limits.body_bytes": whole(1024, 2 ** 30),
  "limits.policy_bytes": whole(1024, 2 ** 30),
  "limits.requests_in_flight": whole(1, 1_000_000),
  "limits.requests_per_address": whole(1, 1_000_000),
  "limits.connections": whole(1, 1_000_000),
  "limits.connections_per_address": whole(1, 1_000_000),
  "limits.logins_per_address_per_second": whole(1, 1_000_000),
  "limits.logins_per_address_burst": whole(1, 1_000_000),
  "limits.logins_per_identity_per_second": whole(1, 1_000_000),
  "limits.logins_per_identity_burst": whole(1, 1_000_000),
  listeners: v.record(text("the name of a listener"), listener, "tables such as [listeners.vault]"),
} as const;

export type SettingName = keyof typeof settings;

/** All of them, each of which may be absent. */
export const Settings = v.partial(v.object(settings));

/** What was said. */
export type Said = v.InferOutput<typeof Settings>;

/** How a setting is given as a flag: with a value, with one or more, or by itself. And what it is for, in half a line. */
export const flagHelp: {
  readonly [Name in Exclude<SettingName, "listeners">]: readonly [kind: "value" | "list" | "switch", help: string];
} = {
  data: ["value", "folder of the store, the keyring and the audit trail"],
  seal: ["list", "place of a seal key: file:PATH, systemd:NAME"],
  insecure_env_seal: ["switch", "allow a seal key in the environment (env:NAME), for development"],
  exit_if_sealed: ["switch", "end with code 78 instead of staying up sealed"],
  accept_rollback: ["switch", "start although the store is older than what was known outside it"],
  node: ["value", "name of this node in the audit trail"],
  account: ["value", "account of commands that name none"],
  listen: ["value", "address and port, or path of a socket"],
  tls_cert: ["value", "file of the certificate and its chain (PEM)"],
  tls_key: ["value", "file of the certificate's private key (PEM)"],
  tls_self_signed: ["list", "name or address that a certificate of the server's own making is for, instead of --tls-cert"],
  ca: ["list", "file of further roots for outgoing connections (PEM)"],
  allow_outbound: ["list", "URL prefix of an issuer or directory (ldaps:) that may be at a private or loopback address"],
  https_proxy: ["value", "proxy for the fetching of issuers' keys"],
  proxy_exceptions: ["value", "hosts that are asked without the proxy"],
  log: ["value", "file to log to instead of standard error"],
  log_level: ["value", "debug, info, warn or error"],
  token_signature: ["value", "of session tokens: eddsa or rs256"],
  user_token_ttl: ["value", "lifetime of users' session tokens in seconds"],
  host_token_ttl: ["value", "lifetime of hosts' session tokens in seconds"],
  enforce_address_on_use: ["value", "check address restrictions at every use of a session: true or false"],
  authenticators: ["list", "authenticator that is on in every account: authn-azure/SERVICE"],
  trusted_proxies: ["list", "network whose X-Forwarded-For is believed"],
  vault_hosts: ["list", "host name that is an Azure key vault"],
  audit_mode: ["value", "required (no line, no answer) or best_effort"],
  audit_sync: ["value", "grouped (on the disk within 100 ms) or always (before the answer)"],
  audit_syslog: ["list", "also send decisions as syslog events: stdout, file:PATH, unix:PATH, udp://, tcp:// or tls://HOST:PORT"],
  audit_syslog_required: ["switch", "no answer before every such place has taken its event"],
  audit_rotate_bytes: ["value", "size at which a file of the audit trail is set aside"],
  secrets_version_limit: ["value", "versions kept of each secret"],
  policies_version_limit: ["value", "loads kept of each policy"],
  resource_list_limit_max: ["value", "most resources that one listing answers"],
  api_key_default: ["value", "whether hosts get an API key unless annotated: true or false"],
  users_in_root_policy_only: ["value", "refuse users below the root policy: true or false"],
  jwt_ignore_missing_issuer: ["value", "authn-jwt takes tokens that name no issuer: true or false"],
  host_factories: ["value", "offer host factories: true or false"],
  host_factory_confinement: [
    "value",
    "where factories make hosts: below their own policy, or related ones, or anywhere: own, related or none",
  ],
  "azure.authority": [
    "value",
    "where Vault's method azure finds Entra ID, in place of the cloud's own address: a private cloud, a simulator",
  ],
  "azure.resource_manager": ["value", "the same for Azure's Resource Manager"],
  "azure.graph": ["value", "the same for Microsoft Graph"],
  "vault.account": ["value", "account that clients of HashiCorp Vault work in; needless where there is only one"],
  "vault.api_address": ["value", "URL by which Azure reaches this server, to verify the tokens that it proves itself with"],
  "vault.listen": ["value", "address for clients of HashiCorp Vault alone, which takes their verb LIST; port 8200 unless it names another"],
  "limits.body_bytes": ["value", "largest body of a request"],
  "limits.policy_bytes": ["value", "largest policy"],
  "limits.requests_in_flight": ["value", "requests at one time"],
  "limits.requests_per_address": ["value", "requests at one time from one address"],
  "limits.connections": ["value", "connections at one time to an address for clients of HashiCorp Vault"],
  "limits.connections_per_address": ["value", "the same from one address"],
  "limits.logins_per_address_per_second": ["value", "attempts to log in from one address, lasting rate"],
  "limits.logins_per_address_burst": ["value", "attempts to log in from one address, at once"],
  "limits.logins_per_identity_per_second": ["value", "attempts to log in as one identity, lasting rate"],
  "limits.logins_per_identity_burst": ["value", "attempts to log in as one identity, at once"],
};

export function isSetting(name: string): name is SettingName {
  return Object.hasOwn(settings, name);
}

/** Settings that only the file can hold. */
export const fileOnly: readonly SettingName[] = ["listeners"];

/** What Conjur's own servers are set up with, and the setting it means here. */
export const conjurVariables: Readonly<Record<string, SettingName>> = {
  CONJUR_AUTHENTICATORS: "authenticators",
  CONJUR_TRUSTED_PROXIES: "trusted_proxies",
  TRUSTED_PROXIES: "trusted_proxies",
  CONJUR_USER_AUTHORIZATION_TOKEN_TTL: "user_token_ttl",
  CONJUR_HOST_AUTHORIZATION_TOKEN_TTL: "host_token_ttl",
  CONJUR_API_RESOURCE_LIST_LIMIT_MAX: "resource_list_limit_max",
  CONJUR_AUTHN_API_KEY_DEFAULT: "api_key_default",
  CONJUR_USERS_IN_ROOT_POLICY_ONLY: "users_in_root_policy_only",
  CONJUR_HOST_FACTORIES_ENABLED: "host_factories",
  CONJUR_AUTHN_JWT_IGNORE_MISSING_ISSUER_CLAIM: "jwt_ignore_missing_issuer",
  CONJUR_ACCOUNT: "account",
  CONJUR_LOG_LEVEL: "log_level",
  SECRETS_VERSION_LIMIT: "secrets_version_limit",
  POLICIES_VERSION_LIMIT: "policies_version_limit",
  HTTPS_PROXY: "https_proxy",
  https_proxy: "https_proxy",
  NO_PROXY: "proxy_exceptions",
  no_proxy: "proxy_exceptions",
};

/** Variables of Conjur's servers that Postern refuses to start with, and what to do instead. */
export const refusedVariables: Readonly<Record<string, string>> = {
  CONJUR_DATA_KEY:
    "no key in the environment, which every process of this user can read: put it into a file of mode 0600 and name that with --seal file:PATH, or into a systemd credential and name that with --seal systemd:NAME",
};

/** Variables of Conjur's servers that mean nothing here, and why. */
export const ignoredVariables: Readonly<Record<string, string>> = {
  DATABASE_URL: "Postern keeps its data in its own folder (--data)",
  CONJUR_TELEMETRY_ENABLED: "metrics are served by the admin socket, always",
  CONJUR_FEATURE_DYNAMIC_SECRETS_ENABLED: "there are no dynamic secrets",
  RAILS_LOG_TO_STDOUT: "say where to log with --log",
  PORT: "say where to listen with --listen",
};
