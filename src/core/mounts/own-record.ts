/**
 * Records of anything by name, as documents keep them. The library's own schema leaves out the names `__proto__`, `prototype` and `constructor`, which here are
 * names like others: a member that a policy denies must not be forgotten for what it is called. Source: valibot 1.x, `record` (_isValidObjectKey).
 */

import * as v from "valibot";

/** An object of such values, every own member of it. */
export function ownRecord<Value>(value: v.GenericSchema<unknown, Value>) {
  return v.pipe(
    v.custom<object>((input) => typeof input === "object" && input !== null && !Array.isArray(input), "an object"),
    v.transform((input): readonly (readonly [string, unknown])[] => Object.entries(input)),
    v.array(v.tuple([v.string(), value])),
    v.transform((entries): Record<string, Value> => Object.fromEntries(entries)),
  );
}
