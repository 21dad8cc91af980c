/**
 * Makes a new set of vectors in a folder of `test/vectors/` that does not exist yet: `bun test/support/make-vectors.ts store-2`. Run once for each new format; what was made is never
 * made again.
 */

import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openKeyring } from "../../src/keyring/keyring";
import { type AccountName, parseAccount, parseId, parseRoleId } from "../../src/model/ids";
import type { SealContext } from "../../src/model/ports";
import { SecretBytes } from "../../src/model/secret-bytes";
import type { Change } from "../../src/model/types";
import { createPrivateFiles } from "../../src/runtime/files";
import { createRandom } from "../../src/runtime/random";
import { openStore } from "../../src/store/store";
import { createTestClock, startOfTime as now } from "../support/house";

const name = process.argv[2] ?? "";
// Made elsewhere and moved in: the keyring names the place of its seal key, which must not be that of somebody's working copy.
const folder = join(tmpdir(), "postern-vectors", name);
mkdirSync(folder, { mode: 0o700, recursive: true });
const clock = createTestClock();
const files = createPrivateFiles();
const seal = `file:${join(folder, "seal.key")}`;
const keyring = await openKeyring({
  clock,
  random: createRandom(),
  files,
  path: join(folder, "keyring.json"),
  nodePath: join(folder, "node.json"),
  providers: [seal],
  dataExists: false,
});
await keyring.init([seal]);
const acme = parseAccount("acme");
const globex = parseAccount("globex");
await keyring.ensureAccount(acme);
await keyring.ensureAccount(globex);
await keyring.putNodeSecret(acme, "signer", Buffer.from("a node's secret"));
const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const store = await openStore({ path: join(folder, "postern.db"), keyring, clock, files, logger: silent });

function commit(account: AccountName, changes: readonly Change[]): Promise<unknown> {
  return store.commit(changes, { account, expected: store.position().revision, now });
}

function value(id: string, version: number, bytes: Uint8Array): Change {
  return { type: "put_secret_version", resource: parseId(id), version, createdAt: now, value: new SecretBytes(bytes) };
}

const text = (content: string): Uint8Array => Buffer.from(content, "utf8");
const admin = parseRoleId("acme:user:admin");
const policy = parseRoleId("acme:policy:root");
await commit(acme, [
  { type: "put_account", account: { name: acme, createdAt: now } },
  { type: "put_resource", resource: { id: admin, owner: admin, createdAt: now } },
  {
    type: "put_credential",
    credential: { role: admin, apiKeyDigest: "0".repeat(64), rotatedAt: now },
    apiKey: SecretBytes.ofText("an api key"),
  },
  {
    type: "put_policy_version",
    policyVersion: { policy, version: 1, createdAt: now, role: admin, clientAddress: "192.0.2.1", sha256: "0".repeat(64) },
    text: "- !policy apps\n",
  },
  value("acme:variable:db/password", 1, text("the first one")),
  value("acme:variable:empty", 1, new Uint8Array(0)),
]);
await store.compact();
await keyring.rotateScope(acme);
await keyring.rotateRoot();
await commit(acme, [value("acme:variable:db/password", 2, text("after a rotation"))]);
await commit(globex, [
  { type: "put_account", account: { name: globex, createdAt: now } },
  value(
    "globex:variable:Grüße/一:二",
    7,
    Uint8Array.from({ length: 256 }, (_, byte) => byte),
  ),
]);
await store.close();

const context: SealContext = { purpose: "secret", account: acme, kind: "variable", id: "a:b/c d", version: 41, revision: 42 };
const sealed = keyring.seal(text("sealed by itself"), context);
const parts = [text("one"), text(""), text("two")];
const mac = keyring.mac("facts", parts);
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const vectors = {
  sealed: [{ context, value: "sealed by itself", ...sealed, wrap: base64(sealed.wrap), body: base64(sealed.body) }],
  macs: [{ purpose: "facts", parts: parts.map(base64), epoch: mac.epoch, tag: base64(mac.tag) }],
};
writeFileSync(join(folder, "vectors.json"), `${JSON.stringify(vectors, undefined, 2)}\n`);
cpSync(folder, join(import.meta.dir, "../vectors", name), { recursive: true, errorOnExist: true, force: false });
rmSync(folder, { recursive: true });
