/**
 * Public keys of users: `ssh-ed25519 AAAA… alice@laptop` becomes the resource `public_key:user/alice/alice@laptop` with the line as its value.
 */

import { type AccountName, identifierProblem, makeId, type ResourceId } from "../../model/ids";
import { printable } from "./problems";

export type ParsedPublicKey = { readonly resource: ResourceId; readonly line: string } | { readonly message: string };

/** `user` is the user's identifier. The name, the third part, may not contain a slash: it would blur whose key it is. */
export function parsePublicKey(account: AccountName, user: string, text: string): ParsedPublicKey {
  const parsed = parsePublicKeyLine(text);
  if ("message" in parsed) return parsed;
  return { resource: makeId(account, "public_key", `user/${user}/${parsed.name}`), line: parsed.line };
}

/** The line of a public key as it stands in a policy or in `authorized_keys`: `ssh-ed25519 AAAA… alice@laptop`. */
export function parsePublicKeyLine(text: string): { readonly line: string; readonly name: string } | { readonly message: string } {
  const line = text.trim();
  const [type, key, ...nameParts] = line.split(/\s+/);
  const name = nameParts.join(" ");
  if (type === undefined || key === undefined || name === "") return { message: "A public key has three parts: type, key and name" };
  if (!/^[a-z0-9@.-]+$/i.test(type) || !/^[A-Za-z0-9+/]+=*$/.test(key) || /[\r\n]/.test(line)) {
    return { message: `Invalid public key '${printable(name)}': the key is not base64 after its type` };
  }
  const problem = name.includes("/") ? "contains a slash" : identifierProblem(name);
  if (problem !== undefined) return { message: `Invalid public key: its name '${printable(name)}' ${problem}` };
  return { line, name };
}

/** Whose key a public key resource is, by its identifier: `user/alice/laptop` → `alice`. */
export function publicKeyUser(identifier: string): string {
  return identifier.slice("user/".length, identifier.lastIndexOf("/"));
}
