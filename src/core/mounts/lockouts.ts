/**
 * Who has shown too many wrong passwords of late, by name: shut out for a while. Pure over the times it is told; in memory alone.
 *
 * Names that nobody has are counted too, or a lock would tell that somebody has them; but in a place of their own and of a bounded size, so that strangers who
 * make names up push out one another and nobody's real lock.
 */

import type { Instant } from "../../model/types";

export interface Lockouts {
  isLocked(name: string, now: Instant): boolean;
  /** `isKnown`: somebody has the name. */
  failed(name: string, isKnown: boolean, now: Instant): void;
  succeeded(name: string): void;
}

interface Failures {
  readonly count: number;
  readonly lastAt: Instant;
}

/** Source: Vault 1.19, vault/user_lockout: five failures within 15 minutes, then 15 minutes. */
const mostFailures = 5;
const windowMs = 15 * 60_000;
const maxUnknown = 10_000;

export function createLockouts(): Lockouts {
  const known = new Map<string, Failures>();
  const unknown = new Map<string, Failures>();

  const recent = (name: string, now: Instant): Failures | undefined => {
    const found = known.get(name) ?? unknown.get(name);
    return found !== undefined && now - found.lastAt < windowMs ? found : undefined;
  };

  return {
    // Until the time since the last failure that counted: refused attempts count for nothing and do not prolong it.
    isLocked: (name, now) => (recent(name, now)?.count ?? 0) >= mostFailures,

    failed(name, isKnown, now) {
      const count = (recent(name, now)?.count ?? 0) + 1;
      known.delete(name);
      unknown.delete(name);
      const place = isKnown ? known : unknown;
      const oldest = place.keys().next();
      if (!isKnown && place.size >= maxUnknown && oldest.done !== true) place.delete(oldest.value);
      place.set(name, { count, lastAt: now });
    },

    succeeded(name) {
      known.delete(name);
      unknown.delete(name);
    },
  };
}
