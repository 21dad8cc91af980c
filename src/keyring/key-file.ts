/**
 * The keyring's file: every key but the seal keys, each wrapped by the one above it.
 *
 * It is small, separate from the data, and replaced as a whole, so that its old copies can be destroyed on a schedule of their own: without them the backups
 * of deleted values cannot be opened any more. Damage to it is found in two ways: every wrap is authentic by itself, which names the damaged record, and the
 * file carries a MAC by the root key, which finds a removed one.
 */

import * as v from "valibot";
import { PosternError } from "../model/failures";
import type { PrivateFiles } from "../model/ports";

const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const Hex = v.pipe(v.string(), v.regex(/^(?:[0-9a-f]{2})+$/u));
const Base64 = v.pipe(v.string(), v.regex(/^[A-Za-z0-9+/]+={0,2}$/u));

/** A root key as one recipient can open it. `check` is the key-check value of the recipient's seal key. */
const Recipient = v.strictObject({ provider: v.string(), check: Hex, wrap: Base64 });
const EarlierRoot = v.strictObject({ epoch: Count, check: Hex, wrap: Base64 });
const AccountKey = v.strictObject({ account: v.string(), generation: Count, check: Hex, wrap: Base64 });
/** `seals` is how many seals were set aside for this generation, not how many were made: a crash may waste some, never repeat them. */
const Generation = v.strictObject({ generation: Count, createdAt: Count, seals: Count, check: Hex, wrap: Base64 });
const ScopeKey = v.strictObject({ account: v.string(), scope: v.string(), key: v.string(), generations: v.array(Generation) });

const KeyFileContent = v.strictObject({
  format: v.literal("postern-keyring/1"),
  deployment: v.string(),
  /** Counts replacements of the file. */
  serial: Count,
  root: v.strictObject({ epoch: Count, check: Hex }),
  recipients: v.array(Recipient),
  /** Former root keys, wrapped by the present one: what they signed still verifies. */
  earlier: v.array(EarlierRoot),
  accounts: v.array(AccountKey),
  scopes: v.array(ScopeKey),
});
const KeyFileOnDisk = v.strictObject({ content: KeyFileContent, mac: Hex });

export type KeyFile = v.InferOutput<typeof KeyFileContent>;
export type RecipientRecord = v.InferOutput<typeof Recipient>;
export type ScopeRecord = v.InferOutput<typeof ScopeKey>;
export type GenerationRecord = v.InferOutput<typeof Generation>;

/** The bytes the file's MAC is made of: members in the order of the schema, whatever their order was. */
export function canonicalKeyFile(file: KeyFile): Buffer {
  return Buffer.from(JSON.stringify(v.parse(KeyFileContent, file)), "utf8");
}

/** The file, not yet verified; undefined when there is none. Throws `integrity` when it cannot be read as one. */
export function readKeyFile(files: PrivateFiles, path: string): { readonly file: KeyFile; readonly mac: Buffer } | undefined {
  const bytes = files.read(path, { maxBytes: 1 << 26 });
  if (bytes === undefined) return undefined;
  const parsed = v.safeParse(KeyFileOnDisk, parseJson(bytes));
  if (!parsed.success) throw damagedKeyFile(v.getDotPath(parsed.issues[0]) ?? "the whole file");
  return { file: parsed.output.content, mac: Buffer.from(parsed.output.mac, "hex") };
}

export function writeKeyFile(files: PrivateFiles, path: string, file: KeyFile, mac: Uint8Array): void {
  const text = JSON.stringify({ content: v.parse(KeyFileContent, file), mac: Buffer.from(mac).toString("hex") }, undefined, 1);
  files.replace(path, Buffer.from(`${text}\n`, "utf8"));
}

/** `record` says where: `account acme`. */
export function damagedKeyFile(record: string): PosternError {
  return new PosternError({ code: "integrity", what: `keyring: ${record}`, because: "keyring_integrity" });
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    // Not JSON at all: the schema says so, with the same words as for JSON of another shape.
    return undefined;
  }
}
