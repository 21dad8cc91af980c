import { describe, expect, test } from "bun:test";
import { chmodSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createSystemdSeal } from "../../../src/keyring/systemd";
import { createPrivateFiles } from "../../../src/runtime/files";
import { failureFrom } from "../../contract/authenticator";
import { initialised, keysOnDisk, newFolder, removeFoldersAfterwards } from "./fixture";

removeFoldersAfterwards();

const files = createPrivateFiles();
const key = Buffer.alloc(32, 0x11);

function credential(content: string | Uint8Array, mode = 0o400): string {
  const folder = newFolder();
  writeFileSync(join(folder, "postern-seal"), content);
  chmodSync(join(folder, "postern-seal"), mode);
  return folder;
}

const provider = (credentialsFolder?: string) =>
  createSystemdSeal("systemd:postern-seal", "postern-seal", { files, ...(credentialsFolder === undefined ? {} : { credentialsFolder }) });

describe("a seal key as a systemd credential", () => {
  // systemd gives access to the unit's user by an access list, whose mask shows as a group bit.
  test.each([0o400, 0o600, 0o440])("is read from the unit's own folder with mode %o", async (mode) => {
    const answer = await provider(credential(key, mode)).load();
    expect(answer.found === "key" && key.equals(answer.key)).toBe(true);
  });

  test("is refused when others could have written it, or behind a link", async () => {
    expect(await failureFrom(() => provider(credential(key, 0o422)).load())).toMatchObject({ because: "file_not_private" });
    const folder = newFolder();
    symlinkSync(join(credential(key), "postern-seal"), join(folder, "postern-seal"));
    expect(await failureFrom(() => provider(folder).load())).toMatchObject({ because: "file_not_private" });
  });

  test("is absent without a credentials folder, and without the credential in it", async () => {
    expect(await provider().load()).toEqual({ found: "absent" });
    expect(await provider(newFolder()).load()).toEqual({ found: "absent" });
  });

  test("is malformed when it is not a key", async () => {
    expect(await provider(credential("not a key")).load()).toMatchObject({ found: "malformed" });
  });

  test.each(["../seal", "a/b", ".hidden", "", "a b", "name\0"])("is not looked for under the name %j", async (name) => {
    const failure = await failureFrom(async () => createSystemdSeal(`systemd:${name}`, name, { files, credentialsFolder: "/run" }));
    expect(failure).toMatchObject({ code: "malformed", kind: "argument" });
  });

  test("is never made by Postern", async () => {
    const keys = keysOnDisk();
    const keyring = await keys.open({ providers: ["systemd:postern-seal"], credentialsFolder: newFolder() });
    expect(await failureFrom(() => keyring.init(["systemd:postern-seal"]))).toMatchObject({ code: "malformed" });
    expect(keyring.state()).toEqual({ state: "uninitialised" });
  });

  test("that is gone or wrong leaves the other recipient working, and a warning", async () => {
    const keys = keysOnDisk();
    const keyring = await initialised(keys);
    const folder = credential(key);
    const providers = ["systemd:postern-seal", keys.seal];
    const both = await keys.open({ providers, credentialsFolder: folder });
    expect(both.state()).toMatchObject({
      state: "unsealed",
      warnings: expect.arrayContaining(["recipient_not_enrolled: systemd:postern-seal"]),
    });
    await both.addRecipient("systemd:postern-seal");
    expect(keyring.state().state).toBe("unsealed");
    const gone = await keys.open({ providers, credentialsFolder: newFolder() });
    expect(gone.state()).toMatchObject({ state: "unsealed", warnings: expect.arrayContaining(["recipient_absent: systemd:postern-seal"]) });
    const wrong = await keys.open({ providers, credentialsFolder: credential(Buffer.alloc(32, 0x22)) });
    expect(wrong.state()).toMatchObject({
      state: "unsealed",
      warnings: expect.arrayContaining(["recipient_mismatch: systemd:postern-seal"]),
    });
  });
});
