/** What the core does with branches and with the members of groups: a part of the broker's interface. */

import type { AccountName, ResourceId, RoleId } from "../model/ids";
import type { Annotation, Caller } from "../model/types";
import type { Page } from "./operations";

/** A policy to be made below another. */
export interface BranchRequest {
  /** The branch it lies in: `acme:policy:root`. */
  readonly parent: RoleId;
  /** Without a slash. */
  readonly name: string;
  /** The branch above when absent, or the account's administrator at the top. */
  readonly owner?: RoleId;
  readonly annotations: ReadonlyMap<string, string>;
}

/** Annotations are added to those there are, or take the place of those of the same name. */
export interface BranchChange {
  readonly owner?: RoleId;
  readonly annotations: ReadonlyMap<string, string>;
}

export interface BranchView {
  readonly id: ResourceId;
  readonly owner: RoleId;
  readonly annotations: readonly Annotation[];
}

export interface BranchQuery {
  readonly account: AccountName;
  readonly limit: number;
  readonly offset: number;
}

export interface BranchOperations {
  /**
   * A new branch, by `create` on the one above. Throws `exists`; `not_found` also for an owner the caller does not see; `malformed` (kind `argument`, where
   * `name`, `owner` or `annotations`).
   */
  createBranch(caller: Caller, request: BranchRequest): Promise<BranchView>;
  /** The branches that the caller may `read`, sorted, but for the root. */
  listBranches(caller: Caller, query: BranchQuery): Promise<Page<BranchView>>;
  showBranch(caller: Caller, id: RoleId): Promise<BranchView>;
  /** By `update`; another owner takes holding the present one, or `update` on the branch above as well. */
  updateBranch(caller: Caller, id: RoleId, change: BranchChange): Promise<BranchView>;
  /** With all below it and all that those own, by `delete` on it and `update` on each of the others. Throws `conflict` when it owns something elsewhere. */
  removeBranch(caller: Caller, id: RoleId): Promise<void>;
  /**
   * By `create` on the branch the group lies in; both must be visible. Throws `exists` for a member, `malformed` (kind `argument`, where `id`) for one who
   * cannot be.
   */
  addGroupMember(caller: Caller, group: RoleId, member: RoleId): Promise<void>;
  /** By `update` on that branch. */
  removeGroupMember(caller: Caller, group: RoleId, member: RoleId): Promise<void>;
}
