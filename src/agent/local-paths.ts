/** Secrets by path for an app's own clients, who show no session: who they are, and where what they name is kept. */

import type { VaultMount } from "../client/vault-client";
import type { LocalMount, LocalPaths } from "../fronts/front";
import { PosternError } from "../model/failures";
import { type AccountName, parseIdentifier } from "../model/ids";
import type { Caller, RequestContext } from "../model/types";
import type { Notes } from "./dressing";
import type { SecretCache } from "./secret-cache";
import type { LocalTrail } from "./trail";

export interface LocalPathsDeps {
  readonly app: string;
  readonly account: AccountName;
  readonly cache: Pick<SecretCache, "mountOf">;
  readonly notes: Notes;
  readonly trail: LocalTrail;
  /** Throws `unauthenticated`. */
  readonly identify: (...asked: Parameters<LocalPaths["identify"]>) => Caller;
}

/** Where a client of Vault's finds the variables of a Conjur. */
const variables: VaultMount = { path: "conjur", type: "conjur" };

export function createLocalPaths({ app, account, cache, notes, trail, identify }: LocalPathsDeps): LocalPaths {
  async function mountOf(path: string): Promise<VaultMount> {
    if (cache.mountOf !== undefined) return await cache.mountOf(path);
    if (path === variables.path || path.startsWith(`${variables.path}/`)) return variables;
    throw new PosternError({ code: "not_found", target: path });
  }

  return {
    async identify(proof, context: RequestContext) {
      try {
        return identify(proof, context);
      } catch (error) {
        await trail.record({ operation: "login", app, context, error });
        throw error;
      }
    },
    async mountOf(caller, path): Promise<LocalMount> {
      try {
        const mount = await mountOf(path);
        return { ...mount, secretAt: (key) => parseIdentifier(account, "variable", mount === variables ? key : `${mount.path}/${key}`) };
      } catch (error) {
        notes.refuse(caller.context, error);
        throw error;
      }
    },
  };
}
