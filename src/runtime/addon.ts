/**
 * Loads libSQL's native addon out of the compiled binary.
 *
 * The operating system loads libraries from files, and the runtime's own way writes this one to the shared temporary folder, where it trusts what already
 * lies there under the right name, owner and size (Bun 1.4.5). So Postern loads it itself: from a memory file, which has no name and no mount options;
 * where the kernel refuses that, and where there are none, from `native/` beside the database, a folder of the server's own.
 *
 * Only the binary uses this (`scripts/build.ts` puts it into the `libsql` package in place of its search through node_modules).
 */

import { dlopen as openLibrary } from "bun:ffi";
import {
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { PosternError } from "../model/failures";

export interface EmbeddedAddon {
  /** Where the bytes lie inside the binary. */
  readonly file: string;
  /** Lower-case hex, as measured by the build. */
  readonly sha256: string;
}

type NativeFunction = (this: unknown, ...values: readonly unknown[]) => unknown;

/** Functions of the addon that open a database; their first argument is its file. */
const opening = new Set(["databaseOpen", "databaseOpenWithSync"]);

// <linux/memfd.h>. MFD_EXEC is demanded where vm.memfd_noexec is 1, and unknown before Linux 6.3.
const memfdCloseOnExec = 0x1;
const memfdExecutable = 0x10;

/**
 * The addon's functions, by name. The addon itself is loaded by the first call that opens a database, because only then is it known where the server keeps
 * its data; commands that open none start faster. Throws `integrity` for other bytes than those of the build, and `internal` when no place will do: `what`
 * then tells the operator what to change.
 */
export function lazyAddon(embedded: EmbeddedAddon): Readonly<Record<string, NativeFunction>> {
  let loaded: object | undefined;
  const wrap = (name: string): NativeFunction =>
    function (...values) {
      if (loaded === undefined) {
        const [database] = values;
        loaded = loadAddon(embedded, opening.has(name) && typeof database === "string" ? dataFolder(database) : undefined);
      }
      const native: unknown = Reflect.get(loaded, name);
      if (typeof native !== "function") throw new PosternError({ code: "internal", what: `libSQL's addon has no ${name}` });
      // libSQL calls these as methods of its handles.
      return Reflect.apply(native, this, values);
    };
  return new Proxy<Record<string, NativeFunction>>({}, { get: (_target, name) => wrap(String(name)) });
}

/**
 * Checks the bytes and loads them. `folder` is the server's data folder; undefined for a database in memory, which leaves the memory file as the one place.
 * `memoryFile` opens an empty memory file; it throws where there are none.
 */
export function loadAddon(embedded: EmbeddedAddon, folder: string | undefined, memoryFile: () => number = createMemoryFile): object {
  // Two copies of SQLite in one process do not see each other's locks and would both write.
  if (!Bun.isMainThread)
    throw new PosternError({ code: "internal", what: "a worker thread asked for a database", because: "addon_in_worker" });
  const bytes = readFileSync(embedded.file);
  if (sha256(bytes) !== embedded.sha256) throw new PosternError({ code: "integrity", what: "libSQL's addon inside the binary" });

  const refusals: string[] = [];
  if (process.platform === "linux") {
    try {
      return loadFromMemory(bytes, memoryFile());
    } catch (error) {
      refusals.push(`a memory file (${reasonOf(error)})`);
    }
  }
  if (folder !== undefined) {
    try {
      return loadFile(placeInFolder(bytes, join(folder, "native")));
    } catch (error) {
      if (error instanceof PosternError) throw error;
      refusals.push(`${join(folder, "native")} (${reasonOf(error)})`);
    }
  }
  throw new PosternError({
    code: "internal",
    what: `the database engine can be loaded from none of: ${refusals.join(", ")}. Mount the data folder without noexec, or let the service call memfd_create`,
    because: "addon_not_loadable",
  });
}

/**
 * Writes the bytes to a file of their own name in `folder`, made 0700 when absent, and gives its path. A file already there is kept only if it is a regular one
 * of ours, closed to others (0600), with exactly these bytes; else it is replaced. Throws `internal` when others may change the folder, or the one it lies in.
 */
export function placeInFolder(bytes: Uint8Array, folder: string): string {
  requirePrivate(realpathSync(dirname(folder)), 0o022);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  requirePrivate(folder, 0o077);
  const path = join(folder, `libsql-${sha256(bytes)}.node`);
  if (holds(path, bytes)) return path;

  const unfinished = `${path}.${process.pid}`;
  rmSync(unfinished, { force: true });
  const file = openSync(unfinished, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600);
  try {
    writeAll(file, bytes);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(unfinished, path);
  return path;
}

function loadFromMemory(bytes: Uint8Array, file: number): object {
  try {
    writeAll(file, bytes);
    return loadFile(`/proc/self/fd/${file}`);
  } finally {
    // What is mapped stays mapped.
    closeSync(file);
  }
}

function createMemoryFile(): number {
  const library = openLibrary("libc.so.6", { memfd_create: { args: ["cstring", "u32"], returns: "int" } });
  try {
    const name = Buffer.from("postern-libsql\0");
    for (const flags of [memfdCloseOnExec | memfdExecutable, memfdCloseOnExec]) {
      const file = library.symbols.memfd_create(name, flags);
      if (file >= 0) return file;
    }
    throw new Error("refused by the kernel");
  } finally {
    library.close();
  }
}

function loadFile(path: string): object {
  const module = { exports: {} };
  process.dlopen(module, path);
  return module.exports;
}

/** `forbidden` is the mode bits that give others a way in. Windows has no such bits; there the data folder's own access list protects it. */
function requirePrivate(folder: string, forbidden: number): void {
  const stat = lstatSync(folder);
  if (!stat.isDirectory()) throw unsafePlace(folder, "a folder, not a link");
  if (process.getuid === undefined) return;
  if (stat.uid !== process.getuid() && stat.uid !== 0) throw unsafePlace(folder, "owned by the user of the server");
  if ((stat.mode & forbidden) !== 0) throw unsafePlace(folder, `without the mode bits ${forbidden.toString(8)} (chmod)`);
}

function holds(path: string, bytes: Uint8Array): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isFile() || stat.size !== bytes.byteLength) return false;
  if (process.getuid !== undefined && (stat.uid !== process.getuid() || (stat.mode & 0o077) !== 0)) return false;
  return Buffer.compare(readFileSync(path), bytes) === 0;
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.byteLength; ) written += writeSync(file, bytes, written);
}

/** The data folder of a database file, or undefined for one in memory. libSQL's client passes plain paths and `file:` addresses. */
function dataFolder(database: string): string | undefined {
  if (database === "" || database.startsWith(":memory:") || database.startsWith("file::memory:")) return undefined;
  return dirname(resolve(database.replace(/^file:(\/\/)?/, "").replace(/\?.*$/, "")));
}

// `crypto/` is not a folder that this one imports, and this is no secret.
function sha256(bytes: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function unsafePlace(folder: string, expected: string): PosternError {
  return new PosternError({
    code: "internal",
    what: `${folder} must be ${expected} to load the database engine from it`,
    because: "addon_place_unsafe",
  });
}
