import { afterEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PosternError } from "../../../src/model/failures";
import { type Placement, stageFiles } from "../../../src/runtime/placed-files";
import { seededRandom } from "../../support/house";

const folder = mkdtempSync(join(tmpdir(), "placed-"));
afterEach(() => {
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true, force: true });
});

const isRoot = process.getuid?.() === 0;
const at = (name: string): string => join(folder, name);
const place = (name: string, text: string, more: Partial<Placement> = {}): Placement => ({
  path: at(name),
  bytes: Buffer.from(text),
  mode: 0o640,
  ...more,
});
const stage = (...placements: readonly Placement[]) => stageFiles(placements, seededRandom(9));

function refused(...placements: readonly Placement[]): string {
  try {
    stage(...placements).commit();
  } catch (error) {
    if (error instanceof PosternError && error.failure.code === "malformed") return `${error.failure.where}: ${error.failure.expected}`;
    throw error;
  }
  return "placed";
}

describe("placed files", () => {
  test("are not in their places before they are complete, and leave nothing beside them", () => {
    const staged = stage(place("a", "new"), place("b", "other"));
    expect([existsSync(at("a")), existsSync(at("b"))]).toEqual([false, false]);
    for (const name of readdirSync(folder)) expect(statSync(at(name)).mode & 0o777).toBe(0o640);
    expect([...staged.changes]).toEqual([
      [at("a"), "content"],
      [at("b"), "content"],
    ]);
    staged.commit();
    expect(readdirSync(folder).sort()).toEqual(["a", "b"]);
    expect([readFileSync(at("a"), "utf8"), statSync(at("a")).mode & 0o777]).toEqual(["new", 0o640]);
  });

  test("are left alone where they are as they shall be, and told apart where only their access is not", () => {
    stage(place("a", "same"), place("b", "same")).commit();
    const before = lstatSync(at("a")).ino;
    chmodSync(at("b"), 0o666);
    const staged = stage(place("a", "same"), place("b", "same"));
    expect([...staged.changes]).toEqual([[at("b"), "access"]]);
    staged.commit();
    expect([lstatSync(at("a")).ino, statSync(at("b")).mode & 0o777]).toEqual([before, 0o640]);
  });

  test("go again when they are not wanted", () => {
    stage(place("a", "new")).discard();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("are none when one of them cannot be", () => {
    writeFileSync(at("a"), "old");
    mkdirSync(at("b"));
    expect(refused(place("a", "new"), place("b", "new"))).toContain("a regular file, or none yet");
    expect(readdirSync(folder).sort()).toEqual(["a", "b"]);
    expect(readFileSync(at("a"), "utf8")).toBe("old");
  });

  test("are put back when a place is taken in the last moment", () => {
    writeFileSync(at("a"), "old");
    const staged = stage(place("a", "new"), place("c", "new"), place("b", "new"));
    // A folder that is not empty cannot be replaced by a file.
    mkdirSync(at("b"));
    writeFileSync(join(at("b"), "x"), "");
    expect(() => staged.commit()).toThrow();
    expect(readFileSync(at("a"), "utf8")).toBe("old");
    expect(readdirSync(folder).sort()).toEqual(["a", "b"]);
  });

  test("follow no link: neither in their place", () => {
    writeFileSync(at("target"), "mine");
    symlinkSync(at("target"), at("a"));
    expect(refused(place("a", "new"))).toContain("a regular file");
    expect(readFileSync(at("target"), "utf8")).toBe("mine");
  });

  test("nor where a FIFO waits for them", () => {
    expect(Bun.spawnSync(["mkfifo", at("a")]).exitCode).toBe(0);
    expect(refused(place("a", "new"))).toContain("a regular file");
  });

  test("are put into no folder that others can change, whatever is below it", () => {
    mkdirSync(join(folder, "open/below"), { recursive: true });
    chmodSync(at("open"), 0o777);
    expect(refused(place("open/a", "new"))).toContain(`${at("open")}: a folder that only this user and root can change`);
    expect(refused(place("open/below/a", "new"))).toContain(at("open"));
    chmodSync(at("open"), 0o1777);
    expect(refused(place("open/a", "new"))).toContain(at("open"));
    expect(refused(place("open/below/a", "new"))).toBe("placed");
    expect(refused(place("missing/a", "new"))).toContain("a folder");
    symlinkSync(at("open"), at("way"));
    expect(refused(place("way/a", "new"))).toContain(at("open"));
  });

  test.skipIf(!isRoot)("belong to whom they are for from the first moment, also by number", () => {
    stage(place("a", "new", { owner: "3001", group: "2001", mode: 0o440 })).commit();
    const { uid, gid, mode } = statSync(at("a"));
    expect([uid, gid, mode & 0o777]).toEqual([3001, 2001, 0o440]);
    expect(refused(place("a", "new", { owner: "nobody-of-this-name" }))).toContain("a user of this machine");
    expect(stage(place("a", "new", { owner: "3002", group: "2001", mode: 0o440 })).changes.get(at("a"))).toBe("access");
  });

  test.skipIf(!isRoot)("are put into no folder of another user", () => {
    mkdirSync(at("theirs"));
    chownSync(at("theirs"), 3001, 3001);
    expect(refused(place("theirs/a", "new"))).toContain("only this user and root");
  });
});
