/** A token as it is kept, and its record in the store. */

import * as v from "valibot";
import { PosternError } from "../../model/failures";
import { parseAccount, parseRoleId } from "../../model/ids";
import type { TokenRecord } from "../../model/ports";
import { SecretBytes } from "../../model/secret-bytes";
import { ownRecord } from "./own-record";

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

/** Whom a mount knows the bearer as, for a token that itself is no login: that of its parent, or of an alias that its role gave it. */
export const IdentityDocument = v.object({
  mountAccessor: text,
  mountPath: text,
  mountType: text,
  alias: v.object({ name: text, metadata: texts }),
  entityId: text,
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
  /** Below zero: its last use was begun, and nobody gets another one. */
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
  identity: v.exactOptional(IdentityDocument),
});

export type TokenIdentity = Readonly<v.InferOutput<typeof IdentityDocument>>;
export type TokenLogin = Readonly<v.InferOutput<typeof LoginDocument>>;

export interface StoredToken extends Readonly<v.InferOutput<typeof TokenDocument>> {
  /** What it is known by. */
  readonly digest: string;
}

/** One that is not kept yet. */
export type NewStoredToken = Omit<StoredToken, "digest">;

/** Whom the bearer is known as: by its own login, or by what it was given. */
export const identityOf = ({ login, identity }: Pick<StoredToken, "login" | "identity">): TokenIdentity | undefined => login ?? identity;

export function recordOf({ digest, ...document }: StoredToken): TokenRecord {
  const account = parseAccount(document.role.slice(0, document.role.indexOf(":")));
  return { account, digest, name: "", expiresAt: document.expiresAt, body: SecretBytes.ofText(JSON.stringify(document)) };
}

/** Throws `integrity`. */
export function tokenOf({ digest, body }: TokenRecord): StoredToken {
  const parsed = v.safeParse(TokenDocument, JSON.parse(Buffer.from(body.reveal()).toString("utf8")));
  if (!parsed.success) throw new PosternError({ code: "integrity", what: "the record of a token", because: "document_shape" });
  return { ...parsed.output, digest };
}
