/** The work of every request: seal, open, re-wrap and sign with the keys that are held. Synchronous; writes a file only when seals must be set aside. */

import { constantTimeEqual, hmacOfParts } from "../crypto/digest";
import { PosternError } from "../model/failures";
import type { Clock, Keyring, Random } from "../model/ports";
import { openContent, rewrapContent, sealContent } from "./content";
import type { Holder, Unsealed } from "./held";
import type { OpenScope } from "./hierarchy";
import { withGeneration, withReservation } from "./rotation";

export interface SealLimits {
  /** How often a scope key seals before the next generation takes over. GCM with random nonces allows 2^32. */
  readonly sealsPerGeneration: number;
  /** How many of them are set aside at once: what a crash wastes, against a write of the file every so often. */
  readonly reservation: number;
}

export interface SealingDeps {
  readonly holder: Holder;
  readonly random: Random;
  readonly clock: Clock;
  readonly limits: SealLimits;
}

export function createSealing(deps: SealingDeps): Pick<Keyring, "seal" | "open" | "rewrap" | "mac" | "verifyMac"> {
  const { holder, random } = deps;

  function contentDeps() {
    const { file, keys, contentKeys } = holder.unsealed();
    return { deployment: file.deployment, scopes: keys.scopes, contentKeys, random };
  }

  return {
    seal(plain, context) {
      const scope = holder.unsealed().keys.defaultScopes.get(context.account);
      if (scope === undefined) throw scopeKeyMissing();
      return sealContent(takeSeal(scope.key, deps), plain, context, contentDeps());
    },
    open: (sealed, context) => openContent(sealed, context, contentDeps()),
    rewrap(sealed, context) {
      const scope = holder.unsealed().keys.scopes.get(sealed.scopeKey);
      if (scope !== undefined && scope.newest !== sealed.generation) takeSeal(scope.key, deps);
      return rewrapContent(sealed, context, contentDeps());
    },
    mac(purpose, parts, wanted) {
      const epoch = wanted ?? holder.unsealed().file.root.epoch;
      const key = holder.macKey(purpose, epoch);
      if (key === undefined) throw new PosternError({ code: "integrity", what: `root key ${epoch}`, because: "root_key_unknown" });
      return { epoch, tag: hmacOfParts(key, parts) };
    },
    verifyMac(purpose, parts, tag) {
      const key = holder.macKey(purpose, tag.epoch);
      return key !== undefined && constantTimeEqual(hmacOfParts(key, parts), tag.tag);
    },
  };
}

/** The scope key to seal with, this seal counted; its next generation when the present one has made all it may. */
function takeSeal(scopeKey: string, deps: SealingDeps): OpenScope {
  const { holder } = deps;
  const { reserved } = holder.unsealed();
  const left = reserved.get(scopeKey) ?? reserve(scopeKey, deps);
  if (left > 1) reserved.set(scopeKey, left - 1);
  else reserved.delete(scopeKey);
  const scope = holder.unsealed().keys.scopes.get(scopeKey);
  if (scope === undefined) throw scopeKeyMissing();
  return scope;
}

/** Counted before they are made: after a crash some were never used, and none is made twice. */
function reserve(scopeKey: string, { holder, random, clock, limits }: SealingDeps): number {
  const current: Unsealed = holder.unsealed();
  const scope = current.file.scopes.find((each) => each.key === scopeKey);
  const newest = scope?.generations.reduce((last, each) => (each.generation > last.generation ? each : last));
  const isUsedUp = newest !== undefined && newest.seals + limits.reservation > limits.sealsPerGeneration;
  const file = isUsedUp ? withGeneration(scopeKey, { file: current.file, keys: current.keys, random, now: clock.now() }) : current.file;
  holder.replace(withReservation(scopeKey, limits.reservation, file));
  return limits.reservation;
}

function scopeKeyMissing(): PosternError {
  return new PosternError({ code: "sealed", reason: "scope_key_missing", because: "account_without_keys" });
}
