/** The engine at `sys/`: what the server tells of itself, and the nouns that are managed there, a file each. */

import type { Engine } from "./engine";
import { leaseRoutes } from "./sys-leases";
import { mountRoutes } from "./sys-mounts";
import { observingRoutes } from "./sys-observing";
import { policyRoutes } from "./sys-policies";
import { preflightRoutes } from "./sys-preflight";
import { standingRoutes } from "./sys-standing";
import { toolRoutes } from "./sys-tools";
import { wrappingRoutes } from "./wrapping";

export const system: Engine = {
  type: "system",
  routes: [
    ...standingRoutes,
    ...mountRoutes,
    ...observingRoutes,
    ...policyRoutes,
    ...preflightRoutes,
    ...wrappingRoutes,
    ...leaseRoutes,
    ...toolRoutes,
  ],
};
