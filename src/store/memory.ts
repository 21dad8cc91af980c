/** The store that forgets: the same order, conflicts, seals and MACs, kept nowhere. For development and tests. */

import type { Clock, Keyring, Store } from "../model/ports";
import type { Commit } from "../model/types";
import { createBook } from "./book";
import { createLedger, type SealedKey } from "./ledger";
import { toCommit } from "./log";

export function createMemoryStore({ keyring, clock }: { readonly keyring: Keyring; readonly clock: Clock }): Store {
  const commits: Commit[] = [];
  const rows = new Map<string, { readonly revision: number; readonly sealed: Parameters<Keyring["open"]>[0] }>();
  const nameOf = ({ purpose, id, version }: SealedKey): string => `${purpose} ${version} ${id}`;
  let syncedAt = clock.now();

  const book = createBook({
    keyring,
    ledger: createLedger(),
    revision: 0,
    standings: new Map(),
    shelf: {
      async write(row, steps) {
        for (const step of steps) {
          if (step.step === "put") rows.set(nameOf(step.entry), { revision: step.entry.revision, sealed: step.entry.sealed });
          if (step.step === "remove") rows.delete(nameOf(step.key));
          if (step.step === "remove_account")
            for (const name of [...rows.keys()]) if (name.includes(` ${step.account}:`)) rows.delete(name);
        }
        commits.push(toCommit(row));
        syncedAt = row.at;
      },
      read: async (key) => rows.get(nameOf(key)),
    },
  });

  return {
    load: async () => ({ revision: book.revision(), commits: [...commits], damaged: [] }),
    commit: book.commit,
    async *changesAfter(revision) {
      yield* commits.filter((commit) => commit.revision > revision);
    },
    secretValue: book.secretValue,
    record: book.record,
    position: () => ({ revision: book.revision(), syncedAt }),
    close: async () => undefined,
  };
}
