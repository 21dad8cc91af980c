/** Who gets an API key at birth. */

import type { Kind } from "../../model/ids";

/** Every user; hosts where they do so by default, or that the annotation `authn/api-key: true` asks for. Source: Conjur 5.3.1, CONJUR_AUTHN_API_KEY_DEFAULT. */
export function getsApiKey(
  kind: Kind,
  annotations: readonly { readonly name: string; readonly value: string }[],
  apiKeysByDefault: boolean,
): boolean {
  if (kind === "user") return true;
  return kind === "host" && (apiKeysByDefault || annotations.some(({ name, value }) => name === "authn/api-key" && value === "true"));
}
