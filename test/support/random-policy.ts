/** Policies that nobody wrote, for properties that hold of all of them. */

import { seededRandom } from "./house";

/** Nested policies with records, owners, grants and permits across them; the same for the same seed. */
export function randomPolicy(seed: number): string {
  const random = seededRandom(seed);
  const below = (count: number): number => (random.bytes(1)[0] ?? 0) % count;
  const groups: string[] = [];
  const lines: string[] = [];
  const relations: string[] = [];
  function body(path: readonly string[], indent: string): void {
    for (let index = 0; index < 4; index += 1) {
      const name = [...path, `n${index}`].join("/");
      const kind = ["variable", "group", "host", "webservice"][below(4)];
      // An owner holds what it owns: an owned group could close a circle with the grants below.
      const owner = kind !== "group" && groups.length > 0 && below(3) === 0 ? `, owner: !group /${groups[below(groups.length)]}` : "";
      lines.push(`${indent}- !${kind} { id: n${index}${owner} }`);
      const target = groups[below(groups.length + 1)];
      if (kind === "group") {
        if (target !== undefined) relations.push(`- !grant { role: !group ${target}, member: !group ${name} }`);
        groups.push(name);
      }
      if (kind === "variable" && target !== undefined)
        relations.push(`- !permit { role: !group ${target}, privileges: [ read, execute ], resource: !variable ${name} }`);
    }
    if (path.length >= 3) return;
    for (const name of ["p", "q"].slice(below(2))) {
      lines.push(`${indent}- !policy`, `${indent}  id: ${name}`, `${indent}  body:`);
      body([...path, name], `${indent}    `);
    }
  }
  body([], "");
  return [...lines, ...relations].join("\n");
}
