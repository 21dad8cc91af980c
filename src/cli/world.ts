/** What commands act on: the Postern of a data folder, by its socket or in this process, and a server to be. Tests hand in another. */

import { existsSync, lstatSync, rmSync, statfsSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { type RunningAgent, startAgent } from "../agent/agent";
import type { LocalCopy } from "../agent/local-copy";
import type { AuditReport, VerifyOptions } from "../audit/audit-log";
import { createAuthenticators } from "../authenticators/registry";
import { type AdminTransport, createAdminClient } from "../client/client";
import { type ConjurApi, type ConjurApiOptions, createConjurApi } from "../client/conjur-api";
import type { AgentConfig } from "../config/agent";
import { type Config, processEnvironment } from "../config/config";
import { type Connection, serverUrl } from "../config/connection";
import { openKeyring } from "../keyring/keyring";
import { PosternError } from "../model/failures";
import type { Authenticator, Clock, KeyringState, Logger, PrivateFiles } from "../model/ports";
import type { SecretBytes } from "../model/secret-bytes";
import type { Instant } from "../model/types";
import { type CertificateOptions, certificateEnd } from "../runtime/certificate-end";
import { type ChildEnd, type ChildOptions, type Program, runChild, runHook } from "../runtime/child-process";
import { createClock } from "../runtime/clock";
import { createDirectory } from "../runtime/directory";
import { createPrivateFiles } from "../runtime/files";
import { createHttpClient } from "../runtime/http-client";
import { membershipOf } from "../runtime/local-users";
import { createLogger } from "../runtime/logger";
import { machineId } from "../runtime/machine-files";
import { type Placement, type Staged, stageFiles } from "../runtime/placed-files";
import { createRandom } from "../runtime/random";
import { createSecretFolder, type SecretFolder } from "../runtime/secret-folder";
import { createServiceManager, type ServiceManager } from "../runtime/service-manager";
import { createSocketFetch } from "../runtime/socket-client";
import { assertNoAgentFolder, isAgentFolder, verifyAgentTrail } from "../server/agent-folder";
import { initialiseFolder, openFolder, type RunningServer, reasonOf, startServer } from "../server/server";
import { type OfflineCopyOptions, openOfflineCopy } from "./offline-copy";
import { openRemote, type Remote } from "./remote";

/** A way to the Postern of a data folder. */
export interface Reached {
  readonly transport: AdminTransport;
  /** Whether a server answers; else it was opened for this command. */
  readonly isServed: boolean;
  close(): Promise<void>;
}

export interface CliWorld {
  /** By the admin socket when a server owns the folder, else opened in this process. Throws `not_found` where there is no Postern. */
  reach(config: Config, socket: string): Promise<Reached>;
  /** The trail of an agent's data folder; undefined for another folder. Throws `conflict` while the agent runs. */
  verifyAgentTrail(config: Config, options: VerifyOptions): Promise<AuditReport | undefined>;
  initialise(config: Config): Promise<{ readonly recoveryKey: SecretBytes }>;
  startServer(config: Config): Promise<RunningServer>;
  startAgent(config: AgentConfig): Promise<RunningAgent>;
  /** Resolves when the process is asked to end; calls `reload` when it is asked to read its certificates or settings again. */
  untilStopped(reload: () => unknown): Promise<void>;
  readonly serviceManager: ServiceManager;
  /** Another Conjur, to read from. Its address may be private: the operator names it. */
  conjurApi(options: Omit<ConjurApiOptions, "http" | "clock">): ConjurApi;
  /** The server that somebody is logged in at. */
  remote(connection: Connection): Remote;
  readonly clock: Clock;
  /** Files of this user alone. */
  readonly files: PrivateFiles;
  /** Removes a file, or a folder with all that is in it. False when there was none. */
  remove(path: string): boolean;
  /** The sealed copy of what was read. `complain` hears why one cannot be used. */
  openCopy(options: OfflineCopyOptions, complain: (event: string) => void): Promise<LocalCopy>;
  membershipOf(group: string): ReturnType<typeof membershipOf>;
  /** Undefined where it cannot be told. */
  certificateEnd(options: CertificateOptions): Promise<Instant | undefined>;
  /** Undefined where it cannot be told. */
  freeSpace(path: string): { readonly bytes: number; readonly files: number } | undefined;
  /** Whether what was sealed in a folder opens. Throws `malformed` for a key that others could have read. */
  sealState(place: { readonly folder: string; readonly seals: readonly string[] }): Promise<KeyringState>;
  /** The way to the operator's side of a running server; undefined when none runs. Throws `forbidden` for the socket of another user. */
  servedAdmin(socket: string): Promise<AdminTransport | undefined>;
  runChild(options: ChildOptions): Promise<ChildEnd>;
  /** Why the program did not end with 0; undefined when it did. */
  runHook(program: Program, folder: string): Promise<string | undefined>;
  /** Writes files beside their places; throws `malformed` and `storage_full`. */
  stageFiles(placements: readonly Placement[]): Staged;
  /** A folder that is made when the first file is written to it. */
  secretFolder(): SecretFolder;
  /** Whether anything answers on a port of this machine. */
  answers(port: number): Promise<boolean>;
  /** Ends early, without a failure, when the signal says so. */
  pause(ms: number, signal?: AbortSignal): Promise<void>;
  /** The external authenticators that are built in. */
  authenticators(): readonly Pick<Authenticator, "type" | "restrictions" | "service">[];
  freshBytes(count: number): Uint8Array;
}

export function processWorld(version: string): CliWorld {
  return {
    async reach(config, socket) {
      const served = await reachSocket(socket);
      if (served !== undefined) return served;
      if (lstatSync(config.dataFolder, { throwIfNoEntry: false }) === undefined) {
        throw new PosternError({
          code: "not_found",
          target: `${config.dataFolder}; make it with 'postern init', or name another with --data`,
        });
      }
      assertNoAgentFolder(createPrivateFiles(), config.dataFolder);
      const { app, readiness, close } = await openFolder(config, version);
      if (readiness.state === "failed") {
        await close();
        throw new PosternError({ code: "integrity", what: readiness.detail ?? reasonOf(readiness), because: readiness.reason });
      }
      return { transport: (request) => app.fetch(request, { isLocal: true }), isServed: false, close };
    },
    async verifyAgentTrail(config, options) {
      const files = createPrivateFiles();
      if (!isAgentFolder(files, config.dataFolder)) return undefined;
      return await verifyAgentTrail(config, options, { files, clock: createClock(), random: createRandom(), logger: silent });
    },
    initialise: initialiseFolder,
    async startServer(config) {
      assertNoAgentFolder(createPrivateFiles(), config.dataFolder);
      return await startServer(config, version);
    },
    startAgent(config) {
      const clock = createClock();
      const logger = createLogger({ clock, level: config.logLevel });
      return startAgent(config, {
        environment: processEnvironment(),
        clock,
        random: createRandom(),
        logger,
        files: createPrivateFiles(),
        machine: machineId(),
      });
    },
    untilStopped(reload) {
      process.on("SIGHUP", reload);
      return new Promise((resolve) => {
        // The handlers stay: a second signal must not end the process in the middle of its last work.
        for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => resolve());
      });
    },
    serviceManager: createServiceManager({
      environment: processEnvironment(),
      complain: (reason) => process.stderr.write(`postern: ${reason}\n`),
    }),
    conjurApi(options) {
      const clock = createClock();
      const url = serverUrl(options.url, "--url");
      const http = createHttpClient({ allowOutbound: [`${url.origin}${url.pathname}`], clock, logger: silent });
      return createConjurApi({ ...options, http, clock });
    },
    remote: (connection) => openRemote(connection, { clock: createClock(), logger: silent }),
    clock: createClock(),
    files: createPrivateFiles(),
    remove(path) {
      const isThere = lstatSync(path, { throwIfNoEntry: false }) !== undefined;
      rmSync(path, { recursive: true, force: true });
      return isThere;
    },
    openCopy(options, complain) {
      const logger: Logger = { ...silent, warn: complain, error: complain };
      return openOfflineCopy(options, {
        files: createPrivateFiles(),
        clock: createClock(),
        random: createRandom(),
        logger,
        machine: machineId(),
      });
    },
    membershipOf,
    certificateEnd,
    freeSpace,
    async sealState({ folder, seals }) {
      const deps = { files: createPrivateFiles(), clock: createClock(), random: createRandom() };
      const places = { path: join(folder, "keyring.json"), nodePath: join(folder, "node.json") };
      return (await openKeyring({ ...deps, ...places, providers: seals, dataExists: false })).state();
    },
    servedAdmin: async (socket) => (await reachSocket(socket))?.transport,
    runChild,
    runHook: (program, folder) => runHook(program, folder, hookTimeoutMs),
    stageFiles: (placements) => stageFiles(placements, createRandom()),
    secretFolder: createSecretFolder,
    answers: (port) => acceptsConnections(port),
    pause: (ms, signal) => setTimeout(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined),
    authenticators() {
      const clock = createClock();
      const http = createHttpClient({ allowOutbound: [], clock, logger: silent });
      const directory = createDirectory({ allowOutbound: [] });
      return createAuthenticators({ http, directory, clock, random: createRandom(), logger: silent });
    },
    freshBytes: (count) => createRandom().bytes(count),
  };
}

/** Of the nearest folder that is there. */
function freeSpace(path: string): { readonly bytes: number; readonly files: number } | undefined {
  try {
    for (let each = path; ; each = dirname(each)) {
      if (!existsSync(each) && each !== dirname(each)) continue;
      const { bavail, bsize, files, ffree } = statfsSync(each);
      // Some file systems have no fixed number of files, and say 0 of 0.
      return { bytes: bavail * bsize, files: files === 0 ? 1 : ffree };
    }
  } catch {
    return undefined;
  }
}

const hookTimeoutMs = 60_000;
const silent: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** A server that takes a connection has begun to serve: listeners are opened last. */
async function acceptsConnections(port: number): Promise<boolean> {
  try {
    const connection = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data: () => undefined } });
    connection.end();
    return true;
  } catch {
    // Refused, which is the answer.
    return false;
  }
}

/** Undefined when no server answers at the socket. Throws `forbidden` for the socket of another user. */
async function reachSocket(path: string): Promise<Reached | undefined> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  const transport = createSocketFetch(path);
  try {
    await createAdminClient(transport).page("/health");
  } catch (error) {
    const own = process.getuid?.();
    if (own !== undefined && own !== 0 && stats.uid !== own) {
      throw new PosternError(
        { code: "forbidden", because: `${path} belongs to another user; run the command as that user` },
        { cause: error },
      );
    }
    return undefined;
  }
  return { transport, isServed: true, close: async () => undefined };
}
