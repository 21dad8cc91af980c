import { describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SealContext } from "../../../src/model/ports";
import { createPrivateFiles } from "../../../src/runtime/files";
import { failureFrom } from "../../contract/authenticator";
import { acme, bytes, context, globex, initialised, keysOnDisk, removeFoldersAfterwards, text } from "./fixture";

removeFoldersAfterwards();

const refused = { code: "integrity", because: "seal_does_not_hold" } as const;

describe("a keyring that starts", () => {
  test("without a file and without data is uninitialised, and makes nothing by itself", async () => {
    const keys = keysOnDisk();
    const keyring = await keys.open();
    expect(keyring.state()).toEqual({ state: "uninitialised" });
    expect(keyring.deployment()).toBeUndefined();
    expect(existsSync(keys.path)).toBe(false);
    expect(existsSync(keys.sealPath)).toBe(false);
    expect(await failureFrom(async () => keyring.seal(bytes("x"), context))).toMatchObject({ code: "sealed", reason: "uninitialised" });
  });

  test("without its file where data is stays sealed and refuses to make new keys", async () => {
    const keys = keysOnDisk();
    const keyring = await keys.open({ dataExists: true });
    expect(keyring.state()).toMatchObject({ state: "sealed", reason: "keyring_integrity" });
    expect(await failureFrom(() => keyring.init([keys.seal]))).toMatchObject({ code: "exists" });
    expect(existsSync(keys.sealPath)).toBe(false);
  });

  test("without its seal key is sealed, writes nothing, and opens when the key is back", async () => {
    const keys = keysOnDisk();
    const sealed = (await initialised(keys)).seal(bytes("value"), context);
    const before = readFileSync(keys.path);
    copyFileSync(keys.sealPath, `${keys.sealPath}.kept`);
    rmSync(keys.sealPath);
    const keyring = await keys.open({ dataExists: true });
    expect(keyring.state()).toEqual({ state: "sealed", reason: "seal_key_missing" });
    expect(keyring.deployment()).toMatch(/^[0-9a-f]{32}$/);
    expect(await failureFrom(async () => keyring.open(sealed, context))).toMatchObject({ code: "sealed", reason: "seal_key_missing" });
    expect(await failureFrom(() => keyring.ensureAccount(globex))).toMatchObject({ code: "sealed" });
    expect(await failureFrom(() => keyring.init([keys.seal]))).toMatchObject({ code: "exists" });
    expect(existsSync(keys.sealPath)).toBe(false);
    expect(readFileSync(keys.path)).toEqual(before);
    copyFileSync(`${keys.sealPath}.kept`, keys.sealPath);
    expect((await keyring.unseal()).state).toBe("unsealed");
    expect(text(keyring.open(sealed, context))).toBe("value");
  });

  test("with another key tells a wrong key from damage, and writes nothing", async () => {
    const keys = keysOnDisk();
    await initialised(keys);
    const before = readFileSync(keys.path);
    writeFileSync(keys.sealPath, Buffer.alloc(32, 9));
    const keyring = await keys.open();
    expect(keyring.state()).toMatchObject({ state: "sealed", reason: "seal_key_mismatch" });
    expect(readFileSync(keys.path)).toEqual(before);
  });

  test("once locked forgets its keys until it is unsealed again", async () => {
    const keyring = await initialised(keysOnDisk());
    keyring.lock();
    expect(keyring.state()).toEqual({ state: "sealed", reason: "locked" });
    expect(await failureFrom(async () => keyring.mac("facts", []))).toMatchObject({ code: "sealed", reason: "locked" });
    expect((await keyring.unseal()).state).toBe("unsealed");
  });

  test("is initialised once", async () => {
    const keys = keysOnDisk();
    const keyring = await initialised(keys);
    expect(await failureFrom(() => keyring.init([keys.seal]))).toMatchObject({ code: "exists", because: "keyring_initialised" });
    expect(await failureFrom(async () => (await keysOnDisk().open()).init([]))).toMatchObject({ code: "malformed" });
  });
});

describe("the file of a keyring", () => {
  test("is closed to others, and names no key in the clear", async () => {
    const keys = keysOnDisk();
    await initialised(keys);
    expect(statSync(keys.path).mode & 0o777).toBe(0o600);
    const seal = Buffer.from(readFileSync(keys.sealPath, "latin1"), "base64");
    const content = readFileSync(keys.path, "latin1");
    for (const form of ["hex", "base64", "base64url", "latin1"] as const) expect(content).not.toContain(seal.toString(form));
  });

  test("with any one character changed is noticed, or says the same; never a wrong key", async () => {
    const keys = keysOnDisk();
    const keyring = await initialised(keys, [keys.seal, "recovery"]);
    await keyring.rotateRoot();
    await keyring.rotateScope(acme);
    const sealed = keyring.seal(bytes("value"), context);
    const sound = readFileSync(keys.path);
    let noticed = 0;
    for (let at = 3; at < sound.byteLength; at += 11) {
      const damaged = Buffer.from(sound);
      damaged[at] = (sound[at] ?? 0) ^ 1;
      writeFileSync(keys.path, damaged);
      const opened = await keys.open({ dataExists: true });
      if (opened.state().state === "unsealed") expect(text(opened.open(sealed, context))).toBe("value");
      else {
        expect(opened.state()).toMatchObject({ state: "sealed", reason: expect.stringMatching(/^(keyring_integrity|seal_key_mismatch)$/) });
        noticed += 1;
      }
    }
    expect(noticed).toBeGreaterThan(50);
  });

  test("with a record taken out is noticed: every wrap left is genuine, the whole is not", async () => {
    const keys = keysOnDisk();
    await initialised(keys);
    await (await keys.open()).ensureAccount(globex);
    const whole = JSON.parse(readFileSync(keys.path, "utf8"));
    whole.content.accounts.pop();
    whole.content.scopes.pop();
    writeFileSync(keys.path, JSON.stringify(whole));
    expect((await keys.open()).state()).toMatchObject({ state: "sealed", reason: "keyring_integrity" });
  });

  test.each(["", "{}", "[]", "null", "\u0000", '{"content":{},"mac":""}'])(
    "that reads %j is damage, and no invitation to begin anew",
    async (content) => {
      const keys = keysOnDisk();
      await initialised(keys);
      writeFileSync(keys.path, content);
      const keyring = await keys.open();
      expect(keyring.state()).toMatchObject({ state: "sealed", reason: "keyring_integrity" });
      expect(await failureFrom(() => keyring.init([keys.seal]))).toMatchObject({ code: "exists" });
    },
  );

  test("that cannot be written leaves the keys in memory as they were", async () => {
    const keys = keysOnDisk();
    await initialised(keys);
    const files = createPrivateFiles();
    let isFull = false;
    const keyring = await keys.open({
      files: {
        ...files,
        replace(path, content) {
          if (isFull) throw new Error("ENOSPC");
          files.replace(path, content);
        },
      },
    });
    const sealed = keyring.seal(bytes("value"), context);
    isFull = true;
    await expect(keyring.rotateScope(acme)).rejects.toThrow("ENOSPC");
    await expect(keyring.rotateRoot()).rejects.toThrow("ENOSPC");
    await expect(keyring.ensureAccount(globex)).rejects.toThrow("ENOSPC");
    expect(keyring.status()).toMatchObject({ epoch: 1, scopes: [{ account: acme, generation: 1 }] });
    const again = await keys.open();
    expect(text(again.open(sealed, context))).toBe("value");
    expect(again.status().scopes).toHaveLength(1);
  });
});

describe("a sealed thing", () => {
  const others: readonly (readonly [string, Partial<SealContext>])[] = [
    ["another purpose", { purpose: "api_key" }],
    ["another account", { account: globex }],
    ["another kind", { kind: "host" }],
    ["another id", { id: "db/passwor" }],
    ["an id and kind that join to the same text", { kind: "variable:db", id: "password" }],
    ["another version", { version: 2 }],
    ["another commit", { revision: 8 }],
  ];

  test.each(others)("does not open as that of %s", async (_what, change) => {
    const keyring = await initialised(keysOnDisk());
    await keyring.ensureAccount(globex);
    const sealed = keyring.seal(bytes("value"), context);
    expect(await failureFrom(async () => keyring.open(sealed, { ...context, ...change }))).toMatchObject(refused);
    expect(await failureFrom(async () => keyring.rewrap({ ...sealed, generation: 0 }, { ...context, ...change }))).toMatchObject({
      code: expect.stringMatching(/^(integrity|sealed)$/),
    });
  });

  test("does not open with a flipped bit anywhere, nor cut short", async () => {
    const keyring = await initialised(keysOnDisk());
    const sealed = keyring.seal(bytes("value"), context);
    for (const part of ["wrap", "body"] as const) {
      for (let at = 0; at < sealed[part].byteLength; at += 1) {
        const flipped = Uint8Array.from(sealed[part]);
        flipped[at] = (flipped[at] ?? 0) ^ 0x80;
        expect(await failureFrom(async () => keyring.open({ ...sealed, [part]: flipped }, context))).toMatchObject(refused);
        const short = sealed[part].subarray(0, at);
        expect(await failureFrom(async () => keyring.open({ ...sealed, [part]: short }, context))).toMatchObject(refused);
      }
    }
  });

  test("does not open with the wrap of another one, in another generation, or in another installation", async () => {
    const keys = keysOnDisk();
    const keyring = await initialised(keys);
    const sealed = keyring.seal(bytes("value"), context);
    const { wrap } = keyring.seal(bytes("other"), { ...context, version: 4 });
    expect(await failureFrom(async () => keyring.open({ ...sealed, wrap }, context))).toMatchObject(refused);
    await keyring.rotateScope(acme);
    expect(await failureFrom(async () => keyring.open({ ...sealed, generation: 2 }, context))).toMatchObject(refused);
    const elsewhere = await initialised(keysOnDisk(4));
    const open = async () => elsewhere.open(sealed, context);
    expect(await failureFrom(open)).toMatchObject({ code: "sealed", because: expect.stringContaining("scope_key_missing") });
  });

  test("differs from every other of the same value", async () => {
    const keyring = await initialised(keysOnDisk());
    const seals = Array.from({ length: 200 }, () => keyring.seal(bytes("same"), context));
    expect(new Set(seals.map(({ body }) => Buffer.from(body).toString("hex"))).size).toBe(200);
    expect(new Set(seals.map(({ wrap }) => Buffer.from(wrap).toString("hex"))).size).toBe(200);
  });
});

describe("a node secret", () => {
  test("is kept across a restart, bound to its account and name, and outside the keyring's file", async () => {
    const keys = keysOnDisk();
    const keyring = await initialised(keys);
    await keyring.ensureAccount(globex);
    await keyring.putNodeSecret(acme, "signer", bytes("private part"));
    const again = await keys.open();
    expect(text(again.nodeSecret(acme, "signer") ?? bytes(""))).toBe("private part");
    expect(again.nodeSecret(acme, "other")).toBeUndefined();
    expect(again.nodeSecret(globex, "signer")).toBeUndefined();
    const file = join(keys.folder, "node.json");
    expect(readFileSync(file, "utf8")).not.toContain("private part");
    writeFileSync(file, readFileSync(file, "utf8").replace('"signer"', '"other"'));
    const swapped = await keys.open();
    expect(await failureFrom(async () => swapped.nodeSecret(acme, "other"))).toMatchObject({ code: "integrity" });
  });
});
