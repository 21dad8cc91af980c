/** The same store, HTTP client and broker, with their failures and durations counted. And a watch over the clock. */

import type { Broker } from "../core/broker";
import type { Metrics } from "../metrics/metrics";
import { failureOf } from "../model/failures";
import type { Clock, HttpClient, Logger, Store } from "../model/ports";

/** Counts refused writes by their cause, and seals that do not hold. */
export function observeStore<Kind extends Store>(store: Kind, metrics: Pick<Metrics, "databaseError" | "integrityFailure">): Kind {
  function count(error: unknown): void {
    const { code, because } = failureOf(error);
    if (code === "storage_full") metrics.databaseError("full");
    if (code === "read_only") metrics.databaseError("readonly");
    if (because === "store_broken") metrics.databaseError("ioerr");
    if (code === "integrity") metrics.integrityFailure(because === "facts_mac" ? "facts" : "value");
  }

  async function counted<Result>(work: Promise<Result>): Promise<Result> {
    try {
      return await work;
    } catch (error) {
      count(error);
      throw error;
    }
  }

  return {
    ...store,
    commit: (changes, options) => counted(store.commit(changes, options)),
    record: (kind, key) => counted(store.record(kind, key)),
    secretValue(id, version) {
      try {
        return store.secretValue(id, version);
      } catch (error) {
        count(error);
        throw error;
      }
    },
  };
}

/** Counts fetches of issuers' documents. */
export function observeHttp(http: HttpClient, metrics: Pick<Metrics, "keySetRefreshed">): HttpClient {
  return {
    ...http,
    async getJson(url, limits) {
      try {
        const document = await http.getJson(url, limits);
        metrics.keySetRefreshed("ok");
        return document;
      } catch (error) {
        metrics.keySetRefreshed("failed");
        throw error;
      }
    },
  };
}

/** Times policy loads. */
export function observeBroker(broker: Broker, metrics: Pick<Metrics, "policyLoaded">, clock: Pick<Clock, "monotonicMs">): Broker {
  return {
    ...broker,
    async loadPolicy(caller, load) {
      const startedAt = clock.monotonicMs();
      const outcome = await broker.loadPolicy(caller, load);
      metrics.policyLoaded(clock.monotonicMs() - startedAt);
      return outcome;
    },
  };
}

const lookMs = 1000;
const noticeableStepMs = 1000;

/** Compares the wall clock with the one that cannot be set, and reports steps of more than a second. Stop it with what it returns. */
export function watchClock(clock: Clock, metrics: Pick<Metrics, "clockStepped">, logger: Logger): () => void {
  let difference = clock.now() - clock.monotonicMs();
  const timer = setInterval(() => {
    const present = clock.now() - clock.monotonicMs();
    const stepMs = present - difference;
    difference = present;
    if (Math.abs(stepMs) < noticeableStepMs) return;
    metrics.clockStepped(stepMs);
    logger.warn("clock_stepped", { milliseconds: Math.round(stepMs) });
  }, lookMs);
  timer.unref();
  return () => clearInterval(timer);
}
