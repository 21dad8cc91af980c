import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fetchPackageFile } from "../../../scripts/packages";

let root = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "postern-packages-"));
  mkdirSync(join(root, ".tools/packages"), { recursive: true });
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

const archive = () => join(root, ".tools/packages/libsql-win32-x64-msvc-0.5.29.tgz");

/** Lays an archive as npm packs it where a download would end, and gives its integrity. */
function layArchive(content: string): string {
  mkdirSync(join(root, "package"));
  writeFileSync(join(root, "package/index.node"), content);
  Bun.spawnSync(["tar", "-czf", archive(), "package"], { cwd: root });
  return `sha512-${new Bun.CryptoHasher("sha512").update(readFileSync(archive())).digest("base64")}`;
}

function lock(integrity: string): void {
  const line = `    "@libsql/win32-x64-msvc": ["@libsql/win32-x64-msvc@0.5.29", "", { "os": "win32", "cpu": "x64" }, "${integrity}"],`;
  writeFileSync(join(root, "bun.lock"), `{\n  "packages": {\n${line}\n  },\n}\n`);
}

const fetchAddon = () => fetchPackageFile({ root, name: "@libsql/win32-x64-msvc", path: "index.node", lock: "bun.lock" });

describe("a package of another platform", () => {
  test("is unpacked when it has the integrity that the lock file names", async () => {
    lock(layArchive("an addon"));
    expect(readFileSync(await fetchAddon(), "utf8")).toBe("an addon");
  });

  test("is refused and removed when it has another", async () => {
    layArchive("a forged addon");
    lock("sha512-4/0CvEdhi6+KjMxMaVbFM2n2Z44escBRoEYpR+gZg64DdetzGnYm8mcNLcoySaDJZNaBd6wz5DNdgRmcI4hXcg==");
    await expect(fetchAddon()).rejects.toThrow("does not have the integrity in bun.lock");
    expect(existsSync(archive())).toBe(false);
  });

  test("is refused when the lock file does not name it", async () => {
    writeFileSync(join(root, "bun.lock"), "{}");
    await expect(fetchAddon()).rejects.toThrow("bun.lock does not name @libsql/win32-x64-msvc");
  });

  test.each([
    ["bun.lock", "@libsql/linux-arm64-gnu"],
    ["scripts/toolchain/package-lock.json", "@oven/bun-linux-aarch64"],
  ])("is named by this repository's %s", (file, name) => {
    expect(readFileSync(join(import.meta.dir, "../../..", file), "utf8")).toContain(
      `"${file === "bun.lock" ? name : `node_modules/${name}`}"`,
    );
  });
});
