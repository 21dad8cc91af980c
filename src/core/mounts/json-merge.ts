/** What is done to JSON objects in their texts: one laid over another, and the names without the values. Numbers keep their digits. */

import { membersOf, objectTextOf } from "../../model/json-text";

/** Objects deeper than this are taken as they are. No body has deeper ones; a value that came by another door may. */
const maxDepth = 64;

/** The target after a merge patch: `null` removes, objects merge, everything else replaces. Both are JSON texts. Source: RFC 7386, section 2. */
export function mergePatched(target: string, patch: string, depth = 0): string {
  const changes = depth > maxDepth ? undefined : membersOf(patch);
  if (changes === undefined) return patch;
  const members = new Map(membersOf(target));
  for (const [name, value] of changes) {
    if (value === "null") members.delete(name);
    else members.set(name, mergePatched(members.get(name) ?? "null", value, depth + 1));
  }
  return objectTextOf(members);
}

/** The object with `null` for every value that is no object with members: `{"a":1,"b":{"c":[2]}}` → `{"a":null,"b":{"c":null}}`. `depth` above 0 cuts what is nested deeper. */
export function namesAlone(text: string, depth: number): string {
  const members = membersOf(text);
  return members === undefined ? "null" : namesOf(members, depth, 1);
}

function namesOf(members: ReadonlyMap<string, string>, depth: number, level: number): string {
  const isCut = level > maxDepth || (depth > 0 && level >= depth);
  const named = [...members].map(([name, value]): [string, string] => {
    const nested = isCut || !value.startsWith("{") ? undefined : membersOf(value);
    return [name, nested === undefined || nested.size === 0 ? "null" : namesOf(nested, depth, level + 1)];
  });
  return objectTextOf(new Map(named));
}
