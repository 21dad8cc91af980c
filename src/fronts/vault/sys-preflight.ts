/**
 * What clients ask before the first word about a secret: which mount is it in, and of which version? Any right there is enough to be told.
 *
 * Source: Vault 1.19, vault/logical_system.go (pathInternalUIMountRead); api/kv_helpers in command/ for what is read of it.
 */

import type { Mount } from "../../core/broker";
import type { Call, EngineRoute } from "./engine";
import { mountShape, named } from "./sys-mounts";
import type { Answer } from "./wire";

export const preflightRoutes: readonly EngineRoute[] = [
  { path: "internal/ui/mounts", open: true, read: visible },
  { path: "internal/ui/mounts/*", read: preflight },
];

async function visible(call: Call): Promise<Answer> {
  const mounts = call.broker.paths.mounts.visible(await call.callerIfAny());
  const shapes = (isMethod: boolean): object =>
    Object.fromEntries(
      mounts.filter(({ path }) => path.startsWith("auth/") === isMethod).map((mount) => [`${named(mount)}/`, mountShape(mount)]),
    );
  return { data: { secret: shapes(false), auth: shapes(true) } };
}

async function preflight(call: Call): Promise<Answer> {
  const [path = ""] = call.parameters;
  const mount: Mount = await call.broker.paths.mounts.preflight(call.caller(), path);
  return { data: { ...mountShape(mount), path: `${mount.path}/` } };
}
