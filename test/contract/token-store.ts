/** What every store of tokens must do, whatever it keeps them in. */

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Store, TokenRecord, TokenStep } from "../../src/model/ports";
import { SecretBytes } from "../../src/model/secret-bytes";
import { acme, globex, now, putAccount, textOf } from "../unit/store/fixture";

const digestOf = (name: string): string => Buffer.from(name.padEnd(32, ".")).toString("hex");

export function tokenPut(token: string, text: string, more: Partial<TokenRecord> = {}): TokenStep {
  return { step: "put", account: acme, digest: digestOf(token), name: "", expiresAt: 0, body: SecretBytes.ofText(text), ...more };
}
export const tokenRemoval = (token: string, name?: string): TokenStep =>
  name === undefined ? { step: "remove", digest: digestOf(token) } : { step: "remove", digest: digestOf(token), name };

/** The texts of all records, sorted. */
export async function loadedTexts(store: Store, at = now): Promise<readonly string[]> {
  const texts: string[] = [];
  for await (const page of store.tokens.load(at)) texts.push(...page.map(({ body }) => textOf(body) ?? ""));
  return texts.sort();
}

export function tokenStoreContract(name: string, open: () => Promise<Store>): void {
  describe(`${name} as a store of tokens`, () => {
    let store: Store;
    const write = (...steps: readonly TokenStep[]): Promise<void> => store.tokens.write(steps);

    beforeEach(async () => {
      store = await open();
      await store.commit([putAccount()], { account: acme, expected: 0, now });
    });
    afterEach(() => store.close());

    test("knows a token by a digest that is the same each time, and another for each token", () => {
      const digest = store.tokens.digest(SecretBytes.ofText("hvs.one"));
      expect(digest).toMatch(/^[0-9a-f]{64}$/);
      expect(store.tokens.digest(SecretBytes.ofText("hvs.one"))).toBe(digest);
      expect(store.tokens.digest(SecretBytes.ofText("hvs.two"))).not.toBe(digest);
      expect(store.tokens.digest(SecretBytes.ofText("")).length).toBe(64);
    });

    test("loads what lives, and neither what ended nor what was removed", async () => {
      await write(tokenPut("for ever", "a"), tokenPut("later", "b", { expiresAt: now + 1 }), tokenPut("ended", "c", { expiresAt: now }));
      await write(tokenPut("removed", "d"));
      await write(tokenRemoval("removed"), tokenRemoval("never there"));
      expect(await loadedTexts(store)).toEqual(["a", "b"]);
    });

    test("keeps nothing of a token that ended while nobody looked", async () => {
      await write(tokenPut("ended", "a", { expiresAt: now }), tokenPut("ended", "mine", { name: "cubbyhole" }));
      expect(await loadedTexts(store)).toEqual([]);
      expect(await store.tokens.belonging(digestOf("ended"), "cubbyhole")).toBeUndefined();
    });

    test("replaces a record, and keeps the last of one write", async () => {
      await write(tokenPut("one", "first"));
      await write(tokenPut("one", "second"), tokenRemoval("one"), tokenPut("one", "third"));
      expect(await loadedTexts(store)).toEqual(["third"]);
    });

    test("keeps what belongs to a token, one by one, and lets all of it go with the token", async () => {
      await write(tokenPut("one", "a"), tokenPut("one", "mine", { name: "cubbyhole" }), tokenPut("one", "kept", { name: "wrapped" }));
      expect(textOf(await store.tokens.belonging(digestOf("one"), "cubbyhole"))).toBe("mine");
      expect(await loadedTexts(store)).toEqual(["a"]);
      await write(tokenRemoval("one", "cubbyhole"));
      expect(await store.tokens.belonging(digestOf("one"), "cubbyhole")).toBeUndefined();
      expect(textOf(await store.tokens.belonging(digestOf("one"), "wrapped"))).toBe("kept");
      await write(tokenRemoval("one"));
      expect(await store.tokens.belonging(digestOf("one"), "wrapped")).toBeUndefined();
      expect(await store.tokens.belonging(digestOf("none"), "wrapped")).toBeUndefined();
    });

    test("removes the record alone while what belongs to it is still wanted", async () => {
      await write(tokenPut("one", "a"), tokenPut("one", "kept", { name: "wrapped" }));
      await write(tokenRemoval("one", ""));
      expect(textOf(await store.tokens.belonging(digestOf("one"), "wrapped"))).toBe("kept");
    });

    test("takes a thousand writes at once, and each of them counts", async () => {
      await Promise.all(Array.from({ length: 1000 }, (_, index) => write(tokenPut(`t${index}`, String(index)))));
      expect((await loadedTexts(store)).length).toBe(1000);
    });

    test("lets the tokens of an account go with it, and no others", async () => {
      await store.commit([putAccount(globex)], { account: globex, expected: 1, now });
      await write(tokenPut("one", "a"), tokenPut("other", "b", { account: globex }));
      await store.commit([{ type: "remove_account", account: acme }], { account: acme, expected: 2, now });
      // Whatever removes them comes before the next write.
      await write(tokenPut("last", "c", { account: globex }));
      expect(await loadedTexts(store)).toEqual(["b", "c"]);
    });

    test("does nothing for no steps, and tidies when there is nothing to tidy", async () => {
      await write();
      await store.tokens.tidy();
      expect(await loadedTexts(store)).toEqual([]);
    });
  });
}
