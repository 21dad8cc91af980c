/**
 * The running whole behind the listeners: keyring, store, audit, broker; from locked to serving and back to nothing.
 *
 * It stands from the first moment, also uninitialised or sealed, and then says so to everybody who asks. Unsealing opens the store and brings the broker to
 * life; a store that does not open is a state too, with its reason, and not the end of the process.
 */

import type { BrokerSettings } from "../core/broker";
import { type Broker, type BrokerParts, createBroker, type Operator } from "../core/broker";
import type { PlanInput, PlanOutput } from "../core/policy/task";
import type { KeyringControl } from "../keyring/keyring";
import { failureOf, PosternError } from "../model/failures";
import type {
  AuditLog,
  Authenticator,
  AzureProofs,
  Clock,
  KeyringState,
  Logger,
  Meter,
  Offload,
  Random,
  SignedTokens,
  Store,
} from "../model/ports";
import type { SecretBytes } from "../model/secret-bytes";
import { lateBroker, lateOperator } from "./late-broker";

/** Whether requests can be answered, and if not, why not. `reason`: `seal_key_missing`, `store_damaged`; `uninitialised` has none. */
export type Readiness =
  | { readonly state: "ready" }
  | { readonly state: "uninitialised" }
  | { readonly state: "sealed" | "failed"; readonly reason: string; readonly detail?: string };

export interface House<StoreKind extends Store = Store> {
  /** Fails with `sealed` until there is a broker. */
  readonly broker: Broker;
  readonly operator: Operator;
  readonly keyring: KeyringControl;
  readiness(): Readiness;
  /** The store, once unsealed. Throws like the broker. */
  store(): StoreKind;
  rememberedSessions(): number;
  /** Tries again, with the configured providers or the recovery key, and opens the store when that helps. */
  unseal(recoveryKey?: SecretBytes): Promise<Readiness>;
  /** Lets nothing begin any more, and puts everything on the disk. */
  close(): Promise<void>;
}

export interface HouseDeps<StoreKind extends Store> {
  readonly keyring: KeyringControl;
  readonly audit: AuditLog;
  readonly openStore: () => Promise<StoreKind>;
  readonly authenticators: readonly Authenticator[];
  readonly signedTokens: SignedTokens;
  readonly azure: AzureProofs;
  readonly meter: Meter;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly offload: Offload;
  readonly planPolicy: (input: PlanInput) => Promise<PlanOutput>;
  readonly settings: BrokerSettings;
}

interface Live<StoreKind> {
  readonly store: StoreKind;
  readonly parts: BrokerParts;
}

/** Opens what can be opened now. Throws only what makes staying up pointless: a store that another process has. */
export async function openHouse<StoreKind extends Store>(deps: HouseDeps<StoreKind>): Promise<House<StoreKind>> {
  const { keyring, audit, logger } = deps;
  let live: Live<StoreKind> | undefined;
  let failure: Readiness | undefined;
  let opening: Promise<void> | undefined;
  let stopTidying = async (): Promise<void> => undefined;

  async function open(): Promise<void> {
    const store = await deps.openStore();
    try {
      live = { store, parts: await createBroker({ ...deps, store }) };
    } catch (error) {
      await store.close();
      throw error;
    }
    failure = undefined;
    stopTidying = tidyNowAndThen(live.parts.tidy, logger);
    logger.info("unsealed", { revision: store.position().revision });
  }

  async function openOnce(): Promise<void> {
    if (live !== undefined || keyring.state().state !== "unsealed") return;
    opening ??= open().finally(() => {
      opening = undefined;
    });
    try {
      await opening;
    } catch (error) {
      const { code, because } = failureOf(error);
      // Nothing to wait for: the other process must end first.
      if (because === "store_in_use") throw error;
      failure = { state: "failed", reason: because ?? code, ...(error instanceof Error ? { detail: error.message } : {}) };
      logger.error("store_not_opened", { reason: failure.reason });
    }
  }

  function readiness(): Readiness {
    if (live !== undefined) return { state: "ready" };
    if (failure !== undefined) return failure;
    return readinessOf(keyring.state());
  }

  function current(): Live<StoreKind> {
    if (live !== undefined) return live;
    const state = readiness();
    throw new PosternError({ code: "sealed", reason: "reason" in state ? state.reason : state.state });
  }

  await openOnce();
  return {
    broker: lateBroker(() => current().parts.broker),
    operator: lateOperator(() => current().parts.operator),
    keyring,
    readiness,
    store: () => current().store,
    rememberedSessions: () => live?.parts.rememberedSessions() ?? 0,
    async unseal(recoveryKey) {
      await keyring.unseal(recoveryKey);
      await openOnce();
      return readiness();
    },
    async close() {
      const last = live;
      live = undefined;
      failure = { state: "failed", reason: "closing" };
      await stopTidying();
      await last?.store.close();
      await audit.close();
    },
  };
}

const betweenTidyingsMs = 15_000;

/** Gives what ends it: it resolves once nothing is being tidied any more. */
function tidyNowAndThen(tidy: () => Promise<void>, logger: Logger): () => Promise<void> {
  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    running ??= tidy()
      .catch((error: unknown) => logger.warn("tidying_failed", { because: failureOf(error).because ?? failureOf(error).code }))
      .finally(() => {
        running = undefined;
      });
  }, betweenTidyingsMs);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await running;
  };
}

function readinessOf(state: KeyringState): Readiness {
  switch (state.state) {
    case "unsealed":
      return { state: "failed", reason: "opening" };
    case "uninitialised":
      return { state: "uninitialised" };
    case "sealed":
      return state.detail === undefined
        ? { state: "sealed", reason: state.reason }
        : { state: "sealed", reason: state.reason, detail: state.detail };
  }
}
