/** The only source of randomness: the platform's generator, without a seed or a pool of our own. */

import type { Random } from "../model/ports";

// The platform refuses more in one call.
const largestFillBytes = 65_536;

export function createRandom(): Random {
  return {
    bytes: (count) => {
      const out = new Uint8Array(count);
      for (let start = 0; start < count; start += largestFillBytes) {
        crypto.getRandomValues(out.subarray(start, Math.min(count, start + largestFillBytes)));
      }
      return out;
    },
  };
}
