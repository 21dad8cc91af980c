/**
 * The database file, and all that must be right about using it. Nobody else imports libSQL.
 *
 * One connection, held exclusively: SQLite's locks are the kernel's, so they end with the process, however it ends, and a second opener is told that the
 * store is in use. Those locks belong to the process as a whole: closing any other descriptor of this file would release them, so nobody else in this
 * process may open it while the engine has it.
 *
 * The wrapper is narrow because libSQL (0.5.29) ends the whole process on a named argument for a `?`, on invalid UTF-8 in a TEXT cell, and binds NULL for a
 * missing argument. So arguments are arrays and counted, everything but integers is a BLOB, and rows come back packed into one BLOB, which a flipped bit in
 * a record's header cannot turn into text. Packing also reads five times as many rows a second.
 */

import { pathToFileURL } from "node:url";
import { type Client, createClient, LibsqlError } from "@libsql/client/sqlite3";
import { type Failure, PosternError } from "../model/failures";
import { pause } from "./pause";

export type SqlValue = number | Uint8Array;

export interface Statement {
  readonly sql: string;
  readonly args: readonly SqlValue[];
}

/** Columns and what comes after FROM: `{ integers: ["version"], blobs: ["id"], from: "sealed WHERE id > ? ORDER BY id LIMIT 500", args: [id] }`. */
export interface Selection {
  readonly integers: readonly string[];
  readonly blobs: readonly string[];
  readonly from: string;
  readonly args: readonly SqlValue[];
}

export interface Row {
  /** `unreadable` in place of one that is negative, absurdly large or none at all: all of ours count something. The row is damaged, and the others are not. */
  readonly integers: readonly number[];
  /** Views of one buffer. */
  readonly blobs: readonly Buffer[];
}

export const unreadable = -1;
/** No time, revision or version of ours comes near: what does is damaged, and must not push the next one over the edge. */
const beyondAll = 2 ** 48;

/**
 * Throws, from everything: `storage_full` and `read_only`, after which reading goes on and writing may succeed later; `integrity` (because `store_damaged`)
 * for a damaged file; `internal` (because `store_broken`) for any other error, after which nothing is written any more: the outcome of a failed fsync is
 * unknown, and trying again would hide that.
 */
export interface Engine {
  select(selection: Selection): Promise<readonly Row[]>;
  /** All of them durably, or none. Many are written in slices, with everything but this database served in between. */
  write(statements: readonly Statement[]): Promise<void>;
  pragma(name: string): Promise<number | string>;
  /** Brings the write-ahead log into the file, durably, and empties it. */
  checkpoint(): Promise<void>;
  /** Gives up to so many unused pages back to the file system, but for some that are spared; says how many are left to give. */
  giveBack(pages: number, spared: number): Promise<number>;
  isBroken(): boolean;
  close(): Promise<void>;
}

/** So many statements, or so many bytes, take SQLite some ten milliseconds. */
const statementsPerSlice = 250;
const bytesPerSlice = 1 << 20;

/** After these nothing was written, and it is known that nothing was. */
const harmless: ReadonlySet<string> = new Set(["storage_full", "read_only", "too_large"]);

// `cell_size_check` is off in a fresh connection: it also tells whether this one still is the one that was set up.
const settings: readonly (readonly [name: string, value: string, seen: number | string])[] = [
  ["locking_mode", "EXCLUSIVE", "exclusive"],
  ["journal_mode", "WAL", "wal"],
  ["synchronous", "FULL", 2],
  ["wal_autocheckpoint", "0", 0],
  ["trusted_schema", "OFF", 0],
  ["cell_size_check", "ON", 1],
  ["secure_delete", "ON", 1],
  ["foreign_keys", "ON", 1],
];

const incremental = 2;

const letGo = ["PRAGMA journal_mode=DELETE", "PRAGMA locking_mode=NORMAL", "SELECT count(*) FROM sqlite_schema"];

/** Opens an existing file, which may be empty. Throws `conflict` (because `store_in_use`) when another process has it. */
export async function openEngine(path: string): Promise<Engine> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await openOnce(path);
    } catch (error) {
      if (failureIn(error)?.because !== "store_in_use" || tries === triesWhenInUse) throw error;
      // A connection of this very process that was closed after a failure keeps its hold until libSQL's statements are collected.
      await collectGarbage();
    }
  }
}

const triesWhenInUse = 4;

async function collectGarbage(): Promise<void> {
  // Finalizers run in the turns after a collection, and the last statement is garbage only in the turn after the failure.
  for (let turns = 0; turns < 2; turns += 1) {
    await pause();
    Bun.gc(true);
  }
  await pause();
}

function failureIn(error: unknown): Failure | undefined {
  return error instanceof PosternError ? error.failure : undefined;
}

async function openOnce(path: string): Promise<Engine> {
  const client = await translate(async () =>
    createClient({ url: pathToFileURL(path).href, concurrency: 1, intMode: "number", timeout: 0 }),
  );
  let isBroken = false;
  let isShrinkable = false;
  let last: Promise<unknown> = Promise.resolve();

  /** One after another: what came between the slices of a transaction would be part of it. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = last.then(work, work);
    last = turn.catch(() => undefined);
    return turn;
  }

  async function pragma(name: string): Promise<number | string> {
    const { rows } = await client.execute(`PRAGMA ${name}`);
    const value = rows[0]?.[0];
    return typeof value === "number" || typeof value === "string" ? value : "";
  }

  async function setUp(): Promise<void> {
    for (const [name, value] of settings) await client.execute(`PRAGMA ${name}=${value}`);
    // The exclusive hold begins with the first reading.
    await client.execute("SELECT count(*) FROM sqlite_schema");
    for (const [name, , seen] of settings) {
      if ((await pragma(name)) !== seen) throw new PosternError({ code: "internal", what: `the engine refuses PRAGMA ${name}` });
    }
  }

  /** Pages that are no longer used can be given back only where the file was made for it; an older one is written anew, once. */
  async function makeShrinkable(): Promise<void> {
    try {
      if ((await pragma("auto_vacuum")) !== incremental) {
        await client.execute(`PRAGMA auto_vacuum=${incremental}`);
        await client.execute("VACUUM");
      }
      isShrinkable = (await pragma("auto_vacuum")) === incremental;
    } catch {
      // A full disk, or damage that reading will tell of: the file then keeps its size, and nothing else.
    }
  }

  function requireSound(): void {
    if (isBroken) throw brokenError();
  }

  async function guarded<T>(work: () => Promise<T>): Promise<T> {
    requireSound();
    try {
      return await translate(work);
    } catch (error) {
      // After a failed rollback libSQL's client goes on with a fresh connection, without the settings and the exclusive hold.
      const isSame = await pragma("cell_size_check").then(
        (value) => value === 1,
        () => false,
      );
      isBroken ||= !isSame || !(error instanceof PosternError) || !harmless.has(error.failure.code);
      throw error;
    }
  }

  async function write(statements: readonly Statement[]): Promise<void> {
    const slices = slicesOf(statements);
    if (slices.length <= 1) return void (await client.batch(statements.map(checked), "write"));
    const transaction = await client.transaction("write");
    try {
      for (const slice of slices) {
        await transaction.batch(slice.map(checked));
        await pause();
      }
      await transaction.commit();
    } finally {
      // Rolls back what was not committed.
      transaction.close();
    }
  }

  try {
    await translate(setUp);
    await makeShrinkable();
  } catch (error) {
    client.close();
    throw error;
  }
  return {
    // Not guarded by `isBroken`: what is durable may still be read.
    select: (selection) => inTurn(() => translate(() => select(client, selection))),
    write: (statements) => inTurn(() => guarded(() => write(statements))),
    pragma: (name) => inTurn(() => translate(() => pragma(name))),
    checkpoint: () =>
      inTurn(() =>
        guarded(async () => {
          const { rows } = await client.execute("PRAGMA wal_checkpoint(TRUNCATE)");
          if (rows[0]?.[0] !== 0) throw new PosternError({ code: "internal", what: "a checkpoint that could not finish" });
        }),
      ),
    giveBack: (pages, spared) =>
      inTurn(() =>
        guarded(async () => {
          if (!isShrinkable) return 0;
          const left = Number(await pragma("freelist_count")) - spared;
          if (left <= 0) return 0;
          // The one statement here that is not `execute`d: that takes a single step, and this one takes a step for each page.
          await client.executeMultiple(`PRAGMA incremental_vacuum(${Math.min(pages, left)})`);
          return Math.max(0, left - pages);
        }),
      ),
    isBroken: () => isBroken,
    close: () =>
      inTurn(async () => {
        // libSQL's connection lives on until its statements are collected, and its hold on the file with it. SQLite lets go of an exclusive hold only
        // outside of WAL mode.
        // A broken one is left as it is: leaving WAL mode writes, and the next opener recovers what counts.
        if (!isBroken) for (const step of letGo) await client.execute(step).catch(() => undefined);
        client.close();
      }),
  };
}

export function brokenError(): PosternError {
  return new PosternError({
    code: "internal",
    what: "the store accepts nothing after an I/O error until it is opened again",
    because: "store_broken",
  });
}

export function damagedStore(what: string, cause?: unknown): PosternError {
  return new PosternError({ code: "integrity", what, because: "store_damaged" }, { cause });
}

async function select(client: Client, { integers, blobs, from, args }: Selection): Promise<readonly Row[]> {
  // Netstrings: a length in decimal, a colon, the bytes. A NULL, which no column allows, becomes an empty cell and not a missing record.
  const cells = [
    ...integers.map((name) => `ifnull(length(${name}), 0) || ':' || ifnull(${name}, '')`),
    ...blobs.map((name) => `ifnull(length(CAST(${name} AS BLOB)), 0) || ':' || ifnull(CAST(CAST(${name} AS BLOB) AS TEXT), '')`),
  ];
  const sql = `SELECT count(*), CAST(group_concat(record, '') AS BLOB) FROM (SELECT ${cells.join(" || ")} AS record FROM ${from})`;
  const { rows } = await client.execute(checked({ sql, args }));
  const count = rows[0]?.[0];
  const packed = rows[0]?.[1];
  if (count === 0) return [];
  if (typeof count !== "number" || !(packed instanceof ArrayBuffer)) throw damagedStore("rows that cannot be read");
  return unpack(Buffer.from(packed), count, { integers: integers.length, blobs: blobs.length });
}

/** Plain loops: this runs for every cell of the store at start. */
function unpack(packed: Buffer, count: number, cells: { readonly integers: number; readonly blobs: number }): readonly Row[] {
  const rows: Row[] = [];
  let at = 0;

  /** The end of the next cell; `at` is then its start. */
  function nextEnd(): number {
    let length = 0;
    for (let byte = packed[at++]; byte !== colon; byte = packed[at++]) {
      if (byte === undefined || byte < zero || byte > nine) throw damagedStore("rows that cannot be read");
      length = 10 * length + byte - zero;
    }
    if (at + length > packed.byteLength) throw damagedStore("rows that cannot be read");
    return at + length;
  }

  for (let row = 0; row < count; row += 1) {
    const integers: number[] = [];
    for (let cell = 0; cell < cells.integers; cell += 1) {
      const end = nextEnd();
      integers.push(integerAt(packed, at, end));
      at = end;
    }
    const blobs: Buffer[] = [];
    for (let cell = 0; cell < cells.blobs; cell += 1) {
      const end = nextEnd();
      blobs.push(packed.subarray(at, end));
      at = end;
    }
    rows.push({ integers, blobs });
  }
  if (at !== packed.byteLength) throw damagedStore("rows that cannot be read");
  return rows;
}

const colon = 0x3a;
const zero = 0x30;
const nine = 0x39;

function integerAt(packed: Buffer, start: number, end: number): number {
  if (end === start || end - start > longestInteger) return unreadable;
  let value = 0;
  for (let at = start; at < end; at += 1) {
    const digit = packed.readUInt8(at) - zero;
    if (digit < 0 || digit > 9) return unreadable;
    value = 10 * value + digit;
  }
  return value < beyondAll ? value : unreadable;
}

/** Digits; as many still add up without rounding. */
const longestInteger = 15;

function slicesOf(statements: readonly Statement[]): readonly (readonly Statement[])[] {
  const slices: Statement[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const statement of statements) {
    const slice = slices.at(-1);
    const isFull = slice === undefined || slice.length >= statementsPerSlice || bytes >= bytesPerSlice;
    if (isFull) slices.push([statement]);
    else slice.push(statement);
    bytes = sizeOf(statement) + (isFull ? 0 : bytes);
  }
  return slices;
}

const sizeOf = ({ args }: Statement): number => args.reduce<number>((sum, arg) => sum + (typeof arg === "number" ? 8 : arg.byteLength), 0);

function checked({ sql, args }: Statement): { sql: string; args: (bigint | Uint8Array)[] } {
  if (sql.split("?").length - 1 !== args.length)
    throw new PosternError({ code: "internal", what: "a statement with another number of arguments" });
  // Numbers would be bound as REAL.
  return { sql, args: args.map((value) => (typeof value === "number" ? BigInt(value) : value)) };
}

async function translate<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof PosternError) throw cause;
    throw new PosternError(failureOf(cause instanceof LibsqlError ? cause.code : "unknown"), { cause });
  }
}

function failureOf(code: string): Failure {
  if (code === "SQLITE_FULL") return { code: "storage_full" };
  if (code === "SQLITE_READONLY") return { code: "read_only" };
  if (code === "SQLITE_TOOBIG") return { code: "too_large", what: "a commit" };
  if (code === "SQLITE_BUSY") return { code: "conflict", what: "the store is in use by another process", because: "store_in_use" };
  if (code === "SQLITE_CORRUPT" || code === "SQLITE_NOTADB" || code === "SQLITE_FORMAT") {
    return { code: "integrity", what: `the database file (${code})`, because: "store_damaged" };
  }
  return { code: "internal", what: `the database engine: ${code}`, because: "store_broken" };
}
