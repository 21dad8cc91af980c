/** What the keyring holds in memory, and the one way to change it: first the file, durably, then the memory. */

import type { SymmetricKey } from "../crypto/aead";
import { deriveKey } from "../crypto/digest";
import { PosternError } from "../model/failures";
import type { KeyringState, PrivateFiles, Sealed } from "../model/ports";
import { keyFileMac, type OpenKeys, openKeys } from "./hierarchy";
import { type KeyFile, writeKeyFile } from "./key-file";
import type { NodeFile } from "./node-secrets";
import type { RecipientStatus } from "./unsealing";

export interface Unsealed {
  readonly state: "unsealed";
  readonly file: KeyFile;
  readonly keys: OpenKeys;
  readonly recipients: readonly RecipientStatus[];
  readonly node: NodeFile;
  /** MAC keys by epoch and purpose, derived when first needed. */
  readonly macKeys: Map<string, SymmetricKey>;
  /** Content keys that were opened before, by the sealed thing: their wrap need not be opened for each read. Gone with the keys, or with the thing. */
  readonly contentKeys: WeakMap<Sealed, SymmetricKey>;
  /** Seals left of those set aside, by scope key. */
  readonly reserved: Map<string, number>;
}

export type Held = Exclude<KeyringState, { readonly state: "unsealed" }> | Unsealed;

export interface Holder {
  get(): Held;
  set(held: Held): void;
  /** Throws `sealed` with the reason. */
  unsealed(): Unsealed;
  /** Makes the content durable under the root key (the present one unless given), and only then the present content. */
  replace(content: KeyFile, root?: SymmetricKey): Unsealed;
  macKey(purpose: string, epoch: number): SymmetricKey | undefined;
}

export function createHolder({ files, path }: { readonly files: PrivateFiles; readonly path: string }): Holder {
  let held: Held = { state: "sealed", reason: "seal_key_missing" };

  function unsealed(): Unsealed {
    if (held.state === "unsealed") return held;
    throw new PosternError({ code: "sealed", reason: held.state === "sealed" ? held.reason : held.state });
  }

  return {
    get: () => held,
    set(next) {
      held = next;
    },
    unsealed,
    replace(content, newRoot) {
      const current = unsealed();
      const root = newRoot ?? current.keys.root;
      const file = { ...content, serial: content.serial + 1 };
      const mac = keyFileMac(root, file);
      // Opened before it is written: what does not open must not become the file.
      const keys = openKeys(root, file, mac);
      writeKeyFile(files, path, file, mac);
      const next = { ...current, file, keys };
      held = next;
      return next;
    },
    macKey(purpose, epoch) {
      const { macKeys, keys } = unsealed();
      const name = `${epoch} ${purpose}`;
      const known = macKeys.get(name);
      if (known !== undefined) return known;
      const root = keys.roots.get(epoch);
      if (root === undefined) return undefined;
      const key = deriveKey(root, `postern/v1 mac ${purpose}`);
      macKeys.set(name, key);
      return key;
    },
  };
}
