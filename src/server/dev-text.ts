/**
 * What `postern dev` prints. It is a shell script: whatever is not to be run is a comment, so that all of it can be pasted. It needs a POSIX shell with curl,
 * sed, grep and tail.
 */

import { agentSocket } from "./dev-agent";
import { account, hostOf, service, variable } from "./dev-sample";

export interface DevMachine {
  /** Also the name of its host below `azure-apps`. */
  readonly name: string;
  /** `a virtual machine` */
  readonly about: string;
  /** Its token endpoint, without a slash at the end. */
  readonly url: string;
  /** What leads Azure's SDKs there. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface DevFacts {
  readonly url: string;
  readonly adminKey: string;
  /** The throw-away folder: also the data folder of Postern's own commands. */
  readonly folder: string;
  /** The self-signed certificate; absent for plain HTTP. */
  readonly certFile?: string;
  readonly entraUrl: string;
  /** Of the simulated Azure; and the application as which Postern asks its Resource Manager. */
  readonly tenantId: string;
  readonly subscriptionId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly vm: DevMachine;
  readonly fleet: DevMachine;
  readonly arc: DevMachine;
  /** Where the Arc server leaves its challenges. */
  readonly arcTokensFolder: string;
  /** What the virtual machine's agent is started with. */
  readonly agentFile: string;
  /** How Postern was started: `["postern"]`. */
  readonly command: readonly string[];
}

const resource = "https%3A%2F%2Fmanagement.azure.com%2F";
/** The only folder in which Azure's SDKs read the challenges of Arc's agent on Linux. */
const agentTokensFolder = "/var/opt/azcmagent/tokens";

/** The whole text, with its newline. */
export function devText(facts: DevFacts): string {
  const sections = [
    banner(facts),
    exportLines(facts),
    vaultLines(facts),
    azureLines(facts),
    nextCommands(facts),
    agentLines(facts),
    refusalCommands(facts),
  ];
  return `${sections.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

function banner({ url, entraUrl, vm, fleet, arc, folder }: DevFacts): readonly string[] {
  return [
    "# ==========================================================================",
    "#   POSTERN DEV: NOT FOR PRODUCTION",
    "#   Every user of this machine can get tokens from the simulated Azure and",
    "#   read the sample secret. Everything is forgotten when this ends (Ctrl-C).",
    "# ==========================================================================",
    `# Postern    ${url}  (account ${account}, every answer marked x-postern-dev)`,
    `# Entra ID   ${entraUrl}  (simulated)`,
    ...[vm, fleet, arc].map(
      ({ name, url: endpoint, about }) => `# ${name.padEnd(10)} ${endpoint}  ${about}; logs in as host/azure-apps/${name}`,
    ),
    `# Files      ${folder}  (removed at the end)`,
    "# All of this can be pasted into a shell.",
  ];
}

function exportLines({ url, adminKey, folder, certFile }: DevFacts): readonly string[] {
  return [
    "# Conjur's command line and libraries, as the administrator",
    exportOf("CONJUR_APPLIANCE_URL", url),
    exportOf("CONJUR_ACCOUNT", account),
    ...(certFile === undefined
      ? []
      : [exportOf("CONJUR_CERT_FILE", certFile), 'export CONJUR_SSL_CERTIFICATE="$(cat "$CONJUR_CERT_FILE")"']),
    exportOf("CONJUR_AUTHN_LOGIN", "admin"),
    exportOf("CONJUR_AUTHN_API_KEY", adminKey),
    "# Postern's own commands",
    exportOf("POSTERN_DATA", folder),
    exportOf("POSTERN_ACCOUNT", account),
    "# No proxy for loopback",
    `export NO_PROXY="127.0.0.1,::1,localhost\${NO_PROXY:+,$NO_PROXY}"; export no_proxy="$NO_PROXY"`,
    "# The administrator's token for curl, good for eight minutes",
    // Through standard input: arguments can be seen by every user.
    `export admin_token="$(printf %s "$CONJUR_AUTHN_API_KEY" | ${curl(certFile)} -H 'Accept-Encoding: base64' --data-binary @- "$CONJUR_APPLIANCE_URL/authn/${account}/admin/authenticate")"`,
  ];
}

/** The token is made when the lines are pasted: this text may stand in a log for longer than it should live. */
function vaultLines({ url, certFile, command, fleet, ...azure }: DevFacts): readonly string[] {
  const { tenantId, clientId, clientSecret, subscriptionId } = azure;
  return [
    "# Vault's and OpenBao's command lines and libraries, with a root token for an hour",
    exportOf("VAULT_ADDR", url),
    ...(certFile === undefined ? [] : [exportOf("VAULT_CACERT", certFile)]),
    `export VAULT_TOKEN="$(${command.map(quoted).join(" ")} vault token 2>/dev/null)"`,
    "# … to begin with, after Try 1 below:",
    "#   vault secrets enable -path=secret -version=2 kv && vault kv put secret/creds password=one",
    "#   vault auth enable azure",
    `#   vault write auth/azure/config tenant_id=${tenantId} resource=https://management.azure.com/ client_id=${clientId} client_secret=${clientSecret}`,
    "# … a role for machines of a subscription, a group and a place, and the login of one",
    `#   vault write auth/azure/role/vm bound_subscription_ids=${subscriptionId} bound_resource_groups=rg-app bound_locations=westeurope`,
    `#   vault write auth/azure/login role=vm jwt="$jwt" subscription_id=${subscriptionId} resource_group_name=rg-app vm_name=vm`,
    "# … and one for a scale set, and the login of a member",
    `#   vault write auth/azure/role/fleet bound_scale_sets=${fleet.name}`,
    `#   vault write auth/azure/login role=fleet jwt="$(${tokenCommand(fleet)})" subscription_id=${subscriptionId} resource_group_name=rg-fleet vmss_name=${fleet.name}`,
  ];
}

function azureLines({ vm, fleet, arc, arcTokensFolder }: DevFacts): readonly string[] {
  const isWhereSdksLook = arcTokensFolder === agentTokensFolder;
  return [
    `# @azure/identity and other SDKs, as ${vm.about}`,
    ...Object.entries(vm.environment).map(([name, value]) => exportOf(name, value)),
    `# … as ${fleet.about}, instead:`,
    ...Object.entries(fleet.environment).map(([name, value]) => `#   ${exportOf(name, value)}`),
    `# … as ${arc.about}, instead${isWhereSdksLook ? "" : ` (SDKs read its challenges in ${agentTokensFolder} alone; these are in ${arcTokensFolder})`}:`,
    ...Object.keys(vm.environment).map((name) => `#   unset ${name}`),
    ...Object.entries(arc.environment).map(([name, value]) => `#   ${exportOf(name, value)}`),
  ];
}

/** A token from the platform, a login with it, the secret. */
function nextCommands({ vm, certFile }: DevFacts): readonly string[] {
  return [
    "# Try 1: the machine gets a token from its platform",
    `jwt="$(${tokenCommand(vm)})"`,
    "# Try 2: it logs in with that",
    `token="$(${loginCommand(vm.name, certFile)})"`,
    "# Try 3: it reads the secret",
    `${curl(certFile)} -H "Authorization: Token token=\\"$token\\"" "$CONJUR_APPLIANCE_URL/secrets/${account}/variable/${encodeURIComponent(variable)}"; echo`,
  ];
}

/** The agent runs for as long as somebody wants, so its lines are not pasted with the rest. */
function agentLines({ folder, agentFile, command }: DevFacts): readonly string[] {
  const postern = command.map(quoted).join(" ");
  const socket = quoted(agentSocket(folder));
  return [
    "# The machine's agent, for apps that have no credential and no line to the outside; in a shell of its own:",
    `#   ${postern} agent --config ${quoted(agentFile)}`,
    "# … and what an app does there, by either protocol:",
    `#   curl -sS --unix-socket ${socket} http://localhost/v1/conjur/${variable}`,
    `#   ${postern} get --socket ${socket} --account ${account} --login ${hostOf("vm")} ${variable}`,
  ];
}

function refusalCommands({ arc, certFile, command }: DevFacts): readonly string[] {
  return [
    "# Then: the same machine claims to be another one, and hears nothing but the status. The operator hears why.",
    `${loginCommand(arc.name, certFile)} -w '%{http_code}\\n'`,
    `${command.map(quoted).join(" ")} why "$(grep '"allowed":false' "$POSTERN_DATA/audit/audit.jsonl" | tail -n 1 | sed 's/.*"decision":"\\([^"]*\\)".*/\\1/')"`,
  ];
}

/** Prints a token that the machine's own metadata service gives. */
function tokenCommand({ url }: DevMachine): string {
  const address = `${url}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=${resource}`;
  return `curl -sS -H Metadata:true ${quoted(address)} | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/'`;
}

function loginCommand(host: string, certFile: string | undefined): string {
  return `printf %s "$jwt" | ${curl(certFile)} -H 'Accept-Encoding: base64' --data-urlencode jwt@- "$CONJUR_APPLIANCE_URL/authn-azure/${service}/${account}/host%2Fazure-apps%2F${host}/authenticate"`;
}

function curl(certFile: string | undefined): string {
  return certFile === undefined ? "curl -sS" : 'curl -sS --cacert "$CONJUR_CERT_FILE"';
}

function exportOf(name: string, value: string): string {
  return `export ${name}=${quoted(value)}`;
}

function quoted(text: string): string {
  return /^[\w./:@=-]+$/u.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
