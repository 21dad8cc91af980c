/**
 * The tokens that live: in memory by the digest they are known by, and in the store as sealed records. What has ended is gone the moment anybody looks.
 *
 * When a token ends is judged by the wall clock and by one that never jumps: whichever comes first. So a clock that is set back gives nobody a longer life.
 */

import { PosternError } from "../../model/failures";
import type { Clock, TokenRecord, TokenStep, TokenStore } from "../../model/ports";
import type { Instant } from "../../model/types";
import { createPace } from "../slices";
import { createSharedParts } from "./shared-parts";
import { recordOf, type StoredToken, tokenOf } from "./token-document";

export interface TokenLedger {
  /** Undefined for one that has ended, or whose parent has. */
  live(digest: string, now: Instant): StoredToken | undefined;
  /** The same for who shows it at this moment: also where this is its last use. */
  shown(digest: string, now: Instant): StoredToken | undefined;
  byAccessor(accessor: string, now: Instant): StoredToken | undefined;
  all(now: Instant): Iterable<StoredToken>;
  count(): number;
  /** How long it still lives, and how long it has lived. */
  leftMs(token: StoredToken, now: Instant): number;
  ageMs(token: StoredToken, now: Instant): number;
  /**
   * A new one, with what is to be stored in the same moment: durable when it resolves, and known from then on. Throws `exists` for one that is known,
   * `not_found` (because `token_ended`) when its parent has ended meanwhile: nothing of it is left then.
   */
  put(token: StoredToken, beside?: readonly TokenStep[]): Promise<void>;
  /** In the place of what was known of it: at once, and durable when it resolves. Throws `not_found` when it has ended meanwhile. */
  change(token: StoredToken): Promise<void>;
  /** Lets nobody find it any more. It is for who takes it to remove it from the store. */
  take(digest: string): void;
  /** Counts one use, at once for everybody else; durable when it resolves. True for the last one: nobody finds the token any more, and it is to be finished. */
  use(token: StoredToken): Promise<boolean>;
  /** The last use is over: nothing is left of the token. */
  finish(digest: string): Promise<void>;
  /** Ends a token and all that it made. With `orphaning` its children live on without it. */
  end(digest: string, orphaning?: boolean): Promise<void>;
  /** Ends every token for which it holds, with theirs. Others are served in between. */
  endAll(which: (token: StoredToken) => boolean): Promise<void>;
  /** Lets go of what has ended, and of what is `lost` for another reason. Bounded work, to be asked again. True when there may be more. */
  sweep(now: Instant, lost?: (token: StoredToken) => boolean): Promise<boolean>;
}

/** A token and its times by the clock that never jumps. */
interface Entry {
  readonly token: StoredToken;
  readonly bornMs: number;
  readonly endsMs: number;
}

const sweptAtOnce = 1000;
const removedAtOnce = 500;

/** As long as the answer to a request usually takes, at the most. */
const requestMs = 2000;

/** `takes`: whether a record that was kept in the same place is somebody else's, who then has it. */
export async function createTokenLedger(
  store: TokenStore,
  clock: Clock,
  takes: (record: TokenRecord) => boolean = () => false,
): Promise<TokenLedger> {
  const compact = createSharedParts();
  const byDigest = new Map<string, Entry>();
  const digestOf = new Map<string, string>();
  const children = new Map<string, Set<string>>();
  /** On their way to the store. */
  const making = new Set<string>();
  /** Being used for the last time. */
  const ending = new Map<string, StoredToken>();
  let unswept: Iterator<Entry> | undefined;

  function entryOf(token: StoredToken, known: Entry | undefined): Entry {
    const [now, nowMs] = [clock.now(), clock.monotonicMs()];
    const { expiresAt, createdAt, renewedAt = createdAt } = token;
    const bornMs = known?.bornMs ?? nowMs - Math.max(0, now - createdAt);
    const isRenewed = known?.token.expiresAt !== expiresAt || known.token.renewedAt !== token.renewedAt;
    if (known !== undefined && !isRenewed) return { ...known, token };
    // Never longer than it was given, which is all that is known where the clock was set back while nobody looked.
    const leftMs = Math.min(expiresAt - now, expiresAt - renewedAt);
    return { token, bornMs, endsMs: expiresAt === 0 ? Number.POSITIVE_INFINITY : nowMs + leftMs };
  }

  function remember(token: StoredToken, known = byDigest.get(token.digest)): void {
    byDigest.set(token.digest, entryOf(compact(token), known));
    digestOf.set(token.accessor, token.digest);
    if (token.parent === undefined) return;
    const siblings = children.get(token.parent);
    if (siblings === undefined) children.set(token.parent, new Set([token.digest]));
    else siblings.add(token.digest);
  }

  function forget(digest: string): void {
    const token = byDigest.get(digest)?.token;
    byDigest.delete(digest);
    if (token === undefined) return;
    digestOf.delete(token.accessor);
    if (token.parent === undefined) return;
    const siblings = children.get(token.parent);
    siblings?.delete(digest);
    if (siblings?.size === 0) children.delete(token.parent);
  }

  const hasEnded = ({ token: { expiresAt }, endsMs }: Entry, now: Instant): boolean =>
    expiresAt !== 0 && (now >= expiresAt || clock.monotonicMs() >= endsMs);

  function live(digest: string, at: Instant): StoredToken | undefined {
    const found = byDigest.get(digest);
    // Up to the first: a loop, for a chain may be long.
    for (let entry = found; ; entry = byDigest.get(entry.token.parent)) {
      if (entry === undefined || hasEnded(entry, at)) return undefined;
      if (entry.token.parent === undefined) return found?.token;
    }
  }

  /**
   * Ends these and all below them, each after its parent: nobody gets in with one whose parent is gone, and who is interrupted has ended what the others hang
   * on. A loop, for a chain may be long; and others are served in between, for a tree may be wide.
   */
  async function remove(digests: readonly string[]): Promise<void> {
    for (const digest of digests) {
      forget(digest);
      ending.delete(digest);
    }
    const pace = createPace();
    const open = [...digests];
    let steps: TokenStep[] = [];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      steps.push({ step: "remove", digest: next });
      for (const child of children.get(next) ?? []) {
        forget(child);
        open.push(child);
        await pace();
      }
      if (steps.length < removedAtOnce) continue;
      await store.write(steps);
      steps = [];
    }
    if (steps.length > 0) await store.write(steps);
  }

  const used: string[] = [];
  for await (const page of store.load(clock.now())) {
    for (const record of page) {
      if (takes(record)) continue;
      const token = tokenOf(record);
      if (token.usesLeft < 0) used.push(token.digest);
      else remember(token);
    }
  }
  await remove(used);

  return {
    live,
    shown: (digest, at) => live(digest, at) ?? ending.get(digest),
    byAccessor: (accessor, at) => live(digestOf.get(accessor) ?? "", at),
    *all(at) {
      for (const digest of byDigest.keys()) {
        const token = live(digest, at);
        if (token !== undefined) yield token;
      }
    },
    count: () => byDigest.size,

    leftMs({ digest, expiresAt }, now) {
      const endsMs = byDigest.get(digest)?.endsMs ?? Number.POSITIVE_INFINITY;
      const [byWall, byMonotonic] = [expiresAt - now, endsMs - clock.monotonicMs()];
      // `now` is when the request came. What has passed since is no difference of the clocks: a token that was just made lives as long as it was asked to.
      return Math.max(0, byWall - byMonotonic < requestMs ? byWall : byMonotonic);
    },

    ageMs({ digest, createdAt }, now) {
      const nowMs = clock.monotonicMs();
      return Math.max(0, now - createdAt, nowMs - (byDigest.get(digest)?.bornMs ?? nowMs));
    },

    async put(token, beside = []) {
      const { digest, parent } = token;
      if (byDigest.has(digest) || making.has(digest) || ending.has(digest))
        throw new PosternError({ code: "exists", target: "a token", because: "token_exists" });
      making.add(digest);
      try {
        await store.write([...beside, { step: "put", ...recordOf(token) }]);
        if (parent !== undefined && !byDigest.has(parent)) {
          await store.write([{ step: "remove", digest }]);
          throw ended();
        }
      } finally {
        making.delete(digest);
      }
      remember(token);
    },

    async change(token) {
      const present = byDigest.get(token.digest)?.token;
      if (present === undefined) throw ended();
      // Before it is written: what ends it, or uses it, while the disk is busy comes after this and not before.
      const next = { ...token, usesLeft: present.usesLeft };
      remember(next);
      await store.write([{ step: "put", ...recordOf(next) }]);
    },

    take: forget,

    async use(token) {
      const isLast = token.usesLeft <= 1;
      const next = { ...token, usesLeft: isLast ? -1 : token.usesLeft - 1 };
      if (isLast) {
        forget(token.digest);
        ending.set(token.digest, next);
      } else remember(next);
      await store.write([{ step: "put", ...recordOf(next) }]);
      return isLast;
    },

    async finish(digest) {
      if (ending.has(digest)) await remove([digest]);
    },

    async end(digest, orphaning = false) {
      if (!orphaning) return remove([digest]);
      const orphans = [...(children.get(digest) ?? [])].flatMap((child) => byDigest.get(child)?.token ?? []).map(orphaned);
      // All of it before it is written: what becomes of them while the disk is busy comes after this.
      for (const orphan of orphans) {
        const known = byDigest.get(orphan.digest);
        forget(orphan.digest);
        remember(orphan, known);
      }
      forget(digest);
      await store.write([...orphans.map((orphan): TokenStep => ({ step: "put", ...recordOf(orphan) })), { step: "remove", digest }]);
    },

    async endAll(which) {
      const found: string[] = [];
      const pace = createPace();
      for (const { token } of byDigest.values()) {
        await pace();
        if (which(token)) found.push(token.digest);
      }
      await remove(found);
    },

    async sweep(at, lost = () => false) {
      unswept ??= byDigest.values();
      const gone: string[] = [];
      for (let looked = 0; looked < sweptAtOnce; looked += 1) {
        const next = unswept.next();
        if (next.done === true) {
          unswept = undefined;
          break;
        }
        const { token } = next.value;
        const isAlone = token.parent !== undefined && !byDigest.has(token.parent);
        if (isAlone || hasEnded(next.value, at) || lost(token)) gone.push(token.digest);
      }
      await remove(gone);
      return unswept !== undefined;
    },
  };
}

function orphaned({ parent: _, ...token }: StoredToken): StoredToken {
  return { ...token, isOrphan: true };
}

function ended(): PosternError {
  return new PosternError({ code: "not_found", target: "a token", because: "token_ended" });
}
