/**
 * Small private files: read only when nobody else could have written them, replaced so that a crash leaves the old one or the new one.
 *
 * Checks are made on the open descriptor, never on the path before opening: between the two somebody could exchange the file.
 */

import nodeFs, { type Stats } from "node:fs";
import { dirname } from "node:path";
import { type Failure, PosternError } from "../model/failures";
import type { PrivateCell, PrivateFiles, ReadOptions } from "../model/ports";

/** The calls to the operating system made here, as `node:fs` has them; tests hand in ones that fail. */
export interface FileSystem {
  openSync(path: string, flags: number, mode?: number): number;
  closeSync(descriptor: number): void;
  fstatSync(descriptor: number): Stats;
  lstatSync(path: string, options: { readonly throwIfNoEntry: false }): Stats | undefined;
  statSync(path: string, options: { readonly throwIfNoEntry: false }): Stats | undefined;
  readSync(descriptor: number, into: Uint8Array, offset: number, length: number, position: null): number;
  writeSync(descriptor: number, bytes: Uint8Array, offset: number, length: number, position: number | null): number;
  fsyncSync(descriptor: number): void;
  renameSync(from: string, to: string): void;
  unlinkSync(path: string): void;
  mkdirSync(path: string, options: { readonly recursive: true; readonly mode: number }): string | undefined;
  fchmodSync(descriptor: number, mode: number): void;
  chmodSync(path: string, mode: number): void;
}

const defaultMaxBytes = 1 << 20;
const othersAny = 0o077;
const othersWrite = 0o022;
const groupWrite = 0o020;
const beyondGroupRead = 0o037;
const { O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_WRONLY } = nodeFs.constants;
// Windows has neither of the two. O_NONBLOCK keeps the opening of a FIFO from waiting for a writer.
const noFollow = (nodeFs.constants.O_NOFOLLOW ?? 0) | (nodeFs.constants.O_NONBLOCK ?? 0);

export function createPrivateFiles(fs: FileSystem = nodeFs): PrivateFiles {
  return {
    read: (path, options = {}) => translate(path, () => readFile(fs, path, options)),
    replace: (path, bytes) => translate(path, () => replaceFile(fs, path, bytes)),
    ensureFolder: (path) => translate(path, () => ensureFolder(fs, path)),
    ensureFile: (path) => translate(path, () => ensureFile(fs, path)),
    size: (path) => translate(path, () => fs.lstatSync(path, { throwIfNoEntry: false })?.size),
    device: (path) => translate(path, () => fs.statSync(path, { throwIfNoEntry: false })?.dev),
    openCell: (path) => translate(path, () => openCell(fs, path)),
  };
}

function readFile(fs: FileSystem, path: string, options: ReadOptions): Uint8Array | undefined {
  const descriptor = openExisting(fs, path, O_RDONLY);
  if (descriptor === undefined) return undefined;
  try {
    const stats = fs.fstatSync(descriptor);
    requirePrivate(path, stats, options);
    const maxBytes = options.maxBytes ?? defaultMaxBytes;
    // One byte more than allowed: a file that grows while it is read is noticed as well.
    const buffer = Buffer.alloc(Math.min(stats.size, maxBytes) + 1);
    let length = 0;
    for (;;) {
      const count = fs.readSync(descriptor, buffer, length, buffer.byteLength - length, null);
      length += count;
      if (length > maxBytes) throw new PosternError({ code: "too_large", what: path, limitBytes: maxBytes });
      if (count === 0) return buffer.subarray(0, length);
      if (length === buffer.byteLength) throw new PosternError({ code: "conflict", what: `${path} changed while it was read` });
    }
  } finally {
    fs.closeSync(descriptor);
  }
}

function replaceFile(fs: FileSystem, path: string, bytes: Uint8Array): void {
  const temporary = `${path}.new`;
  // What an earlier crash left; it was never the file.
  unlinkIfPresent(fs, temporary);
  const descriptor = fs.openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | noFollow, 0o600);
  try {
    try {
      writeAll(fs, descriptor, bytes);
      fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
    fs.renameSync(temporary, path);
  } catch (cause) {
    unlinkIfPresent(fs, temporary);
    throw cause;
  }
  syncFolder(fs, dirname(path));
}

function ensureFolder(fs: FileSystem, path: string): boolean {
  if (madeFolder(fs, path)) return false;
  // The path itself may be a link that the service manager made (systemd does, for dynamic users); what counts is the folder it leads to.
  const stats = fs.statSync(path, { throwIfNoEntry: false });
  if (stats?.isDirectory() !== true) throw notPrivate(path, "a folder");
  if (!isOwn(stats)) throw notPrivate(path, "a folder of this user");
  if (isWindows() || (stats.mode & othersAny) === 0) return false;
  fs.chmodSync(path, 0o700);
  return true;
}

function madeFolder(fs: FileSystem, path: string): boolean {
  try {
    return fs.mkdirSync(path, { recursive: true, mode: 0o700 }) !== undefined;
  } catch (cause) {
    if (codeOf(cause) === "EEXIST" || codeOf(cause) === "ENOTDIR") throw notPrivate(path, "a folder");
    throw cause;
  }
}

function ensureFile(fs: FileSystem, path: string): boolean {
  const existing = openExisting(fs, path, O_RDONLY);
  if (existing === undefined) {
    fs.closeSync(fs.openSync(path, O_RDWR | O_CREAT | O_EXCL | noFollow, 0o600));
    syncFolder(fs, dirname(path));
    return false;
  }
  try {
    const stats = fs.fstatSync(existing);
    if (!stats.isFile()) throw notPrivate(path, "a regular file");
    if (!isOwn(stats)) throw notPrivate(path, "a file of this user");
    if (isWindows() || (stats.mode & othersAny) === 0) return false;
    fs.fchmodSync(existing, 0o600);
    return true;
  } finally {
    fs.closeSync(existing);
  }
}

function openCell(fs: FileSystem, path: string): PrivateCell {
  const descriptor = openExisting(fs, path, O_RDWR);
  if (descriptor === undefined) throw new PosternError({ code: "not_found", target: path });
  requirePrivate(path, fs.fstatSync(descriptor), {});
  return {
    write: (bytes) => translate(path, () => writeAll(fs, descriptor, bytes, 0)),
    sync: () => translate(path, () => fs.fsyncSync(descriptor)),
    close: () => translate(path, () => fs.closeSync(descriptor)),
  };
}

function openExisting(fs: FileSystem, path: string, access: number): number | undefined {
  try {
    return fs.openSync(path, access | noFollow);
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return undefined;
    // What O_NOFOLLOW says of a link; some systems say EMLINK.
    if (codeOf(cause) === "ELOOP" || codeOf(cause) === "EMLINK") throw notPrivate(path, "a regular file, not a link");
    throw cause;
  }
}

function requirePrivate(path: string, stats: Stats, options: ReadOptions): void {
  if (!stats.isFile()) throw notPrivate(path, "a regular file");
  if (isWindows()) return;
  if (options.anyOwner !== true && !isOwn(stats) && stats.uid !== 0) throw notPrivate(path, "a file of this user or root");
  const open = isOfPrivateGroup(stats) ? othersWrite & ~groupWrite : othersWrite;
  const forbidden = options.readableByOthers === true ? open : options.readableByGroup === true ? beyondGroupRead : othersAny;
  if ((stats.mode & forbidden) === 0) return;
  const closed = "a file closed to group and others (mode 0600 or 0400)";
  throw notPrivate(path, options.readableByOthers === true ? "a file that group and others cannot write (mode 0644 or less)" : closed);
}

function writeAll(fs: FileSystem, descriptor: number, bytes: Uint8Array, position: number | null = null): void {
  for (let written = 0; written < bytes.byteLength; ) {
    written += fs.writeSync(descriptor, bytes, written, bytes.byteLength - written, position === null ? null : position + written);
  }
}

/** Makes a rename or a new name durable: that lives in the folder, not in the file. */
function syncFolder(fs: FileSystem, path: string): void {
  // Windows cannot open a folder, and keeps renames in its journal.
  if (isWindows()) return;
  const descriptor = fs.openSync(path, O_RDONLY);
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

function unlinkIfPresent(fs: FileSystem, path: string): void {
  try {
    fs.unlinkSync(path);
  } catch (cause) {
    if (codeOf(cause) !== "ENOENT") throw cause;
  }
}

/**
 * A group that is its user's alone: where each user has one, new files are writable by it (umask 0002), which opens them to nobody. They have the user's own
 * number, as pam_umask(8) takes them to; root's is no such group.
 */
export function isOfPrivateGroup({ uid, gid }: Stats): boolean {
  return gid === uid && uid !== 0 && uid === process.getuid?.() && gid === process.getgid?.();
}

function isOwn(stats: Stats): boolean {
  return process.getuid === undefined || stats.uid === process.getuid();
}

function isWindows(): boolean {
  return process.platform === "win32";
}

function notPrivate(path: string, expected: string): PosternError {
  return new PosternError({ code: "malformed", where: path, expected, kind: "argument", because: "file_not_private" });
}

function translate<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof PosternError) throw cause;
    throw new PosternError(failureOfCode(path, codeOf(cause)), { cause });
  }
}

function failureOfCode(path: string, code: string): Failure {
  if (code === "ENOSPC" || code === "EDQUOT") return { code: "storage_full" };
  if (code === "EROFS") return { code: "read_only" };
  if (code === "EACCES" || code === "EPERM") {
    return { code: "malformed", where: path, expected: "a file this user may use", kind: "argument", because: "file_not_permitted" };
  }
  return { code: "internal", what: `${path}: ${code}`, because: "file_error" };
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "unknown";
}

/** The same in memory, for dev mode and tests: nothing is ever written, and everything is private. */
export function createMemoryFiles(): PrivateFiles {
  const contents = new Map<string, Uint8Array>();
  return {
    read: (path) => contents.get(path)?.slice(),
    replace: (path, bytes) => void contents.set(path, Uint8Array.from(bytes)),
    ensureFolder: () => false,
    ensureFile(path) {
      if (!contents.has(path)) contents.set(path, new Uint8Array(0));
      return false;
    },
    size: (path) => contents.get(path)?.byteLength,
    device: () => undefined,
    openCell: (path) => ({ write: (bytes) => void contents.set(path, Uint8Array.from(bytes)), sync: () => {}, close: () => {} }),
  };
}
