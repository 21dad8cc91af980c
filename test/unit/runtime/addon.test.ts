import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { failureOf } from "../../../src/model/failures";
import { lazyAddon, loadAddon, placeInFolder } from "../../../src/runtime/addon";

const packages: Readonly<Record<string, string>> = {
  "linux-x64": "linux-x64-gnu",
  "linux-arm64": "linux-arm64-gnu",
  "win32-x64": "win32-x64-msvc",
};
const platform = `${process.platform}-${process.arch}`;
const file = join(import.meta.dir, `../../../node_modules/@libsql/${packages[platform] ?? platform}/index.node`);
const sha256 = new Bun.CryptoHasher("sha256").update(readFileSync(file)).digest("hex");
const bytes = Buffer.from("a library");

let home = "";
let folder = "";

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "postern-addon-"));
  folder = join(home, "native");
});

afterEach(() => rmSync(home, { recursive: true, force: true }));

function refused(action: () => unknown) {
  try {
    action();
  } catch (error) {
    return failureOf(error);
  }
  throw new Error("expected a failure");
}

const noMemoryFiles = () => {
  throw new Error("refused by the kernel");
};

describe("the place of the addon", () => {
  test("is a folder and a file closed to everybody else", () => {
    const path = placeInFolder(bytes, folder);
    expect(readFileSync(path)).toEqual(bytes);
    expect([statSync(folder).mode & 0o777, statSync(path).mode & 0o777]).toEqual([0o700, 0o600]);
  });

  test("keeps a file that holds these very bytes", () => {
    const path = placeInFolder(bytes, folder);
    const before = statSync(path).ino;
    expect(placeInFolder(bytes, folder)).toBe(path);
    expect(statSync(path).ino).toBe(before);
    expect(readdirSync(folder)).toHaveLength(1);
  });

  test("replaces a file of the same name, owner and size with other bytes", () => {
    const path = placeInFolder(bytes, folder);
    writeFileSync(path, "b library");
    expect(readFileSync(placeInFolder(bytes, folder))).toEqual(bytes);
  });

  test("replaces a link, and leaves what it points to alone", () => {
    const path = placeInFolder(bytes, folder);
    const elsewhere = join(home, "elsewhere.node");
    writeFileSync(elsewhere, bytes, { mode: 0o600 });
    rmSync(path);
    symlinkSync(elsewhere, path);
    placeInFolder(bytes, folder);
    writeFileSync(elsewhere, "b library");
    expect(readFileSync(path)).toEqual(bytes);
  });

  test("replaces a file that others may write", () => {
    const path = placeInFolder(bytes, folder);
    chmodSync(path, 0o666);
    expect(statSync(placeInFolder(bytes, folder)).mode & 0o777).toBe(0o600);
  });

  test("is not a folder that others may enter", () => {
    mkdirSync(folder);
    chmodSync(folder, 0o755);
    expect(refused(() => placeInFolder(bytes, folder))).toMatchObject({ code: "internal", because: "addon_place_unsafe" });
  });

  test("is not below a folder that others may write", () => {
    chmodSync(home, 0o777);
    expect(refused(() => placeInFolder(bytes, folder))).toMatchObject({ code: "internal", because: "addon_place_unsafe" });
  });

  test("is not a link to a folder", () => {
    mkdirSync(join(home, "other"), { mode: 0o700 });
    symlinkSync(join(home, "other"), folder);
    expect(refused(() => placeInFolder(bytes, folder))).toMatchObject({ code: "internal", because: "addon_place_unsafe" });
  });
});

describe("the addon", () => {
  test("is refused with other bytes than those of the build", () => {
    expect(refused(() => loadAddon({ file, sha256: "00" }, home))).toMatchObject({ code: "integrity" });
  });

  test("is loaded from beside the database where there are no memory files", () => {
    expect(loadAddon({ file, sha256 }, home, noMemoryFiles)).toHaveProperty("databaseOpen");
    expect(readdirSync(folder)).toEqual([`libsql-${sha256}.node`]);
  });

  test("tells what to change when no place will do", () => {
    writeFileSync(folder, "in the way");
    const failure = refused(() => loadAddon({ file, sha256 }, home, noMemoryFiles));
    expect(failure).toMatchObject({ code: "internal" });
    expect(refused(() => loadAddon({ file, sha256 }, undefined, noMemoryFiles))).toMatchObject({
      because: "addon_not_loadable",
      what: expect.stringContaining("noexec"),
    });
  });

  test("is not touched before a database is opened", () => {
    const addon = lazyAddon({ file: join(home, "absent.node"), sha256 });
    expect(typeof addon.databaseOpen).toBe("function");
    expect(refused(() => addon.databaseOpen?.("x.db"))).toMatchObject({ code: "internal" });
  });

  test("is called on the handles that it gave out", () => {
    const addon = lazyAddon({ file, sha256 });
    const database = addon.databaseOpen?.(join(home, "test.db"), "", "aes256cbc", "", 0, "");
    expect(addon.databasePrepareSync?.call(database, "select 1")).toBeDefined();
    expect(() => addon.databasePrepareSync?.call({}, "select 1")).toThrow();
    addon.databaseClose?.call(database);
  });

  test("is never loaded by a worker thread", async () => {
    const worker = new Worker(new URL("../../support/addon-in-worker.ts", import.meta.url));
    const answer = new Promise((resolve) => worker.addEventListener("message", (event) => resolve(event.data)));
    worker.postMessage({ file, sha256 });
    expect(await answer).toMatchObject({ code: "internal", because: "addon_in_worker" });
    worker.terminate();
  });
});
