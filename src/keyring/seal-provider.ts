/** What a seal provider does, and the forms a seal key is kept in. */

import { symmetricKeyBytes } from "../crypto/aead";
import type { PrivateFiles } from "../model/ports";

/** What came of asking for a seal key. `malformed`: something is there that cannot be one. `unavailable`: asking again may help. */
export type SealKeyAnswer =
  | { readonly found: "key"; readonly key: Uint8Array }
  | { readonly found: "absent" }
  | { readonly found: "malformed"; readonly detail: string }
  | { readonly found: "unavailable"; readonly detail: string };

export interface SealProvider {
  /** As configured: `file:/etc/postern/seal.key`. */
  readonly specification: string;
  /** The file it reads, when there is one: two of them on one disk are stolen together. */
  readonly path?: string;
  /** Throws `malformed` for a key that others could have read: that is no state to start in. */
  load(): Promise<SealKeyAnswer>;
  /** Keeps a new key where none is. Absent where only the operator can. */
  create?(key: Uint8Array): Promise<void>;
}

export interface SealProviderDeps {
  readonly files: PrivateFiles;
  /** The folder systemd passes to a unit with credentials. */
  readonly credentialsFolder?: string;
  /** Variables that hold seal keys, by name; given only when the operator allowed that in so many words. */
  readonly insecureEnvironment?: Readonly<Record<string, string | undefined>>;
}

const hex = /^[0-9a-f]{64}$/iu;
const base64 = /^[A-Za-z0-9+/_-]{43}=?$/u;

/** 32 bytes as they are, or as hex or base64 with white space around. Anything shorter could be guessed and is `malformed`. */
export function readSealKey(bytes: Uint8Array): SealKeyAnswer {
  if (bytes.byteLength === symmetricKeyBytes) return { found: "key", key: bytes };
  const text = Buffer.from(bytes).toString("latin1").trim();
  if (hex.test(text)) return { found: "key", key: Buffer.from(text, "hex") };
  if (base64.test(text)) return { found: "key", key: Buffer.from(text, "base64") };
  return { found: "malformed", detail: "not 32 bytes, raw or as hex or base64" };
}

/** The form a new key is written in: one line of base64. */
export function printSealKey(key: Uint8Array): Uint8Array {
  return Buffer.from(`${Buffer.from(key).toString("base64")}\n`, "latin1");
}
