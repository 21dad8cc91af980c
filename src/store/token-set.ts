/**
 * One tag over all rows of tokens: the exclusive or of a MAC for each of them. A row goes in or out at the cost of one MAC, whatever their number; and who
 * does not have the key can neither add, take away nor put back a row without the tag telling.
 *
 * The set as a whole carries a serial number, that of its last write, which the mark beside the store knows too: so an older set with an older tag is noticed
 * as well. What is not: an older database, with an older mark, of the same machine. Clarke et al., Asiacrypt 2003 (MSet-XOR-Hash).
 */

import { unsigned64 } from "../crypto/aead";
import type { Keyring } from "../model/ports";

const macBytes = 32;

/** What one row counts as in the tag. It is sealed under its serial, so the three name its content too. */
export interface SetMember {
  readonly digest: string;
  readonly name: string;
  readonly serial: number;
}

export interface SetTag {
  /** Puts a member in, or takes it out again. */
  toggle(member: SetMember): void;
  /** A copy that goes its own way. */
  fork(): SetTag;
  bytes(): Uint8Array;
}

/** `epoch`: of the root key, the same for the life of the tag. */
export function createSetTag(keyring: Pick<Keyring, "mac">, epoch: number, from: Uint8Array = new Uint8Array(macBytes)): SetTag {
  const sum = Buffer.from(from);
  return {
    toggle({ digest, name, serial }) {
      const { tag } = keyring.mac("token_row", [Buffer.from(digest, "hex"), Buffer.from(name, "utf8"), unsigned64(serial)], epoch);
      for (let at = 0; at < macBytes; at += 1) sum[at] = (sum[at] ?? 0) ^ (tag[at] ?? 0);
    },
    fork: () => createSetTag(keyring, epoch, sum),
    bytes: () => sum,
  };
}

/** What is known of the set as a whole. */
export interface SetState {
  /** Of the last write; 0: none. */
  readonly serial: number;
  /** Of the store, when it was written: after an accepted rollback it is another. */
  readonly storeEpoch: number;
  /** Of the root key that digests of tokens are made under, and the tag. */
  readonly keyEpoch: number;
  readonly tag: Uint8Array;
}

export function setParts({ serial, storeEpoch, keyEpoch, tag }: SetState): readonly Uint8Array[] {
  return [unsigned64(serial), unsigned64(storeEpoch), unsigned64(keyEpoch), tag];
}
