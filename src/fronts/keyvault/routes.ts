/**
 * The Azure Key Vault front, which has no vault behind it yet: it asks for a bearer as the service does, and then has no such secret.
 *
 * Source: Azure Key Vault secrets REST API, 7.4 and 2025-07-01.
 */

import { Hono } from "hono";
import { type Front, type FrontApp, type FrontEnv, print, refuseBy, wireOf } from "../front";
import { failures } from "./errors";
import { addReads } from "./reads";

export const keyvault: Front = { name: "keyvault", serve: bound, reads: bound };

function bound(): FrontApp {
  const app = new Hono<FrontEnv>();
  app.onError((error, c) => refuseBy(failures, error, c.env));
  addReads(app);
  return { name: keyvault.name, app, hot: [], takesPolicy: () => false, refuse: (failure) => print(wireOf(failures, failure)) };
}
