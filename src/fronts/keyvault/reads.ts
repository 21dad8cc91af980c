/**
 * What reads secrets, which is nothing yet. The bearer is asked for before anything is looked at: clients send their first request bare, without even
 * its body, and would take any other refusal as final.
 */

import type { Hono } from "hono";
import { PosternError } from "../../model/failures";
import type { FrontEnv } from "../front";
import { secretNameOf } from "./names";
import { assertApiVersion } from "./wire";

export function addReads(app: Hono<FrontEnv>): void {
  app.all("*", (c) => {
    if (c.req.header("authorization") === undefined) throw new PosternError({ code: "unauthenticated", because: "bearer_missing" });
    assertApiVersion(c.req.url);
    throw new PosternError({ code: "not_found", target: secretNameOf(c.req.url) ?? "route" });
  });
}
