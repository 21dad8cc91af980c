/** Binds what is done by path to what it needs. No logic of its own. */

import type { Random, Store } from "../../model/ports";
import type { Gate } from "../gate";
import type { Projection } from "../projection";
import type { Secrets } from "../secrets";
import { createDocuments } from "./documents";
import { assertNothingBelow, createKeyedMetadata, removalOfMount } from "./keyed-metadata";
import { createKeyedPlaces, type KeyedPlaces, keyed } from "./keyed-places";
import { createKeyedSecrets } from "./keyed-secrets";
import { createMounts } from "./mounts";
import type { PathOperations } from "./operations";
import { createPathPolicies } from "./path-policies";
import { createVariables } from "./variables";

export interface Paths extends PathOperations {
  /** What a mount says about the versions of a variable that lives there, whichever door it is written by. */
  readonly keeping: KeyedPlaces["keeping"];
}

export interface PathsDeps {
  readonly projection: Projection;
  readonly gate: Gate;
  readonly store: Pick<Store, "secretValue">;
  readonly random: Random;
  readonly secrets: Pick<Secrets, "read" | "write">;
  /** The account behind the paths; absent: the only one there is. */
  readonly accountName: string | undefined;
}

export function createPaths({ projection, gate, store, random, secrets, accountName }: PathsDeps): Paths {
  const documents = createDocuments(store);
  const mounts = createMounts({ projection, gate, documents, random, accountName });
  const policies = createPathPolicies({ projection, gate, documents, mounts });
  const places = createKeyedPlaces({ mounts, documents });
  mounts.onBegin((graph, mount) => mount.type === keyed && assertNothingBelow(graph, mount.path, places));
  mounts.onEnd({ changes: (graph, mount) => (mount.type === keyed ? removalOfMount(graph, mount.path, places) : []) });
  return {
    keeping: places.keeping,
    mounts,
    policies,
    keyed: createKeyedSecrets({ projection, gate, store, places }),
    keyedMetadata: createKeyedMetadata({ projection, gate, places }),
    variables: createVariables({ projection, gate, mounts, secrets }),
  };
}
