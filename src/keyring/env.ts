/** A seal key in an environment variable, for development: the environment of a process stays readable to its user even after the variable is unset. */

import { PosternError } from "../model/failures";
import { readSealKey, type SealProvider, type SealProviderDeps } from "./seal-provider";

export function createEnvSeal(specification: string, name: string, { insecureEnvironment }: SealProviderDeps): SealProvider {
  if (insecureEnvironment === undefined) {
    throw new PosternError({
      code: "malformed",
      where: `seal provider '${specification}'`,
      expected: "another provider, or the flag that allows a seal key in the environment",
      kind: "argument",
      because: "insecure_seal_not_allowed",
    });
  }
  return {
    specification,
    async load() {
      const text = insecureEnvironment[name];
      return text === undefined || text === "" ? { found: "absent" } : readSealKey(Buffer.from(text, "utf8"));
    },
  };
}
