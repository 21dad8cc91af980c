/**
 * Maps that are values: changing one gives a new one and leaves the old as it was, sharing almost everything.
 *
 * A map is split into shards by a cheap hash of the key; a change copies the shards it touches and the short list of shards. With a million
 * entries one change costs about a thousand copied entries, well under a millisecond, where copying a plain `Map` would stall every request.
 */

const entriesPerShard = 512;

export interface PersistentMap<Value> {
  readonly size: number;
  get(key: string): Value | undefined;
  values(): Iterable<Value>;
  keys(): Iterable<string>;
  /** Starts a batch of changes. The draft may be used until `done`, once. */
  draft(): MapDraft<Value>;
}

export interface MapDraft<Value> {
  get(key: string): Value | undefined;
  set(key: string, value: Value): void;
  delete(key: string): void;
  /** The entries as they stand; not to be changed while iterating. */
  values(): Iterable<Value>;
  readonly size: number;
  done(): PersistentMap<Value>;
}

export function emptyMap<Value>(): PersistentMap<Value> {
  return makeMap<Value>([new Map<string, Value>()], 0);
}

function makeMap<Value>(shards: readonly Map<string, Value>[], size: number): PersistentMap<Value> {
  const mask = shards.length - 1;
  return {
    size,
    get: (key) => shards[mask === 0 ? 0 : shardOf(key, mask)]?.get(key),
    *values() {
      for (const shard of shards) yield* shard.values();
    },
    *keys() {
      for (const shard of shards) yield* shard.keys();
    },
    draft: () => makeDraft(shards, size),
  };
}

function makeDraft<Value>(base: readonly Map<string, Value>[], baseSize: number): MapDraft<Value> {
  let shards = [...base];
  let owned = new Array<boolean>(shards.length).fill(false);
  let size = baseSize;

  function own(key: string): Map<string, Value> {
    const index = shardOf(key, shards.length - 1);
    const shard = shards[index] ?? new Map<string, Value>();
    if (owned[index] === true) return shard;
    const copy = new Map(shard);
    shards[index] = copy;
    owned[index] = true;
    return copy;
  }

  function grow(): void {
    const next = Array.from({ length: shards.length * 4 }, () => new Map<string, Value>());
    for (const shard of shards) for (const [key, value] of shard) next[shardOf(key, next.length - 1)]?.set(key, value);
    shards = next;
    owned = new Array<boolean>(next.length).fill(true);
  }

  return {
    get: (key) => shards[shardOf(key, shards.length - 1)]?.get(key),
    set(key, value) {
      const shard = own(key);
      if (!shard.has(key)) size += 1;
      shard.set(key, value);
      if (size > shards.length * entriesPerShard * 2) grow();
    },
    delete(key) {
      if (shards[shardOf(key, shards.length - 1)]?.has(key) !== true) return;
      own(key).delete(key);
      size -= 1;
    },
    *values() {
      for (const shard of shards) yield* shard.values();
    },
    get size() {
      return size;
    },
    done: () => makeMap(shards, size),
  };
}

/** FNV-1a over the end of the key: ids share their beginnings. Spreads; need not resist an attacker, who cannot choose more than one id per permitted load line. */
function shardOf(key: string, mask: number): number {
  if (mask === 0) return 0;
  let hash = 0x811c9dc5 ^ key.length;
  for (let index = Math.max(0, key.length - 20); index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  return (hash ^ (hash >>> 15)) & mask;
}
