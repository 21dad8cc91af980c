/** `postern doctor`: everything between this machine's identity and a secret, in order; what is wrong, why, and what mends it. It prints no token and no secret. */

import { resolve } from "node:path";
import type { Command } from "commander";
import { version } from "../../../package.json";
import { adminSocketPath } from "../../client/client";
import { type AgentConfig, loadAgentConfig } from "../../config/agent";
import { type Connection, socketUrl } from "../../config/connection";
import { failureOf } from "../../model/failures";
import { choiceOf, createClientCommand, loginOf, withSocketOptions } from "../client-command";
import { type Cli, onRun, optionOf } from "../command";
import { type Finding, findingText } from "../doctor/finding";
import { identityReport } from "../doctor/identity";
import { machineFindings } from "../doctor/machine";
import { lineFindings, loginFinding } from "../doctor/server";
import { exitCodes } from "../exit-codes";
import type { CliIo } from "../io";
import { openConnection, possibleStateFolder } from "../session";

const usualAgentFile = "/etc/postern/agent.toml";
const usualData = "/var/lib/postern";

export function doctorCommand(cli: Cli): Command {
  const command = withSocketOptions(
    createClientCommand(
      "doctor",
      "find out why a machine does not get its secrets: its identity, the way to the server, the login, the disk and the keys; each with its cause and what mends it",
      "postern doctor\npostern doctor --json | jq '.findings[] | select(.state == \"fail\")'",
    ),
  )
    .option("--agent <file>", `the agent's file (default: ${usualAgentFile}, where this user may read it)`)
    .option(
      "--data <folder>",
      `the data folder of a server on this machine, which explains refusals to its operator (default: ${usualData})`,
    )
    .addHelpText(
      "after",
      "\nIt logs in to see whether it can: the server writes that into its audit. Ends with 1 when something failed.\n",
    );
  return onRun(command, cli, async ({ io, print }) => {
    const { world } = cli;
    const adminSocket = adminSocketPath(resolve(io.folder, optionOf(command, "data") ?? io.environment.POSTERN_DATA ?? usualData));
    const agent = agentOf(command, io);
    const connections = connectionsOf(command, cli, agent.config);
    const findings: Finding[] = [
      ...(await machineFindings({
        world,
        version,
        platform: `${process.platform} ${process.arch}`,
        state: possibleStateFolder(io, choiceOf(command)),
        seal: optionOf(command, "seal"),
        agent: agent.config,
        adminSocket,
      })),
      ...agent.findings,
      ...connections.findings,
    ];
    for (const group of byPlace(connections.connections)) findings.push(...(await findingsOf(group, cli, adminSocket)));
    const ok = findings.every(({ state }) => state !== "fail");
    print({ ok, findings }, findings.map(findingText).join(""));
    return ok ? exitCodes.done : exitCodes.failed;
  });
}

/** The roles that one machine's identity has at one server: identity and line are looked at once. */
async function findingsOf(
  connections: readonly [Connection, ...Connection[]],
  { world }: Cli,
  adminSocket: string,
): Promise<readonly Finding[]> {
  const [first] = connections;
  const identity = await identityReport(first, world);
  const line = await lineFindings(first, world);
  const findings = [...identity.findings, ...line.findings];
  if (!line.isThere) return findings;
  for (const connection of connections) {
    if (connection.proof.kind === "azure" && identity.token === undefined) {
      findings.push({ check: `login ${connection.login}`, state: "unknown", found: "not tried without a token" });
      continue;
    }
    findings.push(
      await loginFinding({ login: openConnection(connection, world), world, adminSocket, attributes: identity.token?.attributes ?? {} }),
    );
  }
  return findings;
}

interface Named<What> {
  readonly findings: readonly Finding[];
  readonly config?: What;
}

function agentOf(command: Command, io: CliIo): Named<AgentConfig> {
  const named = optionOf(command, "agent");
  const path = resolve(io.folder, named ?? usualAgentFile);
  const check = "agent's file";
  try {
    const credentialsFolder = io.environment.CREDENTIALS_DIRECTORY;
    const text = Buffer.from(io.readFile(path)).toString("utf8");
    const config = loadAgentConfig({ path, text, ...(credentialsFolder === undefined ? {} : { credentialsFolder }) });
    return { config, findings: [{ check, state: "ok", found: `${path}, ${config.apps.length} apps` }] };
  } catch (error) {
    const failure = failureOf(error);
    if (failure.code !== "malformed") throw error;
    const isMissing = failure.kind === "missing";
    if (isMissing && named === undefined) return { findings: [] };
    if (failure.because === "file_not_permitted")
      return { findings: [{ check, state: "unknown", found: `${path} may not be read by this user`, remedy: "sudo postern doctor" }] };
    const cause = failure.because === "configuration" ? failure.expected : `${failure.where}: expected ${failure.expected}`;
    return { findings: [{ check, state: "fail", found: `${path} is not fit`, cause, remedy: `postern agent --check --config ${path}` }] };
  }
}

interface Connections {
  readonly findings: readonly Finding[];
  readonly connections: readonly Connection[];
}

function connectionsOf(command: Command, cli: Cli, agent: AgentConfig | undefined): Connections {
  const ofAgent = agent === undefined ? nothing : connectionsOfAgent(agent, cli.io);
  const own = ownConnection(command, cli, ofAgent.connections.length > 0);
  return { findings: [...own.findings, ...ofAgent.findings], connections: [...own.connections, ...ofAgent.connections] };
}

const nothing: Connections = { findings: [], connections: [] };

function ownConnection(command: Command, { io, world }: Cli, hasOthers: boolean): Connections {
  try {
    return { findings: [], connections: [loginOf(command, io, world).connection] };
  } catch (error) {
    const failure = failureOf(error);
    if (failure.code === "not_found") {
      const found = "nobody is logged in as this user";
      const state = hasOthers ? ({ state: "ok" } as const) : ({ state: "warn", remedy: "postern login --help" } as const);
      return { findings: [{ check: "login", found, ...state }], connections: [] };
    }
    if (failure.code !== "malformed" || optionOf(command, "socket") !== undefined) throw error;
    const found = `${failure.where}: expected ${failure.expected}`;
    return { findings: [{ check: "login", state: "fail", found, remedy: "postern login --help" }], connections: [] };
  }
}

/** As the agent logs in for each app, and each app's socket. */
function connectionsOfAgent({ primary, identity, proxy, apps }: AgentConfig, io: CliIo): Connections {
  const { url, account, service, audience, caFile, vault } = primary;
  const sockets = apps.flatMap(({ login, socket }): readonly Connection[] =>
    socket === undefined ? [] : [{ url: socketUrl, account, login, proof: { kind: "socket", path: socket.path } }],
  );
  if (vault !== undefined) {
    const found = "the agent's primary speaks Vault's protocol, by which nothing is tried here; its answers at the sockets are";
    return { findings: [{ check: "agent's primary", state: "unknown", found }], connections: sockets };
  }
  try {
    const roots = caFile === undefined ? undefined : Buffer.from(io.readFile(caFile)).toString("utf8");
    const certificates = roots === undefined ? {} : { roots };
    const common = { url, account, ...certificates, ...(proxy.https === undefined ? {} : { httpsProxy: proxy.https }) };
    const asApps = apps.map(({ role }): Connection => ({ ...common, login: role, proof: { kind: "azure", service, audience, identity } }));
    return { findings: [], connections: [...asApps, ...sockets] };
  } catch (error) {
    const failure = failureOf(error);
    if (failure.code !== "malformed") throw error;
    const found = `${failure.where}: expected ${failure.expected}`;
    return {
      findings: [{ check: "tls", state: "fail", found, cause: "the agent's 'ca' cannot be read", remedy: `ls -l ${failure.where}` }],
      connections: sockets,
    };
  }
}

function byPlace(connections: readonly Connection[]): readonly (readonly [Connection, ...Connection[]])[] {
  const groups = new Map<string, [Connection, ...Connection[]]>();
  for (const connection of connections) {
    const { url, roots, proof } = connection;
    const key = JSON.stringify([url, roots, proof.kind === "key" ? "key" : proof]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [connection]);
    else group.push(connection);
  }
  return [...groups.values()];
}
