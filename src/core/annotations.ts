/** Annotations that a request brings, held to what those of a policy are held to. */

import { PosternError } from "../model/failures";
import type { ResourceId, RoleId } from "../model/ids";
import type { Change } from "../model/types";
import { wordProblem } from "./policy/names";

/** The changes that add them, or replace those of the same names. `policy` declares them, if one does. Throws `malformed` (kind `argument`, where `annotations`). */
export function annotationChanges(resource: ResourceId, annotations: ReadonlyMap<string, string>, policy?: RoleId): readonly Change[] {
  return [...annotations].map(([name, value]): Change => {
    const problem = wordProblem(name) ?? (value.isWellFormed() && !value.includes("\0") ? undefined : "has a value that is no text");
    if (problem !== undefined) {
      const expected = `names and values that a policy may have, and one ${problem}`;
      throw new PosternError({ code: "malformed", where: "annotations", expected, kind: "argument", because: "annotation" });
    }
    return {
      type: "put_annotation",
      annotation: { resource, name: copied(name), value: copied(value), ...(policy === undefined ? {} : { policy }) },
    };
  });
}

/** A piece of a text keeps the whole of it in memory, here for as long as the annotation stands. */
const copied = (text: string): string => Buffer.from(text, "utf8").toString("utf8");
