/**
 * A whole Postern in this process: as a server with its listeners and its admin socket, or for one command of the operator while no server runs.
 */

import type { Config } from "../config/config";
import { failureOf, PosternError } from "../model/failures";
import type { SecretBytes } from "../model/secret-bytes";
import { type AdminApp, type AdminDeps, createAdminApp } from "./admin";
import { listenOnAdminSocket } from "./admin-socket";
import { type Ground, openListeners, openPremises, type Premises, placesOf, reloadCertificates } from "./compose";
import type { Readiness } from "./house";
import type { Listener } from "./listener";

export interface RunningServer {
  /** `https://127.0.0.1:8443`, one for each listener. */
  readonly urls: readonly string[];
  readonly readiness: Readiness;
  /** What answers on the admin socket, for whoever is in this process. */
  readonly app: AdminApp;
  /** Reads the certificates again. */
  reload(): void;
  /** Takes no more requests, finishes those there are, and puts everything on the disk. */
  stop(): Promise<void>;
}

/** How a server differs from one for production. */
export interface Lightness {
  /** Default: the disk. */
  readonly ground?: Ground;
  /** Stands in every answer. */
  readonly devMarker: string;
}

/** A Postern without listeners, for one command. */
export interface OpenedFolder {
  readonly app: AdminApp;
  readonly readiness: Readiness;
  close(): Promise<void>;
}

const dayMs = 86_400_000;
const firstPauseMs = 1000;
const longestPauseMs = 60_000;

/**
 * Starts serving. A sealed or damaged store is told by `readiness` and keeps nobody from listening. Throws `conflict` when another server has the folder,
 * `malformed` for what the operator must mend first. `devMarker` stands in every answer of a server that is not for production.
 */
export async function startServer(config: Config, version: string, dev?: Lightness): Promise<RunningServer> {
  const premises = await openPremises(config, dev?.ground);
  const listeners: Listener[] = [];
  try {
    const reload = () => reloadCertificates(config, listeners, premises.logger);
    const app = createAdminApp(adminDeps(premises, listeners, version, reload));
    const socket = await listenOnAdminSocket(placesOf(config.dataFolder).adminSocket, app);
    try {
      listeners.push(...openListeners(config, premises, dev?.devMarker));
    } catch (error) {
      await socket.stop();
      throw error;
    }
    premises.metrics.start();
    resumeRewrapping(premises);
    const retry = retryUnsealing(premises);
    return {
      urls: listeners.map(({ url }) => url),
      readiness: premises.house.readiness(),
      app,
      reload,
      async stop() {
        retry.stop();
        await Promise.all(listeners.map((listener) => listener.stop()));
        await socket.stop();
        await premises.close();
      },
    };
  } catch (error) {
    await premises.close();
    throw error;
  }
}

/** Opens the folder for one command. Throws `conflict` when a server has it. */
export async function openFolder(config: Config, version: string): Promise<OpenedFolder> {
  const premises = await openPremises(config);
  const app = createAdminApp(adminDeps(premises, [], version, () => undefined));
  return { app, readiness: premises.house.readiness(), close: () => premises.close() };
}

/** Makes the keys and the empty store. Throws `exists` where there are keys already, `malformed` without a seal. */
export async function initialiseFolder(config: Config): Promise<{ readonly recoveryKey: SecretBytes }> {
  if (config.seals.length === 0) {
    throw new PosternError({ code: "malformed", where: "--seal", expected: "a place for the seal key such as file:PATH", kind: "missing" });
  }
  const premises = await openPremises(config);
  try {
    const { recoveryKey } = await premises.house.keyring.init([...config.seals, "recovery"]);
    if (recoveryKey === undefined) throw new PosternError({ code: "internal", what: "no recovery key was made" });
    const readiness = await premises.house.unseal();
    if (readiness.state !== "ready")
      throw new PosternError({ code: "internal", what: "the new store does not open", because: reasonOf(readiness) });
    return { recoveryKey };
  } finally {
    await premises.close();
  }
}

/** The reason of a state that is not ready, as one word. */
export function reasonOf(readiness: Readiness): string {
  return "reason" in readiness ? readiness.reason : readiness.state;
}

function adminDeps(premises: Premises, listeners: readonly Listener[], version: string, reload: () => void): AdminDeps {
  const { house, audit, metrics, clock, random, logger } = premises;
  const storeOrNothing = () => (house.readiness().state === "ready" ? house.store() : undefined);
  return {
    broker: house.broker,
    operator: house.operator,
    audit,
    keyring: house.keyring,
    unseal: (recoveryKey?: SecretBytes) => house.unseal(recoveryKey),
    rewrap: () => void rewrapAndRetire(premises),
    metrics,
    reload,
    condition() {
      const store = storeOrNothing();
      const readiness = house.readiness();
      const notAfterSeconds = premises.certificateNotAfterSeconds();
      const isFailed = readiness.state === "failed";
      return {
        version,
        readiness: { ready: readiness.state === "ready", reasons: isFailed ? [readiness.reason] : [], warnings: [] },
        ...(store === undefined ? {} : { store: { ...store.position() }, rewrap: { ...store.rewrapProgress() } }),
        ...(notAfterSeconds === undefined
          ? {}
          : { certificate: { notAfter: notAfterSeconds * 1000, daysLeft: Math.floor((notAfterSeconds * 1000 - clock.now()) / dayMs) } }),
        listeners: listeners.map(({ url }) => url),
      };
    },
    clock,
    random,
    logger,
  };
}

/** Old generations of a scope key go when nothing is wrapped under them any more, and not before. */
async function rewrapAndRetire({ house, logger }: Premises): Promise<void> {
  try {
    const store = house.store();
    const { done, total } = await store.rewrapAll();
    for (const [scopeKey, generations] of await store.generationsInUse()) await house.keyring.retireGenerations(scopeKey, generations);
    logger.info("rewrapped", { done, total });
  } catch (error) {
    logger.error("rewrap_failed", { reason: failureOf(error).code });
  }
}

/** A rotation that the last process did not finish goes on in the background. */
function resumeRewrapping(premises: Premises): void {
  const { house } = premises;
  if (house.readiness().state !== "ready") return;
  if (house.keyring.status().scopes.some((scope) => scope.kept > 1)) void rewrapAndRetire(premises);
}

/** Asks the seal providers again while they cannot be reached, with growing pauses that no two servers share. */
function retryUnsealing({ house, random, logger }: Premises): { stop(): void } {
  let pauseMs = firstPauseMs;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function schedule(): void {
    const readiness = house.readiness();
    if (readiness.state !== "sealed" || readiness.reason !== "provider_unavailable") return;
    const [share = 0] = random.bytes(1);
    timer = setTimeout(attempt, pauseMs / 2 + (pauseMs / 2) * (share / 255));
    pauseMs = Math.min(pauseMs * 2, longestPauseMs);
  }

  function attempt(): void {
    house
      .unseal()
      .catch((error: unknown) => logger.error("unseal_failed", { reason: failureOf(error).code }))
      .finally(schedule);
  }

  schedule();
  return { stop: () => clearTimeout(timer) };
}
