/**
 * A seal key as a systemd credential: `systemd:postern-seal`, with `LoadCredentialEncrypted=postern-seal:…` in the unit. systemd decrypts it, by TPM 2.0
 * where there is one, into a folder that only this unit sees; the file there may show a group bit, which is the mask of an access list.
 *
 * Source: systemd.exec(5), section Credentials.
 */

import { join } from "node:path";
import { PosternError } from "../model/failures";
import { readSealKey, type SealProvider, type SealProviderDeps } from "./seal-provider";

const maxBytes = 4096;
const credentialName = /^[A-Za-z0-9][A-Za-z0-9._-]*$/u;

export function createSystemdSeal(specification: string, name: string, { files, credentialsFolder }: SealProviderDeps): SealProvider {
  if (!credentialName.test(name)) {
    throw new PosternError({
      code: "malformed",
      where: `seal provider '${specification}'`,
      expected: "the name of a credential: letters, digits, dot, hyphen, underscore",
      kind: "argument",
    });
  }
  return {
    specification,
    async load() {
      if (credentialsFolder === undefined) return { found: "absent" };
      const bytes = files.read(join(credentialsFolder, name), { maxBytes, readableByOthers: true });
      return bytes === undefined ? { found: "absent" } : readSealKey(bytes);
    },
  };
}
