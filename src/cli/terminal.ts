/** Text from elsewhere on its way to a terminal. */

/** Nothing in it steers a terminal, turns the direction of writing, or begins another line. */
export function harmless(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\u00b7");
}
