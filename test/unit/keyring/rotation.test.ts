import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { parseAccount } from "../../../src/model/ids";
import { failureFrom } from "../../contract/authenticator";
import { acme, bytes, context, globex, initialised, keysOnDisk, removeFoldersAfterwards, text } from "./fixture";

removeFoldersAfterwards();

const parts = [bytes("some"), bytes("facts")];

describe("a rotation of the root key", () => {
  test("leaves every value and every former MAC holding, also after a restart", async () => {
    const keys = keysOnDisk();
    const keyring = await initialised(keys);
    const sealed = keyring.seal(bytes("value"), context);
    const tags = [keyring.mac("facts", parts)];
    for (let round = 0; round < 4; round += 1) {
      await keyring.rotateRoot();
      tags.push(keyring.mac("facts", parts));
    }
    expect(tags.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5]);
    for (const each of [keyring, await keys.open()]) {
      expect(text(each.open(sealed, context))).toBe("value");
      expect(tags.every((tag) => each.verifyMac("facts", parts, tag))).toBe(true);
    }
  });

  test("makes MACs that do not pass for those of another epoch, purpose or split of the same bytes", async () => {
    const keyring = await initialised(keysOnDisk());
    const first = keyring.mac("facts", parts);
    await keyring.rotateRoot();
    expect(keyring.verifyMac("facts", parts, { ...first, epoch: 2 })).toBe(false);
    expect(keyring.verifyMac("facts", parts, { ...first, epoch: 3 })).toBe(false);
    expect(keyring.verifyMac("audit", parts, first)).toBe(false);
    expect(keyring.verifyMac("facts", [bytes("some"), bytes("fact"), bytes("s")], first)).toBe(false);
    expect(keyring.verifyMac("facts", [bytes("somef"), bytes("acts")], first)).toBe(false);
    expect(keyring.verifyMac("facts", parts, { ...first, tag: first.tag.subarray(0, 16) })).toBe(false);
    expect(keyring.verifyMac("facts", parts, { ...first, tag: new Uint8Array(0) })).toBe(false);
  });

  test("gives a new recovery key when the old one is not at hand, and none when it is", async () => {
    const keys = keysOnDisk();
    const keyring = await keys.open();
    const { recoveryKey: first } = await keyring.init([keys.seal, "recovery"]);
    const { recoveryKey: kept } = await keyring.rotateRoot(first);
    expect(kept).toBeUndefined();
    const { recoveryKey: second } = await keyring.rotateRoot();
    const closed = await keys.open({ providers: [] });
    expect(await closed.unseal(first)).toMatchObject({ reason: "seal_key_mismatch" });
    expect((await closed.unseal(second)).state).toBe("unsealed");
  });

  test("is refused, and changes nothing, while a recipient's key is not at hand", async () => {
    const keys = keysOnDisk();
    const keyring = await initialised(keys);
    await keyring.addRecipient(`file:${keys.folder}/second.key`);
    const before = readFileSync(keys.path);
    expect(await failureFrom(() => keyring.rotateRoot())).toMatchObject({ code: "conflict", because: "recipient_absent" });
    expect(readFileSync(keys.path)).toEqual(before);
    await keyring.removeRecipient(`file:${keys.folder}/second.key`);
    expect((await keyring.rotateRoot()).epoch).toBe(2);
  });
});

describe("a recipient", () => {
  test("that is removed opens nothing any more; the last one stays", async () => {
    const keys = keysOnDisk();
    const second = `file:${keys.folder}/second.key`;
    const keyring = await initialised(keys);
    await keyring.addRecipient(second);
    expect((await keys.open({ providers: [second] })).state().state).toBe("unsealed");
    await keyring.removeRecipient(second);
    expect((await keys.open({ providers: [second] })).state()).toMatchObject({ state: "sealed", reason: "seal_key_mismatch" });
    expect(await failureFrom(() => keyring.removeRecipient(second))).toMatchObject({ code: "not_found" });
    expect(await failureFrom(() => keyring.removeRecipient(keys.seal))).toMatchObject({ code: "conflict", because: "last_recipient" });
  });
});

describe("a rotation of a scope key", () => {
  test("seals with the new generation, opens the old, and moves a wrap without touching the value", async () => {
    const keys = keysOnDisk();
    const keyring = await initialised(keys);
    const old = keyring.seal(bytes("value"), context);
    expect(keyring.rewrap(old, context)).toBeUndefined();
    expect(await keyring.rotateScope(acme)).toMatchObject({ generation: 2 });
    expect(keyring.seal(bytes("next"), context).generation).toBe(2);
    const moved = keyring.rewrap(old, context);
    if (moved === undefined) throw new Error("it was not moved");
    expect(moved).toMatchObject({ generation: 2, body: old.body });
    for (const each of [keyring, await keys.open()]) {
      expect(text(each.open(old, context))).toBe("value");
      expect(text(each.open(moved, context))).toBe("value");
    }
  });

  test("loses what is wrapped under a retired generation, and nothing else; never the newest", async () => {
    const keys = keysOnDisk();
    const keyring = await initialised(keys);
    const first = keyring.seal(bytes("first"), context);
    const { scopeKey } = await keyring.rotateScope(acme);
    const second = keyring.seal(bytes("second"), context);
    await keyring.rotateScope(acme);
    await keyring.retireGenerations(scopeKey, new Set([2]));
    expect(text(keyring.open(second, context))).toBe("second");
    const again = await keys.open();
    expect(await failureFrom(async () => again.open(first, context))).toMatchObject({ code: "sealed" });
    await again.retireGenerations(scopeKey, new Set());
    expect(text(again.open(again.seal(bytes("third"), context), context))).toBe("third");
  });

  test("comes by itself when a generation has made all the seals it may, across restarts", async () => {
    const keys = keysOnDisk();
    await initialised(keys);
    const limits = { sealsPerGeneration: 10, reservation: 5 };
    const seals = [];
    for (let start = 0; start < 6; start += 1) {
      const keyring = await keys.open({ limits });
      // One seal, and the rest of what was set aside is lost with the process.
      seals.push(keyring.seal(bytes(`value ${start}`), context));
    }
    const keyring = await keys.open({ limits });
    expect(Math.max(...seals.map(({ generation }) => generation))).toBeGreaterThan(2);
    expect(seals.map((sealed) => text(keyring.open(sealed, context)))).toEqual([0, 1, 2, 3, 4, 5].map((start) => `value ${start}`));
    for (let count = 0; count < 40; count += 1) seals.push(keyring.seal(bytes("x"), context));
    const perGeneration = Map.groupBy(seals, ({ generation }) => generation);
    expect(Math.max(...[...perGeneration.values()].map((each) => each.length))).toBeLessThanOrEqual(limits.sealsPerGeneration);
  });

  test("of one account is none of another's", async () => {
    const keyring = await initialised(keysOnDisk());
    await keyring.ensureAccount(globex);
    await keyring.rotateScope(globex);
    expect(keyring.seal(bytes("value"), context).generation).toBe(1);
    expect(await failureFrom(async () => keyring.rotateScope(parseAccount("initech")))).toMatchObject({ code: "not_found" });
  });
});
