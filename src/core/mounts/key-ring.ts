/**
 * The keys by which one named key signs: the one that does, the one that will and is published already, and those that did and still verify what they signed.
 * A ring is a value; each change gives the next.
 */

import * as v from "valibot";
import { createSessionSigner, exportPkcs8, importPkcs8, type KeyPair, publicJwk, verifyWithJwk } from "../../crypto/signing";
import type { SessionSigner } from "../../model/ports";
import { SecretBytes } from "../../model/secret-bytes";
import type { Instant } from "../../model/types";

export interface RingKey {
  readonly pair: KeyPair;
  readonly signer: SessionSigner;
  /** When it began to sign; of the next one, when it was published. */
  readonly since: Instant;
}

export interface KeyRing {
  /** Which of all keys of that name it is for: that key's time of making. */
  readonly madeFor: Instant;
  readonly current: RingKey;
  readonly next: RingKey;
  readonly retired: readonly { readonly jwk: Readonly<Record<string, unknown>>; readonly until: Instant }[];
}

/** How long whoever verifies may keep the public keys. No key signs before it was published for as long, but for the first there ever was. */
export const publicKeysKeptSeconds = 300;

const StoredKey = v.object({ pkcs8: v.string(), since: v.number() });
const StoredRing = v.object({
  madeFor: v.number(),
  current: StoredKey,
  next: StoredKey,
  retired: v.array(v.object({ jwk: v.record(v.string(), v.unknown()), until: v.number() })),
});

export function newRing(madeFor: Instant, [first, second]: readonly [KeyPair, KeyPair], now: Instant): KeyRing {
  return { madeFor, current: ringKey(first, now), next: ringKey(second, now), retired: [] };
}

/** The next key signs from now on; the one that did verifies for so long. `fresh` is published. */
export function rotatedRing(ring: KeyRing, fresh: KeyPair, { now, keptSeconds }: { readonly now: Instant; readonly keptSeconds: number }) {
  const { madeFor, current, next } = ring;
  const retired = [...unended(ring, now), { jwk: jwkOf(current), until: now + keptSeconds * 1000 }];
  return { madeFor, current: { ...next, since: now }, next: ringKey(fresh, now), retired };
}

/** How many seconds are missing until the next key may sign; 0: none. */
export function secondsUntilReady({ next }: KeyRing, now: Instant): number {
  return Math.max(0, Math.ceil((next.since + publicKeysKeptSeconds * 1000 - now) / 1000));
}

/** The public keys, as members of a key set. */
export function publicKeysOf(ring: KeyRing, now: Instant): readonly object[] {
  return [jwkOf(ring.current), jwkOf(ring.next), ...unended(ring, now).map(({ jwk }) => jwk)];
}

/** A token with these claims, by the key that signs now. */
export async function signedBy({ current: { signer } }: KeyRing, claims: object): Promise<SecretBytes> {
  const signed = `${part({ alg: "RS256", typ: "JWT", kid: signer.keyId })}.${part(claims)}`;
  const signature = await signer.sign(Buffer.from(signed));
  return SecretBytes.ofText(`${signed}.${Buffer.from(signature).toString("base64url")}`);
}

/** Whether one of the public keys signed the token. Looks at no claim. */
export function isSignedByOneOf(keys: readonly object[], token: string): boolean {
  return keys.some((jwk) => verifyWithJwk(token, jwk));
}

const part = (content: object): string => Buffer.from(JSON.stringify(content)).toString("base64url");

/** As text, with the private keys: to be sealed. */
export function ringBytes({ madeFor, current, next, retired }: KeyRing): Uint8Array {
  const stored = ({ pair, since }: RingKey) => ({ pkcs8: Buffer.from(exportPkcs8(pair)).toString("base64"), since });
  return Buffer.from(JSON.stringify({ madeFor, current: stored(current), next: stored(next), retired }));
}

/** Undefined for what is no ring. */
export function readRing(bytes: Uint8Array): KeyRing | undefined {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), StoredRing), Buffer.from(bytes).toString("utf8"));
  if (!parsed.success) return undefined;
  const { madeFor, current, next, retired } = parsed.output;
  const read = ({ pkcs8, since }: v.InferOutput<typeof StoredKey>) => ringKey(importPkcs8(Buffer.from(pkcs8, "base64")), since);
  return { madeFor, current: read(current), next: read(next), retired };
}

function ringKey(pair: KeyPair, since: Instant): RingKey {
  return { pair, since, signer: createSessionSigner({ privateKey: exportPkcs8(pair), algorithm: "RS256" }) };
}

const jwkOf = ({ pair, signer }: RingKey) => publicJwk(pair, { kid: signer.keyId, alg: "RS256" });
const unended = ({ retired }: KeyRing, now: Instant) => retired.filter(({ until }) => until > now);
