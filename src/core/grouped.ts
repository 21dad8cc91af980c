/**
 * Values grouped under a key, each with a key of its own inside the group: the permits on a resource, by privilege and role.
 * A value like `PersistentMap`: changing one gives a new one.
 */

import { emptyMap, type MapDraft, type PersistentMap } from "./persistent-map";

export interface Grouped<Value> {
  /** The members of a group; none for an unknown one. */
  of(group: string): Iterable<Value>;
  count(group: string): number;
  find(group: string, key: string): Value | undefined;
  groups(): Iterable<string>;
  draft(): GroupedDraft<Value>;
}

export interface GroupedDraft<Value> {
  /** A copy of the members, safe to change the group by. */
  of(group: string): Value[];
  count(group: string): number;
  find(group: string, key: string): Value | undefined;
  set(group: string, value: Value): void;
  delete(group: string, key: string): void;
  deleteGroup(group: string): void;
  done(): Grouped<Value>;
}

/** Most groups hold a handful: up to this many, a plain list is smaller and quicker than a map. */
const smallGroup = 16;

interface SmallGroup<Value> {
  readonly list: readonly Value[];
  readonly large?: undefined;
}
interface LargeGroup<Value> {
  readonly large: PersistentMap<Value>;
}
type Group<Value> = SmallGroup<Value> | LargeGroup<Value>;

export function emptyGrouped<Value>(keyOf: (value: Value) => string): Grouped<Value> {
  return makeGrouped(emptyMap<Group<Value>>(), keyOf);
}

function makeGrouped<Value>(groups: PersistentMap<Group<Value>>, keyOf: (value: Value) => string): Grouped<Value> {
  return {
    of: (group) => members(groups.get(group)),
    count: (group) => countOf(groups.get(group)),
    find: (group, key) => findIn(groups.get(group), key, keyOf),
    groups: () => groups.keys(),
    draft: () => makeDraft(groups, keyOf),
  };
}

function makeDraft<Value>(base: PersistentMap<Group<Value>>, keyOf: (value: Value) => string): GroupedDraft<Value> {
  const groups = base.draft();
  // A large group under change stays a draft until the end: one batch may add thousands of members to it.
  const open = new Map<string, MapDraft<Value>>();

  function largeDraft(group: string): MapDraft<Value> | undefined {
    const already = open.get(group);
    if (already !== undefined) return already;
    const draft = groups.get(group)?.large?.draft();
    if (draft !== undefined) open.set(group, draft);
    return draft;
  }

  return {
    of: (group) => [...(open.get(group)?.values() ?? members(groups.get(group)))],
    count(group) {
      const draft = open.get(group);
      return draft === undefined ? countOf(groups.get(group)) : draft.size;
    },
    find(group, key) {
      const draft = open.get(group);
      return draft === undefined ? findIn(groups.get(group), key, keyOf) : draft.get(key);
    },
    set(group, value) {
      const key = keyOf(value);
      const large = largeDraft(group);
      if (large !== undefined) {
        large.set(key, value);
        return;
      }
      const list = [...members(groups.get(group))].filter((other) => keyOf(other) !== key);
      list.push(value);
      if (list.length <= smallGroup) {
        groups.set(group, { list });
        return;
      }
      const draft = emptyMap<Value>().draft();
      for (const each of list) draft.set(keyOf(each), each);
      open.set(group, draft);
    },
    delete(group, key) {
      const large = largeDraft(group);
      if (large !== undefined) {
        large.delete(key);
        return;
      }
      const list = [...members(groups.get(group))].filter((value) => keyOf(value) !== key);
      if (list.length === 0) groups.delete(group);
      else groups.set(group, { list });
    },
    deleteGroup(group) {
      open.delete(group);
      groups.delete(group);
    },
    done() {
      for (const [group, draft] of open) {
        if (draft.size === 0) groups.delete(group);
        else groups.set(group, draft.size <= smallGroup ? { list: [...draft.values()] } : { large: draft.done() });
      }
      open.clear();
      return makeGrouped(groups.done(), keyOf);
    },
  };
}

function countOf<Value>(group: Group<Value> | undefined): number {
  if (group === undefined) return 0;
  return group.large === undefined ? group.list.length : group.large.size;
}

function members<Value>(group: Group<Value> | undefined): Iterable<Value> {
  if (group === undefined) return [];
  return group.large === undefined ? group.list : group.large.values();
}

function findIn<Value>(group: Group<Value> | undefined, key: string, keyOf: (value: Value) => string): Value | undefined {
  if (group === undefined) return undefined;
  return group.large === undefined ? group.list.find((value) => keyOf(value) === key) : group.large.get(key);
}
