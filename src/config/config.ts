/**
 * What the process is told from outside: flags before environment before file, as one frozen value. The only reader of the environment.
 */

import { dirname, resolve } from "node:path";
import * as v from "valibot";
import type { AzureDefaults } from "../model/ports";
import { assemble } from "./assemble";
import { layerOfConjurFile } from "./conjur-file";
import { type Environment, unsafeVariables } from "./environment";
import { type Findings, flagOf, type Layer, layerOfEnvironment, layerOfFile, layerOfFlags, variableOf } from "./layers";
import { misconfigured } from "./problems";
import { flagHelp, isSetting, type Said, type SettingName, Settings } from "./schema";

export type { Environment } from "./environment";
export type { SettingName } from "./schema";

/** A setting as a flag of the command line. */
export interface SettingFlag {
  readonly name: SettingName;
  /** `--tls-cert`. */
  readonly flag: string;
  /** `POSTERN_TLS_CERT`. */
  readonly variable: string;
  readonly kind: "value" | "list" | "switch";
  readonly help: string;
}

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  /** Names and addresses to make the pair for when there is none yet; absent: it is the operator's. */
  readonly selfSignedFor?: readonly string[];
}

export interface ListenerSettings {
  /** `main`, or the name of its table. */
  readonly name: string;
  readonly listen: string;
  /** The only dialect here; absent: all of them. */
  readonly dialect?: "conjur" | "vault" | "keyvault";
  readonly tls?: TlsFiles;
  /** Of a Unix socket. */
  readonly socketMode?: number;
}

export interface Config {
  /** Absolute. Default `/var/lib/postern`. */
  readonly dataFolder: string;
  /** `file:/etc/postern/seal.key`, in the order they are asked. Empty: the store stays sealed. */
  readonly seals: readonly string[];
  /** The folder of systemd's credentials. */
  readonly credentialsFolder?: string;
  /** Present only where `insecure_env_seal` allows it: the variables that seals name. */
  readonly sealEnvironment?: Environment;
  readonly exitIfSealed: boolean;
  readonly acceptRollback: boolean;
  /** In every line of the audit. Default `postern`. */
  readonly node: string;
  /** What commands mean that name no account. */
  readonly account?: string;
  /** At least one. */
  readonly listeners: readonly [ListenerSettings, ...ListenerSettings[]];
  /** Files of certificates trusted in outgoing connections, beside the system's. */
  readonly rootFiles: readonly string[];
  readonly allowOutbound: readonly string[];
  readonly proxy: { readonly https?: string; readonly noProxy?: string };
  readonly log: { readonly level: "debug" | "info" | "warn" | "error"; readonly file?: string };
  readonly tokenSignature: "EdDSA" | "RS256";
  readonly userSessionSeconds: number;
  readonly hostSessionSeconds: number;
  readonly checksAddressOnUse: boolean;
  /** On in every account: `authn-azure/AzureAE1`. */
  readonly enabledAuthenticators: readonly string[];
  readonly trustedProxies: readonly string[];
  readonly keyVaultHosts: readonly string[];
  readonly audit: { readonly mode: "required" | "best_effort"; readonly sync: "grouped" | "always"; readonly rotateBytes: number };
  /** Places that get decisions as syslog events too. */
  readonly auditSinks: readonly string[];
  /** No answer before every one of them has its event. */
  readonly requiresAuditSinks: boolean;
  readonly secretVersionsKept: number;
  readonly policyVersionsKept: number;
  readonly resourceListMax: number;
  readonly apiKeysByDefault: boolean;
  readonly usersInRootPolicyOnly: boolean;
  /** `authn-jwt` takes tokens that name no issuer. Default false. */
  readonly jwtMayLackIssuer: boolean;
  /** Whether host factories are offered. Default true. */
  readonly hostFactories: boolean;
  /** Where factories may make hosts: below their own policy, anywhere but below unrelated ones (the default), or, as Conjur's do, anywhere. */
  readonly hostFactoryConfinement: "own" | "related" | "none";
  /** The account behind the paths of Vault; absent: the only one there is. */
  readonly pathAccount?: string;
  /** Where Vault's clients, and whoever verifies this server's own tokens, reach it: `https://postern.example.com:8200`. */
  readonly apiAddress?: string;
  /** In place of the addresses of Azure's own clouds. */
  readonly azureAddresses: { readonly authority?: string; readonly resourceManager?: string; readonly graph?: string };
  /** What Azure's own tools are told by the environment, for configurations of Vault's method `azure` that do not say it. */
  readonly azureDefaults: AzureDefaults;
  readonly limits: {
    readonly bodyBytes: number;
    readonly policyBytes: number;
    readonly requestsInFlight: number;
    readonly requestsInFlightPerAddress: number;
    readonly connections: number;
    readonly connectionsPerAddress: number;
    readonly loginsPerAddress: { readonly perSecond: number; readonly burst: number };
    readonly loginsPerIdentity: { readonly perSecond: number; readonly burst: number };
  };
}

export interface ConfigSources {
  /** By setting, as the command line gave them: text, a list of texts, or true. */
  readonly flags: Readonly<Partial<Record<SettingName, unknown>>>;
  readonly environment: Environment;
  /** The one file, when the operator named one. Paths in it start from its folder. */
  readonly file?: { readonly path: string; readonly text: string };
  /** The settings file of a Conjur server, where there is one; everything else stands before it. */
  readonly conjurFile?: { readonly path: string; readonly text: string };
  /** Where relative paths of flags and variables start. */
  readonly folder: string;
  /** What the authenticators that are built in may be called: `authn-azure/SERVICE`, `authn-gcp`. */
  readonly authenticatorForms: readonly string[];
}

export interface LoadedConfig {
  readonly config: Config;
  /** What the operator should hear: variables that mean nothing here. */
  readonly notices: readonly string[];
  /** Where each setting that was said came from: `listen` → `--listen`. */
  readonly origins: ReadonlyMap<SettingName, string>;
  /** What was said, in the operator's own words. */
  readonly said: ReadonlyMap<SettingName, unknown>;
}

/** Every setting that can be a flag. */
export function settingFlags(): readonly SettingFlag[] {
  return Object.entries(flagHelp).flatMap(([name, [kind, help]]) =>
    isSetting(name) ? [{ name, flag: flagOf(name), variable: variableOf(name), kind, help }] : [],
  );
}

/** This process's environment. */
export function processEnvironment(): Environment {
  return process.env;
}

/** The names of variables in this process's environment that Postern refuses to start with. See `environment.ts`. */
export function unsafeEnvironment(): readonly string[] {
  return unsafeVariables(process.env);
}

/** Throws `malformed` (because `configuration`) whose `expected` has a line for each thing that is wrong. */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const findings: Findings = { problems: [], notices: [] };
  const flags = layerOfFlags(sources.flags);
  const file = sources.file === undefined ? new Map() : layerOfFile(sources.file.text, sources.file.path, findings);
  const { conjurFile } = sources;
  const conjur = conjurFile === undefined ? new Map() : layerOfConjurFile(conjurFile.text, conjurFile.path, findings);
  const environment = layerOfEnvironment(sources.environment, sealVariablesOf(sources, [flags, file]), findings);
  const values: Layer = new Map([...conjur, ...file, ...environment, ...flags]);
  const said = check(values, findings);
  checkTogether(said, values, sources, findings);
  if (findings.problems.length > 0) throw misconfigured(findings.problems);
  const config = deepFreeze(assemble(said, sources.environment, (name) => baseOf(name, values, sources)));
  return {
    config,
    notices: findings.notices,
    origins: new Map([...values].map(([name, { source }]) => [name, source])),
    said: new Map([...values].map(([name, { value }]) => [name, value])),
  };
}

/** The variables that `env:` seals name, wherever they are named. */
function sealVariablesOf({ environment }: ConfigSources, layers: readonly Layer[]): ReadonlySet<string> {
  const specifications = [...layers.map((layer) => layer.get("seal")?.value), environment.POSTERN_SEAL].flat();
  return new Set(
    specifications
      .flatMap((each) => (typeof each === "string" ? each.split(",") : []))
      .flatMap((each) => /^\s*env:(\S+)/u.exec(each)?.[1] ?? []),
  );
}

function check(values: Layer, { problems }: Findings): Said {
  const parsed = v.safeParse(Settings, Object.fromEntries([...values].map(([name, { value }]) => [name, value])));
  if (parsed.success) return parsed.output;
  for (const issue of parsed.issues) {
    const [name, ...below] = issue.path?.map(({ key }) => String(key)) ?? [];
    const source = (name !== undefined && isSetting(name) ? values.get(name)?.source : undefined) ?? name;
    problems.push(`${below.length === 0 ? source : `${source}, ${below.join(".")}`}: ${expectation(issue)}`);
  }
  return {};
}

/** Schemas give what they expect as their message; only unknown members have the library's own. */
function expectation(issue: v.BaseIssue<unknown>): string {
  return issue.expected === "never" ? "unknown setting" : `expected ${issue.message}`;
}

/** What is wrong only in the light of another setting. */
function checkTogether(said: Said, values: Layer, { authenticatorForms }: ConfigSources, { problems }: Findings): void {
  const pairs = [["", said] as const, ...Object.entries(said.listeners ?? {}).map(([name, each]) => [`listeners.${name}.`, each] as const)];
  for (const [prefix, { tls_cert, tls_key }] of pairs) {
    if ((tls_cert === undefined) !== (tls_key === undefined))
      problems.push(`${prefix}tls_cert and ${prefix}tls_key: expected both or neither`);
  }
  if (said.tls_self_signed !== undefined && said.tls_cert !== undefined)
    problems.push(`${sourceOf(values, "tls_self_signed")}: expected either this or tls_cert`);
  if (said["vault.listen"] !== undefined && said.listeners?.vault !== undefined)
    problems.push(`${sourceOf(values, "vault.listen")}: expected either this or [listeners.vault]`);
  for (const name of said.authenticators ?? []) {
    const isKnown = name === "authn" || authenticatorForms.includes(name.replace(/(?<=^[^/]+\/)[^/].*$/u, "SERVICE"));
    if (!isKnown)
      problems.push(
        `${sourceOf(values, "authenticators")}: '${name}' is no authenticator; there are authn, ${authenticatorForms.join(", ")}`,
      );
  }
  if ((said.seal ?? []).some((each) => each.startsWith("env:")) && said.insecure_env_seal !== true) {
    problems.push(
      `${sourceOf(values, "seal")}: a key in the environment can be read by every process of this user; use file: or systemd:, or allow it with --insecure-env-seal for development`,
    );
  }
}

/** Where the paths of a setting start: those of the file at its folder. */
function baseOf(name: SettingName, values: Layer, { file, folder }: ConfigSources): string {
  const isFromFile = file !== undefined && values.get(name)?.source === `${name} in ${file.path}`;
  return isFromFile ? dirname(resolve(folder, file.path)) : folder;
}

function sourceOf(values: Layer, name: SettingName): string {
  return values.get(name)?.source ?? name;
}

function deepFreeze<Value extends object>(value: Value): Value {
  for (const each of Object.values(value)) if (typeof each === "object" && each !== null) deepFreeze(each);
  return Object.freeze(value);
}
