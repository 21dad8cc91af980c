/** Where the keys of a JWT service come from, and whose tokens they sign: the settings `jwks-uri`, `provider-uri`, `public-keys`, `ca-cert`, `issuer`. */

import { type JwtAlgorithm, jwtAlgorithms, type KeySet, readKeySet } from "../../crypto/jwt";
import { readJsonObject } from "../../crypto/strict-json";
import type { CheckList } from "../../model/failures";
import type { AuthenticatorSettings } from "../../model/ports";
import { type IssuerSource, isIssuerAddress, providerSource, readRoots } from "../issuer";

export type KeySource =
  | { readonly kind: "fetched"; readonly source: IssuerSource; readonly issuer: string }
  | { readonly kind: "given"; readonly keys: KeySet; readonly issuer: string };

// What Conjur takes. Clusters and workload identities that sign with elliptic curves say so in the variable `algorithms`.
const usualAlgorithms: readonly JwtAlgorithm[] = ["RS256", "RS384", "RS512"];

/**
 * Exactly one of the three sources must be set. Fails the checks `key_source`, `ca_cert` and `issuer_setting`.
 *
 * The expected issuer is `issuer`; else the provider's address; else the host of the key set's address, as Conjur has it.
 */
export function readKeySource(
  settings: AuthenticatorSettings,
  readKeys: (text: string) => KeySet | undefined,
  checks: CheckList,
): KeySource {
  const names = ["jwks-uri", "provider-uri", "public-keys"].filter((name) => settings[name] !== undefined);
  const [name, ...more] = names;
  if (name === undefined || more.length > 0)
    checks.fail("key_source", `set: ${names.join(", ") || "none"}; exactly one of jwks-uri, provider-uri and public-keys must be`);
  if (name === "public-keys" && settings["ca-cert"] !== undefined)
    checks.fail("ca_cert", "ca-cert is for keys that are fetched, and public-keys are not");
  const roots = readRoots(settings["ca-cert"], checks);
  const text = settings[name] ?? "";
  if (name === "public-keys") return givenKeys(text, settings.issuer, readKeys, checks);
  const url = URL.parse(text);
  if (url === null || !isIssuerAddress(text)) checks.fail("key_source", `${name} is no address`);
  checks.pass("key_source", `${name} ${text}`);
  if (name === "provider-uri") return { kind: "fetched", source: providerSource(text, roots), issuer: settings.issuer ?? text };
  const source = { documentUrl: text, isKeySet: true, accepts: () => true, ...(roots === undefined ? {} : { roots }) };
  return { kind: "fetched", source, issuer: settings.issuer ?? url.hostname };
}

/** Which signatures count: the setting `algorithms`, a list with commas. Fails the check `algorithms`. */
export function readAlgorithms(settings: AuthenticatorSettings, checks: CheckList): readonly JwtAlgorithm[] {
  const text = settings.algorithms;
  if (text === undefined) return usualAlgorithms;
  const named = text.split(",").map((name) => name.trim());
  const known = jwtAlgorithms.filter((algorithm) => named.includes(algorithm));
  checks.expect(known.length === named.length, "algorithms", `${text}; each once, of ${jwtAlgorithms.join(", ")}`);
  return known;
}

function givenKeys(text: string, issuer: string | undefined, readKeys: (text: string) => KeySet | undefined, checks: CheckList): KeySource {
  const keys = readKeys(text);
  if (keys === undefined) checks.fail("key_source", 'public-keys is not JSON of the form {"type":"jwks","value":{"keys":[…]}}');
  if (keys.size === 0) checks.fail("key_source", "public-keys holds no usable key");
  checks.pass("key_source", `public-keys, ${keys.size} of them`);
  if (issuer === undefined) checks.fail("issuer_setting", "with public-keys, the variable issuer must be set");
  return { kind: "given", keys, issuer };
}

const mostTexts = 256;

/** Reads `{"type":"jwks","value":{"keys":[…]}}`, each text once: every login brings the same few, and importing keys takes time. Undefined for anything else. */
export function createGivenKeys(): (text: string) => KeySet | undefined {
  const known = new Map<string, KeySet>();
  return (text) => {
    const found = known.get(text);
    if (found !== undefined) return found;
    const keys = readKeySet(valueIn(text));
    const oldest = known.keys().next();
    if (known.size >= mostTexts && oldest.done !== true) known.delete(oldest.value);
    if (keys !== undefined) known.set(text, keys);
    return keys;
  };
}

function valueIn(text: string): unknown {
  const read = readJsonObject(Buffer.from(text));
  return "object" in read && read.object.type === "jwks" ? read.object.value : undefined;
}
