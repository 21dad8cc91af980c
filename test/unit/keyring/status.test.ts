import { describe, expect, test } from "bun:test";
import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { failureFrom } from "../../contract/authenticator";
import { acme, bytes, context, initialised, keysOnDisk, removeFoldersAfterwards, text } from "./fixture";

removeFoldersAfterwards();

const otherKey = Buffer.alloc(32, 0x5a).toString("hex");

/** Two recipients, of which the second can be broken. */
async function withSecond() {
  const keys = keysOnDisk();
  const second = `file:${keys.folder}/second.key`;
  const keyring = await initialised(keys, [keys.seal, second, "recovery"]);
  const sealed = keyring.seal(bytes("value"), context);
  return { keys, second, secondPath: `${keys.folder}/second.key`, sealed };
}

describe("the status of a keyring", () => {
  test("tells installation, epoch, recipients and scopes, and no key", async () => {
    const { keys, second } = await withSecond();
    const keyring = await keys.open({ providers: [keys.seal, second] });
    await keyring.rotateRoot();
    await keyring.rotateScope(acme);
    const status = keyring.status();
    expect(status).toMatchObject({
      deployment: expect.stringMatching(/^[0-9a-f]{32}$/u),
      epoch: 2,
      recipients: [
        { provider: keys.seal, state: "ok" },
        { provider: second, state: "ok" },
        { provider: "recovery", state: "offline" },
      ],
      scopes: [{ account: "acme", scope: "default", generation: 2, kept: 2 }],
    });
    expect(JSON.stringify(status)).not.toContain(readFileSync(keys.sealPath, "utf8").trim());
  });

  test("names the installation while sealed, and keeps everything else to itself", async () => {
    const { keys } = await withSecond();
    const sealed = await keys.open({ providers: [] });
    expect(sealed.status()).toEqual({
      state: { state: "sealed", reason: "seal_key_missing" },
      deployment: sealed.deployment() ?? "unnamed",
      recipients: [],
      scopes: [],
    });
  });

  test("warns of a key file on the disk of the data, and of a keyring without a recovery key", async () => {
    const keys = keysOnDisk();
    const keyring = await initialised(keys);
    const state = keyring.state();
    expect(state.state === "unsealed" && state.warnings).toEqual([`key_file_beside_data: ${keys.sealPath}`, "no_recovery_recipient"]);
  });
});

describe("of two recipients", () => {
  test.each([
    ["is gone", "absent", (path: string) => rmSync(path)],
    ["has another key", "mismatch", (path: string) => writeFileSync(path, otherKey)],
    ["holds no key", "malformed", (path: string) => writeFileSync(path, "not a key")],
  ])("one that %s leaves the keyring unsealed by the other, and shows", async (_what, state, breakIt) => {
    const { keys, second, secondPath, sealed } = await withSecond();
    breakIt(secondPath);
    const keyring = await keys.open({ providers: [second, keys.seal] });
    expect(text(keyring.open(sealed, context))).toBe("value");
    expect(keyring.status().recipients).toContainEqual(expect.objectContaining({ provider: second, state }));
    const after = keyring.state();
    expect(after.state === "unsealed" && after.warnings).toContain(`recipient_${state}: ${second}`);
  });

  test("one whose record is damaged leaves it unsealed by the other; both damaged is damage, and named", async () => {
    const { keys, second } = await withSecond();
    const file = JSON.parse(readFileSync(keys.path, "utf8"));
    const [first, next] = file.content.recipients;
    [first.wrap, next.wrap] = [next.wrap, first.wrap];
    writeFileSync(keys.path, JSON.stringify(file));
    const keyring = await keys.open({ providers: [keys.seal, second] });
    expect(keyring.state()).toEqual({ state: "sealed", reason: "keyring_integrity", detail: `recipient ${keys.seal}` });
  });

  test("one that others could have read keeps the process from starting", async () => {
    const { keys, second, secondPath } = await withSecond();
    chmodSync(secondPath, 0o644);
    expect(await failureFrom(() => keys.open({ providers: [keys.seal, second] }))).toMatchObject({
      code: "malformed",
      because: "file_not_private",
    });
  });

  test("one that moved to another path is known by its key", async () => {
    const { keys, secondPath, sealed } = await withSecond();
    const moved = `${keys.folder}/moved.key`;
    writeFileSync(moved, readFileSync(secondPath), { mode: 0o600 });
    rmSync(secondPath);
    const keyring = await keys.open({ providers: [`file:${moved}`] });
    expect(text(keyring.open(sealed, context))).toBe("value");
  });
});
