/** The same store, HTTP client and broker, with their failures and durations counted. */

import type { Broker } from "../core/broker";
import type { Metrics } from "../metrics/metrics";
import { failureOf } from "../model/failures";
import type { Clock, HttpClient, Store } from "../model/ports";

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
