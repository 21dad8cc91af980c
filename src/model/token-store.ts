/** Where tokens are kept: beside the log of facts, because they come and go by the thousand and nobody needs their history. A part of the ports. */

import type { AccountName } from "./ids";
import type { SecretBytes } from "./secret-bytes";
import type { Instant } from "./types";

/** One kept thing of one token: the token's own record (`name` empty), or what belongs to it: `cubbyhole`, `wrapped`. */
export interface TokenRecord {
  readonly account: AccountName;
  /** Lower-case hex, as `digest` makes it. */
  readonly digest: string;
  readonly name: string;
  /** 0: never. */
  readonly expiresAt: Instant;
  readonly body: SecretBytes;
}

export type TokenStep =
  | ({ readonly step: "put" } & TokenRecord)
  /** Without a name: the token with all that belongs to it. Does nothing where there is nothing. */
  | { readonly step: "remove"; readonly digest: string; readonly name?: string };

export interface TokenStore {
  /** What a token is known by: a digest under a key of this installation, the same for the life of the store. Synchronous; the same work for any text. */
  digest(token: SecretBytes): string;
  /**
   * The records (`name` empty) that have not ended at `now`, of all accounts, in pages. Called once, before anything is written. What was changed behind
   * Postern's back is left out, removed and reported: single records whose seal does not hold, and all of them when some were added, taken away or put back.
   */
  load(now: Instant): AsyncIterable<readonly TokenRecord[]>;
  /** Durable when it resolves: all of the steps or none. Those who write at the same time share one write. Throws as `Store.commit` does. */
  write(steps: readonly TokenStep[]): Promise<void>;
  /** What belongs to a token; undefined when there is none. Throws `integrity`. */
  belonging(digest: string, name: string): Promise<SecretBytes | undefined>;
  /** Gives a bounded part of the space of what was removed back to the file system, where nothing else is going on. */
  tidy(): Promise<void>;
}
