/**
 * One sealed thing: a fresh content key over the value, and the scope key over the content key.
 *
 * The value is bound to what it is, whose, which version and which commit; the wrap to all that and to the scope key and its generation. So a re-wrap
 * replaces the small wrap and leaves the value as it is.
 */

import { type AeadContext, nonceBytes, openAead, type SymmetricKey, sealAead, symmetricKey, symmetricKeyBytes } from "../crypto/aead";
import { PosternError } from "../model/failures";
import type { Random, SealContext, Sealed } from "../model/ports";
import type { OpenScope } from "./hierarchy";

export interface ContentDeps {
  readonly deployment: string;
  readonly scopes: ReadonlyMap<string, OpenScope>;
  readonly contentKeys: WeakMap<Sealed, SymmetricKey>;
  readonly random: Random;
}

export function sealContent(scope: OpenScope, plain: Uint8Array, context: SealContext, { deployment, random }: ContentDeps): Sealed {
  const contentKey = random.bytes(symmetricKeyBytes);
  const body = sealAead(symmetricKey(contentKey), random.bytes(nonceBytes), plain, bodyContext(context, deployment));
  const wrap = sealAead(
    newestKey(scope),
    random.bytes(nonceBytes),
    contentKey,
    wrapContextOf(context, deployment, scope.key, scope.newest),
  );
  contentKey.fill(0);
  return { scopeKey: scope.key, generation: scope.newest, wrap, body };
}

/** Throws `integrity` when anything does not hold, `sealed` when its scope key is not in this keyring. */
export function openContent(sealed: Sealed, context: SealContext, deps: ContentDeps): Uint8Array {
  // The body is bound to the same context as the wrap, so a remembered key opens nothing that the wrap would not have.
  const key = deps.contentKeys.get(sealed) ?? contentKeyOf(sealed, context, deps);
  const plain = openAead(key, sealed.body, bodyContext(context, deps.deployment));
  if (plain === undefined) throw damaged(context);
  return plain;
}

function contentKeyOf(sealed: Sealed, context: SealContext, deps: ContentDeps): SymmetricKey {
  const bytes = openWrap(sealed, context, deps);
  const key = symmetricKey(bytes);
  bytes.fill(0);
  deps.contentKeys.set(sealed, key);
  return key;
}

/** The same content key under the newest generation; undefined when it is there already. Fails as `openContent` does. */
export function rewrapContent(sealed: Sealed, context: SealContext, deps: ContentDeps): Sealed | undefined {
  const scope = scopeOf(sealed, context, deps);
  if (sealed.generation === scope.newest) return undefined;
  const contentKey = openWrap(sealed, context, deps);
  const wrap = sealAead(
    newestKey(scope),
    deps.random.bytes(nonceBytes),
    contentKey,
    wrapContextOf(context, deps.deployment, scope.key, scope.newest),
  );
  contentKey.fill(0);
  return { ...sealed, generation: scope.newest, wrap };
}

function openWrap(sealed: Sealed, context: SealContext, deps: ContentDeps): Buffer {
  const scope = scopeOf(sealed, context, deps);
  const key = scope.generations.get(sealed.generation);
  if (key === undefined) throw scopeKeyMissing(sealed.scopeKey);
  const contentKey = openAead(key, sealed.wrap, wrapContextOf(context, deps.deployment, sealed.scopeKey, sealed.generation));
  if (contentKey === undefined || contentKey.byteLength !== symmetricKeyBytes) throw damaged(context);
  return contentKey;
}

function scopeOf(sealed: Sealed, context: SealContext, { scopes }: ContentDeps): OpenScope {
  const scope = scopes.get(sealed.scopeKey);
  if (scope === undefined) throw scopeKeyMissing(sealed.scopeKey);
  // The seal would not open either way; this says so before another account's key is used at all.
  if (scope.account !== context.account) throw damaged(context);
  return scope;
}

function newestKey(scope: OpenScope): SymmetricKey {
  const key = scope.generations.get(scope.newest);
  if (key === undefined) throw scopeKeyMissing(scope.key);
  return key;
}

function bodyContext(context: SealContext, deployment: string): AeadContext {
  return { ...context, deployment, scopeKey: "", generation: 0 };
}

function wrapContextOf(context: SealContext, deployment: string, scopeKey: string, generation: number): AeadContext {
  return { ...context, purpose: `${context.purpose}/content_key`, deployment, scopeKey, generation };
}

function damaged(context: SealContext): PosternError {
  return new PosternError({
    code: "integrity",
    what: `${context.purpose} ${context.account}:${context.kind}:${context.id} version ${context.version}`,
    because: "seal_does_not_hold",
  });
}

/** Not damage, and never "absent": the value is there, and this keyring has no key for its scope. */
function scopeKeyMissing(scopeKey: string): PosternError {
  return new PosternError({ code: "sealed", reason: "scope_key_missing", because: `scope_key_missing ${scopeKey}` });
}
