/** The text of a machine's token, for the wire it goes out by. */

import type { SecretBytes } from "../model/secret-bytes";

export function tokenText(token: SecretBytes): string {
  return Buffer.from(token.reveal()).toString("latin1");
}
