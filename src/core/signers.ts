/**
 * The keys that sign session tokens: one per account, on this node alone. Made when the account is made, kept sealed in the node's own key
 * file, held in memory while running. A key of the algorithm that is not configured any more still verifies what it signed.
 */

import { createSessionSigner, exportPkcs8, generateEd25519, generateRsa } from "../crypto/signing";
import { PosternError } from "../model/failures";
import type { AccountName } from "../model/ids";
import type { Keyring, Offload, SessionSigner } from "../model/ports";

export type SignatureAlgorithm = SessionSigner["algorithm"];

export interface AccountSigner {
  readonly account: AccountName;
  readonly signer: SessionSigner;
}

export interface Signers {
  /** Makes and keeps the account's key when it has none, and returns its signer. */
  ensure(account: AccountName): Promise<SessionSigner>;
  /** Throws `internal` for an account whose key was never made here. */
  of(account: AccountName): SessionSigner;
  byKeyId(keyId: string): AccountSigner | undefined;
  /** Of an account that is gone: what its keys signed is nobody's. */
  forget(account: AccountName): void;
}

export interface SignersDeps {
  readonly keyring: Keyring;
  readonly offload: Offload;
  readonly algorithm: SignatureAlgorithm;
}

const algorithms: readonly SignatureAlgorithm[] = ["EdDSA", "RS256"];
const secretName = (algorithm: SignatureAlgorithm): string => `session-signer-${algorithm.toLowerCase()}`;

/** Signers for the accounts that exist now; a later one gets its own by `ensure`. */
export async function createSigners(deps: SignersDeps, accounts: readonly AccountName[]): Promise<Signers> {
  const { keyring, offload, algorithm } = deps;
  const current = new Map<AccountName, SessionSigner>();
  const byKeyId = new Map<string, AccountSigner>();

  function hold(account: AccountName, kind: SignatureAlgorithm): SessionSigner | undefined {
    const privateKey = keyring.nodeSecret(account, secretName(kind));
    if (privateKey === undefined) return undefined;
    const signer = createSessionSigner({ privateKey, algorithm: kind, offload });
    privateKey.fill(0);
    byKeyId.set(signer.keyId, { account, signer });
    return signer;
  }

  async function ensure(account: AccountName): Promise<SessionSigner> {
    const known = current.get(account);
    if (known !== undefined) return known;
    for (const kind of algorithms) if (kind !== algorithm) hold(account, kind);
    if (keyring.nodeSecret(account, secretName(algorithm)) === undefined) {
      const pair = algorithm === "EdDSA" ? generateEd25519() : await generateRsa();
      await keyring.putNodeSecret(account, secretName(algorithm), exportPkcs8(pair));
    }
    const signer = hold(account, algorithm);
    if (signer === undefined) throw new PosternError({ code: "internal", what: "the signing key that was just made" });
    current.set(account, signer);
    return signer;
  }

  for (const account of accounts) await ensure(account);

  return {
    ensure,
    of(account) {
      const signer = current.get(account);
      if (signer === undefined) throw new PosternError({ code: "internal", what: `the signing key of account ${account}` });
      return signer;
    },
    byKeyId: (keyId) => byKeyId.get(keyId),
    forget(account) {
      current.delete(account);
      for (const [keyId, each] of byKeyId) if (each.account === account) byKeyId.delete(keyId);
    },
  };
}
