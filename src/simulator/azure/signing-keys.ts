/**
 * The keys Entra ID signs with. Two are active at a time, for every tenant alike: `current` signs, `next` is published already. A key is named by the
 * SHA-1 of its self-signed certificate, as `kid` and as `x5t`.
 */

import { selfSigned, sha1Thumbprint } from "../../crypto/certificate";
import { generateRsa, type KeyPair, publicJwk } from "../../crypto/signing";
import { PosternError } from "../../model/failures";
import type { Instant } from "../../model/types";

/**
 * `retired`: replaced by the last rotation. `foreign`: published, but for another tenant's issuer alone (in version 2's key set, the only one that says so).
 * `unknown`: never published.
 */
export type KeyChoice = "current" | "next" | "retired" | "foreign" | "unknown";

export interface SigningKey {
  readonly kid: string;
  readonly pair: KeyPair;
  readonly certificate: Uint8Array;
}

export interface SigningKeys {
  /** Throws `not_found` for `retired` before any rotation. */
  key(choice: KeyChoice): SigningKey;
  /** What verifies the tokens of now: next, current, and the one that the last scheduled rotation replaced. */
  published(): readonly SigningKey[];
  /** The published set. `issuer` is what version 2 says each key is for: `https://…/{tenantid}/v2.0`. */
  publicSet(version: 1 | 2, issuers: { readonly template: string; readonly foreign: string }): { readonly keys: readonly object[] };
  /**
   * `scheduled`: `next` takes over, a new key is announced and the old one stays published until the next rotation, as Entra ID does it.
   * `emergency`: both active keys are replaced at once and their predecessors no longer published.
   */
  rotate(mode: "scheduled" | "emergency"): Promise<void>;
}

/** Uses the given RSA pairs first, in order, then makes new ones. */
export async function createSigningKeys(now: Instant, given: readonly KeyPair[]): Promise<SigningKeys> {
  const supply = [...given];
  const makeKey = async () => certify(supply.shift() ?? (await generateRsa()), now);
  const [first, second, foreign, unknown] = await Promise.all([makeKey(), makeKey(), makeKey(), makeKey()]);
  let current = first;
  let next = second;
  let retired: { readonly key: SigningKey; readonly isPublished: boolean } | undefined;

  function choose(choice: KeyChoice): SigningKey {
    if (choice === "current") return current;
    if (choice === "next") return next;
    if (choice === "foreign") return foreign;
    if (choice === "unknown") return unknown;
    if (retired === undefined) throw new PosternError({ code: "not_found", target: "retired key before a rotation" });
    return retired.key;
  }

  const published = (): readonly SigningKey[] => (retired?.isPublished === true ? [next, retired.key, current] : [next, current]);

  return {
    key: choose,
    published,
    publicSet: (version, issuers) => {
      const active = published();
      if (version === 1) return { keys: active.map((key) => publicEntry(key, {})) };
      return {
        keys: [publicEntry(foreign, { issuer: issuers.foreign }), ...active.map((key) => publicEntry(key, { issuer: issuers.template }))],
      };
    },
    rotate: async (mode) => {
      const [fresh, other] = await Promise.all([makeKey(), mode === "emergency" ? makeKey() : undefined]);
      retired = { key: current, isPublished: mode === "scheduled" };
      current = other ?? next;
      next = fresh;
    },
  };
}

function certify(pair: KeyPair, now: Instant): SigningKey {
  const name = "accounts.accesscontrol.windows.net";
  const { certificateDer } = selfSigned({ commonName: name, dnsNames: [name], ipAddresses: [], now, days: 5 * 365, key: pair });
  return { kid: sha1Thumbprint(certificateDer), pair, certificate: certificateDer };
}

/** No `alg`: Entra ID publishes none. */
function publicEntry(key: SigningKey, members: Readonly<Record<string, unknown>>): object {
  return publicJwk(key.pair, { kid: key.kid, x5t: key.kid, x5c: [Buffer.from(key.certificate).toString("base64")], ...members });
}
