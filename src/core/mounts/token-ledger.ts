/**
 * The tokens that live: in memory by the digest they are known by, and in the store as sealed records. What has ended is gone the moment anybody looks.
 */

import * as v from "valibot";
import { PosternError } from "../../model/failures";
import { parseAccount, parseRoleId } from "../../model/ids";
import type { TokenRecord, TokenStep, TokenStore } from "../../model/ports";
import { SecretBytes } from "../../model/secret-bytes";
import type { Instant } from "../../model/types";
import { ownRecord } from "./own-record";
import { createSharedParts } from "./shared-parts";

const text = v.string();
const texts = ownRecord(text);

const LoginDocument = v.object({
  mountAccessor: text,
  mountPath: text,
  mountType: text,
  roleName: text,
  /** Of whom the mount knows the caller as: `oid` of an azure login. */
  alias: v.object({ name: text, metadata: texts }),
  entityId: text,
  /** What was proven, to be compared again when the token is renewed. */
  evidence: ownRecord(v.array(text)),
});

/** A token as it is kept. Times of its life are in seconds, 0: none. */
const TokenDocument = v.object({
  accessor: text,
  role: v.pipe(text, v.transform(parseRoleId)),
  policies: v.array(text),
  path: text,
  meta: v.nullable(texts),
  displayName: text,
  /** How often it may be used; 0: as often as it likes. */
  uses: v.number(),
  usesLeft: v.number(),
  isOrphan: v.boolean(),
  parent: v.exactOptional(text),
  createdAt: v.number(),
  creationTtlSeconds: v.number(),
  /** 0: never. */
  expiresAt: v.number(),
  explicitMaxSeconds: v.number(),
  periodSeconds: v.number(),
  isRenewable: v.boolean(),
  renewedAt: v.exactOptional(v.number()),
  boundCidrs: v.array(text),
  tokenRole: v.exactOptional(text),
  login: v.exactOptional(LoginDocument),
});

export type TokenLogin = Readonly<v.InferOutput<typeof LoginDocument>>;

export interface StoredToken extends Readonly<v.InferOutput<typeof TokenDocument>> {
  /** What it is known by. */
  readonly digest: string;
}

/** One that is not kept yet. */
export type NewStoredToken = Omit<StoredToken, "digest">;

export interface TokenLedger {
  /** Undefined for one that has ended, or whose parent has. */
  live(digest: string, now: Instant): StoredToken | undefined;
  byAccessor(accessor: string, now: Instant): StoredToken | undefined;
  all(now: Instant): Iterable<StoredToken>;
  count(): number;
  /** A new one, with what is to be stored in the same moment: durable when it resolves, and known from then on. Throws `exists` for one that is known. */
  put(token: StoredToken, beside?: readonly TokenStep[]): Promise<void>;
  /** In the place of what was known of it: at once, and durable when it resolves. Throws `not_found` when it has ended meanwhile. */
  change(token: StoredToken): Promise<void>;
  /** Lets nobody find it any more. It is for who takes it to remove it from the store. */
  take(digest: string): void;
  /** Counts one use, at once for everybody else; durable when it resolves. The last one ends the token. */
  use(token: StoredToken): Promise<void>;
  /** Ends a token and all that it made, deepest first. With `orphaning` its children live on without it. */
  end(digest: string, orphaning?: boolean): Promise<void>;
  /** Ends every token for which it holds, with theirs. */
  endAll(which: (token: StoredToken) => boolean): Promise<void>;
  /** Lets go of what has ended. Bounded work, to be asked again. True when there may be more. */
  sweep(now: Instant): Promise<boolean>;
}

const sweptAtOnce = 1000;

/** `takes`: whether a record that was kept in the same place is somebody else's, who then has it. */
export async function createTokenLedger(
  store: TokenStore,
  now: Instant,
  takes: (record: TokenRecord) => boolean = () => false,
): Promise<TokenLedger> {
  const compact = createSharedParts();
  const byDigest = new Map<string, StoredToken>();
  const digestOf = new Map<string, string>();
  const children = new Map<string, Set<string>>();
  /** On their way to the store. */
  const making = new Set<string>();
  let unswept: Iterator<StoredToken> | undefined;

  function remember(token: StoredToken): void {
    byDigest.set(token.digest, compact(token));
    digestOf.set(token.accessor, token.digest);
    if (token.parent === undefined) return;
    const siblings = children.get(token.parent);
    if (siblings === undefined) children.set(token.parent, new Set([token.digest]));
    else siblings.add(token.digest);
  }

  function forget(digest: string): void {
    const token = byDigest.get(digest);
    byDigest.delete(digest);
    if (token === undefined) return;
    digestOf.delete(token.accessor);
    if (token.parent === undefined) return;
    const siblings = children.get(token.parent);
    siblings?.delete(digest);
    if (siblings?.size === 0) children.delete(token.parent);
  }

  function live(digest: string, at: Instant): StoredToken | undefined {
    const found = byDigest.get(digest);
    // Up to the first: a loop, for a chain may be long.
    for (let token = found; ; token = byDigest.get(token.parent)) {
      if (token === undefined || hasEnded(token, at)) return undefined;
      if (token.parent === undefined) return found;
    }
  }

  /** The token and all below it, deepest first. A loop, for a chain may be long. */
  function tree(digest: string): readonly string[] {
    const found = [digest];
    for (let next = 0; next < found.length; next += 1) found.push(...(children.get(found[next] ?? "") ?? []));
    return found.reverse();
  }

  async function remove(digests: readonly string[]): Promise<void> {
    if (digests.length === 0) return;
    // Nobody gets in with them any more while they are being removed.
    for (const digest of digests) forget(digest);
    await store.write(digests.map((digest): TokenStep => ({ step: "remove", digest })));
  }

  for await (const page of store.load(now)) for (const record of page) if (!takes(record)) remember(tokenOf(record));

  return {
    live,
    byAccessor: (accessor, at) => live(digestOf.get(accessor) ?? "", at),
    *all(at) {
      for (const { digest } of byDigest.values()) {
        const token = live(digest, at);
        if (token !== undefined) yield token;
      }
    },
    count: () => byDigest.size,

    async put(token, beside = []) {
      const { digest } = token;
      if (byDigest.has(digest) || making.has(digest))
        throw new PosternError({ code: "exists", target: "a token", because: "token_exists" });
      making.add(digest);
      try {
        await store.write([...beside, { step: "put", ...recordOf(token) }]);
      } finally {
        making.delete(digest);
      }
      // One whose parent has ended meanwhile lives no longer than that.
      remember(token);
    },

    async change(token) {
      const present = byDigest.get(token.digest);
      if (present === undefined) throw new PosternError({ code: "not_found", target: "a token", because: "token_ended" });
      // Before it is written: what ends it, or uses it, while the disk is busy comes after this and not before.
      const next = { ...token, usesLeft: present.usesLeft };
      remember(next);
      await store.write([{ step: "put", ...recordOf(next) }]);
    },

    take: forget,

    async use(token) {
      const usesLeft = token.usesLeft - 1;
      if (usesLeft <= 0) return remove(tree(token.digest));
      const used = { ...token, usesLeft };
      byDigest.set(token.digest, used);
      await store.write([{ step: "put", ...recordOf(used) }]);
    },

    async end(digest, orphaning = false) {
      if (!orphaning) return remove(tree(digest));
      const orphans = [...(children.get(digest) ?? [])].flatMap((child) => byDigest.get(child) ?? []).map(orphaned);
      await store.write([...orphans.map((orphan): TokenStep => ({ step: "put", ...recordOf(orphan) })), { step: "remove", digest }]);
      for (const orphan of orphans) {
        forget(orphan.digest);
        remember(orphan);
      }
      forget(digest);
    },

    async endAll(which) {
      const found = [...byDigest.values()].filter(which).flatMap(({ digest }) => tree(digest));
      await remove([...new Set(found)]);
    },

    async sweep(at) {
      unswept ??= byDigest.values();
      const ended: string[] = [];
      for (let looked = 0; looked < sweptAtOnce; looked += 1) {
        const next = unswept.next();
        if (next.done === true) {
          unswept = undefined;
          break;
        }
        if (hasEnded(next.value, at)) ended.push(...tree(next.value.digest));
      }
      await remove([...new Set(ended)]);
      return unswept !== undefined;
    },
  };
}

const hasEnded = ({ expiresAt }: StoredToken, now: Instant): boolean => expiresAt !== 0 && now >= expiresAt;

function orphaned({ parent: _, ...token }: StoredToken): StoredToken {
  return { ...token, isOrphan: true };
}

export function recordOf({ digest, ...document }: StoredToken): TokenRecord {
  const account = parseAccount(document.role.slice(0, document.role.indexOf(":")));
  return { account, digest, name: "", expiresAt: document.expiresAt, body: SecretBytes.ofText(JSON.stringify(document)) };
}

function tokenOf({ digest, body }: TokenRecord): StoredToken {
  const parsed = v.safeParse(TokenDocument, JSON.parse(Buffer.from(body.reveal()).toString("utf8")));
  if (!parsed.success) throw new PosternError({ code: "integrity", what: "the record of a token", because: "document_shape" });
  return { ...parsed.output, digest };
}
