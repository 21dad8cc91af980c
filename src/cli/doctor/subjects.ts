/** What the doctor looks at: the login of this user, and what an agent of this machine does for each of its apps. */

import { resolve } from "node:path";
import type { Command } from "commander";
import { type AgentConfig, loadAgentConfig } from "../../config/agent";
import { type Connection, socketUrl } from "../../config/connection";
import { failureOf } from "../../model/failures";
import { loginOf } from "../client-command";
import { type Cli, optionOf } from "../command";
import type { CliIo } from "../io";
import type { Finding } from "./finding";

/** A way to log in. */
export interface Subject {
  readonly connection: Connection;
  /** Where Vault's protocol is spoken: the role of the Azure method there. */
  readonly vault?: { readonly mount: string; readonly role: string; readonly scaleSet?: string };
}

export interface Subjects {
  /** What can be said before anything is asked. */
  readonly findings: readonly Finding[];
  readonly subjects: readonly Subject[];
}

export const usualAgentFile = "/etc/postern/agent.toml";

/** The agent's file, where there is one that this user may read. */
export function readAgentFile(
  named: string | undefined,
  io: CliIo,
): { readonly findings: readonly Finding[]; readonly config?: AgentConfig } {
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

export function subjectsOf(command: Command, cli: Cli, agent: AgentConfig | undefined): Subjects {
  const ofAgent = agent === undefined ? nobody : subjectsOfAgent(agent, cli.io);
  const own = ownSubject(command, cli, ofAgent.subjects.length > 0);
  return { findings: [...own.findings, ...ofAgent.findings], subjects: [...own.subjects, ...ofAgent.subjects] };
}

const nobody: Subjects = { findings: [], subjects: [] };

function ownSubject(command: Command, { io, world }: Cli, hasOthers: boolean): Subjects {
  try {
    return { findings: [], subjects: [{ connection: loginOf(command, io, world).connection }] };
  } catch (error) {
    const failure = failureOf(error);
    if (failure.code === "not_found") {
      const found = "nobody is logged in as this user";
      const state = hasOthers ? ({ state: "ok" } as const) : ({ state: "warn", remedy: "postern login --help" } as const);
      return { findings: [{ check: "login", found, ...state }], subjects: [] };
    }
    if (failure.code !== "malformed" || optionOf(command, "socket") !== undefined) throw error;
    const found = `${failure.where}: expected ${failure.expected}`;
    return { findings: [{ check: "login", state: "fail", found, remedy: "postern login --help" }], subjects: [] };
  }
}

/** As the agent logs in for each app, and each app's socket. */
function subjectsOfAgent({ primary, identity, proxy, apps }: AgentConfig, io: CliIo): Subjects {
  const { url, account, audience, caFile, vault } = primary;
  // The protocol of Vault has no service.
  const service = vault === undefined ? primary.service : vault.mount;
  const sockets = apps.flatMap(({ login, socket }): readonly Subject[] =>
    socket === undefined ? [] : [{ connection: { url: socketUrl, account, login, proof: { kind: "socket", path: socket.path } } }],
  );
  try {
    const roots = caFile === undefined ? undefined : Buffer.from(io.readFile(caFile)).toString("utf8");
    const certificates = roots === undefined ? {} : { roots };
    const common = { url, account, ...certificates, ...(proxy.https === undefined ? {} : { httpsProxy: proxy.https }) };
    const asApps = apps.map(({ role }): Subject => {
      const connection: Connection = { ...common, login: role, proof: { kind: "azure", service, audience, identity } };
      return vault === undefined ? { connection } : { connection, vault: { ...vault, role } };
    });
    return { findings: [], subjects: [...asApps, ...sockets] };
  } catch (error) {
    const failure = failureOf(error);
    if (failure.code !== "malformed") throw error;
    const found = `${failure.where}: expected ${failure.expected}`;
    const cause = "the agent's 'ca' cannot be read";
    return { findings: [{ check: "tls", state: "fail", found, cause, remedy: `ls -l ${failure.where}` }], subjects: sockets };
  }
}

/** Those that one machine's identity has at one server: identity and line need to be looked at once. */
export function byPlace(subjects: readonly Subject[]): readonly (readonly [Subject, ...Subject[]])[] {
  const groups = new Map<string, [Subject, ...Subject[]]>();
  for (const subject of subjects) {
    const { url, roots, proof } = subject.connection;
    const key = JSON.stringify([url, roots, proof.kind === "key" ? "key" : proof]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [subject]);
    else group.push(subject);
  }
  return [...groups.values()];
}
