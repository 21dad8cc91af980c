import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import nodeFs, {
  chmodSync,
  existsSync,
  fstatSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  type Stats,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { failureOf } from "../../../src/model/failures";
import { createMemoryFiles, createPrivateFiles, type FileSystem } from "../../../src/runtime/files";
import { crashingFileSystem } from "../keyring/crashing";

const root = mkdtempSync(join(tmpdir(), "postern-files-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let count = 0;
function freshFolder(): string {
  count += 1;
  const folder = join(root, String(count));
  mkdirSync(folder, { mode: 0o700 });
  return folder;
}

const files = createPrivateFiles();
const mode = (path: string): number => statSync(path).mode & 0o777;

function failure(work: () => unknown) {
  try {
    work();
  } catch (error) {
    return failureOf(error);
  }
  throw new Error("expected a refusal");
}

const notPrivate = { code: "malformed", because: "file_not_private" };

const foreign = (what: string | number): Stats => Object.assign(typeof what === "number" ? fstatSync(what) : statSync(what), { uid: 4711 });
const empty = (descriptor: number): Stats => Object.assign(fstatSync(descriptor), { size: 0 });

describe("reading a private file", () => {
  test("gives its bytes, and nothing for an absent one", () => {
    const path = join(freshFolder(), "a");
    expect(files.read(path)).toBeUndefined();
    writeFileSync(path, Buffer.from([0, 255, 10]), { mode: 0o600 });
    expect(files.read(path)).toEqual(Buffer.from([0, 255, 10]));
    chmodSync(path, 0o400);
    expect(files.read(path)).toHaveLength(3);
  });

  test.each([0o640, 0o604, 0o660, 0o602, 0o610, 0o777])("refuses the mode %o", (loose) => {
    const path = join(freshFolder(), "a");
    writeFileSync(path, "x");
    chmodSync(path, loose);
    expect(failure(() => files.read(path))).toMatchObject(notPrivate);
  });

  test("lets others read, and never write, where the caller says that the folder is closed", () => {
    const path = join(freshFolder(), "a");
    writeFileSync(path, "x");
    chmodSync(path, 0o444);
    expect(files.read(path, { readableByOthers: true })).toHaveLength(1);
    chmodSync(path, 0o464);
    expect(failure(() => files.read(path, { readableByOthers: true }))).toMatchObject(notPrivate);
  });

  test("follows no link, also not one to a private file", () => {
    const folder = freshFolder();
    writeFileSync(join(folder, "real"), "x", { mode: 0o600 });
    symlinkSync(join(folder, "real"), join(folder, "link"));
    symlinkSync(join(folder, "nowhere"), join(folder, "dangling"));
    for (const name of ["link", "dangling"]) expect(failure(() => files.read(join(folder, name)))).toMatchObject(notPrivate);
  });

  test("refuses a folder and a FIFO, without waiting for a writer", () => {
    const folder = freshFolder();
    expect(failure(() => files.read(folder))).toMatchObject(notPrivate);
    const fifo = join(folder, "fifo");
    expect(spawnSync("mkfifo", ["-m", "600", fifo]).status).toBe(0);
    expect(failure(() => files.read(fifo))).toMatchObject(notPrivate);
  });

  test("refuses a file of another user", () => {
    const path = join(freshFolder(), "a");
    writeFileSync(path, "x", { mode: 0o600 });
    const elses: FileSystem = { ...nodeFs, fstatSync: foreign };
    expect(failure(() => createPrivateFiles(elses).read(path))).toMatchObject(notPrivate);
    expect(createPrivateFiles(elses).read(path, { anyOwner: true })).toHaveLength(1);
  });

  test("stops at the limit, also for a file that grew after it was looked at", () => {
    const path = join(freshFolder(), "a");
    writeFileSync(path, "12345", { mode: 0o600 });
    expect(files.read(path, { maxBytes: 5 })).toHaveLength(5);
    expect(failure(() => files.read(path, { maxBytes: 4 }))).toMatchObject({ code: "too_large", limitBytes: 4 });
    const shrunken: FileSystem = { ...nodeFs, fstatSync: empty };
    expect(failure(() => createPrivateFiles(shrunken).read(path, { maxBytes: 100 }))).toMatchObject({ code: "conflict" });
  });
});

describe("replacing a private file", () => {
  test("closes it to others whatever the umask, and leaves nothing beside it", () => {
    const folder = freshFolder();
    const former = process.umask(0);
    try {
      files.replace(join(folder, "a"), Buffer.from("one"));
      files.replace(join(folder, "a"), Buffer.from("two"));
    } finally {
      process.umask(former);
    }
    expect(mode(join(folder, "a"))).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["a"]);
    expect(readFileSync(join(folder, "a"), "utf8")).toBe("two");
  });

  test("replaces a link, and not what it leads to", () => {
    const folder = freshFolder();
    writeFileSync(join(folder, "target"), "untouched");
    symlinkSync(join(folder, "target"), join(folder, "a"));
    symlinkSync(join(folder, "target"), join(folder, "a.new"));
    files.replace(join(folder, "a"), Buffer.from("new"));
    expect(readFileSync(join(folder, "target"), "utf8")).toBe("untouched");
    expect(files.read(join(folder, "a"))).toEqual(Buffer.from("new"));
  });

  test("leaves another name of the old file as it was", () => {
    const folder = freshFolder();
    files.replace(join(folder, "a"), Buffer.from("one"));
    linkSync(join(folder, "a"), join(folder, "b"));
    files.replace(join(folder, "a"), Buffer.from("two"));
    expect(readFileSync(join(folder, "b"), "utf8")).toBe("one");
  });

  test("interrupted at any step leaves the old content or the new, and the next one succeeds", () => {
    const left: string[] = [];
    for (let step = 1; ; step += 1) {
      const path = join(freshFolder(), "a");
      files.replace(path, Buffer.from("old content"));
      const crash = crashingFileSystem(step);
      try {
        createPrivateFiles(crash.system).replace(path, Buffer.from("new content"));
      } catch {
        expect(crash.hasCrashed()).toBe(true);
      }
      left.push(readFileSync(path, "utf8"));
      files.replace(path, Buffer.from("newer"));
      expect(readFileSync(path, "utf8")).toBe("newer");
      if (!crash.hasCrashed()) break;
    }
    const firstNew = left.indexOf("new content");
    expect(left).toEqual(left.map((_, step) => (step < firstNew ? "old content" : "new content")));
    expect(firstNew).toBeGreaterThan(4);
    expect(left.length).toBeGreaterThan(firstNew + 1);
  });

  test.each([
    ["ENOSPC", { code: "storage_full" }],
    ["EDQUOT", { code: "storage_full" }],
    ["EROFS", { code: "read_only" }],
    ["EIO", { code: "internal", because: "file_error" }],
  ])("says what %s means, and keeps the old file and nothing else", (code, expected) => {
    const folder = freshFolder();
    const path = join(folder, "a");
    files.replace(path, Buffer.from("old"));
    const failing = createPrivateFiles({
      ...nodeFs,
      fsyncSync() {
        throw Object.assign(new Error(code), { code });
      },
    });
    expect(failure(() => failing.replace(path, Buffer.from("new")))).toMatchObject(expected);
    expect(readdirSync(folder)).toEqual(["a"]);
    expect(readFileSync(path, "utf8")).toBe("old");
  });
});

describe("folders and files to be", () => {
  test("are made closed to others, parents as well, whatever the umask", () => {
    const folder = freshFolder();
    const former = process.umask(0);
    try {
      expect(files.ensureFolder(join(folder, "x/y"))).toBe(false);
      expect(files.ensureFile(join(folder, "x/y/f"))).toBe(false);
    } finally {
      process.umask(former);
    }
    expect([mode(join(folder, "x")), mode(join(folder, "x/y")), mode(join(folder, "x/y/f"))]).toEqual([0o700, 0o700, 0o600]);
  });

  test("are closed when they were open, and that is said", () => {
    const folder = freshFolder();
    mkdirSync(join(folder, "x"));
    writeFileSync(join(folder, "x/f"), "content");
    chmodSync(join(folder, "x"), 0o755);
    chmodSync(join(folder, "x/f"), 0o664);
    expect([files.ensureFolder(join(folder, "x")), files.ensureFile(join(folder, "x/f"))]).toEqual([true, true]);
    expect([files.ensureFolder(join(folder, "x")), files.ensureFile(join(folder, "x/f"))]).toEqual([false, false]);
    expect([mode(join(folder, "x")), mode(join(folder, "x/f"))]).toEqual([0o700, 0o600]);
    expect(readFileSync(join(folder, "x/f"), "utf8")).toBe("content");
  });

  test("are refused when they are somebody else's, or something else", () => {
    const folder = freshFolder();
    writeFileSync(join(folder, "file"), "");
    symlinkSync(join(folder, "file"), join(folder, "link"));
    expect(failure(() => files.ensureFolder(join(folder, "file")))).toMatchObject(notPrivate);
    expect(failure(() => files.ensureFile(join(folder, "link")))).toMatchObject(notPrivate);
    expect(failure(() => files.ensureFile(folder))).toMatchObject(notPrivate);
    const elses = createPrivateFiles({ ...nodeFs, statSync: foreign, fstatSync: foreign });
    expect(failure(() => elses.ensureFolder(folder))).toMatchObject(notPrivate);
    expect(failure(() => elses.ensureFile(join(folder, "file")))).toMatchObject(notPrivate);
  });
});

describe("a cell", () => {
  test("is overwritten in place", () => {
    const path = join(freshFolder(), "cell");
    files.replace(path, Buffer.from("aaaa"));
    const before = statSync(path).ino;
    const cell = files.openCell(path);
    cell.write(Buffer.from("bbbb"));
    expect(readFileSync(path, "utf8")).toBe("bbbb");
    cell.write(Buffer.from("cccc"));
    cell.sync();
    cell.close();
    expect([readFileSync(path, "utf8"), statSync(path).ino]).toEqual(["cccc", before]);
  });

  test("is refused where a private file would be", () => {
    const path = join(freshFolder(), "cell");
    expect(failure(() => files.openCell(path))).toMatchObject({ code: "not_found" });
    expect(existsSync(path)).toBe(false);
    writeFileSync(path, "aaaa");
    chmodSync(path, 0o644);
    expect(failure(() => files.openCell(path))).toMatchObject(notPrivate);
  });
});

describe("files in memory", () => {
  test("do the same, and keep copies", () => {
    const memory = createMemoryFiles();
    const bytes = Buffer.from("one");
    expect([memory.read("a"), memory.size("a")]).toEqual([undefined, undefined]);
    memory.replace("a", bytes);
    bytes.fill(0);
    memory.read("a")?.fill(0);
    expect(memory.read("a")).toEqual(new Uint8Array(Buffer.from("one")));
    const cell = memory.openCell("a");
    cell.write(Buffer.from("two"));
    expect([memory.size("a"), Buffer.from(memory.read("a") ?? []).toString()]).toEqual([3, "two"]);
    memory.ensureFile("b");
    expect(memory.size("b")).toBe(0);
  });
});
