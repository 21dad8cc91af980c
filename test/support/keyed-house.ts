/** A house with a mount of each version of `kv`, and a caller whom all paths are open to. */

import type { KeyRef } from "../../src/core/broker";
import type { PathAccess } from "../../src/model/paths";
import type { Caller } from "../../src/model/types";
import { createHouse, type House, type HouseOptions, secret } from "./house";
import { rootRights, withRights } from "./path-rights";

export interface KeyedHouse extends House {
  /** May do everything, now. */
  root(): Caller;
  /** `app/db` at `secret`, of version 2. */
  key(key: string): KeyRef;
}

export const pathOf = (path: string, action: PathAccess["action"] = "write"): PathAccess => ({ path, action });
export const object = (value: unknown) => secret(typeof value === "string" ? value : JSON.stringify(value));

/** Mounts `secret` and `other` are of version 2, `old` is of version 1. */
export async function createKeyedHouse(options: HouseOptions = {}): Promise<KeyedHouse> {
  const house = await createHouse(options);
  const root = (): Caller => withRights({ ...house.admin, context: house.context({ dialect: "vault" }) }, rootRights);
  const versions = { secret: "2", other: "2", old: "1" };
  for (const [path, version] of Object.entries(versions))
    await house.broker.paths.mounts.enable(root(), pathOf(`sys/mounts/${path}`), { path, type: "kv", settings: { options: { version } } });
  return { ...house, root, key: (key) => ({ mount: "secret", key }) };
}
