/** Which mount a path is in: clients ask before every read, and mounts change rarely. Without the primary, what is held here tells. */

import type { VaultMount } from "../client/vault-client";
import { failureOf } from "../model/failures";
import type { Clock } from "../model/ports";
import type { Line } from "./line";
import { asLocal, away, refusedRole } from "./refusals";

export interface MountMemoryOptions {
  readonly ask: (path: string) => Promise<VaultMount>;
  readonly line: Line;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly pause: (ms: number) => Promise<void>;
  /** What the primary says of the role in passing. */
  readonly role: { isRefused(): boolean; refuse(): void; admit(): void };
  /** The mounts that values held now came from. */
  readonly held: () => readonly VaultMount[];
}

const rememberedMs = 60_000;
const maxRemembered = 1000;
/** Who could go by what is held waits no longer for a better answer. */
const patienceMs = 1000;

/** Throws `forbidden` (the role is refused, or may see nothing there), `not_found`, `upstream_unavailable`. */
export function createMountMemory({ ask, line, clock, pause, role, held }: MountMemoryOptions): (path: string) => Promise<VaultMount> {
  const remembered = new Map<string, { readonly mount: VaultMount; readonly atMs: number }>();

  function remember(path: string, mount: VaultMount): VaultMount {
    if (remembered.size >= maxRemembered) remembered.clear();
    remembered.set(path, { mount, atMs: clock.monotonicMs() });
    return mount;
  }

  /** Of several that fit, the longest. */
  function heldMount(path: string): VaultMount | undefined {
    const fitting = held().filter((mount) => `${path}/`.startsWith(`${mount.path}/`));
    return fitting.toSorted((left, right) => right.path.length - left.path.length)[0];
  }

  function withoutLine(path: string): VaultMount {
    if (role.isRefused()) throw refusedRole();
    const mount = heldMount(path);
    if (mount === undefined) throw away();
    return mount;
  }

  return async (path) => {
    const known = remembered.get(path);
    if (known !== undefined && !role.isRefused() && clock.monotonicMs() - known.atMs < rememberedMs) return known.mount;
    if (line.isAway()) return withoutLine(path);
    const asking = ask(path);
    // Where nobody waits for it any more, a failure must not end the process.
    asking.catch(() => undefined);
    try {
      const mount = heldMount(path) === undefined ? await asking : await Promise.race([asking, pause(patienceMs)]);
      if (mount === undefined) return withoutLine(path);
      line.succeeded();
      role.admit();
      return remember(path, mount);
    } catch (error) {
      const { code } = failureOf(error);
      if (code === "upstream_unavailable") {
        line.failed();
        return withoutLine(path);
      }
      line.succeeded();
      if (code === "unauthenticated") role.refuse();
      throw asLocal(error);
    }
  };
}
