import { describe, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createFileSeal } from "../../../src/keyring/file";
import { createSealProvider } from "../../../src/keyring/registry";
import type { SealProvider } from "../../../src/keyring/seal-provider";
import { createPrivateFiles } from "../../../src/runtime/files";
import { failureFrom } from "../../contract/authenticator";
import { newFolder, removeFoldersAfterwards } from "./fixture";

removeFoldersAfterwards();

const files = createPrivateFiles();
const key = Buffer.alloc(32, 0xa5);

function provider(path: string): SealProvider {
  return createFileSeal(`file:${path}`, path, { files });
}

function written(content: string | Uint8Array, mode = 0o600): string {
  const path = join(newFolder(), "seal.key");
  writeFileSync(path, content, { mode });
  chmodSync(path, mode);
  return path;
}

describe("a seal key in a file", () => {
  test.each([
    ["raw bytes", key],
    ["hex", key.toString("hex")],
    ["upper-case hex and a new line", `${key.toString("hex").toUpperCase()}\n`],
    ["base64", key.toString("base64")],
    ["base64url without padding, among white space", `  ${key.toString("base64url")} \r\n`],
  ])("is read as %s", async (_form, content) => {
    expect(await provider(written(content)).load()).toEqual({ found: "key", key: expect.anything() });
    const answer = await provider(written(content)).load();
    expect(answer.found === "key" && key.equals(answer.key)).toBe(true);
  });

  test.each([
    ["nothing", ""],
    ["31 bytes", key.subarray(1)],
    ["33 bytes", Buffer.alloc(33, 1)],
    ["a pass phrase", "correct horse battery staple"],
    ["63 digits of hex", key.toString("hex").slice(1)],
    ["two keys", `${key.toString("hex")}\n${key.toString("hex")}\n`],
  ])("is malformed as %s, without showing it", async (_form, content) => {
    const answer = await provider(written(content)).load();
    expect(answer).toMatchObject({ found: "malformed" });
    expect(JSON.stringify(answer)).not.toContain("horse");
  });

  test("is absent where there is no file, and no folder", async () => {
    expect(await provider(join(newFolder(), "none")).load()).toEqual({ found: "absent" });
    expect(await provider(join(newFolder(), "none/none")).load()).toEqual({ found: "absent" });
  });

  test.each([0o640, 0o604, 0o620, 0o602, 0o666, 0o610])("with mode %o is refused: others had a hand in it", async (mode) => {
    const failure = await failureFrom(() => provider(written(key, mode)).load());
    expect(failure).toMatchObject({ code: "malformed", because: "file_not_private" });
  });

  test("is refused behind a link, as a folder, and when it belongs to somebody else", async () => {
    const path = written(key);
    const link = join(newFolder(), "link");
    symlinkSync(path, link);
    expect(await failureFrom(() => provider(link).load())).toMatchObject({ because: "file_not_private" });
    expect(await failureFrom(() => provider(newFolder()).load())).toMatchObject({ code: "malformed" });
    if (process.getuid?.() !== 0) return;
    chownSync(path, 65_534, 65_534);
    expect(await failureFrom(() => provider(path).load())).toMatchObject({ because: "file_not_private" });
  });

  test("is refused when it is too long to be one", async () => {
    expect(await failureFrom(() => provider(written(Buffer.alloc(5000))).load())).toMatchObject({ code: "too_large" });
  });

  test("that is made is private, whatever the umask, and reads back", async () => {
    const former = process.umask(0);
    try {
      const path = join(newFolder(), "new", "seal.key");
      await provider(path).create?.(key);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect(statSync(join(path, "..")).mode & 0o777).toBe(0o700);
      expect(readFileSync(path, "latin1")).toBe(`${key.toString("base64")}\n`);
      const answer = await provider(path).load();
      expect(answer.found === "key" && key.equals(answer.key)).toBe(true);
    } finally {
      process.umask(former);
    }
  });

  test("that is made leaves the modes of a folder that was there", async () => {
    const folder = join(newFolder(), "etc");
    mkdirSync(folder, { mode: 0o755 });
    chmodSync(folder, 0o755);
    await provider(join(folder, "seal.key")).create?.(key);
    expect(statSync(folder).mode & 0o777).toBe(0o755);
  });
});

describe("the specification of a seal provider", () => {
  test.each(["", "file", "file:", "file:seal.key", "file:./seal.key", "FILE:/a", "tpm:x", ":x", "recovery", "systemd:", "env:"])(
    "is refused: %j",
    async (specification) => {
      const failure = await failureFrom(async () => createSealProvider(specification, { files, insecureEnvironment: {} }));
      expect(failure).toMatchObject({ code: "malformed", kind: "argument" });
    },
  );

  test("names the file it reads, so that two on one disk are noticed", () => {
    expect(createSealProvider("file:/etc/postern/seal.key", { files })).toMatchObject({
      specification: "file:/etc/postern/seal.key",
      path: "/etc/postern/seal.key",
    });
  });
});
