/** A seal key in a file of its own: `file:/etc/postern/seal.key`. Keep it on another disk than the data, or a stolen disk has both. */

import { dirname, isAbsolute } from "node:path";
import { PosternError } from "../model/failures";
import { printSealKey, readSealKey, type SealProvider, type SealProviderDeps } from "./seal-provider";

const maxBytes = 4096;

export function createFileSeal(specification: string, path: string, { files }: SealProviderDeps): SealProvider {
  if (!isAbsolute(path)) {
    throw new PosternError({
      code: "malformed",
      where: `seal provider '${specification}'`,
      expected: "an absolute path",
      kind: "argument",
    });
  }
  return {
    specification,
    path,
    async load() {
      const bytes = files.read(path, { maxBytes });
      return bytes === undefined ? { found: "absent" } : readSealKey(bytes);
    },
    async create(key) {
      if (files.device(dirname(path)) === undefined) files.ensureFolder(dirname(path));
      files.replace(path, printSealKey(key));
    },
  };
}
