/**
 * Moves sealed rows to the newest generation of their scope key, a page at a time between the commits. Every row opens at every instant: the new wrap is
 * durable before the old key may be dropped. Interrupted anywhere, it goes on where rows are still behind.
 */

import type { Keyring } from "../model/ports";
import type { Engine, Statement } from "./engine";
import type { Ledger, LedgerEntry } from "./ledger";
import { countSealedRows, readSealedRows, rewrapStatement, type SealedRow } from "./sealed-rows";
import { contextOf } from "./sealing";

export interface RewrapProgress {
  readonly done: number;
  readonly total: number;
  readonly isRunning: boolean;
}

export interface Rewrapping {
  /** Goes through all rows once; a second call while it runs waits for the same pass. */
  rewrapAll(): Promise<RewrapProgress>;
  rewrapProgress(): RewrapProgress;
  /** Generations of each scope key that rows still need; what is not among them may be retired. */
  generationsInUse(): Promise<ReadonlyMap<string, ReadonlySet<number>>>;
}

export interface RewrappingDeps {
  readonly engine: Engine;
  readonly keyring: Keyring;
  readonly ledger: Ledger;
  readonly inTurn: <Result>(work: () => Promise<Result>) => Promise<Result>;
}

export function createRewrapping({ engine, keyring, ledger, inTurn }: RewrappingDeps): Rewrapping {
  let progress: RewrapProgress = { done: 0, total: 0, isRunning: false };
  let running: Promise<RewrapProgress> | undefined;

  async function rewrapPage(page: readonly SealedRow[]): Promise<void> {
    const statements: Statement[] = [];
    const moved: { readonly entry: LedgerEntry; readonly sealed: SealedRow["sealed"] }[] = [];
    for (const row of page) {
      const entry = ledger.entryNamed(row.purpose, row.id, row.version);
      if (entry === undefined || entry.revision !== row.revision) continue;
      const next = keyring.rewrap(row.sealed, contextOf(entry));
      if (next === undefined) continue;
      statements.push(rewrapStatement(row, next));
      moved.push({ entry, sealed: next });
    }
    if (statements.length === 0) return;
    await engine.write(statements);
    for (const { entry, sealed } of moved) if (entry.sealed !== undefined) entry.sealed = sealed;
  }

  async function run(): Promise<RewrapProgress> {
    progress = { done: 0, total: await countSealedRows(engine), isRunning: true };
    try {
      for await (const page of readSealedRows(engine)) {
        await inTurn(() => rewrapPage(page));
        progress = { ...progress, done: progress.done + page.length };
      }
    } finally {
      progress = { ...progress, isRunning: false };
    }
    return progress;
  }

  return {
    rewrapAll() {
      running ??= run().finally(() => {
        running = undefined;
      });
      return running;
    },
    rewrapProgress: () => progress,
    async generationsInUse() {
      const inUse = new Map<string, Set<number>>();
      for await (const page of readSealedRows(engine)) {
        for (const { sealed } of page) {
          const generations = inUse.get(sealed.scopeKey) ?? new Set<number>();
          inUse.set(sealed.scopeKey, generations.add(sealed.generation));
        }
      }
      return inUse;
    },
  };
}
