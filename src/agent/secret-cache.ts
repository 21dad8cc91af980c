/**
 * What one app's role was given, and how old that is: fresh values at once, others from the primary, and while that cannot be asked from here, as long as the
 * operator allows.
 *
 * An age is the larger of what two clocks say: setting the time back makes nothing younger, and neither does a suspended machine, on which the other clock
 * stands. A refusal by the primary acts at once: the secret it
 * concerns is dropped, and when it refuses the role itself nothing more is served, line or no line, until the role logs in again.
 */

import type { VaultMount } from "../client/vault-client";
import { failureOf, PosternError } from "../model/failures";
import { identifierOf, type ResourceId } from "../model/ids";
import type { Clock, Logger } from "../model/ports";
import type { SecretBytes } from "../model/secret-bytes";
import type { Instant } from "../model/types";
import type { Line } from "./line";
import { createMountMemory } from "./mount-memory";
import type { SecretOrigin } from "./primary";
import { asLocal, away, refusedRole } from "./refusals";
import type { Upstream } from "./upstream";

/** A value with what an answer says of its freshness. */
export interface Served {
  readonly value: SecretBytes;
  readonly mimeType?: string;
  readonly origin?: SecretOrigin;
  /** `primary`: it gave the value within the time that counts as fresh. `copy`: it could not be asked now. */
  readonly source: "primary" | "copy";
  readonly ageMs: number;
}

/** A value as the copy keeps it. */
export interface Kept {
  readonly id: ResourceId;
  readonly version?: number;
  readonly value: SecretBytes;
  readonly mimeType?: string;
  readonly origin?: SecretOrigin;
  readonly ageMs: number;
}

export interface CacheState {
  readonly kept: readonly Kept[];
  /** The primary's last word was that this role may not log in. */
  readonly isRefused: boolean;
}

export interface SecretCache {
  /** Throws `stale` past the bound, `upstream_unavailable` without a value and a line, and what the primary refuses with. */
  read(id: ResourceId, version?: number): Promise<Served>;
  /** Forgets what is past its bound, and asks for everything else, and for `ids`, anew. Never throws. */
  refresh(ids: readonly ResourceId[]): Promise<void>;
  /** The mount that a path is in; without the primary, one that a value held now came from. Absent where secrets have no paths. Throws as `read`. */
  readonly mountOf?: (path: string) => Promise<VaultMount>;
  /** What a copy may hold: values that may be served without the primary now. */
  state(): CacheState;
}

export interface SecretCacheOptions {
  readonly app: string;
  readonly upstream: Pick<Upstream, "read" | "mountOf">;
  readonly line: Line;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly pause: (ms: number) => Promise<void>;
  readonly freshMs: number;
  readonly maxStaleMs: (identifier: string) => number;
  /** What an earlier process left. */
  readonly initial?: CacheState;
  /** What a copy must know has changed; `lost`: something that may not be served any more was taken out of it. */
  readonly changed: (how: "gained" | "lost") => void;
}

interface Held extends Omit<Kept, "ageMs"> {
  /** When its age was zero, by the clock that never jumps and by the one that can be set; any number, where that was before this process. */
  readonly bornMs: number;
  readonly bornAt: Instant;
}

/** A reader with a usable value waits no longer for a better one. */
const patienceMs = 1000;
/** One who is refused is told so again without asking for so long. */
const refusalMs = 2000;
const maxKept = 10_000;
const maxRefusals = 1000;

export function createSecretCache(options: SecretCacheOptions): SecretCache {
  const { upstream, line, clock, logger, pause, freshMs, changed } = options;
  const held = new Map<string, Held>();
  const flights = new Map<string, Promise<Held>>();
  /** What was forgotten for its age: asked for without a line, that is the reason to tell. */
  const expired = new Set<string>();
  const refusals = new Map<string, { readonly error: unknown; readonly atMs: number }>();
  let isRefused = options.initial?.isRefused ?? false;
  for (const { ageMs, ...kept } of options.initial?.kept ?? []) {
    held.set(keyOf(kept.id, kept.version), { ...kept, bornMs: clock.monotonicMs() - ageMs, bornAt: clock.now() - ageMs });
  }

  const ageOf = ({ bornMs, bornAt }: Pick<Held, "bornMs" | "bornAt">): number =>
    Math.max(clock.monotonicMs() - bornMs, clock.now() - bornAt);
  const boundOf = (id: ResourceId): number => options.maxStaleMs(identifierOf(id));
  const isWithinBound = (each: Held): boolean => !isRefused && ageOf(each) <= boundOf(each.id);

  function served(each: Held, source: Served["source"]): Served {
    const { value, mimeType, origin } = each;
    const told = { ...(mimeType === undefined ? {} : { mimeType }), ...(origin === undefined ? {} : { origin }) };
    return { value, source, ageMs: ageOf(each), ...told };
  }

  /** What can be answered without the primary. */
  function withoutLine(key: string): Served {
    const each = held.get(key);
    if (isRefused) throw refusedRole();
    if (each === undefined && !expired.has(key)) throw away();
    if (each === undefined || !isWithinBound(each)) throw new PosternError({ code: "stale", because: "stale" });
    return served(each, "copy");
  }

  async function fetchValue(key: string, id: ResourceId, version: number | undefined): Promise<Held> {
    const born = { bornMs: clock.monotonicMs(), bornAt: clock.now() };
    try {
      const value = await upstream.read(id, version);
      line.succeeded();
      isRefused = false;
      // Its age counts from the question: what happened at the primary after it may not be in the answer.
      const fresh = { id, ...value, ...born, ...(version === undefined ? {} : { version }) };
      if (held.size >= maxKept && !held.has(key)) dropOldest();
      held.set(key, fresh);
      refusals.delete(key);
      expired.delete(key);
      changed("gained");
      return fresh;
    } catch (error) {
      learn(key, id, error);
      throw error;
    }
  }

  /** What a failure says about the line, the role and the secret. */
  function learn(key: string, id: ResourceId, error: unknown): void {
    const failure = failureOf(error);
    const { code } = failure;
    if (failure.code === "upstream_unavailable") {
      line.failed();
      // Also the machine's own endpoint may be what is away: without its token nobody can ask the primary.
      logger.warn("primary_unavailable", { app: options.app, upstream: failure.upstream, because: failure.because ?? code });
      return;
    }
    line.succeeded();
    if (code === "unauthenticated") {
      refuseRole();
    } else {
      // One version may be gone by itself; whoever may not read the secret, or sees it no more, has no version of it.
      const isOneVersion = key !== id && code === "not_found";
      expired.delete(key);
      for (const [other, each] of held) if (other === key || (!isOneVersion && each.id === id)) held.delete(other);
    }
    if (refusals.size >= maxRefusals) refusals.clear();
    refusals.set(key, { error, atMs: clock.monotonicMs() });
    changed("lost");
  }

  const role = {
    isRefused: () => isRefused,
    refuse: refuseRole,
    admit() {
      isRefused = false;
    },
  };
  const mountsHeld = (): readonly VaultMount[] => [...held.values()].flatMap(({ origin }) => (origin === undefined ? [] : [origin.mount]));

  function refuseRole(): void {
    isRefused = true;
    logger.warn("primary_refused_role", { app: options.app });
    changed("lost");
  }

  function forgetOld(): void {
    for (const [key, each] of held) {
      if (ageOf(each) <= Math.max(boundOf(each.id), freshMs)) continue;
      held.delete(key);
      if (expired.size < maxKept) expired.add(key);
    }
  }

  function dropOldest(): void {
    const oldest = held.keys().next();
    if (oldest.done !== true) held.delete(oldest.value);
  }

  function flightOf(key: string, id: ResourceId, version: number | undefined): Promise<Held> {
    const known = flights.get(key);
    if (known !== undefined) return known;
    const flight = fetchValue(key, id, version).finally(() => flights.delete(key));
    flights.set(key, flight);
    // Where nobody waits for it any more, a failure was learned from and must not end the process.
    flight.catch(() => undefined);
    return flight;
  }

  return {
    async read(id, version) {
      const key = keyOf(id, version);
      const known = held.get(key);
      if (known !== undefined && !isRefused && ageOf(known) < freshMs) return served(known, "primary");
      const refusal = refusals.get(key);
      if (refusal !== undefined && clock.monotonicMs() - refusal.atMs < refusalMs) throw asLocal(refusal.error);
      if (line.isAway()) return withoutLine(key);
      const flight = flightOf(key, id, version);
      try {
        if (known === undefined || !isWithinBound(known)) return served(await flight, "primary");
        const fresh = await Promise.race([flight, pause(patienceMs)]);
        if (fresh !== undefined) return served(fresh, "primary");
        line.failed();
        return withoutLine(key);
      } catch (error) {
        if (failureOf(error).code === "upstream_unavailable") return withoutLine(key);
        throw asLocal(error);
      }
    },
    async refresh(ids) {
      forgetOld();
      const wanted: readonly Pick<Held, "id" | "version">[] = [...ids.map((id) => ({ id })), ...held.values()].filter(
        ({ id }) => boundOf(id) > 0,
      );
      const all = new Map(wanted.map((each) => [keyOf(each.id, each.version), each]));
      for (const [key, { id, version }] of all) {
        if (line.isAway()) return;
        await flightOf(key, id, version).catch(() => undefined);
      }
    },
    ...(upstream.mountOf === undefined
      ? {}
      : { mountOf: createMountMemory({ ...options, ask: upstream.mountOf, role, held: mountsHeld }) }),
    state: () => ({
      isRefused,
      kept: [...held.values()]
        .map(({ bornMs, bornAt, ...each }) => ({ ...each, ageMs: ageOf({ bornMs, bornAt }) }))
        // What may never be served from a copy is in none.
        .filter(({ id, ageMs }) => boundOf(id) > 0 && ageMs <= boundOf(id)),
    }),
  };
}

function keyOf(id: ResourceId, version: number | undefined): string {
  return version === undefined ? id : `${id}@${version}`;
}

/** The bound of the longest name that is the secret's own or a branch above it. */
export function createStaleBounds(
  common: number,
  byName: readonly { readonly name: string; readonly ms: number }[],
): (identifier: string) => number {
  const longestFirst = [...byName].sort((left, right) => right.name.length - left.name.length);
  return (identifier) =>
    longestFirst.find(({ name }) => identifier === name || identifier.startsWith(`${name.replace(/\/$/u, "")}/`))?.ms ?? common;
}
