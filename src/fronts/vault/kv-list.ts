/** Lists of keys and folders, alike for every engine that has some. */

import { PosternError } from "../../model/failures";
import type { Call } from "./engine";
import { askedFor } from "./kv-body";

/** An empty list is told as nothing there. `after` and `limit` page it. Source: OpenBao 2.x, sdk/logical (list pagination). */
export function listAnswer(call: Call, keys: readonly string[]): { readonly data: { readonly keys: readonly string[] } } {
  const asked = askedFor(call);
  const after = asked.text("after") ?? "";
  const limit = asked.whole("limit") ?? 0;
  const start = after === "" ? 0 : firstBehind(keys, after);
  const page = keys.slice(start, limit > 0 ? start + limit : undefined);
  if (page.length === 0) throw new PosternError({ code: "not_found", target: call.path, empty: true });
  return { data: { keys: page } };
}

/** Of keys in the order of their bytes, the place of the first behind this one. */
function firstBehind(keys: readonly string[], after: string): number {
  const bound = Buffer.from(after);
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (Buffer.compare(Buffer.from(keys[middle] ?? ""), bound) > 0) high = middle;
    else low = middle + 1;
  }
  return low;
}
