/**
 * Secrets of this node alone, such as the private keys of its token signers: each sealed by its account's key, in a file outside the replicated store, so that
 * no copy of the data signs anything.
 */

import * as v from "valibot";
import { nonceBytes, openAead, type SymmetricKey, sealAead } from "../crypto/aead";
import type { PrivateFiles, Random } from "../model/ports";
import { wrapContext } from "./hierarchy";
import { damagedKeyFile } from "./key-file";

const NodeFile = v.strictObject({
  format: v.literal("postern-node/1"),
  secrets: v.array(v.strictObject({ account: v.string(), name: v.string(), wrap: v.string() })),
});
export type NodeFile = v.InferOutput<typeof NodeFile>;

interface Name {
  readonly deployment: string;
  readonly account: string;
  readonly name: string;
}

/** An absent file holds nothing: what is in it can be made anew. Throws `integrity` for one that cannot be read. */
export function readNodeFile(files: PrivateFiles, path: string): NodeFile {
  const bytes = files.read(path, { maxBytes: 1 << 24 });
  if (bytes === undefined) return { format: "postern-node/1", secrets: [] };
  try {
    return v.parse(NodeFile, JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch {
    throw damagedKeyFile("the file of node secrets");
  }
}

export function writeNodeFile(files: PrivateFiles, path: string, file: NodeFile): void {
  files.replace(path, Buffer.from(`${JSON.stringify(file, undefined, 1)}\n`, "utf8"));
}

/** Throws `integrity` when the secret is there and does not open. */
export function openNodeSecret(file: NodeFile, by: SymmetricKey, { deployment, account, name }: Name): Uint8Array | undefined {
  const record = file.secrets.find((each) => each.account === account && each.name === name);
  if (record === undefined) return undefined;
  const plain = openAead(by, Buffer.from(record.wrap, "base64"), contextOf({ deployment, account, name }));
  if (plain === undefined) throw damagedKeyFile(`node secret ${name} of ${account}`);
  return plain;
}

export function withNodeSecret(file: NodeFile, by: SymmetricKey, name: Name, secret: { plain: Uint8Array; random: Random }): NodeFile {
  const wrap = sealAead(by, secret.random.bytes(nonceBytes), secret.plain, contextOf(name)).toString("base64");
  const others = file.secrets.filter((each) => each.account !== name.account || each.name !== name.name);
  return { ...file, secrets: [...others, { account: name.account, name: name.name, wrap }] };
}

function contextOf({ deployment, account, name }: Name) {
  return wrapContext({ purpose: "node_secret", deployment, account, kind: "node", id: name });
}
