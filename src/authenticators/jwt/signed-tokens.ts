/** Verifies the signatures of tokens by keys in PEM, of a key set, or of an issuer that is discovered: what the method `jwt` of Vault's protocol stands on. */

import { hasValidSignature, type Jwt, jwtAlgorithms, type KeySet, parseJwt, readPublicKey, type VerificationKey } from "../../crypto/jwt";
import { type CheckList, createCheckList } from "../../model/failures";
import type { SignedTokens, SigningKeys } from "../../model/ports";
import { type Issuers, isIssuerAddress, providerSource, readRoots, type TrustedIssuer, trustedIssuer } from "../issuer";
import { assertSigned, shown } from "../signed-token";

/** Tried one after another for a token that names no key; with more, anybody's token would cost too much. */
const mostCandidates = 16;
const mostTexts = 256;

export function createSignedTokens({ issuers }: { readonly issuers: Issuers }): SignedTokens {
  const known = new Map<string, VerificationKey | undefined>();

  /** Each text is read once: every login brings the same few. */
  function keyOf(text: string): VerificationKey | undefined {
    if (known.has(text)) return known.get(text);
    if (known.size >= mostTexts) known.clear();
    const key = readPublicKey(text, "");
    known.set(text, key);
    return key;
  }

  function trusted(keys: Exclude<SigningKeys, { from: "pem" }>, keyId: string | undefined, checks: CheckList): Promise<TrustedIssuer> {
    const roots = readRoots(keys.roots, checks);
    if (keys.from === "discovery") return trustedIssuer(issuers, providerSource(keys.url, roots), keyId, checks);
    const source = { documentUrl: keys.url, isKeySet: true, accepts: () => true, ...(roots === undefined ? {} : { roots }) };
    return trustedIssuer(issuers, source, keyId, checks);
  }

  return {
    algorithms: jwtAlgorithms,

    problem(keys) {
      if (keys.from === "pem") {
        // More would never be tried, and nobody would be told why their token does not count.
        if (keys.texts.length > mostCandidates) return `at most ${mostCandidates} public keys`;
        const bad = keys.texts.findIndex((text) => keyOf(text) === undefined);
        return bad < 0 ? undefined : `error parsing public key ${bad + 1}: no RSA or EC public key in PEM`;
      }
      if (!isIssuerAddress(keys.url)) return "the address is not an http or https URL";
      return keys.roots === undefined || /-----BEGIN CERTIFICATE-----/.test(keys.roots) ? undefined : "the CA is not a certificate in PEM";
    },

    async verify(value, keys, algorithms) {
      const checks: CheckList = createCheckList();
      const allowed = jwtAlgorithms.filter((algorithm) => algorithms.includes(algorithm));
      const token = parseJwt(value, allowed, checks, { mayLackKeyId: true });
      if (keys.from === "pem") {
        assertSignedByAny(
          token,
          keys.texts.flatMap((text) => keyOf(text) ?? []),
          checks,
        );
        return { claims: token.claims, checks: checks.made };
      }
      const { issuer, keys: set } = await trusted(keys, token.keyId === "" ? undefined : token.keyId, checks);
      if (token.keyId === "") assertSignedByAny(token, candidates(set), checks);
      else assertSigned(token, set, checks);
      if (keys.from === "key_set") return { claims: token.claims, checks: checks.made };
      checks.expect(token.claims.iss === issuer, "issuer", `${shown(token.claims.iss)}; expected ${issuer}`);
      return { claims: token.claims, issuer, checks: checks.made };
    },
  };
}

const candidates = (set: KeySet): readonly VerificationKey[] => (set.size > mostCandidates ? [] : [...set.values()]);

function assertSignedByAny(token: Jwt, keys: readonly VerificationKey[], checks: CheckList): void {
  const signed = keys.slice(0, mostCandidates).some((key) => hasValidSignature(token, key));
  checks.expect(signed, "signature", `none of ${keys.length} keys`);
}
