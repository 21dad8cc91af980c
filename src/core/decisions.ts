/** Names for decisions, which tie a refusal on the wire's side to its line in the audit. */

import type { Random } from "../model/ports";
import type { DecisionId } from "../model/types";

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
const length = 12;
const poolBytes = 4096;

/** Makes `d-` and twelve random letters and digits (60 bits): `d-7k2m9x4p1qz0`. Random bytes are taken in pools, for a call per name costs more than the rest. */
export function createDecisionIds(random: Random): () => DecisionId {
  let pool: Uint8Array = new Uint8Array(0);
  let used = 0;
  return () => {
    if (used + length > pool.length) {
      pool = random.bytes(poolBytes);
      used = 0;
    }
    let id = "d-";
    for (let index = 0; index < length; index += 1) id += alphabet[(pool[used + index] ?? 0) & 31];
    used += length;
    return id;
  };
}
