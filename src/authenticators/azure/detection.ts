/**
 * Which of the places that hand out tokens this machine has: what the operator said, or what the environment and the disk tell, in the order in which
 * Azure's own libraries look (MSAL Node 7.2, MSAL Go 1.9).
 */

import { PosternError } from "../../model/failures";
import type { Clock, HttpClient, MachineFiles } from "../../model/ports";
import { createAppServiceSource } from "./app-service";
import { arcEndpoint, arcTokensFolder, createArcSource } from "./arc";
import { createImdsSource, imdsEndpoint } from "./imds";
import type { IdentitySelector, TokenSource } from "./token-source";
import { createWorkloadSource } from "./workload-identity";

/** What an operator may say about where tokens come from; what is absent is found out. */
export interface SourceOptions {
  readonly source?: TokenSource["name"];
  /** In place of the usual address or the one in the environment. The operator vouches for it, wherever it is. */
  readonly endpoint?: string;
  /** Where the Arc agent leaves its challenges. Default `/var/opt/azcmagent/tokens`. */
  readonly tokensFolder?: string;
  readonly selector?: IdentitySelector;
}

export interface SourceDeps {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly files: MachineFiles;
  /** The way out by the operator's rules, proxy included: for Entra ID. */
  readonly http: HttpClient;
  /** A way to what begins with this URL and to nothing else, never through a proxy. */
  readonly openLocal: (prefix: string) => HttpClient;
}

const agentProgram = "/opt/azcmagent/bin/himds";

/** Throws `malformed` for what is set and cannot be, and `unsupported` for hosts whose endpoint is not spoken here. */
export function createTokenSource(options: SourceOptions, deps: SourceDeps): TokenSource {
  const { clock, files, environment } = deps;
  const common = { clock, ...(options.selector === undefined ? {} : { selector: options.selector }) };
  const name = options.source ?? detect(deps);
  switch (name) {
    case "workload":
      return createWorkloadSource({ clock, files, http: deps.http, ...workloadOf(options, environment) });
    case "app-service": {
      const endpoint = endpointOf(options, environment.IDENTITY_ENDPOINT, undefined);
      const identityHeader = required(environment, "IDENTITY_HEADER");
      return createAppServiceSource({ ...common, http: deps.openLocal(endpoint), endpoint, identityHeader });
    }
    case "arc": {
      const isNamed = environment.IDENTITY_ENDPOINT !== undefined && environment.IMDS_ENDPOINT !== undefined;
      const endpoint = endpointOf(options, isNamed ? environment.IDENTITY_ENDPOINT : undefined, arcEndpoint);
      if (!isLoopback(new URL(endpoint))) throw wrong("IDENTITY_ENDPOINT", "an address of this machine: the Arc agent listens on loopback");
      return createArcSource({
        ...common,
        files,
        http: deps.openLocal(endpoint),
        endpoint,
        tokensFolder: options.tokensFolder ?? arcTokensFolder,
      });
    }
    case "imds": {
      const endpoint = endpointOf(options, undefined, imdsEndpoint);
      return createImdsSource({ ...common, http: deps.openLocal(endpoint), endpoint });
    }
  }
}

function detect({ environment, files }: SourceDeps): TokenSource["name"] {
  const has = (name: string): boolean => (environment[name] ?? "") !== "";
  if (has("AZURE_FEDERATED_TOKEN_FILE")) return "workload";
  if (has("IDENTITY_ENDPOINT") && has("IDENTITY_HEADER")) {
    if (has("IDENTITY_SERVER_THUMBPRINT")) throw unspoken("Service Fabric");
    return "app-service";
  }
  if (has("MSI_ENDPOINT")) throw unspoken(has("MSI_SECRET") ? "Azure Machine Learning" : "Cloud Shell");
  if (has("IDENTITY_ENDPOINT") && has("IMDS_ENDPOINT")) return "arc";
  // The agent tells systemd's services alone where it is, so that variables that are missing prove nothing.
  return files.exists(agentProgram) ? "arc" : "imds";
}

/** What the environment names is believed only where a token may come from: this machine, its link, or over TLS. */
function endpointOf(options: SourceOptions, fromEnvironment: string | undefined, usual: string | undefined): string {
  const text = options.endpoint ?? fromEnvironment ?? usual;
  const url = text === undefined ? null : URL.parse(text);
  if (url === null || !/^https?:$/u.test(url.protocol) || url.search !== "" || url.hash !== "" || url.username !== "")
    throw wrong(options.endpoint === undefined ? "IDENTITY_ENDPOINT" : "identity.endpoint", "the http address of a token endpoint");
  // A name would be looked up; this one means the machine itself.
  if (url.hostname === "localhost") url.hostname = "127.0.0.1";
  const isNear = isLoopback(url) || isLinkLocal(url) || url.protocol === "https:";
  if (options.endpoint === undefined && !isNear) throw wrong("IDENTITY_ENDPOINT", "an address of this machine or its link, or https");
  return url.href;
}

function workloadOf({ selector }: SourceOptions, environment: SourceDeps["environment"]) {
  if (selector !== undefined && selector.kind !== "client")
    throw wrong("identity", "a client id: a workload identity goes by no other name");
  const authority = environment.AZURE_AUTHORITY_HOST ?? "https://login.microsoftonline.com/";
  if (URL.parse(authority)?.protocol !== "https:") throw wrong("AZURE_AUTHORITY_HOST", "an https address");
  return {
    tokenFile: required(environment, "AZURE_FEDERATED_TOKEN_FILE"),
    clientId: selector?.value ?? required(environment, "AZURE_CLIENT_ID"),
    tenantId: required(environment, "AZURE_TENANT_ID"),
    authority,
  };
}

function isLoopback({ hostname }: URL): boolean {
  return /^127\.\d+\.\d+\.\d+$/u.test(hostname) || hostname === "[::1]";
}

function isLinkLocal({ hostname }: URL): boolean {
  return /^169\.254\.\d+\.\d+$/u.test(hostname) || /^\[fe80:/u.test(hostname);
}

function required(environment: SourceDeps["environment"], name: string): string {
  const value = environment[name] ?? "";
  if (value === "") throw wrong(name, "a value in the environment");
  return value;
}

function wrong(where: string, expected: string): PosternError {
  return new PosternError({
    code: "malformed",
    where,
    expected: `${where}: expected ${expected}`,
    kind: "argument",
    because: "configuration",
  });
}

function unspoken(host: string): PosternError {
  return new PosternError({ code: "unsupported", what: `the identity endpoint of ${host}`, kind: "feature" });
}
