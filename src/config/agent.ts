/**
 * The file that a machine's agent is told by: one TOML file, in which every key is known.
 *
 *   [primary]  url, account, service      whom it asks; with protocol = "vault", by mount
 *   [identity] source, client_id          who the machine is
 *   [offline]  max_stale                  how long a copy may serve without the primary
 *   [apps.NAME] role, socket, owner       who may ask here, and as whom
 */

import { dirname, isAbsolute, resolve } from "node:path";
import * as v from "valibot";
import { Duration } from "./duration";
import { misconfigured } from "./problems";
import { readToml } from "./toml-file";

export interface AgentApp {
  readonly name: string;
  /** `host/apps/billing`; where Vault's protocol is spoken, the name of a role of the Azure method. */
  readonly role: string;
  /** How clients that log in here name it: the role, or `host/vault/role/azure/billing`, as a Postern names such a role in its graph. */
  readonly login: string;
  /** One of the two is there. */
  readonly socket?: { readonly path: string; readonly owner?: string; readonly group?: string; readonly mode: number };
  readonly tcp?: {
    readonly listen: string;
    /** One of the two is there. */
    readonly tokenFile?: string;
    readonly challenge?: { readonly folder: string; readonly group: string };
  };
  /** Kept in the copy before anybody asks. */
  readonly keep: readonly string[];
  readonly identityEndpoint?: IdentityEndpointSettings;
}

/** Where unmodified Azure libraries get the machine's tokens, and for whom those may be. */
export interface IdentityEndpointSettings {
  readonly listen: string;
  readonly secretFile: string;
  readonly audiences: readonly string[];
}

export interface AgentConfig {
  /** Absolute; where the sealed copy is. */
  readonly dataFolder: string;
  readonly seals: readonly string[];
  readonly credentialsFolder?: string;
  /** Of the trail beside the copies: whether its lines must be written. Default `required` with a seal; without one there are no keys for it. */
  readonly audit: "required" | "best_effort" | "off";
  readonly logLevel: "debug" | "info" | "warn" | "error";
  readonly primary: {
    readonly url: string;
    readonly account: string;
    /** The service of `authn-azure` there; empty where Vault's protocol is spoken. */
    readonly service: string;
    /** Where Vault's protocol is spoken: the mount of the Azure method, the namespace, and the scale set of this machine if its tokens do not name it. */
    readonly vault?: { readonly mount: string; readonly namespace?: string; readonly scaleSet?: string };
    readonly audience: string;
    readonly caFile?: string;
  };
  readonly identity: {
    readonly source?: "imds" | "arc" | "app-service" | "workload";
    readonly endpoint?: string;
    readonly tokensFolder?: string;
    readonly selector?: { readonly kind: "client" | "object" | "resource"; readonly value: string };
  };
  /** URL prefixes for requests to Entra ID that its public address does not cover. */
  readonly allowOutbound: readonly string[];
  readonly rootFiles: readonly string[];
  /** For the primary and Entra ID. The machine's own endpoints are never asked through it. */
  readonly proxy: { readonly https?: string; readonly noProxy?: string };
  /** How long a value serves without asking again. */
  readonly freshMs: number;
  /** Pause between two rounds over all that is kept. */
  readonly refreshMs: number;
  readonly maxStaleMs: number;
  /** For what is below a branch, or one secret; the longest name that fits counts. */
  readonly maxStaleByName: readonly { readonly name: string; readonly ms: number }[];
  readonly apps: readonly [AgentApp, ...AgentApp[]];
}

export interface AgentConfigSource {
  readonly path: string;
  readonly text: string;
  /** The folder of systemd's credentials. */
  readonly credentialsFolder?: string;
}

const Name = v.pipe(v.string("a text"), v.minLength(1, "a text that is not empty"));
const Names = v.array(Name, "a list of texts");
const Path = v.pipe(Name, v.check(isAbsolute, "an absolute path"));
const Loopback = v.pipe(
  Name,
  v.regex(/^(?:127\.0\.0\.1|\[::1\]):\d{1,5}$/u, "127.0.0.1:PORT or [::1]:PORT: others could reach anything else"),
);
const Account = v.union([Name, v.pipe(v.number(), v.integer(), v.minValue(0), v.transform(String))], "a name or a number");
const Mode = v.pipe(
  v.string('an octal mode such as "0660"'),
  v.regex(/^0?[0-7]{3}$/u, 'an octal mode such as "0660"'),
  v.transform((text) => Number.parseInt(text, 8)),
  v.check((mode) => (mode & 0o117) === 0, 'a mode that is closed to others and has nothing to execute, such as "0660"'),
);
const hostRole = /^host\/.+$/u;
const vaultRole = /^\w(?:[\w.-]*\w)?$/u;
const MountPath = v.pipe(Name, v.regex(/^[\w.-]+(?:\/[\w.-]+)*$/u, "the path of a mount, such as azure"));
const Url = v.pipe(
  Name,
  v.check((text) => {
    const url = URL.parse(text);
    return url !== null && /^https?:$/u.test(url.protocol) && url.username === "" && url.search === "" && url.hash === "";
  }, "an https URL"),
);

const IdentityEndpoint = v.strictObject({
  listen: Loopback,
  secret_file: Path,
  audiences: v.pipe(Names, v.minLength(1, "at least one audience: no token is handed out for any other")),
});
const App = v.strictObject({
  role: Name,
  socket: v.optional(Path),
  owner: v.optional(Account),
  group: v.optional(Account),
  mode: v.optional(Mode),
  listen: v.optional(Loopback),
  token_file: v.optional(Path),
  challenge: v.optional(v.strictObject({ folder: Path, group: Account })),
  keep: v.optional(Names),
  identity_endpoint: v.optional(IdentityEndpoint),
});
const common = { url: Url, audience: v.optional(Name), ca: v.optional(Name) };
const ConjurPrimary = v.strictObject({ protocol: v.optional(v.literal("conjur")), account: Name, service: Name, ...common });
const VaultPrimary = v.strictObject({
  protocol: v.literal("vault"),
  account: v.optional(Name),
  mount: v.optional(MountPath),
  namespace: v.optional(MountPath),
  scale_set: v.optional(Name),
  ...common,
});
const File = v.strictObject({
  data: v.optional(Path),
  seal: v.optional(Names),
  audit: v.optional(v.picklist(["required", "best_effort", "off"], "required, best_effort or off")),
  log_level: v.optional(v.picklist(["debug", "info", "warn", "error"], "debug, info, warn or error")),
  allow_outbound: v.optional(v.array(Url, "a list of URLs")),
  ca: v.optional(Names),
  https_proxy: v.optional(Url),
  proxy_exceptions: v.optional(Name),
  primary: v.variant("protocol", [ConjurPrimary, VaultPrimary], "conjur or vault"),
  identity: v.optional(
    v.strictObject({
      source: v.optional(v.picklist(["imds", "arc", "app-service", "workload"], "imds, arc, app-service or workload")),
      endpoint: v.optional(Url),
      tokens_folder: v.optional(Path),
      client_id: v.optional(Name),
      object_id: v.optional(Name),
      resource_id: v.optional(Name),
    }),
  ),
  offline: v.optional(
    v.strictObject({
      fresh: v.optional(Duration),
      refresh: v.optional(Duration),
      max_stale: v.optional(Duration),
      secrets: v.optional(v.record(v.string(), Duration)),
    }),
  ),
  apps: v.record(
    v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9-]{0,62}$/u, "a name of small letters, digits and dashes")),
    App,
    "a table for each app",
  ),
});
type Said = v.InferOutput<typeof File>;

const defaults = {
  // What secrets are named in here, where the other side has no accounts.
  account: "vault",
  mount: "azure",
  data: "/var/lib/postern-agent",
  audience: "https://management.azure.com/",
  freshMs: 10_000,
  refreshMs: 300_000,
  socketMode: 0o600,
} as const;

/** What of the file counts from a start on: by the names that it has there. */
const ofStart: readonly (readonly [name: string, of: (config: AgentConfig) => unknown])[] = [
  ["data", ({ dataFolder }) => dataFolder],
  ["seal", ({ seals }) => seals],
  ["audit", ({ audit }) => audit],
  ["log_level", ({ logLevel }) => logLevel],
  ["primary", ({ primary }) => primary],
  ["identity", ({ identity }) => identity],
  ["allow_outbound", ({ allowOutbound }) => allowOutbound],
  ["ca", ({ rootFiles }) => rootFiles],
  ["https_proxy", ({ proxy }) => proxy],
];

/** The names of what differs and cannot change while an agent serves: all but `apps` and `offline`. */
export function changedForStart(before: AgentConfig, after: AgentConfig): readonly string[] {
  return ofStart.filter(([, of]) => !Bun.deepEquals(of(before), of(after))).map(([name]) => name);
}

/** Throws `malformed` (because `configuration`) whose `expected` has a line for each thing that is wrong. */
export function loadAgentConfig(source: AgentConfigSource): AgentConfig {
  const said = readToml(File, source);
  const problems = [
    ...roleProblems(said),
    ...identityProblems(said),
    ...auditProblems(said),
    ...Object.entries(said.apps).flatMap(([name, app]) => appProblems(name, app)),
  ];
  const apps = Object.entries(said.apps).map(([name, app]) => appOf(name, app, said.primary));
  const [first, ...rest] = apps;
  if (first === undefined) problems.push("apps: expected at least one app");
  problems.push(
    ...repeated(
      apps.flatMap(({ socket, tcp, identityEndpoint }) => [socket?.path, tcp?.listen, tcp?.challenge?.folder, identityEndpoint?.listen]),
    ),
  );
  if (problems.length > 0 || first === undefined) throw misconfigured(problems);
  return assemble(said, [first, ...rest], source);
}

function assemble(said: Said, apps: AgentConfig["apps"], source: AgentConfigSource): AgentConfig {
  const { primary, identity = {}, offline = {} } = said;
  const base = dirname(source.path);
  const value = identity.client_id ?? identity.object_id ?? identity.resource_id;
  const kind = identity.client_id !== undefined ? "client" : identity.object_id !== undefined ? "object" : "resource";
  return {
    dataFolder: said.data ?? defaults.data,
    seals: said.seal ?? [],
    ...(source.credentialsFolder === undefined ? {} : { credentialsFolder: source.credentialsFolder }),
    audit: said.audit ?? (said.seal === undefined || said.seal.length === 0 ? "off" : "required"),
    logLevel: said.log_level ?? "info",
    primary: {
      url: primary.url.replace(/\/+$/u, ""),
      ...(primary.protocol === "vault"
        ? { account: primary.account ?? defaults.account, service: "", vault: vaultOf(primary) }
        : { account: primary.account, service: primary.service }),
      audience: primary.audience ?? defaults.audience,
      ...(primary.ca === undefined ? {} : { caFile: resolve(base, primary.ca) }),
    },
    identity: {
      ...(identity.source === undefined ? {} : { source: identity.source }),
      ...(identity.endpoint === undefined ? {} : { endpoint: identity.endpoint }),
      ...(identity.tokens_folder === undefined ? {} : { tokensFolder: identity.tokens_folder }),
      ...(value === undefined ? {} : { selector: { kind, value } }),
    },
    allowOutbound: said.allow_outbound ?? [],
    rootFiles: (said.ca ?? []).map((path) => resolve(base, path)),
    proxy: {
      ...(said.https_proxy === undefined ? {} : { https: said.https_proxy }),
      ...(said.proxy_exceptions === undefined ? {} : { noProxy: said.proxy_exceptions }),
    },
    freshMs: offline.fresh ?? defaults.freshMs,
    refreshMs: offline.refresh ?? defaults.refreshMs,
    maxStaleMs: offline.max_stale ?? 0,
    maxStaleByName: Object.entries(offline.secrets ?? {}).map(([name, ms]) => ({ name, ms })),
    apps,
  };
}

function vaultOf({
  mount,
  namespace,
  scale_set: scaleSet,
}: v.InferOutput<typeof VaultPrimary>): NonNullable<AgentConfig["primary"]["vault"]> {
  const more = { ...(namespace === undefined ? {} : { namespace }), ...(scaleSet === undefined ? {} : { scaleSet }) };
  return { mount: mount ?? defaults.mount, ...more };
}

/** Each protocol names roles in its own way. */
function roleProblems({ primary, apps }: Said): readonly string[] {
  const [role, form] =
    primary.protocol === "vault"
      ? ([vaultRole, "the name of a role of the Azure method, such as billing"] as const)
      : ([hostRole, "the login of a host, such as host/apps/billing"] as const);
  return Object.entries(apps).flatMap(([name, app]) => (role.test(app.role) ? [] : [`apps.${name}.role: expected ${form}`]));
}

function appOf(name: string, app: Said["apps"][string], primary: Said["primary"]): AgentApp {
  const { socket, owner, group, mode, listen, token_file, challenge, identity_endpoint: endpoint } = app;
  const proof = { ...(token_file === undefined ? {} : { tokenFile: token_file }), ...(challenge === undefined ? {} : { challenge }) };
  const access = { ...(owner === undefined ? {} : { owner }), ...(group === undefined ? {} : { group }) };
  return {
    name,
    role: app.role,
    login: primary.protocol === "vault" ? `host/vault/role/${vaultOf(primary).mount}/${app.role}` : app.role,
    ...(socket === undefined ? {} : { socket: { path: socket, ...access, mode: mode ?? defaults.socketMode } }),
    ...(listen === undefined ? {} : { tcp: { listen, ...proof } }),
    keep: app.keep ?? [],
    ...(endpoint === undefined
      ? {}
      : { identityEndpoint: { listen: endpoint.listen, secretFile: endpoint.secret_file, audiences: endpoint.audiences } }),
  };
}

function appProblems(name: string, { socket, listen, token_file, challenge, owner, group, mode }: Said["apps"][string]): readonly string[] {
  const where = `apps.${name}`;
  const problems: string[] = [];
  if ((socket === undefined) === (listen === undefined)) problems.push(`${where}: expected either socket or listen`);
  if (listen !== undefined && (token_file === undefined) === (challenge === undefined))
    problems.push(`${where}: expected either token_file or challenge: every program on this machine can connect to ${listen}`);
  if (listen === undefined && (token_file ?? challenge) !== undefined)
    problems.push(`${where}: token_file and challenge are those of a port`);
  if (socket === undefined && (owner ?? group ?? mode) !== undefined)
    problems.push(`${where}: owner, group and mode are those of a socket`);
  return problems;
}

function auditProblems({ audit = "off", seal = [] }: Said): readonly string[] {
  return audit === "off" || seal.length > 0 ? [] : ["audit: expected a seal, whose keys the trail is chained with"];
}

function identityProblems({ identity = {} }: Said): readonly string[] {
  const chosen = [identity.client_id, identity.object_id, identity.resource_id].filter((each) => each !== undefined);
  return chosen.length > 1 ? ["identity: expected one of client_id, object_id and resource_id"] : [];
}

/** Two apps on one socket would be one app. */
function repeated(places: readonly (string | undefined)[]): readonly string[] {
  const all = places.filter((place) => place !== undefined && !place.endsWith(":0"));
  return [...new Set(all.filter((place, at) => all.indexOf(place) !== at))].map((place) => `apps: ${place} is used twice`);
}
