/**
 * A machine for the shipped agent: a network namespace with the metadata service and the Arc agent at their real addresses, challenge files that a group
 * reads, a primary, and users who have an app each.
 */

import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Installation, installBinary, type Outcome } from "./binary";
import { createNamespace, type Namespace } from "./namespace";

export const agentUser = 1990;
export const [himdsGroup, groupA, groupB] = [990, 2001, 2002];
export const [userA, userB] = [3001, 3002];
/** Where the agent finds the primary. */
export const primaryAddress = "10.9.0.1";
export const url = `https://${primaryAddress}:8443`;
/** The kernel lets nobody connect who may not write the socket. */
export const cannotConnect = " 000 ";
export const secretPath = (name: string): string => `/secrets/acme/variable/apps%2F${name}%2Fpassword`;

export interface EdgeCloud {
  readonly ca: string;
  readonly provider: string;
  readonly entra: string;
  readonly subscription: string;
  readonly oid: string;
  readonly vmOid: string;
}

interface Told {
  readonly identity?: string;
  readonly apps?: string;
  readonly maxStale?: string;
}

export interface EdgeMachine {
  readonly machine: Namespace;
  readonly installation: Installation;
  /** A folder that every user may enter. */
  readonly home: string;
  readonly cloud: EdgeCloud;
  /** What was started, the newest last. */
  readonly processes: readonly Bun.Subprocess[];
  /** Runs a command of the primary's operator. Throws with its complaint. */
  operate(words: readonly string[], input?: string): string;
  /** With the grants of these apps. */
  policy(grants: readonly string[]): string;
  startPrimary(): Promise<void>;
  primary(): Bun.Subprocess;
  /** The text of an agent's file: apps `a` and `b` at a socket each, unless `apps` says otherwise. */
  configuration(more?: Told): string;
  /** Starts the agent as a user of these groups, with a proxy in its environment that leads nowhere. */
  startAgent(text: string, groups?: readonly number[], capabilities?: readonly string[]): Promise<Bun.Subprocess>;
  endAgents(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Starts any process inside, and resolves when it has printed a line. */
  start(command: readonly string[]): Promise<Bun.Subprocess>;
  /** What the newest process complained of. */
  lastLog(): string;
  /** Runs a script of the shell as a local user of one group; `$1`… are `args`. */
  as(user: number, group: number, script: string, ...args: readonly string[]): Outcome;
  /** What a local user's curl gets of an app: `value 200 source`, or why it got nothing. */
  readAs(user: number, group: number, app: string, name?: string): string;
  close(): Promise<void>;
}

/** `line` prepares the primary's address, as root inside; the primary listens at `listen`. Ends what it started when it cannot be. */
export async function createEdgeMachine({
  line = `ip addr add ${primaryAddress}/32 dev lo`,
  listen = primaryAddress,
} = {}): Promise<EdgeMachine> {
  const installation = installBinary();
  const home = installation.folder("edge");
  chmodSync(home, 0o755);
  const machine = await createNamespace(`
ip link set lo up
ip addr add 169.254.169.254/32 dev lo
${line}
mkdir -p /var/opt /opt
mount -t tmpfs tmpfs /var/opt
mount -t tmpfs tmpfs /opt
mkdir -p /var/opt/azcmagent/tokens /opt/azcmagent/bin
touch /opt/azcmagent/bin/himds
{ cat /etc/group; echo himds:x:${himdsGroup}:; } > /opt/group
mount --bind /opt/group /etc/group`);
  const processes: Bun.Subprocess[] = [];
  const agents: Bun.Subprocess[] = [];
  const logOf = (number: number): string => join(home, `${number}.log`);
  const lastLog = (): string => readFileSync(logOf(processes.length - 1), "utf8");

  async function begin(
    command: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<{ child: Bun.Subprocess; line: string }> {
    const child = Bun.spawn([...machine.enter, ...command], {
      cwd: "/",
      env: { PATH: "/usr/bin:/bin:/usr/sbin:/sbin", ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: Bun.file(logOf(processes.length)),
    });
    processes.push(child);
    const reader = child.stdout.getReader();
    let text = "";
    while (!text.includes("\n")) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`${command.join(" ")} ended: ${lastLog()}`);
      text += Buffer.from(value).toString();
    }
    reader.releaseLock();
    return { child, line: text.split("\n")[0] ?? "" };
  }

  function operate(words: readonly string[], input?: string): string {
    const file = join(home, "input");
    writeFileSync(file, input ?? "");
    const place = ["--data", join(home, "primary"), "--seal", `file:${join(home, "primary.key")}`];
    const outcome = machine.run(["sh", "-c", `exec "$@" < ${file}`, "sh", installation.binary, ...words, ...place]);
    if (outcome.code !== 0) throw new Error(`${words.join(" ")}: ${outcome.stderr}`);
    return outcome.stdout;
  }

  const simulated = await begin([process.execPath, resolve("test/support/edge-cloud.ts"), String(himdsGroup)]);
  const cloud: EdgeCloud = JSON.parse(simulated.line);
  const policy = (grants: readonly string[]): string => policyOf(cloud, grants);
  let primary: Bun.Subprocess;

  async function startPrimary(): Promise<void> {
    const words = [
      "server",
      "--listen",
      `${listen}:8443`,
      "--tls-self-signed",
      primaryAddress,
      "--authenticators",
      "authn,authn-azure/AzureAE1",
    ];
    const trust = ["--allow-outbound", `${cloud.entra}/`, "--ca", join(home, "entra.pem")];
    const place = ["--data", join(home, "primary"), "--seal", `file:${join(home, "primary.key")}`];
    primary = (await begin([installation.binary, ...words, ...trust, ...place])).child;
  }

  operate(["init"]);
  operate(["account", "create", "acme"]);
  operate(["policy", "load", "--account", "acme", "-"], policy(["a", "b"]));
  operate(["variable", "set", "--account", "acme", "conjur/authn-azure/AzureAE1/provider-uri"], cloud.provider);
  for (const name of ["a", "b"]) operate(["variable", "set", "--account", "acme", `apps/${name}/password`], `the password of ${name}`);
  writeFileSync(join(home, "entra.pem"), cloud.ca);
  await startPrimary();
  copyFileSync(join(home, "primary/tls/server.pem"), join(home, "primary.pem"));
  chmodSync(join(home, "primary.pem"), 0o644);
  for (const folder of ["data", "run"]) {
    mkdirSync(join(home, folder), { mode: folder === "data" ? 0o700 : 0o755 });
    chownSync(join(home, folder), agentUser, agentUser);
  }

  function as(user: number, group: number, script: string, ...args: readonly string[]): Outcome {
    return machine.run(["setpriv", "--reuid", String(user), "--regid", String(group), "--clear-groups", "sh", "-c", script, "sh", ...args]);
  }

  return {
    machine,
    installation,
    home,
    cloud,
    processes,
    operate,
    policy,
    startPrimary,
    primary: () => primary,
    configuration: (more = {}) => configurationOf(home, more),
    async startAgent(text, groups = [himdsGroup, groupA, groupB], capabilities = []) {
      const file = join(home, "agent.toml");
      writeFileSync(file, text, { mode: 0o644 });
      const user = ["setpriv", "--reuid", String(agentUser), "--regid", String(agentUser), "--groups", [agentUser, ...groups].join(",")];
      const proxies = { HTTP_PROXY: "http://127.0.0.1:9", http_proxy: "http://127.0.0.1:9", HTTPS_PROXY: "http://127.0.0.1:9" };
      const { child } = await begin([...user, ...capabilities, installation.binary, "agent", "--config", file], proxies);
      agents.push(child);
      return child;
    },
    async endAgents(signal) {
      for (const agent of agents.splice(0)) await end(agent, signal);
    },
    start: async (command) => (await begin(command)).child,
    lastLog,
    as,
    readAs(user, group, app, name = app) {
      const script = `
t=$(curl -sS -f --unix-socket "$1" -d x "http://localhost/authn/acme/host%2Fapps%2F$2/authenticate" | base64 -w0)
curl -sS --unix-socket "$1" -H "Authorization: Token token=\\"$t\\"" -w ' %{http_code} %header{x-postern-source}%header{x-postern-reason}' "http://localhost$3"`;
      const { stdout, stderr } = as(user, group, script, `${home}/run/${app}.sock`, app, secretPath(name));
      return stdout === "" ? stderr.trim() : stdout;
    },
    async close() {
      for (const child of processes) await end(child, "SIGKILL");
      machine.remove();
      installation.remove();
    },
  };
}

function policyOf(cloud: EdgeCloud, grants: readonly string[]): string {
  const host = (name: string): string => `
- !variable apps/${name}/password
- !host
  id: apps/${name}
  annotations:
    authn-azure/subscription-id: ${cloud.subscription}
    authn-azure/resource-group: rg-branch
    authn-azure/system-assigned-identity: ${name === "a" ? cloud.oid : cloud.vmOid}
- !grant { role: !group conjur/authn-azure/AzureAE1/apps, member: !host apps/${name} }
`;
  const grant = (name: string): string =>
    `- !permit { role: !host apps/${name}, privileges: [ read, execute ], resource: !variable apps/${name}/password }\n`;
  return `
- !policy
  id: conjur/authn-azure/AzureAE1
  body:
    - !webservice
    - !variable provider-uri
    - !group apps
    - !permit { role: !group apps, privileges: [ read, authenticate ], resource: !webservice }
${["a", "b"].map(host).join("")}${grants.map(grant).join("")}`;
}

function configurationOf(home: string, { identity = "", apps, maxStale = "1h" }: Told): string {
  const socket = (name: string, group: number): string =>
    `[apps.${name}]\nrole = "host/apps/${name}"\nsocket = "${home}/run/${name}.sock"\ngroup = ${group}\nmode = "0660"\nkeep = ["apps/${name}/password"]\n`;
  return `
data = "${home}/data"
seal = ["file:${home}/data/keys/seal.key"]
[primary]
url = "${url}"
account = "acme"
service = "AzureAE1"
ca = "${home}/primary.pem"
${identity}
[offline]
fresh = "0s"
max_stale = "${maxStale}"
${apps ?? socket("a", groupA) + socket("b", groupB)}`;
}

export async function end(child: Bun.Subprocess, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  child.kill(signal);
  await child.exited;
}

/** Asks until the answer is this one; the last answer otherwise. */
export async function until(wanted: string, ask: () => string): Promise<string> {
  let last = ask();
  for (const deadline = performance.now() + 20_000; last !== wanted && performance.now() < deadline; last = ask()) await Bun.sleep(200);
  return last;
}
