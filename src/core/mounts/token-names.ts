/** How tokens and their accessors look, and how names of policies are put in order. */

import type { Random } from "../../model/ports";
import { byText } from "../sorted-page";

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** So many letters of 62, each equally likely: bytes beyond the last whole round are thrown away. */
export function letters(random: Random, count: number): string {
  const limit = 256 - (256 % base62.length);
  let text = "";
  while (text.length < count) {
    for (const byte of random.bytes(count * 2)) {
      if (byte < limit && text.length < count) text += base62.charAt(byte % base62.length);
    }
  }
  return text;
}

export const servicePrefix = "hvs.";
export const batchPrefix = "hvb.";

/** 256 random bits, which no one needs to guess at: `hvs.` and 43 letters. */
export const newTokenText = (random: Random): string => `${servicePrefix}${letters(random, 43)}`;
export const newAccessor = (random: Random): string => letters(random, 24);

/** In lower case, each once, sorted; a list with `root` is `root` alone. */
export function canonicalPolicies(names: readonly string[]): readonly string[] {
  const canonical = [...new Set(names.map((name) => name.trim().toLowerCase()).filter((name) => name !== ""))].sort(byText);
  return canonical.includes("root") ? ["root"] : canonical;
}

/** Of a token that another made: each letter that is no letter, digit or dash is a dash, but for one at the end. Source: Vault 1.19, vault/token_store.go. */
export const tokenNameOf = (text: string): string => `token-${text}`.replace(/[^A-Za-z0-9-]/g, "-").replace(/-$/, "");

/** `azure-4f0e…`: what is not a letter, a digit or a dash becomes a dash. */
export const displayNameOf = (text: string): string => text.replace(/[^A-Za-z0-9-]+/g, "-").replace(/^-+|-+$/g, "");
