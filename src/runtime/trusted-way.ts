/** The way to a file is as good as its weakest folder: whoever can change one of them says where the path leads. */

import { lstatSync, realpathSync } from "node:fs";
import { dirname } from "node:path";
import { isOfPrivateGroup } from "./files";

const othersWrite = 0o022;
const groupWrite = 0o020;
const sticky = 0o1000;

/**
 * The first of a folder and those above it that somebody beside root, this user and `owners` (numbers of users) can change; undefined when there is none.
 * Links are resolved first. On Windows access lists decide, and none is named.
 */
export function changeableByOthers(folder: string, owners: readonly number[] = []): string | undefined {
  if (process.platform === "win32") return undefined;
  const own = [0, process.getuid?.() ?? 0, ...owners];
  const real = realpathSync(folder);
  for (let each = real; ; each = dirname(each)) {
    const stats = lstatSync(each);
    const mode = isOfPrivateGroup(stats) ? stats.mode & ~groupWrite : stats.mode;
    // Above, what is ours stays ours in a folder where nobody removes what is another's.
    const isClosed = (mode & othersWrite) === 0 || (each !== real && (mode & sticky) !== 0);
    if (!own.includes(stats.uid) || !isClosed) return each;
    if (each === dirname(each)) return undefined;
  }
}
