/**
 * What earlier versions wrote, frozen: it must open for ever. A folder is added for every new format and never changed. The keys in it protect nothing.
 */

import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type KeyringControl, openKeyring } from "../../../src/keyring/keyring";
import { parseAccount, parseId } from "../../../src/model/ids";
import type { SealContext } from "../../../src/model/ports";
import { SecretBytes } from "../../../src/model/secret-bytes";
import { createPrivateFiles } from "../../../src/runtime/files";
import { openStore, type StoreControl } from "../../../src/store/store";
import { createTestClock, seededRandom } from "../../support/house";

interface Vectors {
  readonly sealed: readonly {
    readonly context: SealContext;
    readonly value: string;
    readonly scopeKey: string;
    readonly generation: number;
    readonly wrap: string;
    readonly body: string;
  }[];
  readonly macs: readonly { readonly purpose: string; readonly parts: readonly string[]; readonly epoch: number; readonly tag: string }[];
}

const vectorsFolder = join(import.meta.dir, "../../vectors");
const copies: string[] = [];
const bytes = (base64: string): Uint8Array => Buffer.from(base64, "base64");
const hex = (value: SecretBytes | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value.reveal()).toString("hex");
const hexOf = (text: string): string => Buffer.from(text, "utf8").toString("hex");

afterAll(() => {
  for (const copy of copies) rmSync(copy, { recursive: true, force: true });
});

/** A copy to open, as private as the original was before it came through version control. */
function copyOf(name: string): string {
  const copy = mkdtempSync(join(tmpdir(), "postern-vectors-"));
  copies.push(copy);
  cpSync(join(vectorsFolder, name), copy, { recursive: true });
  for (const file of readdirSync(copy)) chmodSync(join(copy, file), 0o600);
  return copy;
}

async function open(folder: string): Promise<{ readonly keyring: KeyringControl; readonly store: StoreControl }> {
  const files = createPrivateFiles();
  const clock = createTestClock();
  const keyring = await openKeyring({
    clock,
    random: seededRandom(),
    files,
    path: join(folder, "keyring.json"),
    nodePath: join(folder, "node.json"),
    providers: [`file:${join(folder, "seal.key")}`],
    dataExists: true,
  });
  const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  return { keyring, store: await openStore({ path: join(folder, "postern.db"), keyring, clock, files, logger: silent }) };
}

describe("a store of the first format", () => {
  test("opens, verifies, and has every value", async () => {
    const { store, keyring } = await open(copyOf("store-1"));
    const { damaged, revision } = await store.load();
    expect({ damaged, revision }).toEqual({ damaged: [], revision: 3 });
    expect(await store.verify()).toEqual({ accounts: [], rows: [], unexpected: 0, checked: 6 });
    expect(hex(store.secretValue(parseId("acme:variable:db/password"), 1))).toBe(hexOf("the first one"));
    expect(hex(store.secretValue(parseId("acme:variable:db/password"), 2))).toBe(hexOf("after a rotation"));
    expect(hex(store.secretValue(parseId("acme:variable:empty"), 1))).toBe("");
    const everyByte = Buffer.from(Uint8Array.from({ length: 256 }, (_, byte) => byte)).toString("hex");
    expect(hex(store.secretValue(parseId("globex:variable:Grüße/一:二"), 7))).toBe(everyByte);
    expect(hex(await store.record("api_key", "acme:user:admin"))).toBe(hexOf("an api key"));
    expect(hex(await store.record("policy_text", "acme:policy:root@1"))).toBe(hexOf("- !policy apps\n"));
    expect(Buffer.from(keyring.nodeSecret(parseAccount("acme"), "signer") ?? []).toString()).toBe("a node's secret");
    await store.close();
  });

  test("goes on: commits, re-wraps and opens again", async () => {
    const folder = copyOf("store-1");
    const first = await open(folder);
    const acme = parseAccount("acme");
    await first.store.commit(
      [
        {
          type: "put_secret_version",
          resource: parseId("acme:variable:db/password"),
          version: 3,
          createdAt: 0,
          value: SecretBytes.ofText("new"),
        },
      ],
      { account: acme, expected: 3, now: 0 },
    );
    expect(await first.store.rewrapAll()).toMatchObject({ failed: 0, total: 7 });
    for (const [scopeKey, inUse] of await first.store.generationsInUse()) await first.keyring.retireGenerations(scopeKey, inUse);
    await first.store.close();
    const { store } = await open(folder);
    const versions = [1, 2, 3].map((version) => hex(store.secretValue(parseId("acme:variable:db/password"), version)));
    expect(versions).toEqual(["the first one", "after a rotation", "new"].map(hexOf));
    await store.close();
  });
});

describe("single vectors of the first format", () => {
  const vectors: Vectors = JSON.parse(readFileSync(join(vectorsFolder, "store-1", "vectors.json"), "utf8"));

  test("open to their values, and verify", async () => {
    const { keyring, store } = await open(copyOf("store-1"));
    await store.close();
    expect(vectors.sealed.length + vectors.macs.length).toBe(2);
    for (const { context, value, wrap, body, scopeKey, generation } of vectors.sealed) {
      const plain = keyring.open({ scopeKey, generation, wrap: bytes(wrap), body: bytes(body) }, context);
      expect(Buffer.from(plain).toString("utf8")).toBe(value);
    }
    for (const { purpose, parts, epoch, tag } of vectors.macs) {
      expect(keyring.verifyMac(purpose, parts.map(bytes), { epoch, tag: bytes(tag) })).toBe(true);
    }
  });
});
