/** What reads secrets, which is nothing yet: a path is made canonical as Vault does it, and then has nothing stored. */

import type { Hono } from "hono";
import { PosternError } from "../../model/failures";
import type { FrontEnv } from "../front";
import { targetOf } from "./names";

export function addReads(app: Hono<FrontEnv>): void {
  app.all("*", (c) => {
    throw new PosternError({ code: "not_found", target: targetOf(c.req.url).path });
  });
}
