/** Binds what is done by path to what it needs. No logic of its own. */

import type { Random, Store } from "../../model/ports";
import type { Gate } from "../gate";
import type { Projection } from "../projection";
import { createDocuments } from "./documents";
import { createMounts } from "./mounts";
import type { PathOperations } from "./operations";
import { createPathPolicies } from "./path-policies";

export interface PathsDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly store: Pick<Store, "secretValue">;
  readonly random: Random;
  /** The account behind the paths; absent: the only one there is. */
  readonly accountName: string | undefined;
}

export function createPaths({ projection, gate, store, random, accountName }: PathsDeps): PathOperations {
  const documents = createDocuments(store);
  const mounts = createMounts({ projection, gate, documents, random, accountName });
  const policies = createPathPolicies({ projection, gate, documents, mounts });
  return { mounts, policies };
}
