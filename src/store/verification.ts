/** The whole store read again from disk and held against what is in memory: what a scheduled check and an operator's command run. */

import { PosternError } from "../model/failures";
import type { Keyring } from "../model/ports";
import type { Book } from "./book";
import type { Engine } from "./engine";
import type { Ledger, LedgerEntry } from "./ledger";
import { readLog } from "./log";
import { pause } from "./pause";
import { readSealedRows, type SealedRow } from "./sealed-rows";
import { contextOf } from "./sealing";

export interface IntegrityReport {
  /** Accounts whose log does not verify. */
  readonly accounts: readonly string[];
  /** Sealed rows that are missing or do not open: `secret acme:variable:db version 3`. */
  readonly rows: readonly string[];
  /** Rows that no commit wrote. They are never read. */
  readonly unexpected: number;
  readonly checked: number;
}

export interface VerificationDeps {
  readonly engine: Engine;
  readonly keyring: Keyring;
  readonly ledger: Ledger;
  readonly book: Pick<Book, "inTurn" | "revision">;
}

/** Goes on beside requests; commits that come meanwhile are not its concern. */
export async function verifyStore({ engine, keyring, ledger, book }: VerificationDeps): Promise<IntegrityReport> {
  const upTo = book.revision();
  const log = await book.inTurn(() => readLog(engine, keyring, 0));
  const seen = new Set<string>();
  const rows: string[] = [];
  let unexpected = 0;

  function check(row: SealedRow): void {
    const entry = ledger.entryNamed(row.purpose, row.id, row.version);
    if (entry?.revision !== row.revision) {
      unexpected += 1;
      return;
    }
    seen.add(nameOf(entry));
    if (!opens(entry, row, keyring)) rows.push(nameOf(entry));
  }

  const pages = readSealedRows(engine);
  // Read and checked between two commits, or a row that was just replaced would look damaged.
  while (!(await book.inTurn(() => checkNext(pages, check)))) await pause();
  const missing = [...ledger.entries()].filter((entry) => entry.revision <= upTo && !seen.has(nameOf(entry)));
  return {
    accounts: [...log.accounts].flatMap(([name, { isDamaged }]) => (isDamaged ? [name] : [])),
    rows: [...rows, ...missing.map(nameOf)],
    unexpected,
    checked: seen.size,
  };
}

/** True when there are no more. */
async function checkNext(pages: AsyncGenerator<readonly SealedRow[]>, check: (row: SealedRow) => void): Promise<boolean> {
  const page = await pages.next();
  if (page.done === true) return true;
  for (const row of page.value) check(row);
  return false;
}

function opens(entry: LedgerEntry, { sealed }: SealedRow, keyring: Keyring): boolean {
  try {
    keyring.open(sealed, contextOf(entry)).fill(0);
    return true;
  } catch (cause) {
    if (cause instanceof PosternError && (cause.failure.code === "integrity" || cause.failure.code === "sealed")) return false;
    throw cause;
  }
}

function nameOf({ purpose, id, version }: LedgerEntry): string {
  return `${purpose} ${id} version ${version}`;
}
