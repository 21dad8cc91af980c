/** A folder of small files that one group may read: who brings the content of one has shown to be in the group. */

import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { PosternError } from "../model/failures";
import type { ChallengeFolder } from "../model/ports";
import { groupIdOf } from "./local-users";
import { changeableByOthers } from "./trusted-way";

const { O_CREAT, O_EXCL, O_WRONLY } = constants;
const noFollow = constants.O_NOFOLLOW ?? 0;
const folderMode = 0o750;
const fileMode = 0o640;

/**
 * Makes the folder, or takes an own one, and removes the challenges in it. Throws `malformed` for one that is another's, and for one below a folder that
 * others can change: they could put another folder in its place between two of its files, and have files of that folder removed.
 */
export function openChallengeFolder(path: string, group: string): ChallengeFolder {
  const groupId = groupIdOf(group);
  const wrong = (expected: string, cause?: unknown): PosternError =>
    new PosternError(
      { code: "malformed", where: path, expected: `${path}: expected ${expected}`, kind: "argument", because: "configuration" },
      { cause },
    );
  try {
    mkdirSync(path, { recursive: true, mode: folderMode });
    const stats = lstatSync(path);
    if (!stats.isDirectory() || stats.uid !== process.getuid?.()) throw wrong("a folder of this user, not a link");
    const other = changeableByOthers(path);
    if (other !== undefined) throw wrong(`${other} to be changeable by this user and root alone`);
    chownSync(path, -1, groupId);
    chmodSync(path, folderMode);
    for (const name of readdirSync(path)) if (name.endsWith(".key")) rmSync(join(path, name));
  } catch (cause) {
    if (cause instanceof PosternError) throw cause;
    throw wrong("a folder this process may make and give to the group", cause);
  }
  return {
    write(name, content) {
      const file = join(path, name);
      const descriptor = openSync(file, O_WRONLY | O_CREAT | O_EXCL | noFollow, 0o600);
      try {
        writeSync(descriptor, content);
        fchownSync(descriptor, -1, groupId);
        fchmodSync(descriptor, fileMode);
      } finally {
        closeSync(descriptor);
      }
      return file;
    },
    remove: (name) => rmSync(join(path, name), { force: true }),
  };
}
