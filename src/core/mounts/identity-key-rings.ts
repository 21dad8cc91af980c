/**
 * The rings of this node: its own private keys for every named key, sealed beside the keyring, open in memory once they were used. They are made when they are first
 * wanted, and rotated when anything is signed after their time.
 */

import { generateRsa } from "../../crypto/signing";
import { PosternError } from "../../model/failures";
import type { Keyring } from "../../model/ports";
import type { Instant } from "../../model/types";
import type { Projection } from "../projection";
import { type KeyRing, newRing, readRing, ringBytes, rotatedRing, secondsUntilReady } from "./key-ring";
import type { Mounts } from "./mounts";

/** What of a named key its rings follow. */
export interface RotationTerms {
  /** Another time of making is another key, whatever it is called. */
  readonly createdAt: Instant;
  readonly rotationSeconds: number;
  /** How long a key verifies after it has signed. */
  readonly keptSeconds: number;
}

export interface KeyRingsDeps {
  readonly projection: Projection;
  readonly mounts: Pick<Mounts, "account">;
  readonly keyring: Pick<Keyring, "nodeSecret" | "putNodeSecret">;
}

export interface KeyRings {
  /** As it is, without making or rotating any. */
  held(name: string, createdAt: Instant): KeyRing | undefined;
  current(name: string, key: RotationTerms, now: Instant): Promise<KeyRing>;
  rotate(name: string, terms: { readonly createdAt: Instant; readonly now: Instant; readonly keptSeconds: number }): Promise<void>;
  forget(name: string): Promise<void>;
}

/** One change of a ring is under way at a time. */
export function createKeyRings({ projection, mounts, keyring }: KeyRingsDeps): KeyRings {
  const open = new Map<string, KeyRing>();
  let last: Promise<unknown> = Promise.resolve();
  const secretName = (name: string): string => `identity-key/${name}`;

  /** Of another account's key, or of one that is gone, none. */
  function placeOf(name: string): string {
    const graph = projection.graph();
    const account = mounts.account(graph);
    return `${account} ${graph.account(account)?.createdAt} ${name}`;
  }

  function held(name: string, createdAt: Instant): KeyRing | undefined {
    const place = placeOf(name);
    const known = open.get(place);
    if (known !== undefined) return known.madeFor === createdAt ? known : undefined;
    const bytes = keyring.nodeSecret(mounts.account(projection.graph()), secretName(name));
    const ring = bytes === undefined ? undefined : readRing(bytes);
    bytes?.fill(0);
    if (ring?.madeFor !== createdAt) return undefined;
    open.set(place, ring);
    return ring;
  }

  async function keep(name: string, ring: KeyRing): Promise<KeyRing> {
    const bytes = ringBytes(ring);
    await keyring.putNodeSecret(mounts.account(projection.graph()), secretName(name), bytes);
    bytes.fill(0);
    open.set(placeOf(name), ring);
    return ring;
  }

  function inTurn<Result>(change: () => Promise<Result>): Promise<Result> {
    const mine = last.then(change);
    last = mine.catch(() => undefined);
    return mine;
  }

  const isDue = (ring: KeyRing, { rotationSeconds }: RotationTerms, now: Instant): boolean =>
    now >= ring.current.since + rotationSeconds * 1000 && secondsUntilReady(ring, now) === 0;

  return {
    held,

    async current(name, key, now) {
      const known = held(name, key.createdAt);
      if (known !== undefined && !isDue(known, key, now)) return known;
      return inTurn(async () => {
        const ring = held(name, key.createdAt);
        if (ring === undefined) return keep(name, newRing(key.createdAt, await Promise.all([generateRsa(), generateRsa()]), now));
        if (!isDue(ring, key, now)) return ring;
        return keep(name, rotatedRing(ring, await generateRsa(), { now, keptSeconds: key.keptSeconds }));
      });
    },

    rotate: (name, { createdAt, now, keptSeconds }) =>
      inTurn(async () => {
        const ring = held(name, createdAt);
        // One that never signed has nothing to give up.
        if (ring === undefined) return;
        const missing = secondsUntilReady(ring, now);
        // A key that must not count any more is not kept for the sake of those who do not know the next one yet.
        if (missing > 0 && keptSeconds > 0) throw tooEarly(missing);
        await keep(name, rotatedRing(ring, await generateRsa(), { now, keptSeconds }));
      }),

    forget: (name) =>
      inTurn(async () => {
        open.delete(placeOf(name));
        const account = mounts.account(projection.graph());
        if (keyring.nodeSecret(account, secretName(name)) !== undefined)
          await keyring.putNodeSecret(account, secretName(name), new Uint8Array());
      }),
  };
}

function tooEarly(missing: number): PosternError {
  const says = `the next key is published too shortly for it to be known everywhere: rotate again in ${missing} seconds`;
  return new PosternError({ code: "malformed", where: "name", expected: says, kind: "argument", because: "identity_key", says });
}
