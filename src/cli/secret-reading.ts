/**
 * Reads secrets as whoever is logged in, all of them from one place: the server, or, where that was asked for and the server cannot be reached, the sealed
 * copy of what was read before.
 *
 * A refusal is the server's last word: what it refuses leaves the copy, and all of it when it refuses the login.
 */

import type { CacheState, LocalCopy } from "../agent/local-copy";
import { printDuration } from "../config/duration";
import { type Failure, failureOf, PosternError } from "../model/failures";
import type { ResourceId } from "../model/ids";
import type { SecretBytes } from "../model/secret-bytes";
import { createTurns } from "../model/turns";
import { type LoggedIn, placeOf } from "./session";

export type Reading =
  | { readonly value: SecretBytes; readonly source: "server" | "copy"; readonly ageMs: number }
  /** What the server says of this one secret: `forbidden`, `not_found`. */
  | { readonly failure: Failure };

export type Readings = ReadonlyMap<ResourceId, Reading>;

export interface OfflineChoice {
  readonly maxAgeMs: number;
  readonly copy: LocalCopy;
}

export interface ReadOptions {
  readonly login: LoggedIn;
  readonly version?: number;
  readonly offline?: OfflineChoice;
  /** Is told when the copy is used, and why. */
  readonly notice: (text: string) => void;
}

const readsAtOnce = 8;

/**
 * The readings of all ids. Throws what concerns all of them: `unauthenticated`, and `upstream_unavailable` without a copy; with one, `stale` when a value of it
 * is older than allowed, and `upstream_unavailable` when one is not in it.
 */
export async function readSecrets(ids: readonly ResourceId[], options: ReadOptions): Promise<Readings> {
  const { offline } = options;
  try {
    const readings = await readLive(ids, options);
    noticeCopies(readings, options);
    if (offline !== undefined) put(offline.copy, keptOf(readings, offline.copy), options);
    return readings;
  } catch (error) {
    if (offline === undefined) throw error;
    const { code } = failureOf(error);
    if (code === "unauthenticated") put(offline.copy, { isRefused: true, kept: [] }, options);
    if (code !== "upstream_unavailable") throw error;
    return readCopy(ids, options, offline, error);
  }
}

async function readLive(ids: readonly ResourceId[], { login, version }: ReadOptions): Promise<Readings> {
  const turns = createTurns(readsAtOnce);
  const readings = await Promise.all(ids.map((id) => turns(async () => [id, await readOne(login, id, version)] as const)));
  return new Map(readings);
}

function noticeCopies(readings: Readings, { login, notice }: ReadOptions): void {
  const ages = [...readings.values()].flatMap((reading) => ("value" in reading && reading.source === "copy" ? [reading.ageMs] : []));
  if (ages.length > 0)
    notice(`${placeOf(login.connection)} cannot ask its primary; it gave its copy, ${printDuration(Math.max(...ages))} old`);
}

async function readOne(login: LoggedIn, id: ResourceId, version: number | undefined): Promise<Reading> {
  try {
    const { value, agent } = await login.with((session) => login.remote.client.readSecret(session, id, version));
    return { value, source: agent?.source === "copy" ? "copy" : "server", ageMs: agent?.ageMs ?? 0 };
  } catch (error) {
    const failure = failureOf(error);
    if (failure.code === "forbidden" || failure.code === "not_found") return { failure };
    throw error;
  }
}

/** What was read replaces what was kept of it; what was refused is dropped. */
function keptOf(readings: Readings, copy: LocalCopy): CacheState {
  const before = copy.load()?.kept.filter(({ id }) => !readings.has(id)) ?? [];
  // What an agent gave out of its own copy is no younger for having come through here.
  const fresh = [...readings].flatMap(([id, reading]) => ("value" in reading ? [{ id, value: reading.value, ageMs: reading.ageMs }] : []));
  return { isRefused: false, kept: [...before, ...fresh] };
}

/** Better no copy than an old one, which may give out later what the server has refused by now. What was read serves all the same. */
function put(copy: LocalCopy, state: CacheState, { notice }: ReadOptions): void {
  try {
    copy.save(state);
  } catch (error) {
    const { code } = failureOf(error);
    copy.discard();
    notice(`the sealed copy could not be written (${code}), and was thrown away`);
  }
}

function readCopy(ids: readonly ResourceId[], { login, notice }: ReadOptions, { copy, maxAgeMs }: OfflineChoice, cause: unknown): Readings {
  const place = placeOf(login.connection);
  const kept = new Map(copy.load()?.kept.map((each) => [each.id, each]));
  const readings = ids.map((id) => {
    const entry = kept.get(id);
    if (entry === undefined)
      throw new PosternError({ code: "upstream_unavailable", upstream: place, because: `no copy of ${id}` }, { cause });
    if (entry.ageMs > maxAgeMs) throw new PosternError({ code: "stale", because: staleness(id, entry.ageMs) }, { cause });
    return [id, { value: entry.value, source: "copy" as const, ageMs: entry.ageMs }] as const;
  });
  const { because = "no answer" } = failureOf(cause);
  const oldest = Math.max(0, ...readings.map(([, { ageMs }]) => ageMs));
  notice(`${place} cannot be asked (${because}); using the sealed copy, ${printDuration(oldest)} old`);
  return new Map(readings);
}

function staleness(id: ResourceId, ageMs: number): string {
  if (!Number.isFinite(ageMs)) return `the clock went back since the copy of ${id} was written`;
  return `the copy of ${id} is ${printDuration(ageMs)} old`;
}

/** The value of a reading. Throws its failure, which names what was asked for. */
export function secretIn(id: ResourceId, reading: Reading | undefined): SecretBytes {
  if (reading !== undefined && "value" in reading) return reading.value;
  if (reading?.failure.code === "forbidden") throw new PosternError({ code: "forbidden", because: `to read ${id}` });
  throw new PosternError({ code: "not_found", target: id });
}
