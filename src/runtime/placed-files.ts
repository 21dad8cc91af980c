/**
 * Files that this process puts into other programs' places: each appears whole, with its owner and mode before anybody sees a byte, and all of them or none.
 *
 * The folder of a file, and every folder above it, may be changed by this user and root alone: whoever else could exchange one would say where a secret goes,
 * or which file of another program is replaced by it.
 */

import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { PosternError } from "../model/failures";
import type { Random } from "../model/ports";
import { groupIdOf, userIdOf } from "./local-users";
import { changeableByOthers } from "./trusted-way";

/** A file as it shall be. */
export interface Placement {
  /** Absolute. */
  readonly path: string;
  readonly bytes: Uint8Array;
  /** By name or number; default this process's own. */
  readonly owner?: string;
  readonly group?: string;
  readonly mode: number;
}

/** What would change: all of it lies beside its place, on the disk. */
export interface Staged {
  /** `content`: other bytes, or no file yet. `access`: owner, group or mode alone. */
  readonly changes: ReadonlyMap<string, "content" | "access">;
  /** Puts all in their places, or, when one cannot be, none. */
  commit(): void;
  discard(): void;
}

interface Prepared {
  /** As it was given. */
  readonly asked: string;
  readonly path: string;
  readonly temporary: string;
  readonly change: "content" | "access";
}

const isWindows = process.platform === "win32";
const noFollow = constants.O_NOFOLLOW ?? 0;
const nonBlocking = constants.O_NONBLOCK ?? 0;

/** Throws `malformed` for a place or an owner that cannot be, `storage_full`; nothing is left behind then. */
export function stageFiles(placements: readonly Placement[], random: Random): Staged {
  const staged: Prepared[] = [];
  const suffix = Buffer.from(random.bytes(6)).toString("hex");
  const discard = (): void => {
    for (const { temporary } of staged.splice(0)) rmSync(temporary, { force: true });
  };
  try {
    for (const placement of placements) stage(placement, suffix, staged);
  } catch (error) {
    discard();
    throw translated(error, "a file this user may write");
  }
  return {
    changes: new Map(staged.map(({ asked, change }) => [asked, change])),
    discard,
    commit() {
      try {
        replaceAll(staged, suffix);
      } catch (error) {
        discard();
        throw translated(error, "a place this user may put a file in");
      }
      staged.splice(0);
    },
  };
}

function stage({ path, bytes, owner, group, mode }: Placement, suffix: string, staged: Prepared[]): void {
  const folder = trustedFolder(path);
  const wanted = {
    uid: owner === undefined ? (process.getuid?.() ?? 0) : userIdOf(owner),
    gid: group === undefined ? undefined : groupIdOf(group),
    mode,
  };
  if (isWindows && (owner ?? group) !== undefined)
    throw new PosternError({ code: "unsupported", what: "owner and group on Windows", kind: "feature" });
  const place = join(folder, basename(path));
  const change = changeOf(place, bytes, wanted);
  if (change === undefined) return;
  const temporary = join(folder, `.${basename(path)}.postern-${suffix}`);
  const descriptor = openSync(temporary, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | noFollow, 0o600);
  staged.push({ asked: path, path: place, temporary, change });
  try {
    writeFileSync(descriptor, bytes);
    // Whose it is comes first: a mode for the group would else be for this user's group.
    if (!isWindows) fchownSync(descriptor, wanted.uid, wanted.gid ?? fstatSync(descriptor).gid);
    if (!isWindows) fchmodSync(descriptor, mode);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Of several, the old ones stay under other names until all new ones are in place. */
function replaceAll(staged: readonly Prepared[], suffix: string): void {
  const undo: (() => void)[] = [];
  const saved: string[] = [];
  try {
    for (const { path, temporary } of staged) {
      const isReplaced = staged.length > 1 && lstatSync(path, { throwIfNoEntry: false }) !== undefined;
      const old = isReplaced ? join(dirname(path), `.${basename(path)}.postern-old-${suffix}`) : undefined;
      if (old !== undefined) {
        linkSync(path, old);
        saved.push(old);
      }
      renameSync(temporary, path);
      undo.push(() => (old === undefined ? rmSync(path, { force: true }) : renameSync(old, path)));
    }
  } catch (error) {
    for (const each of undo.reverse()) each();
    throw error;
  } finally {
    for (const old of saved) rmSync(old, { force: true });
  }
  for (const folder of new Set(staged.map(({ path }) => dirname(path)))) syncFolder(folder);
}

/** Undefined when the file is as it shall be. Throws `malformed` for what is no regular file. */
function changeOf(
  path: string,
  bytes: Uint8Array,
  wanted: { readonly uid: number; readonly gid: number | undefined; readonly mode: number },
) {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return "content";
  if (!stats.isFile()) throw wrong(path, "a regular file, or none yet");
  const descriptor = openSync(path, constants.O_RDONLY | noFollow | nonBlocking);
  try {
    const opened = fstatSync(descriptor);
    if (!opened.isFile()) throw wrong(path, "a regular file, or none yet");
    const isSame = opened.size === bytes.byteLength && readFileSync(descriptor).equals(bytes);
    if (!isSame) return "content";
    return isAsWanted(opened, wanted) ? undefined : "access";
  } finally {
    closeSync(descriptor);
  }
}

function isAsWanted(
  stats: Stats,
  { uid, gid, mode }: { readonly uid: number; readonly gid: number | undefined; readonly mode: number },
): boolean {
  return isWindows || (stats.uid === uid && (gid === undefined || stats.gid === gid) && (stats.mode & 0o7777) === mode);
}

/** The folder of a path, reached by no link any more. */
function trustedFolder(path: string): string {
  const folder = dirname(path);
  const stats = statSync(folder, { throwIfNoEntry: false });
  if (stats?.isDirectory() !== true) throw wrong(folder, "a folder");
  const other = changeableByOthers(folder);
  if (other !== undefined) throw wrong(other, `a folder that only this user and root can change, as ${path} is to be put below it`);
  return realpathSync(folder);
}

function syncFolder(path: string): void {
  if (isWindows) return;
  const descriptor = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function translated(error: unknown, expected: string): unknown {
  if (error instanceof PosternError || !(error instanceof Error) || !("code" in error)) return error;
  if (error.code === "ENOSPC" || error.code === "EDQUOT") return new PosternError({ code: "storage_full" }, { cause: error });
  const where = "path" in error && typeof error.path === "string" ? error.path : "destination";
  return wrong(where, `${expected} (${String(error.code)})`, error);
}

function wrong(where: string, expected: string, cause?: unknown): PosternError {
  return new PosternError({ code: "malformed", where, expected, kind: "argument" }, cause === undefined ? undefined : { cause });
}
