/** Tokens that are forgotten with the process. */

import { sha256Hex } from "../crypto/digest";
import type { AccountName } from "../model/ids";
import type { TokenRecord, TokenStore } from "../model/ports";

export interface MemoryTokens extends TokenStore {
  forget(account: AccountName): void;
}

export function createMemoryTokens(): MemoryTokens {
  const rows = new Map<string, Map<string, TokenRecord>>();

  return {
    // Nothing of it is kept anywhere: a key would protect nothing.
    digest: (token) => sha256Hex(token.reveal()),

    async *load(now) {
      const ended = (record: TokenRecord): boolean => record.expiresAt !== 0 && record.expiresAt <= now;
      for (const [digest, byName] of [...rows]) {
        for (const record of [...byName.values()]) if (ended(record)) byName.delete(record.name);
        if (!byName.has("")) rows.delete(digest);
      }
      yield [...rows.values()].flatMap((byName) => byName.get("") ?? []);
    },

    async write(steps) {
      for (const step of steps) {
        const byName = rows.get(step.digest) ?? new Map<string, TokenRecord>();
        if (step.step === "put") {
          const { step: _, ...record } = step;
          byName.set(step.name, record);
          rows.set(step.digest, byName);
          continue;
        }
        if (step.name !== undefined) byName.delete(step.name);
        if (step.name === undefined || byName.size === 0) rows.delete(step.digest);
      }
    },

    belonging: async (digest, name) => rows.get(digest)?.get(name)?.body,
    tidy: async () => undefined,

    forget(account) {
      for (const [digest, byName] of [...rows]) if ([...byName.values()].some((record) => record.account === account)) rows.delete(digest);
    },
  };
}
