/** Tokens of the identity that this machine has at Azure, for a server that proves itself with it. Nothing is looked for before one is wanted. */

import { createMachineIdentity } from "../authenticators/azure/machine-identity";
import type { Environment } from "../config/config";
import type { Clock, HttpClient, Logger, MachineIdentity, MachineToken, Random } from "../model/ports";
import { createHttpClient } from "../runtime/http-client";
import { createMachineFiles } from "../runtime/machine-files";

export interface MachineTokensDeps {
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly environment: Environment;
}

export function createMachineTokens(deps: MachineTokensDeps): (audience: string) => Promise<MachineToken> {
  const { clock, logger } = deps;
  let identity: MachineIdentity | undefined;
  return (audience) => {
    identity ??= createMachineIdentity(
      {},
      {
        ...deps,
        pause,
        files: createMachineFiles(),
        openLocal: (prefix) => createHttpClient({ clock, logger, allowOutbound: [prefix] }),
      },
    );
    return identity.credential(audience);
  };
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What the work gives, or what `late` throws when it takes longer; the work itself goes on. */
export async function within<Result>(ms: number, work: Promise<Result>, late: () => never): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<"late">((resolve) => {
    timer = setTimeout(resolve, ms, "late");
  });
  try {
    const first = await Promise.race([work.then((result) => ({ result })), limit]);
    return first === "late" ? late() : first.result;
  } finally {
    clearTimeout(timer);
  }
}
