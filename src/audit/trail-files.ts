/**
 * The files of the trail in their folder: `audit.jsonl` grows, `audit-000000000012345.jsonl` are finished ones named by their first sequence, and
 * `audit.head` remembers the known end.
 */

import nodeFs from "node:fs";
import { join } from "node:path";
import { PosternError } from "../model/failures";

/** The calls to the operating system made here; tests hand in ones that fail. */
export type AuditFileSystem = Pick<
  typeof nodeFs,
  | "openSync"
  | "closeSync"
  | "writeSync"
  | "readSync"
  | "fstatSync"
  | "statSync"
  | "fsyncSync"
  | "fdatasync"
  | "ftruncateSync"
  | "fchmodSync"
  | "renameSync"
  | "mkdirSync"
  | "readdirSync"
>;

/** One file of the trail, opened for reading. */
export interface TrailFile {
  readonly name: string;
  readonly descriptor: number;
  readonly bytes: number;
}

export const activeName = "audit.jsonl";
const headName = "audit.head";
const finishedName = /^audit-\d{15}\.jsonl$/u;
const fileMode = 0o640;
const { O_APPEND, O_CREAT, O_RDONLY, O_RDWR } = nodeFs.constants;
// Windows has no O_NOFOLLOW. O_NONBLOCK keeps the opening of a FIFO from waiting for its other end.
const noFollow = (nodeFs.constants.O_NOFOLLOW ?? 0) | (nodeFs.constants.O_NONBLOCK ?? 0);

/** Names of the files there are, oldest first. */
export function trailNames(fs: AuditFileSystem, folder: string): readonly string[] {
  const names = nodeFs.existsSync(folder) ? fs.readdirSync(folder) : [];
  const finished = names.filter((name) => finishedName.test(name)).sort();
  return names.includes(activeName) ? [...finished, activeName] : finished;
}

export function finishedFile(firstSequence: number): string {
  return `audit-${String(firstSequence).padStart(15, "0")}.jsonl`;
}

/** Opens the growing file for appending and makes it, and its folder, when they are not there. Refuses what is not a regular file. */
export function openActive(fs: AuditFileSystem, folder: string): number {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  return openRegular(fs, join(folder, activeName), O_RDWR | O_APPEND | O_CREAT);
}

export function openHeadFile(fs: AuditFileSystem, folder: string): number {
  return openRegular(fs, join(folder, headName), O_RDWR | O_CREAT);
}

/** Opens one for reading; the caller closes its descriptor. */
export function openTrailFile(fs: AuditFileSystem, folder: string, name: string): TrailFile {
  const descriptor = fs.openSync(join(folder, name), O_RDONLY | noFollow);
  return { name, descriptor, bytes: fs.fstatSync(descriptor).size };
}

/** Reads exactly `length` bytes at `position`; less at the end of the file. */
export function readAt(fs: AuditFileSystem, descriptor: number, position: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const count = fs.readSync(descriptor, buffer, done, length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return buffer.subarray(0, done);
}

/** Writes all of it at the end of the file, or throws with part of it written. */
export function appendAll(fs: AuditFileSystem, descriptor: number, bytes: Uint8Array, length: number): void {
  let done = 0;
  while (done < length) done += fs.writeSync(descriptor, bytes, done, length - done);
}

/** Makes renames and new files in the folder survive a power cut. */
export function syncFolder(fs: AuditFileSystem, folder: string): void {
  if (process.platform === "win32") return;
  const descriptor = fs.openSync(folder, O_RDONLY);
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

function openRegular(fs: AuditFileSystem, path: string, flags: number): number {
  const descriptor = fs.openSync(path, flags | noFollow, fileMode);
  try {
    if (!fs.fstatSync(descriptor).isFile())
      throw new PosternError({ code: "malformed", where: path, expected: "a regular file", kind: "argument" });
    // The umask may have taken a bit away, and an earlier hand may have added some.
    if (process.platform !== "win32" && (fs.fstatSync(descriptor).mode & 0o777) !== fileMode) fs.fchmodSync(descriptor, fileMode);
  } catch (cause) {
    fs.closeSync(descriptor);
    throw cause;
  }
  return descriptor;
}

/** The bytes of the head file; undefined when there is none. */
export function readHeadFile(fs: AuditFileSystem, folder: string, length: number): Buffer | undefined {
  const path = join(folder, headName);
  if (fs.statSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
  const descriptor = fs.openSync(path, O_RDONLY | noFollow);
  try {
    return readAt(fs, descriptor, 0, length);
  } finally {
    fs.closeSync(descriptor);
  }
}
