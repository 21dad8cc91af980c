/**
 * Moves sealed rows to the newest generation of their scope key, a page at a time between the commits. Every row opens at every instant: the new wrap is
 * durable before the old key may be dropped. Interrupted anywhere, it goes on where rows are still behind.
 */

import { PosternError } from "../model/failures";
import type { Keyring, Sealed } from "../model/ports";
import type { Engine, Statement } from "./engine";
import type { Ledger, LedgerEntry } from "./ledger";
import { pause } from "./pause";
import { countSealedRows, readGenerations, readSealedRows, rewrapStatement, type SealedRow } from "./sealed-rows";
import { contextOf } from "./sealing";
import { isDamage, readTokens, rewrapToken, type TokenRow } from "./token-rows";

export interface RewrapProgress {
  readonly done: number;
  /** Rows that do not open, or that the log does not know; they stay as they are. */
  readonly failed: number;
  readonly total: number;
  readonly isRunning: boolean;
}

export interface Rewrapping {
  /** Goes through all rows once; a second call while it runs waits for the same pass. Ends early when the store is closed. */
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
  readonly isClosing: () => boolean;
}

export function createRewrapping({ engine, keyring, ledger, inTurn, isClosing }: RewrappingDeps): Rewrapping {
  let progress: RewrapProgress = { done: 0, failed: 0, total: 0, isRunning: false };
  let running: Promise<RewrapProgress> | undefined;

  /** How many rows of the page could not be moved. */
  async function rewrapPage(page: readonly SealedRow[]): Promise<number> {
    if (isClosing()) return 0;
    const statements: Statement[] = [];
    const moved: { readonly entry: LedgerEntry; readonly sealed: Sealed }[] = [];
    let failed = 0;
    for (const row of page) {
      const entry = ledger.entryNamed(row.purpose, row.id, row.version);
      const outcome = entry?.revision === row.revision ? rewrapRow(row, entry) : "failed";
      if (outcome === "failed") failed += 1;
      if (entry === undefined || outcome === "failed" || outcome === undefined) continue;
      statements.push(rewrapStatement(row, outcome));
      moved.push({ entry, sealed: outcome });
    }
    if (statements.length > 0) await engine.write(statements);
    for (const { entry, sealed } of moved) if (entry.sealed !== undefined) entry.sealed = sealed;
    return failed;
  }

  function rewrapRow(row: SealedRow, entry: LedgerEntry): Sealed | "failed" | undefined {
    try {
      return keyring.rewrap(row.sealed, contextOf(entry));
    } catch (cause) {
      // One damaged row must not keep all others under an old key.
      if (cause instanceof PosternError && cause.failure.code === "integrity") return "failed";
      throw cause;
    }
  }

  /** Not counted: they come and go while the pass runs. One that does not open ends with the next start. */
  async function rewrapTokens(page: readonly TokenRow[]): Promise<void> {
    const statements = page.flatMap((row) => {
      try {
        return rewrapToken(keyring, row) ?? [];
      } catch (error) {
        if (isDamage(error)) return [];
        throw error;
      }
    });
    if (statements.length > 0) await engine.write(statements);
  }

  async function run(): Promise<RewrapProgress> {
    progress = { done: 0, failed: 0, total: 0, isRunning: true };
    try {
      progress = { ...progress, total: await countSealedRows(engine) };
      for await (const page of readSealedRows(engine)) {
        const failed = await inTurn(() => rewrapPage(page));
        progress = { ...progress, done: progress.done + page.length, failed: progress.failed + failed };
        await pause();
        if (isClosing()) break;
      }
      if (isClosing()) return progress;
      for await (const page of readTokens(engine)) {
        await rewrapTokens(page);
        await pause();
        if (isClosing()) break;
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
    generationsInUse: () => inTurn(() => readGenerations(engine)),
  };
}
