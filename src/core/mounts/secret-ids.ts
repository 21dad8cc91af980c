/**
 * Secret-ids of AppRole: what a machine shows beside the name of its role. Made by the thousand and used up, so they live where tokens do, beside the log.
 *
 * One is known by a digest of itself and of the role that it was made for: at another role it is nothing. What has ended is nothing from that moment on, and is
 * let go of a little with each new one, so that they do not pile up.
 */

import * as v from "valibot";
import { PosternError } from "../../model/failures";
import { accountOf, parseRoleId, type RoleId } from "../../model/ids";
import type { Clock, TokenRecord, TokenStep, TokenStore } from "../../model/ports";
import { SecretBytes } from "../../model/secret-bytes";
import type { Instant } from "../../model/types";
import { createPace } from "../slices";
import { ownRecord } from "./own-record";

const text = v.string();
const SecretIdDocument = v.object({
  /** The mount it was made at: a mount that is made anew under the same name is another one. */
  mountAccessor: text,
  role: v.pipe(text, v.transform(parseRoleId)),
  accessor: text,
  createdAt: v.number(),
  updatedAt: v.number(),
  /** 0: never. */
  expiresAt: v.number(),
  ttlSeconds: v.number(),
  /** How often it may still be shown; 0: as often as it likes. */
  usesLeft: v.number(),
  networks: v.array(text),
  /** Of the tokens that it is shown for; empty: as the role has it. */
  tokenNetworks: v.array(text),
  metadata: ownRecord(text),
});
/** The outer member tells it from a token's own record, which is kept in the same place. */
const Kept = v.object({ secretId: SecretIdDocument });

export interface SecretId extends Readonly<v.InferOutput<typeof SecretIdDocument>> {
  readonly digest: string;
}

export interface SecretIds {
  /** Takes a record that was loaded, when it is one of these. To be asked before anything else. */
  takes(record: TokenRecord): boolean;
  /** Makes it durable. Throws `exists` when the role, which was made at `since`, has the same one already. */
  put(secretId: Omit<SecretId, "digest">, value: SecretBytes, since?: Instant): Promise<void>;
  /** Undefined for one that is none, that has ended, or that is another role's. */
  find(role: RoleId, value: SecretBytes, now: Instant): SecretId | undefined;
  byAccessor(role: RoleId, accessor: string, now: Instant): SecretId | undefined;
  /** Of a role that was made at `since`, sorted: not of one that was under its name before. */
  accessors(role: RoleId, since: Instant, now: Instant): readonly string[];
  /** Counts one use, at once for everybody else; the last one ends it. Durable when it resolves. */
  use(secretId: SecretId, now: Instant): Promise<void>;
  end(secretId: SecretId): Promise<void>;
  endAll(which: (secretId: SecretId) => boolean): Promise<void>;
  /** Lets go of all that has ended, and of what is `lost` for another reason. Others are served in between. */
  tidy(now: Instant, lost?: (secretId: SecretId) => boolean): Promise<void>;
  count(): number;
}

/** How such a record begins. */
const mark = Buffer.from('{"secretId":');
/** Looked at with each new one: more than one, so that what has ended goes faster than new ones come. */
const sweptWithEach = 8;
const removedAtOnce = 500;

export function createSecretIds(store: Pick<TokenStore, "digest" | "write">, clock: Clock): SecretIds {
  const byDigest = new Map<string, SecretId>();
  const ofRole = new Map<RoleId, Map<string, string>>();
  /** On their way to the store. */
  const making = new Set<string>();
  /** When each ends by the clock that never jumps. */
  const endsMs = new Map<string, number>();
  let unswept: Iterator<SecretId> = byDigest.values();

  function remember(secretId: SecretId): void {
    byDigest.set(secretId.digest, secretId);
    const { expiresAt, createdAt } = secretId;
    // Never longer than it was given, whatever the wall clock says by then.
    if (expiresAt !== 0) endsMs.set(secretId.digest, clock.monotonicMs() + Math.min(expiresAt - clock.now(), expiresAt - createdAt));
    const accessors = ofRole.get(secretId.role) ?? new Map<string, string>();
    accessors.set(secretId.accessor, secretId.digest);
    ofRole.set(secretId.role, accessors);
  }

  function forget({ digest, role, accessor }: SecretId): void {
    byDigest.delete(digest);
    endsMs.delete(digest);
    const accessors = ofRole.get(role);
    accessors?.delete(accessor);
    if (accessors?.size === 0) ofRole.delete(role);
  }

  const hasEnded = ({ digest, expiresAt }: SecretId, now: Instant): boolean =>
    expiresAt !== 0 && (now >= expiresAt || clock.monotonicMs() >= (endsMs.get(digest) ?? Number.POSITIVE_INFINITY));

  const digestOf = (role: RoleId, value: SecretBytes): string =>
    store.digest(SecretBytes.ofText(`secret-id of ${role}\n${Buffer.from(value.reveal()).toString("utf8")}`));

  const live = (digest: string | undefined, now: Instant): SecretId | undefined => {
    const found = digest === undefined ? undefined : byDigest.get(digest);
    return found === undefined || hasEnded(found, now) ? undefined : found;
  };

  async function remove(all: readonly SecretId[]): Promise<void> {
    if (all.length === 0) return;
    // Nobody gets in with them any more while they are being removed.
    for (const secretId of all) forget(secretId);
    const steps = all.map(({ digest }): TokenStep => ({ step: "remove", digest }));
    for (let at = 0; at < steps.length; at += removedAtOnce) await store.write(steps.slice(at, at + removedAtOnce));
  }

  async function removeThose(which: (secretId: SecretId) => boolean): Promise<void> {
    const pace = createPace();
    const found: SecretId[] = [];
    for (const secretId of byDigest.values()) {
      await pace();
      if (which(secretId)) found.push(secretId);
    }
    await remove(found);
  }

  function sweep(now: Instant): readonly SecretId[] {
    const ended: SecretId[] = [];
    for (let looked = 0; looked < sweptWithEach; looked += 1) {
      const next = unswept.next();
      if (next.done === true) {
        unswept = byDigest.values();
        break;
      }
      if (hasEnded(next.value, now)) ended.push(next.value);
    }
    return ended;
  }

  return {
    takes(record) {
      const bytes = Buffer.from(record.body.reveal());
      if (!bytes.subarray(0, mark.length).equals(mark)) return false;
      const parsed = v.safeParse(Kept, JSON.parse(bytes.toString("utf8")));
      if (!parsed.success) throw new PosternError({ code: "integrity", what: "the record of a secret-id", because: "document_shape" });
      remember({ ...parsed.output.secretId, digest: record.digest });
      return true;
    },

    async put(fresh, value, since = 0) {
      const secretId = { ...fresh, digest: digestOf(fresh.role, value) };
      const { digest: own } = secretId;
      const before = live(own, fresh.createdAt);
      if (making.has(own) || (before !== undefined && before.createdAt >= since))
        throw new PosternError({ code: "exists", target: "secret-id" });
      if (before !== undefined) forget(before);
      const ended = sweep(fresh.createdAt);
      for (const each of ended) forget(each);
      making.add(own);
      try {
        await store.write([...ended.map(({ digest }): TokenStep => ({ step: "remove", digest })), putStep(secretId)]);
      } finally {
        making.delete(own);
      }
      remember(secretId);
    },

    find(role, value, now) {
      const found = live(digestOf(role, value), now);
      return found?.role === role ? found : undefined;
    },

    byAccessor: (role, accessor, now) => live(ofRole.get(role)?.get(accessor), now),

    accessors: (role, since, now) =>
      [...(ofRole.get(role) ?? [])]
        .flatMap(([accessor, digest]) => ((live(digest, now)?.createdAt ?? Number.NEGATIVE_INFINITY) >= since ? [accessor] : []))
        .sort(),

    async use(secretId, now) {
      if (secretId.usesLeft === 0) return;
      if (secretId.usesLeft === 1) return remove([secretId]);
      const used = { ...secretId, usesLeft: secretId.usesLeft - 1, updatedAt: now };
      byDigest.set(used.digest, used);
      await store.write([putStep(used)]);
    },

    end: (secretId) => remove([secretId]),
    endAll: removeThose,
    tidy: (now, lost = () => false) => removeThose((secretId) => hasEnded(secretId, now) || lost(secretId)),
    count: () => byDigest.size,
  };
}

function putStep({ digest, ...document }: SecretId): TokenStep {
  const body = SecretBytes.ofText(JSON.stringify({ secretId: document }));
  return { step: "put", account: accountOf(document.role), digest, name: "", expiresAt: document.expiresAt, body };
}
