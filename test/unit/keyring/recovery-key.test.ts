import { describe, expect, test } from "bun:test";
import { parseRecoveryKey, printRecoveryKey } from "../../../src/keyring/recovery-key";
import { SecretBytes } from "../../../src/model/secret-bytes";
import { failureFrom } from "../../contract/authenticator";
import { seededRandom } from "../../support/house";
import { initialised, keysOnDisk, removeFoldersAfterwards, text } from "./fixture";

removeFoldersAfterwards();

const random = seededRandom(5);
const keys = [new Uint8Array(32), new Uint8Array(32).fill(255), ...Array.from({ length: 40 }, () => random.bytes(32))];
const printed = (key: Uint8Array): string => text(printRecoveryKey(key).reveal());

describe("a recovery key", () => {
  test("is eight groups of seven letters and digits that read back", () => {
    for (const key of keys) {
      expect(printed(key)).toMatch(/^[0-9A-HJKMNP-TV-Z]{7}(-[0-9A-HJKMNP-TV-Z]{7}){7}$/);
      expect(Buffer.from(parseRecoveryKey(SecretBytes.ofText(printed(key))))).toEqual(Buffer.from(key));
    }
  });

  test("is read as people write: any case, spaces, O for 0, I and L for 1", () => {
    for (const key of keys) {
      const sloppy = ` ${printed(key).toLowerCase().replaceAll("-", " ").replaceAll("0", "o").replace("1", "l").replace("1", "I")}\n`;
      expect(Buffer.from(parseRecoveryKey(SecretBytes.ofText(sloppy)))).toEqual(Buffer.from(key));
    }
  });

  test("with any one letter wrong is told from a wrong key", async () => {
    const right = printed(keys[5] ?? new Uint8Array(32));
    for (let at = 0; at < right.length; at += 1) {
      if (right[at] === "-") continue;
      const slip = `${right.slice(0, at)}${right[at] === "7" ? "8" : "7"}${right.slice(at + 1)}`;
      const failure = await failureFrom(async () => parseRecoveryKey(SecretBytes.ofText(slip)));
      expect(failure).toMatchObject({ code: "malformed", because: "recovery_key_malformed" });
      expect(JSON.stringify(failure)).not.toContain(right.slice(0, 7));
    }
  });

  test("with two neighbours exchanged is told from a wrong key", async () => {
    const right = printed(keys[6] ?? new Uint8Array(32));
    for (let at = 0; at + 1 < right.length; at += 1) {
      const exchanged = `${right.slice(0, at)}${right[at + 1]}${right[at]}${right.slice(at + 2)}`;
      if (exchanged.replaceAll("-", "") === right.replaceAll("-", "")) continue;
      expect(await failureFrom(async () => parseRecoveryKey(SecretBytes.ofText(exchanged)))).toMatchObject({ code: "malformed" });
    }
  });

  test.each(["", "U", "-", "0".repeat(55), "0".repeat(57), "é".repeat(56), "0".repeat(100_000)])("is not made of %#", async (written) => {
    expect(await failureFrom(async () => parseRecoveryKey(SecretBytes.ofText(written)))).toMatchObject({ code: "malformed" });
  });

  test("opens a keyring whose other recipient is lost, and no other keyring", async () => {
    const disk = keysOnDisk();
    const first = await disk.open();
    const { recoveryKey } = await first.init([disk.seal, "recovery"]);
    if (recoveryKey === undefined) throw new Error("no recovery key was shown");
    const lost = await disk.open({ providers: [] });
    expect(lost.state()).toEqual({ state: "sealed", reason: "seal_key_missing" });
    expect((await lost.unseal(recoveryKey)).state).toBe("unsealed");

    const other = keysOnDisk(4);
    await initialised(other, [other.seal, "recovery"]);
    const closed = await other.open({ providers: [] });
    expect(await closed.unseal(recoveryKey)).toMatchObject({ state: "sealed", reason: "seal_key_mismatch" });
  });

  test("that was replaced opens nothing any more", async () => {
    const disk = keysOnDisk();
    const keyring = await disk.open();
    const { recoveryKey: former } = await keyring.init([disk.seal, "recovery"]);
    const { recoveryKey: present } = await keyring.addRecipient("recovery");
    const closed = await disk.open({ providers: [] });
    expect(await closed.unseal(former)).toMatchObject({ state: "sealed", reason: "seal_key_mismatch" });
    expect((await closed.unseal(present)).state).toBe("unsealed");
  });
});
