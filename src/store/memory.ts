/** The store that forgets: the same order, conflicts, seals and MACs, kept nowhere. For development and tests. */

import { type AccountName, accountOf } from "../model/ids";
import type { Clock, Keyring, Sealed, Store } from "../model/ports";
import type { Commit, Revision } from "../model/types";
import { createBook } from "./book";
import { createLedger, type SealedKey } from "./ledger";
import { toCommit } from "./log";
import { createMemoryTokens } from "./memory-tokens";

export function createMemoryStore({ keyring, clock }: { readonly keyring: Keyring; readonly clock: Clock }): Store {
  const commits: Commit[] = [];
  const rows = new Map<string, { readonly account: AccountName; readonly revision: Revision; readonly sealed: Sealed }>();
  const nameOf = ({ purpose, id, version }: SealedKey): string => `${purpose} ${version} ${id}`;
  const tokens = createMemoryTokens();
  let syncedAt = clock.now();

  const book = createBook({
    keyring,
    ledger: createLedger(),
    revision: 0,
    standings: new Map(),
    shelf: {
      async write(row, steps) {
        for (const step of steps) {
          if (step.step === "put") {
            const { id, revision, sealed } = step.entry;
            rows.set(nameOf(step.entry), { account: accountOf(id), revision, sealed });
          }
          if (step.step === "remove") rows.delete(nameOf(step.key));
          if (step.step === "remove_account") {
            tokens.forget(step.account);
            for (const [name, { account }] of [...rows]) if (account === step.account) rows.delete(name);
          }
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
    tokens,
    close: async () => undefined,
  };
}
