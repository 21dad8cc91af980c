/** Small services by path: random bytes, and digests. They keep nothing. */

import { type Sha2, sha2 } from "../../crypto/digest";
import type { PathAccess } from "../../model/paths";
import type { Random } from "../../model/ports";
import type { Caller } from "../../model/types";
import type { Gate } from "../gate";

export interface PathToolOperations {
  /** `count` is of whoever asks, and bounded there. */
  entropy(caller: Caller, access: PathAccess, count: number): Promise<Uint8Array>;
  digest(caller: Caller, access: PathAccess, algorithm: Sha2, input: Uint8Array): Promise<Uint8Array>;
}

export function createPathTools({ gate, random }: { readonly gate: Gate; readonly random: Random }): PathToolOperations {
  return {
    entropy: (caller, access, count) => gate.release(caller, { operation: "tools.random", access }, () => random.bytes(count)),
    digest: (caller, access, algorithm, input) => gate.release(caller, { operation: "tools.digest", access }, () => sha2(algorithm, input)),
  };
}
