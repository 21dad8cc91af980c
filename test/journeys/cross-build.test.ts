import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fetchPackageFile } from "../../scripts/packages";
import { targets } from "../../scripts/targets";

const folder = mkdtempSync(join(tmpdir(), "postern-cross-"));
const root = resolve(".");

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** How the files of each platform's executables begin, and where the kind of processor stands (ELF e_machine; the PE machine field is found by its offset). */
function platformOf(binary: Buffer): string {
  if (binary.subarray(0, 4).toString("latin1") === "\u007fELF") return binary.readUInt16LE(18) === 0xb7 ? "elf arm64" : "elf other";
  const header = binary.readUInt32LE(0x3c);
  return binary.readUInt16LE(header + 4) === 0x8664 ? "pe x64" : "pe other";
}

describe("a binary for another platform", () => {
  test.each([
    ["linux-arm64", "postern-arm64", "elf arm64"],
    ["windows-x64", "postern.exe", "pe x64"],
  ] as const)(
    "%s is built, and carries that platform's addon byte for byte",
    async (target, name, platform) => {
      const outfile = join(folder, name);
      const built = Bun.spawnSync(["bun", "scripts/build.ts", "--target", target, "--outfile", outfile], { cwd: root });
      expect(built.stderr.toString()).toBe("");
      expect(built.exitCode).toBe(0);
      const binary = readFileSync(outfile);
      expect(platformOf(binary)).toBe(platform);
      const addon = readFileSync(await fetchPackageFile({ root, name: targets[target].addon, path: "index.node", lock: "bun.lock" }));
      expect(binary.indexOf(addon)).toBeGreaterThan(0);
      rmSync(outfile);
    },
    300_000,
  );
});
