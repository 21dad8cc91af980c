/** The agent's file of `postern dev`: the virtual machine's agent, with one app that may read the sample secret. */

import { join } from "node:path";
import { account, service, variable } from "./dev-sample";

export interface DevAgent {
  /** Of the broker. */
  readonly url: string;
  /** Where the agent keeps its copy, its trail and its socket, all of which go with the folder. */
  readonly folder: string;
  readonly certFile?: string;
  /** Of the machine's token endpoint, without a slash at the end. */
  readonly machineUrl: string;
  readonly host: string;
}

/** Where the agent's app finds it. */
export function agentSocket(folder: string): string {
  return join(folder, "app.sock");
}

/** The text of the file. */
export function agentFile({ url, folder, certFile, machineUrl, host }: DevAgent): string {
  const text = (value: string): string => JSON.stringify(value);
  return `data = ${text(join(folder, "agent"))}
seal = [${text(`file:${join(folder, "agent.key")}`)}]
[primary]
url = ${text(url)}
account = ${text(account)}
service = ${text(service)}
${certFile === undefined ? "" : `ca = ${text(certFile)}\n`}[identity]
source = "imds"
endpoint = ${text(`${machineUrl}/metadata/identity/oauth2/token`)}
[offline]
max_stale = "1h"
[apps.app]
role = ${text(host)}
socket = ${text(agentSocket(folder))}
keep = [${text(variable)}]
`;
}
