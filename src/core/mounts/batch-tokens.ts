/**
 * Batch tokens: all that is known of one is in its own text, sealed under a key of this node, and nothing is stored. So it cannot be ended before its time,
 * but with its parent.
 */

import * as v from "valibot";
import { nonceBytes, openAead, sealAead, symmetricKey, symmetricKeyBytes } from "../../crypto/aead";
import { sha256Hex } from "../../crypto/digest";
import { PosternError } from "../../model/failures";
import { type AccountName, parseRoleId } from "../../model/ids";
import type { Clock, Keyring, Random } from "../../model/ports";
import { SecretBytes } from "../../model/secret-bytes";
import { ownRecord } from "./own-record";
import { IdentityDocument } from "./token-document";
import { batchPrefix } from "./token-names";

const text = v.string();

const BatchDocument = v.object({
  role: v.pipe(text, v.transform(parseRoleId)),
  policies: v.array(text),
  path: text,
  meta: v.nullable(ownRecord(text)),
  displayName: text,
  isOrphan: v.boolean(),
  parent: v.exactOptional(text),
  createdAt: v.number(),
  creationTtlSeconds: v.number(),
  expiresAt: v.number(),
  boundCidrs: v.array(text),
  entityId: text,
  /** Of one that another token made: whom that was known as. */
  identity: v.exactOptional(IdentityDocument),
  /** Which process made it, and when by its clock that never jumps. */
  madeBy: v.exactOptional(v.object({ process: text, atMs: v.number() })),
  /** The mount whose login made it: with that it ends. */
  mountAccessor: v.exactOptional(text),
  mountPath: v.exactOptional(text),
  alias: v.exactOptional(v.object({ name: text, metadata: ownRecord(text) })),
});

export type BatchToken = Readonly<v.InferOutput<typeof BatchDocument>>;

export interface BatchTokens {
  seal(account: AccountName, token: BatchToken): Promise<SecretBytes>;
  /** Undefined for what was never sealed here for this account, and for what has outlived its time although the clock was set back. */
  open(account: AccountName, token: SecretBytes): (BatchToken & { readonly digest: string }) | undefined;
}

const keyName = "batch-tokens";

export interface BatchTokensDeps {
  readonly keyring: Keyring;
  readonly random: Random;
  readonly clock: Pick<Clock, "monotonicMs">;
}

export function createBatchTokens({ keyring, random, clock }: BatchTokensDeps): BatchTokens {
  const process = Buffer.from(random.bytes(16)).toString("hex");
  const contextOf = (account: AccountName) => ({
    purpose: "batch_token",
    deployment: "",
    account,
    kind: "token",
    id: "",
    version: 0,
    scopeKey: keyName,
    generation: 0,
    revision: 0,
  });

  let making: Promise<unknown> = Promise.resolve();

  /** Made once, however many ask for it at the same time: a second key would make the first one's tokens strangers. */
  async function keyOf(account: AccountName): Promise<Uint8Array> {
    if (keyring.nodeSecret(account, keyName) === undefined) {
      const made = making.then(async () => {
        if (keyring.nodeSecret(account, keyName) === undefined)
          await keyring.putNodeSecret(account, keyName, random.bytes(symmetricKeyBytes));
      });
      making = made.catch(() => undefined);
      await made;
    }
    const key = keyring.nodeSecret(account, keyName);
    if (key === undefined) throw new PosternError({ code: "internal", what: "the key that was just made" });
    return key;
  }

  /** By the clock that never jumps, as far as this process knows: whatever the wall clock says, it lives no longer than it was given. */
  const hasOutlived = ({ madeBy, createdAt, expiresAt }: BatchToken): boolean =>
    madeBy?.process === process && clock.monotonicMs() - madeBy.atMs >= expiresAt - createdAt;

  return {
    async seal(account, token) {
      const key = symmetricKey(await keyOf(account));
      const plain = Buffer.from(JSON.stringify({ ...token, madeBy: { process, atMs: clock.monotonicMs() } }));
      return SecretBytes.ofText(
        `${batchPrefix}${sealAead(key, random.bytes(nonceBytes), plain, contextOf(account)).toString("base64url")}`,
      );
    },

    open(account, token) {
      const key = keyring.nodeSecret(account, keyName);
      const body = Buffer.from(token.reveal()).toString("utf8").slice(batchPrefix.length);
      if (key === undefined || !/^[A-Za-z0-9_-]+$/.test(body)) return undefined;
      const sealed = Buffer.from(body, "base64url");
      // One spelling of each token: the letters left over must be the ones that were written.
      if (sealed.toString("base64url") !== body) return undefined;
      const plain = openAead(symmetricKey(key), sealed, contextOf(account));
      if (plain === undefined) return undefined;
      const parsed = v.safeParse(BatchDocument, JSON.parse(plain.toString("utf8")));
      return parsed.success && !hasOutlived(parsed.output) ? { ...parsed.output, digest: sha256Hex(token.reveal()) } : undefined;
    },
  };
}
