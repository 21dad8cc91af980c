/** A process that is killed at every step that a change to the keyring takes on the disk, one after the other. */

import { describe, expect, test } from "bun:test";
import { cpSync, existsSync } from "node:fs";
import { join } from "node:path";
import { type KeyringControl, openKeyring } from "../../../src/keyring/keyring";
import { createPrivateFiles, type FileSystem } from "../../../src/runtime/files";
import { createTestClock, seededRandom } from "../../support/house";
import { crashingFileSystem } from "./crashing";
import { acme, bytes, context, globex, newFolder, removeFoldersAfterwards, text } from "./fixture";

removeFoldersAfterwards();

function open(folder: string, system?: FileSystem): Promise<KeyringControl> {
  return openKeyring({
    files: system === undefined ? createPrivateFiles() : createPrivateFiles(system),
    clock: createTestClock(),
    random: seededRandom(5),
    path: join(folder, "keyring.json"),
    nodePath: join(folder, "node.json"),
    providers: [`file:${join(folder, "seal.key")}`],
    dataExists: false,
    limits: { sealsPerGeneration: 3, reservation: 1 },
  });
}

/** What was there before the change that is interrupted. */
async function prepared() {
  const folder = newFolder();
  const keyring = await open(folder);
  await keyring.init([`file:${join(folder, "seal.key")}`]);
  await keyring.ensureAccount(acme);
  await keyring.putNodeSecret(acme, "signer", bytes("the signer"));
  const values = [keyring.seal(bytes("first"), context)];
  await keyring.rotateScope(acme);
  values.push(keyring.seal(bytes("second"), context));
  const tags = [keyring.mac("facts", [bytes("x")])];
  await keyring.rotateRoot();
  tags.push(keyring.mac("facts", [bytes("x")]));
  return { folder, values, tags };
}

const changes: readonly (readonly [string, (keyring: KeyringControl, folder: string) => Promise<unknown>])[] = [
  ["keys of a new account", (keyring) => keyring.ensureAccount(globex)],
  ["a new root key", (keyring) => keyring.rotateRoot()],
  ["a new generation", (keyring) => keyring.rotateScope(acme)],
  ["a new recipient with a key of its own", (keyring, folder) => keyring.addRecipient(`file:${join(folder, "second.key")}`)],
  ["a recovery key", (keyring) => keyring.addRecipient("recovery")],
  ["a node secret in the place of another", (keyring) => keyring.putNodeSecret(acme, "signer", bytes("the signer"))],
  ["seals that are set aside", async (keyring) => keyring.seal(bytes("third"), context)],
];

describe("a keyring whose process is killed", () => {
  test.each(changes)("while it makes %s opens everything afterwards, and makes it then", async (_what, change) => {
    const { folder, values, tags } = await prepared();
    const outcomes: boolean[] = [];
    for (let step = 1; ; step += 1) {
      const copy = newFolder();
      cpSync(folder, copy, { recursive: true });
      const crash = crashingFileSystem(step);
      const keyring = await open(copy, crash.system);
      expect(keyring.state().state).toBe("unsealed");
      const isDone = await change(keyring, copy).then(
        () => true,
        () => false,
      );
      outcomes.push(isDone);
      const restarted = await open(copy);
      expect(restarted.state().state).toBe("unsealed");
      expect(values.map((sealed) => text(restarted.open(sealed, context)))).toEqual(["first", "second"]);
      expect(tags.every((tag) => restarted.verifyMac("facts", [bytes("x")], tag))).toBe(true);
      expect(text(restarted.nodeSecret(acme, "signer") ?? bytes(""))).toBe("the signer");
      await change(restarted, copy);
      expect(text(restarted.open(restarted.seal(bytes("new"), context), context))).toBe("new");
      expect((await open(copy)).state().state).toBe("unsealed");
      if (!crash.hasCrashed()) break;
    }
    // Every step but those after the last was one where the caller was told that it had not worked.
    expect(outcomes.slice(0, -1).every((isDone) => !isDone)).toBe(true);
    expect(outcomes.at(-1)).toBe(true);
    expect(outcomes.length).toBeGreaterThan(6);
  });

  test("while it is initialised is uninitialised or opens; never sealed for good", async () => {
    const states: string[] = [];
    for (let step = 1; ; step += 1) {
      const folder = newFolder();
      const crash = crashingFileSystem(step);
      const recipients = [`file:${join(folder, "seal.key")}`];
      const keyring = await open(folder, crash.system);
      await keyring.init(recipients).catch(() => undefined);
      const restarted = await open(folder);
      states.push(restarted.state().state);
      if (restarted.state().state === "uninitialised") await restarted.init(recipients);
      await restarted.ensureAccount(acme);
      expect(existsSync(join(folder, "keyring.json"))).toBe(true);
      if (!crash.hasCrashed()) break;
    }
    expect([...new Set(states)]).toEqual(["uninitialised", "unsealed"]);
  });
});
