/**
 * The agent of a machine: holds the machine's identity, asks the primary with the role of each local app, and serves each app at its own socket.
 *
 * It starts and serves without the primary. What it may serve then, and for how long, is the configuration's word.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createAuditLog } from "../audit/audit-log";
import { createMachineIdentity } from "../authenticators/azure/machine-identity";
import { type AgentConfig, changedForStart } from "../config/agent";
import type { Environment } from "../config/config";
import { openKeyring } from "../keyring/keyring";
import { createAgentMetrics } from "../metrics/agent-metrics";
import { PosternError } from "../model/failures";
import { parseAccount } from "../model/ids";
import type { AuditLog, Clock, Keyring, Logger, MachineIdentity, PrivateFiles, Random } from "../model/ports";
import { createTurns } from "../model/turns";
import { watchClock } from "../runtime/clock";
import { createHttpClient } from "../runtime/http-client";
import { createMachineFiles } from "../runtime/machine-files";
import { type Apps, createApps } from "./apps";
import { createAskerMemo } from "./askers";
import { createNotes } from "./dressing";
import { createLine, type Line } from "./line";
import { type AgentCondition, type OperatorSocket, openOperatorSocket } from "./operator-socket";
import { createLocalTrail } from "./trail";

export interface AgentDeps {
  readonly environment: Environment;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly files: PrivateFiles;
  /** What names this machine; empty where nothing does. What is kept opens on no other. */
  readonly machine: string;
  /** Resolves after so many milliseconds. Default: by a timer that keeps no process alive. */
  readonly pause?: (ms: number) => Promise<void>;
}

export interface RunningAgent {
  /** `unix:/run/postern/billing.sock`, one for each app, and behind it that of its identity endpoint. */
  urls(): readonly string[];
  readonly identitySource: string;
  /**
   * Serves the apps as this configuration says; see `Apps.change`. Throws `malformed` (because `configuration`) also for what counts only from a start on, and
   * changes nothing then.
   */
  reload(config: AgentConfig): Promise<void>;
  /** Finishes what is under way and writes the copies. */
  stop(): Promise<void>;
}

/** Reads at the primary that are under way together, of all apps. */
const readsAtOnce = 16;

/** Throws `malformed` for what the configuration says and this machine does not have; the primary need not answer. */
export async function startAgent(config: AgentConfig, deps: AgentDeps): Promise<RunningAgent> {
  const { clock, random, logger, files, pause = pauseByTimer } = deps;
  files.ensureFolder(config.dataFolder);
  const copyFolder = join(config.dataFolder, "copies");
  const common = { clock, logger };
  const extraRoots = config.rootFiles.map(readText);
  const { proxy } = config;
  const http = createHttpClient({
    ...common,
    extraRoots,
    proxy,
    allowOutbound: [new URL(config.primary.url).origin, ...config.allowOutbound],
  });
  const identity = createWatchedIdentity(config.identity, {
    ...common,
    random,
    pause,
    environment: deps.environment,
    files: createMachineFiles(),
    http,
    openLocal: (prefix) => createHttpClient({ ...common, allowOutbound: [prefix] }),
  });
  const keyring = await openCopyKeys(config, deps, copyFolder);
  const line = createLine(deps);
  const primaryRoots = config.primary.caFile === undefined ? {} : { primaryRoots: readText(config.primary.caFile) };
  const metrics = createAgentMetrics({
    apps: () => apps.names().length,
    isIdentityUp: identity.isUp,
    isPrimaryUp: line.isUp,
    oldestAgeSeconds: () => secondsOf(apps.oldestAgeMs()),
    residentBytes: () => process.memoryUsage.rss(),
  });
  const asking = createAskerMemo();
  const trail = createLocalTrail({ logger, random, meter: metrics, asking, ...auditOf(config, keyring, deps) });
  const apps = createApps({
    trail,
    ...common,
    random,
    files,
    http,
    identity,
    line,
    turns: createTurns(readsAtOnce),
    notes: createNotes(),
    asking,
    meter: metrics,
    pause,
    copyFolder,
    machine: deps.machine,
    ...primaryRoots,
    ...(keyring === undefined ? {} : { keyring }),
  });
  const stopWatching = watchClock({ clock, meter: metrics, logger });
  let operator: OperatorSocket | undefined;
  async function close(): Promise<void> {
    stopWatching();
    await apps.close();
    await operator?.stop();
    await trail.close();
  }
  try {
    operator = await openOperatorSocket(config.dataFolder, { condition: () => conditionOf(config, { apps, identity, line }), metrics });
    await apps.open(config);
  } catch (error) {
    await close();
    throw error;
  }
  line.onReturn(apps.refresh);
  let lastTurn: Promise<unknown> = Promise.resolve();
  /** One after the other, whichever way the one before ended. */
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const turn = lastTurn.then(work, work);
    lastTurn = turn.catch(() => undefined);
    return turn;
  };
  return {
    urls: apps.urls,
    identitySource: identity.source,
    reload(wanted) {
      const fixed = changedForStart(config, wanted);
      if (fixed.length > 0) return Promise.reject(takesStart(fixed));
      return inTurn(() => apps.change(wanted));
    },
    stop: () => inTurn(close),
  };
}

/** The identity, and whether it gave its last token; undefined before the first question. */
function createWatchedIdentity(...options: Parameters<typeof createMachineIdentity>): MachineIdentity & { isUp(): boolean | undefined } {
  const identity = createMachineIdentity(...options);
  let isUp: boolean | undefined;
  return {
    ...identity,
    isUp: () => isUp,
    async credential(audience) {
      try {
        const token = await identity.credential(audience);
        isUp = true;
        return token;
      } catch (error) {
        isUp = false;
        throw error;
      }
    },
  };
}

interface Watched {
  readonly apps: Apps;
  readonly identity: ReturnType<typeof createWatchedIdentity>;
  readonly line: Line;
}

function conditionOf({ primary }: AgentConfig, { apps, identity, line }: Watched): AgentCondition {
  const of = (isUp: boolean | undefined): { readonly isUp?: boolean } => (isUp === undefined ? {} : { isUp });
  return {
    apps: apps.names(),
    identity: { source: identity.source, ...of(identity.isUp()) },
    primary: { url: primary.url, ...of(line.isUp()) },
  };
}

const secondsOf = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1000);

function takesStart(names: readonly string[]): PosternError {
  const expected = `${names.join(", ")}: expected as at the start; these count from the next one on`;
  return new PosternError({ code: "malformed", where: names.join(", "), expected, kind: "argument", because: "configuration" });
}

function auditOf(config: AgentConfig, keyring: Keyring | undefined, { clock, logger }: AgentDeps): { readonly audit?: AuditLog } {
  const { audit: mode } = config;
  if (mode === "off" || keyring === undefined) return {};
  return {
    audit: createAuditLog({ folder: join(config.dataFolder, "audit"), keyring, clock, node: "agent", mode, sync: "grouped", logger }),
  };
}

/** The keys of the copies, made at the first start. Without a seal nothing is kept; with one that does not open, neither is what is there overwritten. */
async function openCopyKeys(config: AgentConfig, deps: AgentDeps, copyFolder: string): Promise<Keyring | undefined> {
  if (config.seals.length === 0) return undefined;
  const { files, clock, random } = deps;
  files.ensureFolder(copyFolder);
  const keyring = await openKeyring({
    clock,
    random,
    files,
    path: join(config.dataFolder, "keyring.json"),
    nodePath: join(config.dataFolder, "node.json"),
    providers: config.seals,
    dataExists: false,
    ...(config.credentialsFolder === undefined ? {} : { credentialsFolder: config.credentialsFolder }),
  });
  if (keyring.state().state === "uninitialised") await keyring.init(config.seals);
  const state = keyring.state();
  if (state.state === "sealed") throw new PosternError({ code: "sealed", reason: state.reason, because: state.detail ?? state.reason });
  await keyring.ensureAccount(parseAccount(config.primary.account));
  return keyring;
}

/** A pause that keeps nobody from ending the process. */
function pauseByTimer(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new PosternError(
      { code: "malformed", where: path, expected: `${path}: expected a readable file`, kind: "argument", because: "configuration" },
      { cause },
    );
  }
}
