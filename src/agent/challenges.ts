/**
 * Challenges of the agent's own: a file with a secret that one group may read, for a login at a port by whoever can.
 *
 * A secret is good once, for half a minute, at the port that it was made for. Anybody who reaches the port can have files made, so there are few at a time and
 * few in a second; and fewer for one user, where it is known who asks, so that none of them keeps the others out.
 */

import { matchesApiKey, sha256Hex } from "../crypto/digest";
import { PosternError } from "../model/failures";
import type { ChallengeFolder, Clock, Random } from "../model/ports";
import type { SecretBytes } from "../model/secret-bytes";

export interface Challenges {
  /** Makes one, for the user of that number if it is known, and names its file. Throws `throttled`. */
  issue(user: number | undefined): string;
  /** Whether this is the content of one that still counts. It counts no more after that. */
  spend(secret: SecretBytes): boolean;
  /** Removes what counts no more. */
  sweep(): void;
  /** Removes all: nothing of them counts any more. */
  close(): void;
}

const lifetimeMs = 30_000;
const most = { outstanding: 64, inSecond: 10 };
const mostOfOne = { outstanding: 24, inSecond: 5 };

interface Made {
  readonly digest: string;
  readonly madeMs: number;
  readonly user: number | undefined;
}

export function createChallenges(deps: { readonly folder: ChallengeFolder; readonly clock: Clock; readonly random: Random }): Challenges {
  const { folder, clock, random } = deps;
  // By file name; insertion order is age.
  const outstanding = new Map<string, Made>();
  let recent: readonly Omit<Made, "digest">[] = [];

  function sweep(): void {
    const nowMs = clock.monotonicMs();
    for (const [name, { madeMs }] of outstanding) if (nowMs - madeMs >= lifetimeMs) drop(name);
  }

  function drop(name: string): void {
    outstanding.delete(name);
    folder.remove(name);
  }

  function isTooMuch(bound: typeof most, counts: (made: Omit<Made, "digest">) => boolean): boolean {
    return [...outstanding.values()].filter(counts).length >= bound.outstanding || recent.filter(counts).length >= bound.inSecond;
  }

  return {
    sweep,
    close() {
      for (const name of outstanding.keys()) drop(name);
    },
    issue(user) {
      const nowMs = clock.monotonicMs();
      sweep();
      recent = recent.filter(({ madeMs }) => nowMs - madeMs < 1000);
      if (isTooMuch(most, () => true) || (user !== undefined && isTooMuch(mostOfOne, (made) => made.user === user)))
        throw new PosternError({ code: "throttled", retryAfterSeconds: 1, because: "challenges" });
      recent = [...recent, { madeMs: nowMs, user }];
      const name = `${Buffer.from(random.bytes(16)).toString("hex")}.key`;
      const secret = Buffer.from(random.bytes(32)).toString("base64");
      outstanding.set(name, { digest: sha256Hex(secret), madeMs: nowMs, user });
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
