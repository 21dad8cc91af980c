/** A folder for secrets that a program reads from files: of this user alone, in memory where the system has a place for that, and gone when the program is. */

import { closeSync, constants, mkdtempSync, openSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface SecretFolder {
  /** Writes a new file and gives its path. `name` is one segment of it. */
  write(name: string, bytes: Uint8Array): string;
  /** With all that is in it. May be called again. */
  remove(): void;
}

const memoryFolder = "/dev/shm";
// linux/magic.h: TMPFS_MAGIC.
const memoryType = 0x01021994;

/** The folder is made with its first file, mode 0700. It goes also when the process ends without `remove`, unless it is killed. */
export function createSecretFolder(): SecretFolder {
  let folder: string | undefined;
  const sweep = (): void => {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  };
  return {
    write(name, bytes) {
      if (folder === undefined) {
        folder = mkdtempSync(join(base(), "postern-"));
        process.once("exit", sweep);
      }
      const path = join(folder, name);
      const descriptor = openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600);
      try {
        writeFileSync(descriptor, bytes);
      } finally {
        closeSync(descriptor);
      }
      return path;
    },
    remove() {
      sweep();
      process.removeListener("exit", sweep);
    },
  };
}

/** What is in memory is on no disk that is thrown away or copied later; swap is the operator's. */
function base(): string {
  try {
    if (process.platform === "linux" && statfsSync(memoryFolder).type === memoryType) return memoryFolder;
  } catch {
    // There is none.
  }
  return tmpdir();
}
