/** Ground that forgets: keys and store in the memory of this process, for development. */

import { openKeyring } from "../keyring/keyring";
import type { Clock, Random } from "../model/ports";
import { createMemoryFiles } from "../runtime/files";
import { createMemoryStore } from "../store/memory";
import type { Ground } from "./compose";

export interface MemoryGroundOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Where a keyring on the disk would be: `path` and `nodePath` of the server's own, and its only seal. No such file is ever made. */
  readonly path: string;
  readonly nodePath: string;
  /** `file:/tmp/postern-dev-Xa81/seal.key` */
  readonly seal: string;
}

/** Makes fresh keys, which unseal by themselves for as long as the process lives, and an empty store. */
export async function createMemoryGround({ clock, random, path, nodePath, seal }: MemoryGroundOptions): Promise<Ground> {
  const files = createMemoryFiles();
  const keyring = await openKeyring({ clock, random, files, path, nodePath, providers: [seal], dataExists: false });
  await keyring.init([seal]);
  return {
    files,
    openStore: async (deps) => ({
      ...createMemoryStore(deps),
      // Old generations of keys stay in the keyring, so nothing has to be wrapped anew.
      rewrapAll: async () => nothingToRewrap,
      rewrapProgress: () => nothingToRewrap,
      generationsInUse: async () => new Map(),
    }),
  };
}

const nothingToRewrap = { done: 0, failed: 0, total: 0, isRunning: false };
