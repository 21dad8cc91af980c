import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { createSecretFolder } from "../../../src/runtime/secret-folder";

const hasMemory = process.platform === "linux" && existsSync("/dev/shm") && statfsSync("/dev/shm").type === 0x01021994;

describe("a folder for secrets", () => {
  test("is made with its first file, for this user alone, and goes with all of them", () => {
    const folder = createSecretFolder();
    folder.remove();
    const path = folder.write("a", Buffer.from("one"));
    folder.write("b", Buffer.from("two"));
    expect([readFileSync(path, "utf8"), statSync(path).mode & 0o777, statSync(dirname(path)).mode & 0o777]).toEqual(["one", 0o600, 0o700]);
    folder.remove();
    expect(existsSync(dirname(path))).toBe(false);
    folder.remove();
  });

  test("overwrites nothing", () => {
    const folder = createSecretFolder();
    const path = folder.write("a", Buffer.from("one"));
    expect(() => folder.write("a", Buffer.from("two"))).toThrow("internal: file_error");
    expect(readFileSync(path, "utf8")).toBe("one");
    folder.remove();
  });

  test.skipIf(!hasMemory)("is in memory where the system has a place for that", () => {
    const folder = createSecretFolder();
    expect(folder.write("a", Buffer.from("one"))).toStartWith("/dev/shm/");
    folder.remove();
  });
});
