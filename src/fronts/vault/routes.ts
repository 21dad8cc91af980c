/**
 * The Vault front, which offers no engine yet: every path is answered as one at which nothing is stored.
 *
 * Source: OpenBao 2.x and Vault 1.16, http/handler.go and logical/response.go.
 */

import { Hono } from "hono";
import { type Front, type FrontApp, type FrontEnv, print, refuseBy, wireOf } from "../front";
import { failures } from "./errors";
import { addReads } from "./reads";

export const vault: Front = { name: "vault", serve: bound, reads: bound };

function bound(): FrontApp {
  const app = new Hono<FrontEnv>();
  app.onError((error, c) => refuseBy(failures, error, c.env));
  addReads(app);
  return { name: vault.name, app, hot: [], takesPolicy: () => false, refuse: (failure) => print(wireOf(failures, failure)) };
}
