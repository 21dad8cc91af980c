/** A folder for secrets that a program reads from files: of this user alone, in memory where the system has a place for that, and gone when the program is. */

import { closeSync, constants, mkdtempSync, openSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PosternError } from "../model/failures";

export interface SecretFolder {
  /** Writes a new file and gives its path. `name` is one segment of it. Throws `storage_full` and `internal`. */
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
      try {
        if (folder === undefined) {
          folder = made();
          process.once("exit", sweep);
        }
        return writeNew(join(folder, name), bytes);
      } catch (cause) {
        throw translated(cause);
      }
    },
    remove() {
      sweep();
      process.removeListener("exit", sweep);
    },
  };
}

function writeNew(path: string, bytes: Uint8Array): string {
  const descriptor = openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600);
  try {
    writeFileSync(descriptor, bytes);
  } finally {
    closeSync(descriptor);
  }
  return path;
}

/** What is in memory is on no disk that is thrown away or copied later; swap is the operator's. */
function made(): string {
  try {
    if (process.platform === "linux" && statfsSync(memoryFolder).type === memoryType) return mkdtempSync(join(memoryFolder, "postern-"));
  } catch {
    // There is none, or this user may not write there.
  }
  return mkdtempSync(join(tmpdir(), "postern-"));
}

function translated(cause: unknown): PosternError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
  if (code === "ENOSPC" || code === "EDQUOT") return new PosternError({ code: "storage_full" }, { cause });
  return new PosternError({ code: "internal", what: `a file for a secret: ${code}`, because: "file_error" }, { cause });
}
