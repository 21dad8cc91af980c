/** Lists of keys and folders, alike for every engine that has some. */

import { PosternError } from "../../model/failures";
import type { Call } from "./engine";
import { askedFor } from "./kv-body";
import type { Answer } from "./wire";

/** An empty list is told as nothing there. `after` and `limit` page it. Source: OpenBao 2.x, sdk/logical (list pagination). */
export function listAnswer(call: Call, keys: readonly string[]): Answer {
  const asked = askedFor(call);
  const after = asked.text("after") ?? "";
  const limit = asked.whole("limit") ?? 0;
  const following = after === "" ? keys : keys.filter((key) => Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0);
  const page = limit > 0 ? following.slice(0, limit) : following;
  if (page.length === 0) throw new PosternError({ code: "not_found", target: call.path, empty: true });
  return { data: { keys: page } };
}
