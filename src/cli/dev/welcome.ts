/** What `postern dev` prints: how to point clients here, and what to try next. Made to be pasted into a shell. */

import type { AzureSimulator } from "../../simulator/azure/simulator";
import { account, hosts, service, variable } from "./sample";

export interface Welcome {
  readonly url: string;
  readonly dataFolder: string;
  readonly adminKey: string;
  readonly azure: AzureSimulator;
}

const resource = "https%3A%2F%2Fmanagement.azure.com%2F";

export function welcomeText({ url, dataFolder, adminKey, azure }: Welcome): string {
  const vm = azure.machine("vm");
  const arc = azure.machine("arc");
  const exports = (variables: Readonly<Record<string, string>>) =>
    Object.entries(variables).map(([name, value]) => `export ${name}=${quoted(value)}`);
  const lines = [
    `Postern listens on ${url}; everything is forgotten when it ends (Ctrl-C).`,
    "",
    "# The Conjur CLI and curl, as the administrator",
    ...exports({
      CONJUR_APPLIANCE_URL: url,
      CONJUR_ACCOUNT: account,
      CONJUR_AUTHN_LOGIN: "admin",
      CONJUR_AUTHN_API_KEY: adminKey,
    }),
    "# Postern's own commands",
    ...exports({ POSTERN_DATA: dataFolder, POSTERN_ACCOUNT: account }),
    "# @azure/identity, as the virtual machine (as the Arc server: the lines behind the #)",
    ...exports(vm.environment),
    ...exports(arc.environment).map((line) => `# ${line}`),
    "",
    "# The machines, and the hosts they may log in as",
    ...hosts.map(({ host, machine, about }) => `#   host/azure-apps/${host.padEnd(12)} ${azure.machine(machine).url.padEnd(24)} ${about}`),
    "",
    "# Try, as the virtual machine: a token from its platform, a login with it, the secret",
    `jwt=$(curl -s -H Metadata:true '${vm.url}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=${resource}' | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')`,
    `token=$(curl -s -H 'Accept-Encoding: base64' --data-urlencode "jwt=$jwt" ${url}/authn-azure/${service}/${account}/host%2Fazure-apps%2FAD/authenticate)`,
    `curl -s -H "Authorization: Token token=\\"$token\\"" ${url}/secrets/${account}/variable/${encodeURIComponent(variable)}`,
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function quoted(text: string): string {
  return /^[\w./:@=-]+$/u.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
