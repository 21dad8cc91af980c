/**
 * Challenges of the agent's own: a file with a secret that one group may read, for a login at a port by whoever can.
 *
 * A secret is good once, for half a minute, at the port that it was made for. Anybody who reaches the port can have files made, so there are few at a time and
 * few in a second.
 */

import { matchesApiKey, sha256Hex } from "../crypto/digest";
import { PosternError } from "../model/failures";
import type { ChallengeFolder, Clock, Random } from "../model/ports";
import type { SecretBytes } from "../model/secret-bytes";

export interface Challenges {
  /** Makes one, and names its file. Throws `throttled`. */
  issue(): string;
  /** Whether this is the content of one that still counts. It counts no more after that. */
  spend(secret: SecretBytes): boolean;
  /** Removes what counts no more. */
  sweep(): void;
}

const lifetimeMs = 30_000;
const mostOutstanding = 64;
const mostInSecond = 10;

export function createChallenges(deps: { readonly folder: ChallengeFolder; readonly clock: Clock; readonly random: Random }): Challenges {
  const { folder, clock, random } = deps;
  // By file name; insertion order is age.
  const outstanding = new Map<string, { readonly digest: string; readonly madeMs: number }>();
  let recentMs: readonly number[] = [];

  function sweep(): void {
    const nowMs = clock.monotonicMs();
    for (const [name, { madeMs }] of outstanding) if (nowMs - madeMs >= lifetimeMs) drop(name);
  }

  function drop(name: string): void {
    outstanding.delete(name);
    folder.remove(name);
  }

  return {
    sweep,
    issue() {
      const nowMs = clock.monotonicMs();
      sweep();
      recentMs = recentMs.filter((at) => nowMs - at < 1000);
      if (outstanding.size >= mostOutstanding || recentMs.length >= mostInSecond)
        throw new PosternError({ code: "throttled", retryAfterSeconds: 1, because: "challenges" });
      recentMs = [...recentMs, nowMs];
      const name = `${Buffer.from(random.bytes(16)).toString("hex")}.key`;
      const secret = Buffer.from(random.bytes(32)).toString("base64");
      outstanding.set(name, { digest: sha256Hex(secret), madeMs: nowMs });
      return folder.write(name, secret);
    },
    spend(secret) {
      sweep();
      // All are compared, so that time tells nothing about which was near.
      const found = [...outstanding].filter(([, { digest }]) => matchesApiKey(secret, digest)).map(([name]) => name);
      for (const name of found) drop(name);
      return found.length > 0;
    },
  };
}
