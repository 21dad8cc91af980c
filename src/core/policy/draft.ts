/**
 * A draft: what a text asks for, with every id in full, every owner named and everything flat, and nothing of the existing graph looked at yet.
 */

import type { AccountName, Kind, ResourceId, RoleId } from "../../model/ids";
import type { Position } from "./nodes";

export interface DraftAnnotation extends Position {
  readonly name: string;
  readonly value: string;
}

export interface DraftRecord extends Position {
  readonly id: ResourceId;
  readonly kind: Kind;
  readonly identifier: string;
  readonly owner: RoleId;
  /** Where the owner is named, or the record itself. */
  readonly ownerAt: Position;
  /** The policy whose body it stands in. */
  readonly scope: RoleId;
  readonly annotations: readonly DraftAnnotation[];
  /** Canonical networks; undefined when the record does not mention any. */
  readonly restrictedTo?: readonly string[];
}

export interface DraftPublicKey {
  readonly resource: ResourceId;
  /** The whole line: `ssh-ed25519 AAAA… alice@laptop`. */
  readonly line: string;
}

export interface DraftGrant {
  readonly role: RoleId;
  readonly member: RoleId;
  readonly adminOption: boolean;
  readonly at: Position;
}

export interface DraftPermit {
  readonly role: RoleId;
  readonly privilege: string;
  readonly resource: ResourceId;
  readonly at: Position;
}

export interface DraftDeletion {
  readonly id: ResourceId;
  readonly at: Position;
}

/** A name that must lead to a record. `object`: it is acted on, so the record must lie in the branch. `tolerant`: of a removal, which may find nothing. */
export interface DraftReference {
  readonly id: ResourceId;
  readonly use: "subject" | "object";
  readonly isTolerant: boolean;
  readonly at: Position;
}

export interface Draft {
  readonly account: AccountName;
  /** In the order of the text; owners may come after what they own. */
  readonly records: readonly DraftRecord[];
  readonly publicKeys: readonly DraftPublicKey[];
  readonly grants: readonly DraftGrant[];
  readonly permits: readonly DraftPermit[];
  readonly revocations: readonly DraftGrant[];
  readonly denials: readonly DraftPermit[];
  readonly deletions: readonly DraftDeletion[];
  /** One per id and use. */
  readonly references: readonly DraftReference[];
  readonly warnings: readonly string[];
}
