/** The way to a file is as good as its weakest folder: whoever can change one of them, or a link on the way, says where the path leads. */

import { lstatSync, readlinkSync, type Stats } from "node:fs";
import { join, resolve } from "node:path";
import { PosternError } from "../model/failures";
import { isOfPrivateGroup } from "./files";

const othersWrite = 0o022;
const groupWrite = 0o020;
const sticky = 0o1000;
/** As many as the kernel follows. Source: path_resolution(7). */
const mostLinks = 40;

interface Step {
  readonly path: string;
  readonly stats: Stats;
}

/** Who may change the way beside root and this user. */
interface Trusted {
  readonly user?: number;
  readonly group?: number;
}

/**
 * The first folder or link on the way to a folder, itself included, that somebody beside root, this user and those that are trusted with it can change (users,
 * and a group in what is above it, by their numbers); undefined when there is none. On Windows access lists decide, and none is named. Throws what the file system throws for a folder that is not there.
 */
export function changeableByOthers(folder: string, trusted: Trusted = {}): string | undefined {
  if (process.platform === "win32") return undefined;
  const own = [0, process.getuid?.() ?? 0, ...(trusted.user === undefined ? [] : [trusted.user])];
  const steps = stepsTo(resolve(folder));
  return steps.find(({ stats }, at) => !own.includes(stats.uid) || !isClosed(stats, at === steps.length - 1, trusted.group))?.path;
}

function isClosed(stats: Stats, isLast: boolean, group: number | undefined): boolean {
  // A link has no mode of its own: who may replace it is the matter of the folder that it is in.
  if (stats.isSymbolicLink()) return true;
  const isOfTrusted = isOfPrivateGroup(stats) || (!isLast && stats.gid === group);
  const mode = isOfTrusted ? stats.mode & ~groupWrite : stats.mode;
  // Above, what is ours stays ours in a folder where nobody removes what is another's.
  return (mode & othersWrite) === 0 || (!isLast && (mode & sticky) !== 0);
}

/** Every folder and link that the kernel looks at, in its order; the last one is the folder itself. */
function stepsTo(folder: string): readonly Step[] {
  const steps: Step[] = [{ path: "/", stats: lstatSync("/") }];
  const names = namesIn(folder);
  let here = "/";
  for (let links = 0, name = names.shift(); name !== undefined; name = names.shift()) {
    const path = join(here, name);
    const stats = lstatSync(path);
    steps.push({ path, stats });
    if (!stats.isSymbolicLink()) {
      here = path;
      continue;
    }
    links += 1;
    if (links > mostLinks) throw new PosternError({ code: "malformed", where: folder, expected: "a path of few links", kind: "argument" });
    names.unshift(...namesIn(resolve(here, readlinkSync(path))));
    here = "/";
  }
  return steps;
}

function namesIn(path: string): string[] {
  return path.split("/").filter((name) => name !== "");
}
