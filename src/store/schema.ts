/**
 * The tables, as migrations that only ever go forward: a change is a new entry at the end, never an edit of one that has shipped.
 *
 * All text is stored as BLOB (see `engine.ts`).
 */

import { PosternError } from "../model/failures";
import { damagedStore, type Engine, type Statement } from "./engine";
import { tokenTables } from "./token-rows";

const migrations: readonly (readonly string[])[] = [
  [
    // `deployment`, `epoch`, `floor`: whose store this is, how often a rollback was accepted, and the revision below which none is given out again.
    "CREATE TABLE meta (key BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID",
    // The log. `mac` covers the one before it in the same account.
    `CREATE TABLE commits (
      revision INTEGER NOT NULL PRIMARY KEY, at INTEGER NOT NULL, epoch INTEGER NOT NULL,
      account BLOB NOT NULL, mac BLOB NOT NULL, body BLOB NOT NULL
    ) STRICT`,
    // What survives of an account's commits up to `revision`. `tip` is the MAC of the last of them, where the log goes on.
    `CREATE TABLE snapshots (
      account BLOB NOT NULL PRIMARY KEY, revision INTEGER NOT NULL, facts_revision INTEGER NOT NULL, at INTEGER NOT NULL, epoch INTEGER NOT NULL,
      tip BLOB NOT NULL, mac BLOB NOT NULL, body BLOB NOT NULL
    ) STRICT`,
    // The last commit of each account: a log that was cut off shows.
    "CREATE TABLE heads (account BLOB NOT NULL PRIMARY KEY, revision INTEGER NOT NULL, mac BLOB NOT NULL) STRICT, WITHOUT ROWID",
    // Values, API keys and policy texts. Which of them must exist, and of which revision, is in the log.
    `CREATE TABLE sealed (
      purpose BLOB NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, revision INTEGER NOT NULL, account BLOB NOT NULL, scope BLOB NOT NULL,
      scope_key BLOB NOT NULL, generation INTEGER NOT NULL, wrap BLOB NOT NULL, body BLOB NOT NULL,
      PRIMARY KEY (purpose, id, version)
    ) STRICT, WITHOUT ROWID`,
  ],
  tokenTables,
];

/** "PSTN", so that `file` and a careful operator can tell what it is. */
const applicationId = 0x5053544e;

export interface StoreIdentity {
  readonly deployment: string;
  /** How often a rollback was accepted, plus one. */
  readonly epoch: number;
  readonly floor: number;
}

/**
 * Brings the tables to the present version, all migrations in one transaction. `mayBeEmpty` is false where the store has had data: an empty file is then
 * damage, and no place to begin anew. Throws `unsupported` for tables of a newer Postern, `integrity` for a file of something else.
 */
export async function migrate(engine: Engine, fresh: { readonly deployment: string; readonly mayBeEmpty: boolean }): Promise<void> {
  const version = await engine.pragma("user_version");
  if (typeof version !== "number" || version < 0) throw damagedStore("the schema version cannot be read");
  if (version > migrations.length) {
    throw new PosternError({
      code: "unsupported",
      what: `the store has schema version ${version}; this Postern knows up to ${migrations.length}`,
      kind: "feature",
      because: "store_newer",
    });
  }
  if (version === 0 && !fresh.mayBeEmpty) throw damagedStore("the database file is empty where data was");
  if (version > 0 && (await engine.pragma("application_id")) !== applicationId)
    throw damagedStore("the database file is not a store of Postern");
  if (version === migrations.length) return;
  const steps = migrations.slice(version).flat();
  await engine.write([
    ...steps.map((sql): Statement => ({ sql, args: [] })),
    ...(version === 0 ? [putMeta("deployment", fresh.deployment), putMeta("epoch", "1"), putMeta("floor", "0")] : []),
    { sql: `PRAGMA application_id=${applicationId}`, args: [] },
    { sql: `PRAGMA user_version=${migrations.length}`, args: [] },
  ]);
}

export async function readIdentity(engine: Engine): Promise<StoreIdentity> {
  const rows = await engine.select({ integers: [], blobs: ["key", "value"], from: "meta", args: [] });
  const meta = new Map(rows.map(({ blobs: [key, value] }) => [key?.toString("utf8"), value?.toString("utf8") ?? ""]));
  const epoch = Number(meta.get("epoch"));
  const floor = Number(meta.get("floor"));
  const deployment = meta.get("deployment") ?? "";
  if (deployment === "" || !Number.isSafeInteger(epoch) || !Number.isSafeInteger(floor)) throw damagedStore("the description of the store");
  return { deployment, epoch, floor };
}

export function putMeta(key: string, value: string): Statement {
  return { sql: "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", args: [Buffer.from(key, "utf8"), Buffer.from(value, "utf8")] };
}
