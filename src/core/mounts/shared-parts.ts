/**
 * Tokens by the hundred thousand, most of them made by the same few logins: what is equal in them is kept once.
 *
 * A token that was read from JSON, or made by spreading, weighs a kilobyte and a half; laid out here, and without its copies of what others have too, a
 * quarter of a kilobyte. Only those parts are remembered that came lately, so equal parts may still be there twice: nothing may depend on their being one.
 */

import type { StoredToken } from "./token-document";

const maxRemembered = 4096;
/** What is longer is rarely equal to anything, and would be remembered at its full length. */
const longestPart = 2048;

/** Gives back the token with its parts replaced by equal ones of other tokens. */
export function createSharedParts(): (token: StoredToken) => StoredToken {
  const parts = new Map<string, unknown>();

  /** `kind` keeps the types apart: equal JSON of one kind is the same value. */
  function shared<Part>(kind: string, part: Part): Part;
  function shared(kind: string, part: unknown): unknown {
    const text = typeof part === "string" ? part : JSON.stringify(part);
    if (text.length > longestPart) return part;
    const key = `${kind}${text}`;
    const known = parts.get(key);
    if (known !== undefined) return known;
    if (parts.size >= maxRemembered) parts.clear();
    parts.set(key, part);
    return part;
  }

  return (token) => {
    const { parent, renewedAt, tokenRole, login, identity } = token;
    // All at once, in one order: so the runtime lays every token out alike, without room to grow.
    const compact = {
      digest: token.digest,
      accessor: token.accessor,
      role: shared("t", token.role),
      policies: shared("p", token.policies),
      path: shared("t", token.path),
      meta: token.meta === null ? null : shared("m", token.meta),
      displayName: shared("t", token.displayName),
      uses: token.uses,
      usesLeft: token.usesLeft,
      isOrphan: token.isOrphan,
      createdAt: token.createdAt,
      creationTtlSeconds: token.creationTtlSeconds,
      expiresAt: token.expiresAt,
      explicitMaxSeconds: token.explicitMaxSeconds,
      periodSeconds: token.periodSeconds,
      isRenewable: token.isRenewable,
      boundCidrs: shared("p", token.boundCidrs),
    };
    if (login !== undefined && parent === undefined && renewedAt === undefined && tokenRole === undefined && identity === undefined)
      return { ...compact, login: shared("l", login) };
    return {
      ...compact,
      ...(parent === undefined ? {} : { parent }),
      ...(renewedAt === undefined ? {} : { renewedAt }),
      ...(tokenRole === undefined ? {} : { tokenRole: shared("t", tokenRole) }),
      ...(login === undefined ? {} : { login: shared("l", login) }),
      ...(identity === undefined ? {} : { identity: shared("i", identity) }),
    };
  };
}
