/** A policy load without the load: decided and planned as one, its effect told, nothing stored and no key made. */

import { PosternError } from "../model/failures";
import { accountOf, type ResourceId } from "../model/ids";
import type { Caller } from "../model/types";
import type { Graph } from "./graph";
import type { PolicyLoad, PolicyRehearsal } from "./operations";
import { type Effect, effectOf, type RecordState } from "./policy/effect";
import type { PlanOutput } from "./policy/task";
import { createPace } from "./slices";

/** The effect of a plan, as the caller may know it. Throws `policy_invalid` for a text that would not load. */
export async function rehearse(graph: Graph, caller: Caller, load: PolicyLoad, planned: PlanOutput): Promise<PolicyRehearsal> {
  if (!planned.ok)
    throw new PosternError({ code: "policy_invalid", kind: planned.kind, problems: planned.problems, because: "policy_invalid" });
  const commit = { revision: graph.revision, account: accountOf(load.policy), at: caller.context.now, changes: planned.changes };
  const effect = await effectOf(graph, await graph.withInSlices(commit), planned.changes);
  return redacted(effect, graph, caller);
}

/** What the caller does not see keeps its place in the lists, without anything that is said of it. */
async function redacted({ created, updated, deleted }: Effect, graph: Graph, caller: Caller): Promise<PolicyRehearsal> {
  const pace = createPace(recordsPerSlice);
  const isNew = new Set(created.map(({ id }) => id));
  const hidden = new Set<ResourceId>();
  function isHidden(id: ResourceId): boolean {
    if (isNew.has(id) || id === caller.role || graph.sees(caller.role, id)) return false;
    hidden.add(id);
    return true;
  }
  function shown(record: RecordState): RecordState {
    const { id, owner } = record;
    isHidden(owner);
    if (isHidden(id)) return { id, owner, annotations: [], permissions: [], permitted: [], members: [], memberships: [], restrictedTo: [] };
    for (const { role, resource } of [...record.permissions, ...record.permitted]) for (const each of [role, resource]) isHidden(each);
    for (const each of [...record.members, ...record.memberships]) isHidden(each);
    if (record.policy !== undefined) isHidden(record.policy);
    return record;
  }
  async function allShown(records: readonly RecordState[]): Promise<readonly RecordState[]> {
    const all: RecordState[] = [];
    for (const record of records) {
      await pace();
      all.push(shown(record));
    }
    return all;
  }
  const changed: { before: RecordState; after: RecordState }[] = [];
  for (const { before, after } of updated) {
    await pace();
    changed.push({ before: shown(before), after: shown(after) });
  }
  return { created: await allShown(created), updated: changed, deleted: await allShown(deleted), hidden };
}

/** So many are judged in some ten milliseconds. */
const recordsPerSlice = 500;
