/** The folder in which the Arc agent leaves its challenges: a fresh one, or the real agent's place on a machine that has no agent. */

import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PosternError } from "../../model/failures";

export interface TokensFolder {
  /** Absolute, without a slash at the end. */
  readonly path: string;
  /** Writes a new file that its owner may read and write and its group may read. Returns its absolute path. */
  write(name: string, content: string): Promise<string>;
  remove(name: string): Promise<void>;
  /** Removes what was left, and the folder and its parents as far as they were made here. */
  close(): Promise<void>;
}

// As the agent has them: nobody else may look inside.
const folderMode = 0o750;
const fileMode = 0o640;

/** Opens the given folder, made if need be, or a fresh one. Throws `exists` for a folder that holds anything: a real agent may be using it. */
export async function openTokensFolder(given: string | undefined): Promise<TokensFolder> {
  const created = given === undefined ? await mkdtemp(join(tmpdir(), "azure-simulator-")) : await mkdir(given, { recursive: true });
  const path = given ?? created ?? "";
  if ((await readdir(path)).length > 0) throw new PosternError({ code: "exists", target: path });
  await chmod(path, folderMode);
  const left = new Set<string>();
  return {
    path,
    write: async (name, content) => {
      const file = join(path, name);
      await writeFile(file, content, { flag: "wx", mode: fileMode });
      left.add(name);
      // The mode above is cut by the process's umask.
      await chmod(file, fileMode);
      return file;
    },
    remove: async (name) => {
      left.delete(name);
      await rm(join(path, name), { force: true });
    },
    close: async () => {
      for (const name of left) await rm(join(path, name), { force: true });
      if (created !== undefined) await rm(created, { recursive: true, force: true });
    },
  };
}
