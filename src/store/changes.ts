/** Changes as the log keeps them: what they are about, and their form as bytes. */

import { PosternError } from "../model/failures";
import { type AccountName, accountOf, type ResourceId } from "../model/ids";
import type { Change, Commit } from "../model/types";
import { pause } from "./pause";

/** So many changes are checked, sealed or encoded in a few milliseconds. */
export const changesPerSlice = 2000;

/** The bytes a commit's MAC is made of, and stored. The changes carry no values any more. */
export function encodeChanges(changes: readonly Change[]): Buffer {
  return Buffer.from(JSON.stringify(changes), "utf8");
}

/** The same bytes, made with other work let through in between. */
export async function encodeInSlices(changes: readonly Change[]): Promise<Buffer> {
  if (changes.length <= changesPerSlice) return encodeChanges(changes);
  const pieces: string[] = [];
  for (let start = 0; start < changes.length; start += changesPerSlice) {
    pieces.push(JSON.stringify(changes.slice(start, start + changesPerSlice)).slice(1, -1));
    await pause();
  }
  return Buffer.from(`[${pieces.join(",")}]`, "utf8");
}

/** The changes of a body whose MAC holds: they are what was encoded, so they are not validated again, which would take longer than all the rest. */
export function decodeChanges(body: Buffer): readonly Change[] {
  const changes: readonly Change[] = JSON.parse(body.toString("utf8"));
  return changes;
}

const aboutVersions: ReadonlySet<Change["type"]> = new Set([
  "put_secret_version",
  "remove_secret_version",
  "put_version_state",
  "put_secret_rules",
  "remove_secret_rules",
]);

/** Whether something other than versions of secrets changed. Only then must plans that were made before be made again. */
export function changesFacts(commit: Pick<Commit, "changes">): boolean {
  return commit.changes.some(({ type }) => !aboutVersions.has(type));
}

/** Whether a value, a key or a text that was kept is to be gone. */
export function removesValue(change: Change): boolean {
  return change.type.startsWith("remove_") || (change.type === "put_version_state" && change.destroyed === true);
}

/** Whether what the log says of something must not stay in it: digests of keys and hashes of passwords that no longer count. */
export function erases({ type }: Change): boolean {
  return type === "remove_account" || type === "remove_resource" || type === "remove_credential";
}

/** Every id that a change names; a fact is gone when any of these is removed. */
export function idsOf(change: Change): readonly ResourceId[] {
  switch (change.type) {
    case "put_account":
    case "remove_account":
    case "put_authenticator_switch":
      return [];
    case "put_resource":
      return [change.resource.id];
    case "remove_resource":
      return [change.id];
    case "put_grant":
      return [change.grant.role, change.grant.member];
    case "remove_grant":
      return [change.role, change.member];
    case "put_permit":
      return [change.permit.role, change.permit.resource];
    case "remove_permit":
      return [change.role, change.resource];
    case "put_annotation":
      return [change.annotation.resource];
    case "remove_annotation":
    case "put_secret_version":
    case "remove_secret_version":
    case "put_version_state":
    case "remove_secret_rules":
      return [change.resource];
    case "put_secret_rules":
      return [change.rules.resource];
    case "put_secret_expiry":
      return [change.expiry.resource];
    case "put_restriction":
      return [change.restriction.role];
    case "remove_restriction":
    case "remove_credential":
      return [change.role];
    case "put_credential":
      return [change.credential.role];
    case "put_policy_version":
      return [change.policyVersion.policy];
    case "remove_policy_version":
      return [change.policy];
    case "put_host_factory_token":
      return [change.token.factory];
    case "remove_host_factory_token":
      return [change.factory];
  }
}

/** Throws `internal` for a change that concerns another account than its commit: it would escape that account's MAC chain. */
export function requireAccount(change: Change, account: AccountName): void {
  const names = idsOf(change).map(accountOf);
  if (change.type === "put_account") names.push(change.account.name);
  if (change.type === "remove_account") names.push(change.account);
  if (change.type === "put_authenticator_switch") names.push(change.authenticatorSwitch.account);
  // The owner is no id that the fact hangs on, but must not be a stranger either.
  if (change.type === "put_resource") names.push(accountOf(change.resource.owner));
  if (names.some((name) => name !== account))
    throw new PosternError({ code: "internal", what: "a commit with a change of another account" });
}
