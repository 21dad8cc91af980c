/**
 * An archive of accounts: JSON, gzipped, under a key of its own. Whoever has both the file and the key has every secret in it.
 *
 *   "POSTERN-ARCHIVE-1\n" ‖ nonce ‖ AES-256-GCM(gzip({"accounts":[{"name":"acme","facts":{…},"values":{"acme:variable:db/password":"base64"},…}]})) ‖ tag
 */

import { gunzipSync } from "node:zlib";
import * as v from "valibot";
import { ArchivedAccount, printBody } from "../client/admin-wire";
import { type AeadContext, nonceBytes, openAead, sealAead, symmetricKey, symmetricKeyBytes } from "../crypto/aead";
import { PosternError } from "../model/failures";
import { SecretBytes } from "../model/secret-bytes";
import type { ImportSource } from "./import-source";

export type Archive = v.InferOutput<typeof Archive>;

const Archive = v.strictObject({ accounts: v.array(ArchivedAccount) });
const mark = Buffer.from("POSTERN-ARCHIVE-1\n");
const keyPattern = /^[0-9a-f]{64}$/u;
const mostUnpackedBytes = 512 * 2 ** 20;

const context: AeadContext = {
  purpose: "archive",
  deployment: "",
  account: "",
  kind: "",
  id: "",
  version: 1,
  scopeKey: "",
  generation: 0,
  revision: 0,
};

/** The text of a new key file. */
export function newKeyText(random: (count: number) => Uint8Array): string {
  return `${Buffer.from(random(symmetricKeyBytes)).toString("hex")}\n`;
}

export function sealArchive(archive: Archive, keyText: string, where: string, random: (count: number) => Uint8Array): Uint8Array {
  const plain = Buffer.from(printBody(archive));
  const packed = Buffer.from(Bun.gzipSync(plain));
  const sealed = sealAead(keyOf(keyText, where), random(nonceBytes), packed, context);
  plain.fill(0);
  packed.fill(0);
  return Buffer.concat([mark, sealed]);
}

/** Throws `malformed` for a file that is none or was changed, and for a key that is not its own; `where` names the files. */
export function openArchive(bytes: Uint8Array, keyText: string, where: { readonly file: string; readonly key: string }): Archive {
  if (!Buffer.from(bytes.subarray(0, mark.byteLength)).equals(mark)) throw unfit(where.file, "an archive that postern export made");
  const packed = openAead(keyOf(keyText, where.key), bytes.subarray(mark.byteLength), context);
  if (packed === undefined) throw unfit(where.file, `an archive of the key in ${where.key}, as it was made`);
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), Archive), unpack(packed, where.file));
  if (!parsed.success) throw unfit(where.file, "an archive of this version");
  return parsed.output;
}

/** Whoever made the archive chose what is in it, so it may be anything, of any size. */
function unpack(packed: Uint8Array, file: string): string {
  try {
    return gunzipSync(packed, { maxOutputLength: mostUnpackedBytes }).toString("utf8");
  } catch {
    throw unfit(file, "an archive of at most 512 MiB unpacked");
  }
}

/** One account of an archive as something to import. */
export function readArchive(archive: Archive, name: string, from: string, to: string): ImportSource {
  const account = archive.accounts.find((each) => each.name === from);
  if (account === undefined) throw unfit("--source-account", `one of ${archive.accounts.map((each) => each.name).join(", ")}`);
  const here = (id: string): string => (id.startsWith(`${from}:`) ? `${to}${id.slice(from.length)}` : id);
  const policyOf = ({ policy }: { readonly policy?: string }) => (policy === undefined ? {} : { policy: here(policy) });
  const { resources, grants, permits, annotations, restrictions } = account.facts;
  const values = new Map<string, SecretBytes>(Object.entries(account.values));
  return {
    name,
    facts: {
      resources: resources
        .filter(({ id }) => id !== `${from}:user:admin`)
        .map((each) => ({ ...each, id: here(each.id), owner: here(each.owner), ...policyOf(each) })),
      grants: grants.map((each) => ({ ...each, role: here(each.role), member: here(each.member), ...policyOf(each) })),
      permits: permits.map((each) => ({ ...each, role: here(each.role), resource: here(each.resource), ...policyOf(each) })),
      annotations: annotations.map((each) => ({ ...each, resource: here(each.resource), ...policyOf(each) })),
      restrictions: restrictions.map((each) => ({ ...each, role: here(each.role) })),
    },
    policies: [],
    variables: [...values.keys()],
    values: async (ids) =>
      new Map(ids.flatMap((id): [string, SecretBytes][] => (values.has(id) ? [[id, values.get(id) ?? SecretBytes.ofText("")]] : []))),
    isRemote: false,
    target: here,
    authenticators: account.authenticators,
    leftBehind: [],
  };
}

function keyOf(text: string, where: string) {
  const hex = text.trim();
  if (!keyPattern.test(hex)) throw unfit(where, "a key of 64 hex digits");
  return symmetricKey(Buffer.from(hex, "hex"));
}

function unfit(where: string, expected: string): PosternError {
  return new PosternError({ code: "malformed", where, expected, kind: "argument", because: "usage" });
}
