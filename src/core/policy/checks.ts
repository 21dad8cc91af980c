/**
 * What a draft must find in the graph: the records it refers to, and no other user behind the name of one it declares.
 */

import { type AccountName, identifierOf, kindOf, type ResourceId, type RoleId } from "../../model/ids";
import type { Resource } from "../../model/types";
import type { Draft, DraftRecord, DraftReference } from "./draft";
import { isWithin, userSuffix } from "./names";
import { didYouMean, type Problems } from "./problems";
import type { PolicyScene } from "./scene";
import { kindName } from "./statements";

export interface CheckOptions {
  readonly account: AccountName;
  readonly policy: RoleId;
  readonly scene: PolicyScene;
  readonly problems: Problems;
  /** Records that stay or come: those of the text, and stored ones that the load does not drop. */
  readonly remains: (id: ResourceId) => boolean;
  readonly warn: (line: number, text: string) => void;
}

/**
 * Reports references that lead nowhere; of removals they are only warned about. Returns the draft without removals of users of another branch, which
 * count as absent.
 */
export function checkReferences(draft: Draft, options: CheckOptions): Draft {
  const { account, policy, scene, problems, warn } = options;
  const declared = new Set(draft.records.map((record) => record.id));
  const foreign = new Set<ResourceId>();
  for (const reference of draft.references) {
    const { id, at, isTolerant } = reference;
    if (declared.has(id)) continue;
    const existing = scene.resource(id);
    if (existing !== undefined && mayActOn(reference, existing, policy)) continue;
    if (existing !== undefined) foreign.add(id);
    const message = `${kindName(kindOf(id))} '${identifierOf(id)}' not found in account '${account}'`;
    if (isTolerant) warn(at.line, `${message}; nothing to remove`);
    else problems.report(at, message, () => referenceAdvice(id, draft.records), "reference");
  }
  if (foreign.size === 0) return draft;
  return {
    ...draft,
    deletions: draft.deletions.filter(({ id }) => !foreign.has(id)),
    denials: draft.denials.filter(({ resource }) => !foreign.has(resource)),
    revocations: draft.revocations.filter(({ role }) => !foreign.has(role)),
  };
}

/** Reports users whose name already is another user's: `x@a-b` is the user `x` of `a/b` and of `a-b` alike. */
export function checkUserCollisions(records: readonly DraftRecord[], options: CheckOptions): void {
  const { policy, scene, problems, remains } = options;
  for (const record of records) {
    const existing = record.kind === "user" && record.identifier !== "admin" ? scene.resource(record.id) : undefined;
    if (existing === undefined) continue;
    const isOther = existing.policy !== policy || isOfTwin(existing, record.scope, remains);
    if (isOther) problems.report(record, `User '${record.identifier}' already exists under another policy`, "give the user another id");
  }
}

/** Whether the user's owner is another policy whose users have the same suffix. */
function isOfTwin(existing: Resource, scope: RoleId, remains: (id: ResourceId) => boolean): boolean {
  const { owner } = existing;
  if (kindOf(owner) !== "policy" || owner === scope || !remains(owner)) return false;
  return userSuffix(identifierOf(owner)) === userSuffix(identifierOf(scope));
}

/** A user's name does not tell whose branch it is from; its record does. All other names were judged when they were resolved. */
function mayActOn({ id, use }: DraftReference, existing: Resource, policy: RoleId): boolean {
  const branch = identifierOf(policy);
  if (use === "subject" || kindOf(id) !== "user" || branch === "root" || existing.policy === policy) return true;
  const home = [existing.owner, ...(existing.policy === undefined ? [] : [existing.policy])];
  return home.some((role) => kindOf(role) === "policy" && isWithin("policy", identifierOf(role), branch));
}

// Suggestions come from the text itself: the graph has names that the loader may not know.
const maxSuggestions = 1000;

function referenceAdvice(id: ResourceId, records: readonly DraftRecord[]): string | undefined {
  const kind = kindOf(id);
  const identifier = identifierOf(id);
  if (kind === "user" && identifier.startsWith("admin@")) return "did you mean '/admin'?";
  const alike = records.filter((record) => record.kind === kind).slice(0, maxSuggestions);
  return didYouMean(
    identifier,
    alike.map((record) => record.identifier),
  );
}
