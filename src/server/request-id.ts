/** Names of requests: for the log, the audit and the client's own records. */

import type { Random } from "../model/ports";

const safeWord = /^[A-Za-z0-9._-]{1,64}$/;
const idBytes = 16;
const poolBytes = idBytes * 512;

/** Makes ids: the client's own when it is a safe word, else 32 random hexadecimal digits. Randomness is fetched for many ids at once. */
export function createRequestIds(random: Random): (given: string | null) => string {
  let pool = "";
  let next = 0;
  return (given) => {
    if (given !== null && safeWord.test(given)) return given;
    if (next >= pool.length) {
      pool = Buffer.from(random.bytes(poolBytes)).toString("hex");
      next = 0;
    }
    next += idBytes * 2;
    return pool.slice(next - idBytes * 2, next);
  };
}
