/**
 * The agent of a machine: holds the machine's identity, asks the primary with the role of each local app, and serves each app at its own socket.
 *
 * It starts and serves without the primary. What it may serve then, and for how long, is the configuration's word.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createAuditLog } from "../audit/audit-log";
import { createMachineIdentity } from "../authenticators/azure/machine-identity";
import type { AgentApp, AgentConfig } from "../config/agent";
import type { Environment } from "../config/config";
import { fronts } from "../fronts/registry";
import { openKeyring } from "../keyring/keyring";
import { PosternError } from "../model/failures";
import { parseAccount } from "../model/ids";
import type { AuditLog, Clock, Keyring, Logger, MachineIdentity, PrivateFiles, Random } from "../model/ports";
import { createTurns } from "../model/turns";
import { createHttpClient } from "../runtime/http-client";
import { ensureSocketFolder, giveSocket } from "../runtime/local-users";
import { createMachineFiles } from "../runtime/machine-files";
import { createSocketFetch } from "../runtime/socket-client";
import { createListener, type Listener } from "../server/listener";
import { createRunningApp, type RunningApp } from "./app";
import { createNotes, dressFront, type Notes } from "./dressing";
import { createIdentityEndpoint } from "./identity-endpoint";
import { createLine } from "./line";
import { hasVaultHeader, isLocalRequest } from "./loopback-rules";
import { createLocalTrail, type LocalTrail } from "./trail";

export interface AgentDeps {
  readonly environment: Environment;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly files: PrivateFiles;
}

export interface RunningAgent {
  /** `unix:/run/postern/billing.sock`, one for each app, then the identity endpoints. */
  readonly urls: readonly string[];
  readonly identitySource: string;
  /** Finishes what is under way and writes the copies. */
  stop(): Promise<void>;
}

/** The age of what is on the disk is known this exactly after a crash. */
const writeEveryMs = 60_000;
/** Reads at the primary that are under way together, of all apps. */
const readsAtOnce = 16;
const leaveMs = 2000;
const noLimit = { perSecond: 100_000, burst: 100_000 };

/** Throws `malformed` for what the configuration says and this machine does not have; the primary need not answer. */
export async function startAgent(config: AgentConfig, deps: AgentDeps): Promise<RunningAgent> {
  const { clock, random, logger, files } = deps;
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
  const identity = createMachineIdentity(config.identity, {
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
  const notes = createNotes();
  const primaryRoots = config.primary.caFile === undefined ? {} : { primaryRoots: readText(config.primary.caFile) };
  const trail = createLocalTrail({ logger, random, ...auditOf(config, keyring, deps) });
  const shared = {
    config,
    trail,
    ...common,
    random,
    files,
    http,
    identity,
    line,
    turns: createTurns(readsAtOnce),
    notes,
    pause,
    copyFolder,
    ...primaryRoots,
  };
  const apps = config.apps.map((app) => createRunningApp(app, { ...shared, ...(keyring === undefined ? {} : { keyring }) }));
  const listeners: Listener[] = [];
  try {
    for (const app of apps) {
      await assertFree(app.app.socket?.path);
      listeners.push(await listenFor(app, notes, deps));
    }
    for (const { app } of apps)
      if (app.identityEndpoint !== undefined) listeners.push(lend(app, app.identityEndpoint, { ...deps, identity, trail }));
  } catch (error) {
    await Promise.all(listeners.map((listener) => listener.stop()));
    await trail.close();
    throw error;
  }
  const refreshAll = () => void Promise.all(apps.map((app) => app.refresh()));
  line.onReturn(refreshAll);
  refreshAll();
  const timers = [
    setInterval(refreshAll, config.refreshMs),
    setInterval(() => {
      for (const app of apps) {
        app.save();
        app.challenges?.sweep();
      }
    }, writeEveryMs),
  ];
  return {
    urls: listeners.map(({ url }) => url),
    identitySource: identity.source,
    async stop() {
      for (const timer of timers) clearInterval(timer);
      await Promise.all(listeners.map((listener) => listener.stop()));
      for (const app of apps) app.save();
      // Nobody waits long for a primary that is away.
      if (!line.isAway()) await Promise.race([Promise.all(apps.map((app) => app.leave())), pause(leaveMs)]);
      await trail.close();
    },
  };
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

/** A socket that somebody answers at would be taken from them without a word. Throws `conflict`. */
async function assertFree(path: string | undefined): Promise<void> {
  if (path === undefined) return;
  const answer = await createSocketFetch(path)(new Request("http://localhost/health")).catch(() => undefined);
  if (answer === undefined) return;
  throw new PosternError({ code: "conflict", what: `${path} is served by another process`, because: "address_in_use" });
}

async function listenFor({ app, reader, logins, challenges }: RunningApp, notes: Notes, deps: AgentDeps): Promise<Listener> {
  const { socket, tcp } = app;
  let port = 0;
  const dressed = fronts.map((front) => {
    const admits = (request: Request): boolean =>
      socket !== undefined || (isLocalRequest(request, port) && (front.name !== "vault" || hasVaultHeader(request)));
    return dressFront(front.reads(reader, logins), notes, admits, challenges);
  });
  if (socket !== undefined) ensureSocketFolder(socket.path);
  const listener = createListener({
    ...listening(deps),
    fronts: dressed,
    config: { ...localOnly, listen: socket?.path ?? tcp?.listen ?? "" },
  });
  port = listener.port ?? 0;
  if (socket === undefined) return listener;
  try {
    giveSocket(socket.path, socket);
    return listener;
  } catch (error) {
    await listener.stop();
    throw error;
  }
}

interface LendingDeps extends AgentDeps {
  readonly identity: MachineIdentity;
  readonly trail: LocalTrail;
}

function lend(app: AgentApp, settings: NonNullable<AgentApp["identityEndpoint"]>, deps: LendingDeps): Listener {
  const { identity, trail } = deps;
  let port = 0;
  const secret = (): Uint8Array => deps.files.read(settings.secretFile, { maxBytes: 4096, readableByGroup: true }) ?? new Uint8Array(0);
  const endpoint = createIdentityEndpoint({ app: app.name, settings, identity, trail, secret });
  const listener = createListener({
    ...listening(deps),
    fronts: [dressFront(endpoint, createNotes(), (request) => isLocalRequest(request, port))],
    config: { ...localOnly, listen: settings.listen, dialect: "keyvault" },
  });
  port = listener.port ?? 0;
  return listener;
}

const localOnly = {
  trustedProxies: [],
  keyVaultHosts: [],
  // Every local client has the same address, so limits for each of them would be limits for all.
  limits: { requestsInFlightPerAddress: 4096, loginsPerAddress: noLimit, loginsPerIdentity: noLimit },
};

function listening({ clock, random, logger }: AgentDeps) {
  return {
    clock,
    random,
    logger,
    meter: { began: () => undefined, ended: () => undefined, rejected: () => undefined },
    health: () => ({ status: "ready" as const }),
  };
}

/** A pause that keeps nobody from ending the process. */
function pause(ms: number): Promise<void> {
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
