/** Builds the whole from a configuration; the only file that knows every implementation. */

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type AuditTrail, createAuditLog } from "../audit/audit-log";
import { createForwarding } from "../audit/forwarding";
import { createVerifiers } from "../authenticators/registry";
import { type Config, type ListenerSettings, processEnvironment } from "../config/config";
import { createDecisionIds } from "../core/decisions";
import { unpackPlan } from "../core/policy/parcel";
import type { PlanInput } from "../core/policy/task";
import { notAfterSeconds, selfSigned } from "../crypto/certificate";
import type { Standing } from "../fronts/front";
import { fronts } from "../fronts/registry";
import { openKeyring } from "../keyring/keyring";
import { createMetrics, type Metrics } from "../metrics/metrics";
import { PosternError } from "../model/failures";
import type { Clock, Keyring, Logger, PrivateFiles, Random, Store } from "../model/ports";
import type { AuditRecord } from "../model/types";
import { createClock, watchClock } from "../runtime/clock";
import { createDirectory } from "../runtime/directory";
import { createPrivateFiles } from "../runtime/files";
import { createHttpClient } from "../runtime/http-client";
import { createLineSink } from "../runtime/line-sinks";
import { createLogger, openLogFile } from "../runtime/logger";
import { createRandom } from "../runtime/random";
import { openStore, type StoreControl, storeExists } from "../store/store";
import { type House, openHouse } from "./house";
import { createListener, type Listener, type TlsPair } from "./listener";
import { createMachineTokens, pause, within } from "./machine-tokens";
import { observeBroker, observeHttp, observeStore } from "./observed";
import { createOffload } from "./offload";

/** What a server needs of its store. */
export type ServedStore = Store &
  Partial<Pick<StoreControl, "acceptedRollback">> &
  Pick<StoreControl, "rewrapAll" | "rewrapProgress" | "generationsInUse">;

/** What is kept where: the disk, unless somebody brings something that forgets. The audit and the admin socket are in the data folder all the same. */
export interface Ground {
  readonly files: PrivateFiles;
  openStore(deps: {
    readonly keyring: Keyring & { deployment(): string | undefined };
    readonly clock: Clock;
    readonly logger: Logger;
  }): Promise<ServedStore>;
}

/** A house with what its operator works with. */
export interface Premises {
  readonly house: House<ServedStore>;
  readonly audit: AuditTrail;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** When the first listener's certificate ends, in epoch seconds; undefined without one. */
  certificateNotAfterSeconds(): number | undefined;
  /** Stops what runs in the background and closes the store. */
  close(): Promise<void>;
}

/** A text that takes longer to plan is refused; its worker ends with it. */
const planLimitMs = 30_000;
/** What is planned with so much takes hundreds of megabytes, which its thread would keep; smaller plans are not worth the start of another. */
const largePlanBytes = 4 << 20;
/** A text grows to fifteen times its size and more while it is read; facts are nearly what they were. */
const isLarge = ({ text, facts }: PlanInput): boolean =>
  facts.reduce((sum, piece) => sum + piece.byteLength, 15 * text.byteLength) > largePlanBytes;

/** The store's places below the data folder. */
export const placesOf = (dataFolder: string) => ({
  database: join(dataFolder, "postern.db"),
  keyring: join(dataFolder, "keyring.json"),
  node: join(dataFolder, "node.json"),
  issuers: join(dataFolder, "issuers.json"),
  audit: join(dataFolder, "audit"),
  adminSocket: join(dataFolder, "admin.sock"),
});

/** Opens everything but the listeners. Throws what the operator must mend first: a wrongly configured seal, roots that cannot be read, a store in use. */
export async function openPremises(config: Config, ground: Ground = onDisk(config)): Promise<Premises> {
  const clock = createClock();
  const random = createRandom();
  const { files } = ground;
  const places = placesOf(config.dataFolder);
  const logFile = config.log.file === undefined ? undefined : openLogFile(config.log.file);
  const logger = createLogger({ clock, level: config.log.level, ...(logFile === undefined ? {} : { sink: logFile.sink }) });
  files.ensureFolder(config.dataFolder);
  const keyring = await openKeyring({
    clock,
    random,
    files,
    path: places.keyring,
    nodePath: places.node,
    providers: config.seals,
    dataExists: storeExists(files, places.database),
    ...(config.credentialsFolder === undefined ? {} : { credentialsFolder: config.credentialsFolder }),
    ...(config.sealEnvironment === undefined ? {} : { insecureEnvironment: config.sealEnvironment }),
  });
  const trail = createAuditLog({ folder: places.audit, keyring, clock, node: config.node, ...config.audit, logger });
  const sinks = config.auditSinks.map((place) => createLineSink(place, config.rootFiles.map(readText)));
  const audit = createForwarding({ trail, sinks, isRequired: config.requiresAuditSinks, clock, logger });
  const metrics = createMetrics({
    clock,
    sources: {
      auditFailures: () => audit.failures(),
      auditEventsDropped: () => audit.forwarding().dropped,
      rememberedTokens: () => house.rememberedSessions(),
      residentBytes: () => process.memoryUsage.rss(),
      certificateNotAfterSeconds: () => certificateEnd(config),
    },
  });
  const extraRoots = config.rootFiles.map(readText);
  const plainHttp = createHttpClient({
    allowOutbound: config.allowOutbound,
    extraRoots,
    proxy: config.proxy,
    clock,
    logger,
  });
  const offload = createOffload();
  const house: House<ServedStore> = await openHouse({
    keyring,
    audit,
    async openStore() {
      // A clean stop takes the write-ahead log with it.
      if (existsSync(`${places.database}-wal`)) metrics.recovered();
      const store = await ground.openStore({ keyring, clock, logger });
      if (store.acceptedRollback === true) await audit.append(rollbackRecord(store.position().revision, clock, random));
      return observeStore(store, metrics);
    },
    ...createVerifiers({
      azure: {
        pause,
        within,
        machineToken: createMachineTokens({ http: plainHttp, clock, random, logger, environment: processEnvironment() }),
        addresses: config.azureAddresses,
      },
      memory: { keyring, files, path: places.issuers },
      http: observeHttp(plainHttp, metrics),
      directory: createDirectory({ allowOutbound: config.allowOutbound, extraRoots }),
      clock,
      random,
      logger,
      jwtMayLackIssuer: config.jwtMayLackIssuer,
    }),
    meter: metrics,
    clock,
    random,
    logger,
    offload,
    planPolicy: async (input) => unpackPlan(await offload.run("plan_policy", input, { timeoutMs: planLimitMs, isLast: isLarge(input) })),
    settings: {
      signature: config.tokenSignature,
      userSessionSeconds: config.userSessionSeconds,
      hostSessionSeconds: config.hostSessionSeconds,
      secretVersionsKept: config.secretVersionsKept,
      policyVersionsKept: config.policyVersionsKept,
      enabledAuthenticators: config.enabledAuthenticators,
      checksAddressOnUse: config.checksAddressOnUse,
      usersInRootPolicyOnly: config.usersInRootPolicyOnly,
      apiKeysByDefault: config.apiKeysByDefault,
      hostFactoryConfinement: config.hostFactoryConfinement,
      azureDefaults: config.azureDefaults,
      ...(config.apiAddress === undefined ? {} : { apiAddress: config.apiAddress }),
      ...(config.pathAccount === undefined ? {} : { pathAccount: config.pathAccount }),
    },
  });
  const stopWatching = watchClock({ clock, meter: metrics, logger });
  return {
    house,
    audit,
    metrics,
    clock,
    random,
    logger,
    certificateNotAfterSeconds: () => certificateEnd(config),
    async close() {
      metrics.stop();
      stopWatching();
      offload.close();
      await house.close();
      logFile?.close();
    },
  };
}

/** That the operator took an older store for the present one, at the start of this process. */
function rollbackRecord(revision: number, clock: Clock, random: Random): AuditRecord {
  const now = clock.now();
  const context = { requestId: "start", now, dialect: "operator", clientAddress: "127.0.0.1" };
  return { decision: createDecisionIds(random)(), at: now, operation: "store.accept_rollback", allowed: true, context, revision };
}

function onDisk({ dataFolder, acceptRollback }: Config): Ground {
  const files = createPrivateFiles();
  return { files, openStore: (deps) => openStore({ ...deps, files, acceptRollback, path: placesOf(dataFolder).database }) };
}

/** Starts every configured listener over the house. Throws, with none left standing, for an address or certificate that cannot be. */
export function openListeners(config: Config, premises: Premises, devMarker?: string): readonly Listener[] {
  const { house, clock, random, logger, metrics } = premises;
  makeCertificates(config, clock.now());
  const served = fronts.map((front) =>
    front.serve(observeBroker(house.broker, metrics, clock), {
      resourceListMax: config.resourceListMax,
      hostFactories: config.hostFactories,
      standing: () => standingOf(house),
      metrics: () => metrics.text(),
    }),
  );
  const listeners: Listener[] = [];
  try {
    for (const each of config.listeners) {
      const listener = createListener({
        fronts: served,
        clock,
        random,
        logger,
        meter: metrics,
        health: () => ({ status: house.readiness().state === "ready" ? "ready" : "not_ready" }),
        config: {
          listen: each.listen,
          ...(each.tls === undefined ? {} : { tls: readTls(each) }),
          ...(each.dialect === undefined ? {} : { dialect: each.dialect }),
          ...(each.socketMode === undefined ? {} : { socketMode: each.socketMode }),
          ...(devMarker === undefined ? {} : { devMarker }),
          limits: config.limits,
          trustedProxies: config.trustedProxies,
          keyVaultHosts: config.keyVaultHosts,
        },
      });
      listeners.push(listener);
    }
  } catch (error) {
    for (const listener of listeners) void listener.stop();
    throw error;
  }
  return listeners;
}

function standingOf({ readiness, keyring }: House<ServedStore>): Standing {
  const { state } = readiness();
  const deployment = keyring.deployment();
  return deployment === undefined ? { state } : { state, deployment };
}

/** Makes the pairs that the operator left to the server, once: clients pin a certificate, so it stays for ten years. */
function makeCertificates(config: Config, now: number): void {
  const files = createPrivateFiles();
  for (const { tls } of config.listeners) {
    if (tls?.selfSignedFor === undefined || files.size(tls.certFile) !== undefined) continue;
    const isAddress = (name: string): boolean => /^[\d.]+$|:/u.test(name);
    const dnsNames = tls.selfSignedFor.filter((name) => !isAddress(name));
    const ipAddresses = tls.selfSignedFor.filter(isAddress);
    const { certificatePem, privateKeyPem } = selfSigned({ dnsNames, ipAddresses, now, days: selfSignedDays });
    files.ensureFolder(dirname(tls.certFile));
    files.replace(tls.keyFile, Buffer.from(privateKeyPem));
    files.replace(tls.certFile, Buffer.from(certificatePem));
  }
}

const selfSignedDays = 3652;

/** Reads the certificates again and hands them to the listeners; one that does not fit is reported and the old one stays. */
export function reloadCertificates(config: Config, listeners: readonly Listener[], logger: Logger): void {
  config.listeners.forEach((settings, index) => {
    if (settings.tls === undefined) return;
    try {
      listeners[index]?.reloadTls(readTls(settings));
    } catch (error) {
      logger.error("certificate_not_reloaded", { listener: settings.name, reason: error instanceof Error ? error.message : "unknown" });
    }
  });
}

function readTls({ tls }: ListenerSettings): TlsPair {
  if (tls === undefined) throw new PosternError({ code: "internal", what: "a listener without a certificate" });
  return { cert: readText(tls.certFile), key: readText(tls.keyFile) };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new PosternError(
      { code: "malformed", where: path, expected: "a readable file", kind: "argument", because: "file_unreadable" },
      { cause },
    );
  }
}

function certificateEnd(config: Config): number | undefined {
  const tls = config.listeners[0].tls;
  return tls === undefined ? undefined : notAfterSeconds(readText(tls.certFile));
}
