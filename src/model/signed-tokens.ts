/** Tokens that others signed, for whoever judges their claims: is the signature one of theirs? A part of the ports. */

import type { SecretBytes } from "./secret-bytes";
import type { Check } from "./types";

/** Whose signatures count. `roots`: certificates (PEM) that alone vouch for the address. */
export type SigningKeys =
  /** Public keys, or certificates of such, each in PEM. */
  | { readonly from: "pem"; readonly texts: readonly string[] }
  /** A key set (JWKS) by its address. */
  | { readonly from: "key_set"; readonly url: string; readonly roots?: string }
  /** An issuer whose discovery document says where its keys are. */
  | { readonly from: "discovery"; readonly url: string; readonly roots?: string };

/** What a token says, signed by one of those keys. Its times, its audience and all else in it are not judged yet. */
export interface SignedToken {
  readonly claims: Readonly<Record<string, unknown>>;
  /** As the discovery document names it, and the token then does too. */
  readonly issuer?: string;
  readonly checks: readonly Check[];
}

export interface SignedTokens {
  /** The algorithms there are. None of them is `none`, or takes a shared secret. */
  readonly algorithms: readonly string[];
  /** What is wrong with such keys, as a sentence; undefined when nothing is. Asks nobody. */
  problem(keys: SigningKeys): string | undefined;
  /**
   * Throws `unauthenticated` (with the check that failed) or `upstream_unavailable`. A token may do without the name of its key where few keys come into
   * question.
   */
  verify(token: SecretBytes, keys: SigningKeys, algorithms: readonly string[]): Promise<SignedToken>;
}
