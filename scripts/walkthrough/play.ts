/**
 * The whole story, on the compiled binary and a simulated Azure: set up, load policy by HTTP, log four kinds of machine in, read the secret, and
 * be refused in every way there is, each with the reason that only the operator sees.
 */

import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { selfSigned } from "../../src/crypto/certificate";
import { createClock } from "../../src/runtime/clock";
import { createRandom } from "../../src/runtime/random";
import { type AzureSimulator, createAzureSimulator } from "../../src/simulator/azure/simulator";
import { account, cloud, secretValue, service, variable } from "./cloud";
import { arcLines, curl, imdsLine, logIn, loginLine, platformToken, readLine, readSecret, type Target } from "./machines";
import { authenticatorPolicy, hostsPolicy, secretsPolicy } from "./policies";
import { type Refusal, refusalsAfterEnabling, refusalsBeforeEnabling } from "./refusals";
import { bash, mustRun, startServer } from "./shell";
import { playVault, type VaultStory } from "./vault";

/** Hears the story as it goes on. */
export interface Narrator {
  chapter(title: string): void;
  command(line: string): void;
  result(text: string): void;
}

export interface Story {
  /** What each machine read, by the name of its host. */
  readonly read: Readonly<Record<string, string>>;
  readonly refusals: readonly Refusal[];
  /** The same machines by Vault's protocol. */
  readonly byVault: VaultStory;
  /** What the server ended with, each time it was stopped. */
  readonly exitCodes: readonly number[];
  readonly auditReport: string;
  /** Process ids that were started; all have ended. */
  readonly pids: readonly number[];
}

export interface PlayOptions {
  /** The compiled binary. */
  readonly binary: string;
  /** An empty folder; everything that is made is made in it. */
  readonly folder: string;
  readonly narrator: Narrator;
}

/** What every part of the story needs. */
export interface Stage extends PlayOptions, Target {
  readonly port: number;
  readonly azure: AzureSimulator;
  readonly data: string;
  readonly cert: string;
  /** Runs the binary with a store's folder and gives what it prints. */
  postern(command: string): Promise<string>;
}

const hosts = [
  { machine: "ad", host: "AD", about: "an Azure VM with a system-assigned identity" },
  { machine: "batch", host: "batch", about: "an Azure VM with a user-assigned identity" },
  { machine: "onprem", host: "warehouse-7", about: "an Azure Arc-enabled server" },
  { machine: "member", host: "fleet", about: "a scale-set member, bound by subscription and resource group alone" },
] as const;

export async function play(options: PlayOptions): Promise<Story> {
  const azure = await createAzureSimulator({ clock: createClock(), random: createRandom(), cloud });
  try {
    return await playOn(await setStage(options, azure));
  } finally {
    await azure.close();
  }
}

async function setStage(options: PlayOptions, azure: AzureSimulator): Promise<Stage> {
  const { binary, folder } = options;
  // Asked for after the simulator has taken its own ports, which could be the same one.
  const port = freePort();
  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const certificate = selfSigned({ dnsNames: ["localhost"], ipAddresses: ["127.0.0.1"], now: createClock().now(), days: 2 });
  const caFile = file("server.pem", certificate.certificatePem);
  file("server.key", certificate.privateKeyPem);
  file("azure-ca.pem", azure.caPem);
  file("authn-azure.yml", authenticatorPolicy);
  file("azure-apps.yml", hostsPolicy(azure));
  file("secrets.yml", secretsPolicy);
  mkdirSync(join(folder, "elsewhere"));
  chmodSync(folder, 0o700);
  const data = join(folder, "data");
  const env = { postern: binary, data, folder };
  return {
    ...options,
    port,
    azure,
    data,
    caFile,
    cert: certificate.certificatePem,
    url: `https://127.0.0.1:${port}`,
    postern: (command) => mustRun(`cd "$folder/elsewhere" && "$postern" ${command}`, env),
  };
}

/** A port that was free a moment ago. */
function freePort(): number {
  const probe = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  const { port } = probe;
  probe.stop(true);
  if (port === undefined) throw new Error("no free port on 127.0.0.1");
  return port;
}

async function playOn(stage: Stage): Promise<Story> {
  const { narrator } = stage;
  const pids: number[] = [];
  const exitCodes: number[] = [];

  narrator.chapter("1. Keys, an account, a server");
  await initialise(stage);
  const adminKey = await createAccount(stage);
  const first = await start(stage, {});
  pids.push(first.pid);
  const admin = await administrator(stage, adminKey);

  narrator.chapter("2. Policy, by HTTP");
  for (const file of ["authn-azure.yml", "azure-apps.yml", "secrets.yml"]) await loadPolicy(stage, admin, file);
  await setVariable(stage, admin, `conjur/authn-azure/${service}/provider-uri`, stage.azure.tenant().providerUris.v1);
  await setVariable(stage, admin, variable, secretValue);
  const refusals = [...(await refusalsBeforeEnabling(stage))];
  await enable(stage, admin, true);

  narrator.chapter("3. Machines log in and read");
  const read: Record<string, string> = {};
  for (const each of hosts) read[each.host] = await machineReads(stage, each);

  narrator.chapter("4. Refused, each for its own reason");
  refusals.push(...(await refusalsAfterEnabling(stage)));

  narrator.chapter("5. The same machines by Vault's protocol, bound to where Azure says they are");
  const byVault = await playVault(stage);

  narrator.chapter("6. The authenticator switched on by configuration, as Conjur's operators do it");
  await enable(stage, admin, false);
  exitCodes.push(await first.stop());
  const second = await start(stage, { CONJUR_AUTHENTICATORS: `authn,authn-azure/${service}` });
  pids.push(second.pid);
  read["AD again"] = await machineReads(stage, hosts[0]);
  exitCodes.push(await second.stop());

  narrator.chapter("7. What is written down");
  const auditReport = await auditVerified(stage);
  return { read, refusals, byVault, exitCodes, auditReport, pids };
}

async function initialise({ narrator, postern }: Stage): Promise<void> {
  narrator.command('postern init --data "$data" --seal file:seal.key');
  const printed = await postern('init --data "$data" --seal "file:$folder/seal.key"');
  narrator.result(`${printed.trim().split("\n")[0] ?? ""} (the recovery key follows, once)`);
}

async function createAccount({ narrator, postern }: Stage): Promise<string> {
  narrator.command(`postern account create ${account} --data "$data"`);
  const printed = await postern(`account create ${account} --data "$data" --seal "file:$folder/seal.key" 2>&1`);
  const key = /API key for admin: (\S+)/.exec(printed)?.[1];
  if (key === undefined) throw new Error(`no API key in: ${printed}`);
  narrator.result(printed.replace(key, "[shown once, used below]").trim());
  return key;
}

async function start(stage: Stage, env: Readonly<Record<string, string>>) {
  const { binary, folder, data, port, azure, narrator, url, cert } = stage;
  const manager = azure.resourceManager.url;
  const outbound = `${azure.entra.url}/,${manager}/`;
  const shown = Object.entries(env).map(([name, value]) => `${name}=${value} `);
  narrator.command(
    `${shown.join("")}postern server --data "$data" --seal file:seal.key --listen 127.0.0.1:${port} --tls-cert server.pem --tls-key server.key --ca azure-ca.pem --allow-outbound ${outbound} --azure-authority ${azure.entra.url} --azure-resource-manager ${manager}`,
  );
  const file = (name: string): string => join(folder, name);
  const command = [binary, "server", "--data", data, "--seal", `file:${file("seal.key")}`, "--listen", `127.0.0.1:${port}`];
  command.push(
    "--tls-cert",
    file("server.pem"),
    "--tls-key",
    file("server.key"),
    "--ca",
    file("azure-ca.pem"),
    ...["--allow-outbound", outbound, "--azure-authority", azure.entra.url, "--azure-resource-manager", manager],
  );
  const server = await startServer(command, { cwd: file("elsewhere"), env, url: `${url}/health`, ca: cert });
  narrator.result(`listening on ${url}`);
  return server;
}

/** The administrator's session token, by the login and the authentication that Conjur's CLI makes. */
async function administrator(stage: Stage, apiKey: string): Promise<string> {
  const { url, narrator } = stage;
  narrator.command(`curl -s --user "admin:$key" ${url}/authn/${account}/login`);
  const login = await curl(stage, `printf 'user = "admin:%s"' "$key" | curl -s --config - ${url}/authn/${account}/login`, { key: apiKey });
  expectStatus(login.status, 200, "login");
  const line = `printf %s "$key" | curl -s -H 'Accept-Encoding: base64' --data-binary @- ${url}/authn/${account}/admin/authenticate`;
  narrator.command(line);
  const token = await curl(stage, line, { key: login.body });
  expectStatus(token.status, 200, "authenticate");
  narrator.result("an access token, good for eight minutes");
  return token.body;
}

async function loadPolicy(stage: Stage, token: string, file: string): Promise<void> {
  const line = `curl -s -H "Authorization: Token token=\\"$token\\"" --data-binary @${file} ${stage.url}/policies/${account}/policy/root`;
  stage.narrator.command(line);
  const answer = await curl(stage, `cd "$folder"\n${line}`, { token, folder: stage.folder });
  expectStatus(answer.status, 201, file);
  stage.narrator.result(`${answer.status} ${answer.body.replaceAll(/"api_key":"[^"]*"/g, '"api_key":"…"')}`);
}

async function setVariable(stage: Stage, token: string, id: string, value: string): Promise<void> {
  const line = `printf %s "$value" | curl -s -H "Authorization: Token token=\\"$token\\"" --data-binary @- ${stage.url}/secrets/${account}/variable/${encodeURIComponent(id)}`;
  stage.narrator.command(line);
  const answer = await curl(stage, line, { token, value });
  expectStatus(answer.status, 201, id);
  stage.narrator.result(String(answer.status));
}

async function enable(stage: Stage, token: string, enabled: boolean): Promise<void> {
  const line = `curl -s -X PATCH -H "Authorization: Token token=\\"$token\\"" -d enabled=${enabled} ${stage.url}/authn-azure/${service}/${account}`;
  stage.narrator.command(line);
  const answer = await curl(stage, line, { token });
  expectStatus(answer.status, 204, "enable");
  stage.narrator.result(`${answer.status}, without a restart`);
}

async function machineReads(
  stage: Stage,
  { machine, host, about }: { readonly machine: string; readonly host: string; readonly about: string },
): Promise<string> {
  const { narrator, azure, url } = stage;
  narrator.result(`${host}: ${about}`);
  const simulated = azure.machine(machine);
  narrator.command(`jwt=$(${simulated.kind === "arc" ? `\n${arcLines}\n` : imdsLine} | jq -r .access_token)`);
  const jwt = await platformToken(simulated);
  narrator.command(`token=$(${loginLine(url, host)})`);
  const login = await logIn(stage, host, jwt);
  expectStatus(login.status, 200, `${host} logs in`);
  narrator.command(readLine(url));
  const secret = await readSecret(stage, login.body);
  expectStatus(secret.status, 200, `${host} reads`);
  narrator.result(secret.body);
  return secret.body;
}

async function auditVerified({ narrator, postern }: Stage): Promise<string> {
  narrator.command('postern audit verify --data "$data"');
  const report = await postern('audit verify --data "$data" --seal "file:$folder/seal.key" 2>&1');
  narrator.result(report.trim());
  return report;
}

/** The line about a decision that only the operator can see. */
export async function why(stage: Stage, decision: string): Promise<string> {
  const { stdout, stderr } = await bash('"$postern" why "$decision" --data "$data" --seal "file:$folder/seal.key"', {
    postern: stage.binary,
    decision,
    data: stage.data,
    folder: stage.folder,
  });
  return stdout === "" ? stderr : stdout;
}

function expectStatus(actual: number, expected: number, what: string): void {
  if (actual !== expected) throw new Error(`${what}: expected ${expected}, got ${actual}`);
}
