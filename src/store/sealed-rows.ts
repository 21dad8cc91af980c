/** Sealed rows on disk: written, removed and re-wrapped with the commit that says so, and read back. */

import type { Sealed } from "../model/ports";
import type { Revision } from "../model/types";
import { damagedStore, type Engine, type Row, type Statement, unreadable } from "./engine";
import type { SealedKey } from "./ledger";
import { nextPage } from "./paging";
import type { SealedStep } from "./sealing";
import { tokenGenerations } from "./token-rows";

/** One row as it stands; what it claims to be is checked by opening it. */
export interface SealedRow extends Omit<SealedKey, "purpose" | "id"> {
  readonly purpose: string;
  readonly id: string;
  readonly revision: Revision;
  readonly sealed: Sealed;
}

const columns = { integers: ["version", "revision", "generation"], blobs: ["purpose", "id", "scope_key", "wrap", "body"] };
/** Values of one account are one replication scope until an operator says otherwise. */
const scope = Buffer.from("default");

export function statementsOf(steps: readonly SealedStep[]): readonly Statement[] {
  return steps.map((step) => {
    if (step.step === "remove_account") return { sql: "DELETE FROM sealed WHERE account = ?", args: [bytes(step.account)] };
    if (step.step === "remove") {
      const { purpose, id, version } = step.key;
      return { sql: "DELETE FROM sealed WHERE purpose = ? AND id = ? AND version = ?", args: [bytes(purpose), bytes(id), version] };
    }
    const { purpose, id, version, revision, sealed } = step.entry;
    const account = id.slice(0, id.indexOf(":"));
    return {
      sql: "INSERT OR REPLACE INTO sealed (purpose, id, version, revision, account, scope, scope_key, generation, wrap, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      args: [
        bytes(purpose),
        bytes(id),
        version,
        revision,
        bytes(account),
        scope,
        bytes(sealed.scopeKey),
        sealed.generation,
        sealed.wrap,
        sealed.body,
      ],
    };
  });
}

/** Puts a new wrap in the place of the row's own, if the row is still the one that was read. */
export function rewrapStatement(row: SealedRow, next: Sealed): Statement {
  return {
    sql: "UPDATE sealed SET scope_key = ?, generation = ?, wrap = ? WHERE purpose = ? AND id = ? AND version = ? AND revision = ?",
    args: [bytes(next.scopeKey), next.generation, next.wrap, bytes(row.purpose), bytes(row.id), row.version, row.revision],
  };
}

export async function readSealedRow(engine: Engine, { purpose, id, version }: SealedKey): Promise<SealedRow | undefined> {
  const rows = await engine.select({
    ...columns,
    from: "sealed WHERE purpose = ? AND id = ? AND version = ?",
    args: [bytes(purpose), bytes(id), version],
  });
  return rows[0] === undefined ? undefined : sealedRow(rows[0]);
}

/** All rows, or those of one purpose, a page at a time. */
export async function* readSealedRows(engine: Engine, only?: string): AsyncGenerator<readonly SealedRow[]> {
  let after: readonly [Uint8Array, Uint8Array, number] = [bytes(only ?? ""), new Uint8Array(0), 0];
  for (;;) {
    // The plus keeps SQLite from searching by purpose alone, which would begin at the first row again for every page.
    const where = "(purpose, id, version) > (?, ?, ?)";
    const from = `sealed WHERE ${where} ${only === undefined ? "" : "AND +purpose = ?"} ORDER BY purpose, id, version`;
    const args = [...after, ...(only === undefined ? [] : [bytes(only)])];
    const { count, isLast } = await nextPage(engine, { bytes: "length(body)", from, args });
    const rows = await engine.select({ ...columns, from: `${from} LIMIT ?`, args: [...args, count] });
    const page = rows.map(sealedRow);
    yield page;
    const last = page.at(-1);
    if (last === undefined || isLast) return;
    if (last.version === unreadable) throw damagedStore("a sealed row that cannot be passed");
    after = [bytes(last.purpose), bytes(last.id), last.version];
  }
}

export async function countSealedRows(engine: Engine): Promise<number> {
  const [row] = await engine.select({ integers: ["n"], blobs: [], from: "(SELECT count(*) AS n FROM sealed)", args: [] });
  return row?.integers[0] ?? 0;
}

/** The generations of each scope key that rows are wrapped under. */
export async function readGenerations(engine: Engine): Promise<ReadonlyMap<string, ReadonlySet<number>>> {
  const inUse = new Map<string, Set<number>>();
  const from = `(SELECT DISTINCT scope_key, generation FROM sealed UNION SELECT * FROM ${tokenGenerations})`;
  for (const { integers, blobs } of await engine.select({ integers: ["generation"], blobs: ["scope_key"], from, args: [] })) {
    const key = blobs[0]?.toString("utf8") ?? "";
    const generations = inUse.get(key) ?? new Set<number>();
    inUse.set(key, generations.add(integers[0] ?? 0));
  }
  return inUse;
}

function sealedRow({ integers: [version, revision, generation], blobs: [purpose, id, scopeKey, wrap, body] }: Row): SealedRow {
  if (version === undefined || revision === undefined || generation === undefined || body === undefined || wrap === undefined) {
    throw damagedStore("a sealed row with too few cells");
  }
  return {
    purpose: purpose?.toString("utf8") ?? "",
    id: id?.toString("utf8") ?? "",
    version,
    revision,
    // Copies: the cells are views of one large buffer, which a single kept value would keep whole.
    sealed: { scopeKey: scopeKey?.toString("utf8") ?? "", generation, wrap: Buffer.from(wrap), body: Buffer.from(body) },
  };
}

const bytes = (text: string): Uint8Array => Buffer.from(text, "utf8");
