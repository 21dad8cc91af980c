/**
 * Files that other software on this machine writes for Postern: an Arc agent's challenges, and tokens in mounted volumes.
 *
 * A challenge's name comes from whoever answered at the agent's port, so the way to the file gives nobody a choice: the folder is opened first, without
 * following a link, and the file is opened below that descriptor, so that exchanging either of them in between leads nowhere else.
 */

import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  realpathSync,
  type Stats,
} from "node:fs";
import { join } from "node:path";
import { PosternError } from "../model/failures";
import type { MachineFiles } from "../model/ports";
import { changeableByOthers } from "./trusted-way";

const maxChallengeBytes = 4096;
const writableByOthers = 0o022;
const { O_RDONLY } = constants;
// Windows has none of them. O_NONBLOCK keeps the opening of a FIFO from waiting for a writer.
const noFollow = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
const directory = constants.O_DIRECTORY ?? 0;

export function createMachineFiles(): MachineFiles {
  return {
    readChallenge(folder, name) {
      if (name === "" || name === "." || name === ".." || /[/\\\0]/u.test(name)) throw wrong(folder, "the name of a file");
      try {
        return process.platform === "linux" ? readBelow(folder, name) : readByPath(folder, name);
      } catch (cause) {
        if (cause instanceof PosternError) throw cause;
        throw wrong(join(folder, name), "a file this user may read", cause);
      }
    },
    readMounted(path, maxBytes) {
      if (!existsSync(path)) return undefined;
      const descriptor = openSync(path, O_RDONLY | (constants.O_NONBLOCK ?? 0));
      try {
        if (!fstatSync(descriptor).isFile()) throw wrong(path, "a regular file");
        const bytes = readUpTo(descriptor, maxBytes + 1);
        if (bytes.byteLength > maxBytes) throw new PosternError({ code: "too_large", what: path, limitBytes: maxBytes });
        return bytes;
      } finally {
        closeSync(descriptor);
      }
    },
    exists: (path) => existsSync(path),
  };
}

/** What names this machine to its programs (machine-id(5)); empty where nothing does. A copied disk says another name elsewhere only once that system makes one. */
export function machineId(files: Pick<MachineFiles, "readMounted"> = createMachineFiles()): string {
  return Buffer.from(files.readMounted("/etc/machine-id", 256) ?? [])
    .toString("utf8")
    .trim();
}

/** `/proc/self/fd/N/name` is the name in the very folder that is open, whatever its path has become; where that folder is, its descriptor tells. */
function readBelow(folder: string, name: string): Uint8Array {
  const opened = openSync(folder, O_RDONLY | directory | noFollow);
  try {
    const here = `/proc/self/fd/${opened}`;
    if (readlinkSync(here) !== folder) throw wrong(folder, "a folder that is reached by no link", undefined, "challenge_folder");
    const stats = fstatSync(opened);
    assertFolder(folder, stats);
    return readChallenge(`${here}/${name}`, join(folder, name), stats.uid);
  } finally {
    closeSync(opened);
  }
}

/** Where descriptors are no paths. On Windows the folder's access list keeps it to administrators and the agent's group. */
function readByPath(folder: string, name: string): Uint8Array {
  if (realpathSync(folder).toLowerCase() !== folder.toLowerCase())
    throw wrong(folder, "a folder that is reached by no link", undefined, "challenge_folder");
  return readChallenge(join(folder, name), join(folder, name), lstatSync(folder).uid);
}

function readChallenge(path: string, shown: string, folderOwner: number): Uint8Array {
  const descriptor = openSync(path, O_RDONLY | noFollow);
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw wrong(shown, "a regular file");
    // A second name may be that of any file on this disk.
    if (stats.nlink > 1) throw wrong(shown, "a file with one name");
    if (isOpenToOthers(stats)) throw wrong(shown, "a file that its owner alone can write");
    // The agent runs as root or as the user whose folder it is.
    if (stats.uid !== 0 && stats.uid !== folderOwner) throw wrong(shown, "a file of root or of its folder's owner");
    if (stats.size > maxChallengeBytes) throw wrong(shown, `at most ${maxChallengeBytes} bytes`);
    const bytes = readUpTo(descriptor, maxChallengeBytes + 1);
    if (bytes.byteLength > maxChallengeBytes) throw wrong(shown, `at most ${maxChallengeBytes} bytes`);
    return bytes;
  } finally {
    closeSync(descriptor);
  }
}

function assertFolder(path: string, stats: Stats): void {
  if (!stats.isDirectory()) throw wrong(path, "a folder", undefined, "challenge_folder");
  if (isOpenToOthers(stats)) throw wrong(path, "a folder that its owner alone can write", undefined, "challenge_folder");
  // Whoever is in the agent's group gets the machine's tokens anyway.
  const other = changeableByOthers(path, { user: stats.uid, group: stats.gid });
  if (other !== undefined) throw wrong(other, "a folder that its owner alone can write", undefined, "challenge_folder");
}

function isOpenToOthers(stats: Stats): boolean {
  return process.platform !== "win32" && (stats.mode & writableByOthers) !== 0;
}

function readUpTo(descriptor: number, most: number): Buffer {
  const buffer = Buffer.alloc(most);
  let length = 0;
  for (;;) {
    const count = readSync(descriptor, buffer, length, most - length, null);
    length += count;
    if (count === 0 || length === most) return buffer.subarray(0, length);
  }
}

function wrong(path: string, expected: string, cause?: unknown, otherwise = "challenge_file"): PosternError {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  const because = code === "EACCES" || code === "EPERM" ? "challenge_file_not_permitted" : otherwise;
  return new PosternError({ code: "malformed", where: path, expected, kind: "argument", because }, { cause });
}
