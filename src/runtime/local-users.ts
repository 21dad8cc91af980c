/** Users and groups of this machine by name or number, and whose a socket is. */

import { chmodSync, chownSync, mkdirSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { dirname } from "node:path";
import { PosternError } from "../model/failures";
import { changeableByOthers } from "./trusted-way";

const unchanged = -1;

/** The number of a user, from its digits or `/etc/passwd`. Throws `malformed` for a name that is not there. */
export function userIdOf(user: string): number {
  return idOf(user, "/etc/passwd", "a user of this machine");
}

/** As `userIdOf`, from `/etc/group`. */
export function groupIdOf(group: string): number {
  return idOf(group, "/etc/group", "a group of this machine");
}

/**
 * Whether this process is in a group: `member`; `listed` when the group has its user and the process was started before that; `absent` when there is no such
 * group on this machine.
 */
export function membershipOf(group: string): "root" | "member" | "listed" | "outside" | "absent" {
  if (process.getuid?.() === 0) return "root";
  const line = lineOf(group, "/etc/group");
  if (line === undefined) return "absent";
  const [, , id = "", members = ""] = line.split(":");
  if (process.getgroups?.().includes(Number(id)) === true || process.getgid?.() === Number(id)) return "member";
  return members.split(",").includes(userInfo().username) ? "listed" : "outside";
}

/**
 * Gives a socket to whom it is for. It is nobody else's meanwhile: the mode admits no more than the group that it then has already, and the owner comes last,
 * because only an owner, or root, sets a mode. So CAP_CHOWN is enough. Throws `malformed` where this process may not.
 */
export function giveSocket(path: string, access: { readonly owner?: string; readonly group?: string; readonly mode: number }): void {
  const owner = access.owner === undefined ? unchanged : userIdOf(access.owner);
  const group = access.group === undefined ? unchanged : groupIdOf(access.group);
  try {
    if (group !== unchanged) chownSync(path, unchanged, group);
    chmodSync(path, access.mode);
    if (owner !== unchanged) chownSync(path, owner, unchanged);
  } catch (cause) {
    throw wrong(path, "a socket this process may give to its owner and group; giving to others takes root or CAP_CHOWN", cause);
  }
}

/** Makes the folder of a socket if need be. Throws `malformed` where others could put a socket, or a folder with one, in its place. */
export function ensureSocketFolder(path: string): void {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const other = changeableByOthers(folder);
  if (other !== undefined)
    throw wrong(other, `a folder that this user and root alone can change: whoever else can would answer at ${path} in the agent's place`);
}

function idOf(text: string, file: string, expected: string): number {
  if (/^\d{1,10}$/u.test(text)) return Number(text);
  const line = lineOf(text, file);
  const id = Number(line?.split(":")[2] ?? Number.NaN);
  if (!Number.isInteger(id)) throw wrong(text, expected);
  return id;
}

function lineOf(name: string, file: string): string | undefined {
  return readFileSync(file, "utf8")
    .split("\n")
    .find((each) => each.startsWith(`${name}:`));
}

function wrong(where: string, expected: string, cause?: unknown): PosternError {
  return new PosternError(
    { code: "malformed", where, expected: `${where}: expected ${expected}`, kind: "argument", because: "configuration" },
    { cause },
  );
}
