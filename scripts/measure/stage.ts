/** Everything that is measured against: a data folder made by the binary, policies, values, session tokens, and the simulated Azure that vouches. */

import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createClock } from "../../src/runtime/clock";
import { createRandom } from "../../src/runtime/random";
import { type AzureSimulator, createAzureSimulator } from "../../src/simulator/azure/simulator";
import { account, cloud, service } from "../walkthrough/cloud";
import { authenticatorPolicy, hostsPolicy } from "../walkthrough/policies";
import { freePort, type Running, runCommand, startServer } from "./processes";
import { authorization, loginPath, readPath, storedValue, variableNames } from "./requests";

export interface Stage {
  readonly binary: string;
  readonly folder: string;
  readonly azure: AzureSimulator;
  /** The administrator's session token, as the header takes it. */
  readonly admin: string;
  /** Session tokens of four machines. */
  readonly hostTokens: readonly string[];
  /** The server of the binary over a copy of the data folder, up and answering reads; `tables` are further ones of its configuration. */
  startBinary(name: string, tables?: string): Promise<Running>;
  /** The server of a name that was started and has ended, over its data as it left them. */
  restart(name: string): Promise<Running>;
  /** The same from source. */
  startSource(name: string, mode: "audited" | "unaudited"): Promise<Running>;
  /** The configuration of one more copy, for whoever opens it without a listener. */
  configuration(name: string): string;
  close(): Promise<void>;
}

/** Hosts that log in, with the machines that they are. */
export const hosts = [
  { host: "AD", machine: "ad" },
  { host: "batch", machine: "batch" },
  { host: "warehouse-7", machine: "onprem" },
  { host: "fleet", machine: "member" },
] as const;

export async function setStage(binary: string, folder: string): Promise<Stage> {
  const azure = await createAzureSimulator({ clock: createClock(), random: createRandom(), cloud });
  try {
    return await prepare(binary, folder, azure);
  } catch (error) {
    await azure.close();
    throw error;
  }
}

async function prepare(binary: string, folder: string, azure: AzureSimulator): Promise<Stage> {
  const original = join(folder, "original");
  const seal = `file:${join(folder, "seal.key")}`;
  const caFile = join(folder, "azure-ca.pem");
  writeFileSync(caFile, azure.caPem, { mode: 0o600 });
  await runCommand([binary, "init", "--data", original, "--seal", seal]);
  const created = await runCommand([binary, "account", "create", account, "--data", original, "--seal", seal]);
  const apiKey = /API key for admin: (\S+)/.exec(created)?.[1];
  if (apiKey === undefined) throw new Error("the account's API key was not printed");

  function configure(name: string, data: string, port: number, tables = ""): string {
    const path = join(folder, `${name}.toml`);
    const text = configText({ data, seal, port, caFile, outbound: `${new URL(azure.entra.url).origin}/` });
    writeFileSync(path, text + tables, { mode: 0o600 });
    return path;
  }

  const port = freePort();
  const configFile = configure("original", original, port);
  const first = await startServer([binary, "server", "--config", configFile], port, () => isHealthy(port));
  let admin: string;
  let hostTokens: readonly string[];
  try {
    admin = await ask(port, "POST", `/authn/${account}/admin/authenticate`, undefined, apiKey);
    await furnish(port, admin, azure);
    hostTokens = await Promise.all(
      hosts.map(({ host, machine }) => ask(port, "POST", loginPath(host), undefined, `jwt=${azure.mint({ machine })}`)),
    );
  } finally {
    await first.stop();
  }

  const places = new Map<string, { readonly port: number; readonly config: string }>();

  /** A data folder can be held by one process alone, so each has its own copy. */
  function place(name: string, tables?: string): { readonly port: number; readonly config: string } {
    const data = join(folder, name);
    mkdirSync(data, { mode: 0o700 });
    cpSync(original, data, { recursive: true, filter: (path) => !path.endsWith(".sock") });
    const ownPort = freePort();
    const placed = { port: ownPort, config: configure(name, data, ownPort, tables) };
    places.set(name, placed);
    return placed;
  }

  const readsAnswer = (at: number) => () => canRead(at, hostTokens[0] ?? "");

  async function serve(name: string): Promise<Running> {
    const placed = places.get(name);
    if (placed === undefined) throw new Error(`no server was ever started as ${name}`);
    const { port: at, config } = placed;
    return startServer([binary, "server", "--config", config], at, readsAnswer(at));
  }

  return {
    binary,
    folder,
    azure,
    admin,
    hostTokens,
    configuration: (name) => place(name).config,
    startBinary(name, tables) {
      place(name, tables);
      return serve(name);
    },
    restart: serve,
    startSource(name, mode) {
      const { port: at, config } = place(name);
      return startServer([process.execPath, `${import.meta.dir}/from-source.ts`, config, mode], at, readsAnswer(at));
    },
    close: () => azure.close(),
  };
}

/** Sessions that outlast the run, and no limit on logins: both would end the measurement, and neither costs less when it is far away. */
function configText(options: {
  readonly data: string;
  readonly seal: string;
  readonly port: number;
  readonly caFile: string;
  readonly outbound: string;
}): string {
  const text = (value: string): string => JSON.stringify(value);
  return `data = ${text(options.data)}
seal = [${text(options.seal)}]
listen = "127.0.0.1:${options.port}"
ca = [${text(options.caFile)}]
allow_outbound = [${text(options.outbound)}]
authenticators = ["authn-azure/${service}"]
host_token_ttl = 18000
user_token_ttl = 18000
log = ${text(`${options.data}.log`)}

[limits]
logins_per_address_per_second = 1000000
logins_per_address_burst = 1000000
logins_per_identity_per_second = 1000000
logins_per_identity_burst = 1000000
`;
}

/** The authenticator, four hosts, and the variables that are read, each with a value of forty bytes. */
async function furnish(port: number, admin: string, azure: AzureSimulator): Promise<void> {
  const variables = variableNames.map((name) => `    - &${name} !variable ${name}`).join("\n");
  const secrets = `- !policy
  id: secrets
  body:
    - !group consumers
${variables}
    - !permit
      role: !group consumers
      privilege: [ read, execute ]
      resource: [ ${variableNames.map((name) => `*${name}`).join(", ")} ]
- !grant
  role: !group secrets/consumers
  member: !group azure-apps
`;
  for (const policy of [authenticatorPolicy, hostsPolicy(azure), secrets]) {
    await ask(port, "POST", `/policies/${account}/policy/root`, admin, policy);
  }
  const providerUri = azure.tenant().providerUris.v1;
  await ask(
    port,
    "POST",
    `/secrets/${account}/variable/${encodeURIComponent(`conjur/authn-azure/${service}/provider-uri`)}`,
    admin,
    providerUri,
  );
  for (const name of variableNames) {
    await ask(port, "POST", readPath(name), admin, storedValue(name));
  }
}

/** One request, for everything that is not measured. Throws unless it is answered with success. */
export async function ask(port: number, method: string, path: string, token: string | undefined, body?: string): Promise<string> {
  const headers: Record<string, string> = {
    "content-type": body?.startsWith("jwt=") === true ? "application/x-www-form-urlencoded" : "text/plain",
  };
  if (token !== undefined) headers.authorization = authorization(token);
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers, ...(body === undefined ? {} : { body }) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${answer.status} of ${method} ${path}: ${text.slice(0, 500)}`);
  return text;
}

async function isHealthy(port: number): Promise<boolean> {
  return await fetch(`http://127.0.0.1:${port}/health`).then(
    (answer) => answer.ok,
    () => false,
  );
}

export async function canRead(port: number, token: string): Promise<boolean> {
  return await fetch(`http://127.0.0.1:${port}${readPath(variableNames[0] ?? "")}`, {
    headers: { authorization: authorization(token) },
  }).then(
    (answer) => answer.status === 200,
    () => false,
  );
}
